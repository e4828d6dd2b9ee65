//! Running the scripts of one lifecycle event on an instance, and telling what went wrong.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use serde::Serialize;
use tokio::process::Command;

use super::{appspec::Script, bundle::inside};

/// The most of a log that is told, in bytes. Source: CodeDeploy API, `Diagnostics.logTail`.
const LOG_TAIL_BYTES_MAX: usize = 4096;

/// Where scripts find programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What went wrong in a lifecycle event, or that nothing did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diagnostics {
    /// The kind of failure.
    pub(super) error_code: ErrorCode,
    /// The script concerned.
    pub(super) script_name: String,
    /// A sentence.
    pub(super) message: String,
    /// The end of the scripts' output.
    pub(super) log_tail: String,
}

/// Kinds of failure of a lifecycle event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum ErrorCode {
    /// None.
    Success,
    /// The script is not in the bundle.
    ScriptMissing,
    /// It took longer than its `timeout`.
    ScriptTimedOut,
    /// It ended with another exit code than 0.
    ScriptFailed,
    /// Anything that is not a script's fault.
    UnknownError,
}

impl Diagnostics {
    /// Nothing went wrong.
    pub(super) fn success() -> Self {
        Self {
            error_code: ErrorCode::Success,
            script_name: String::new(),
            message: "Succeeded".to_owned(),
            log_tail: String::new(),
        }
    }

    /// Something went wrong that is no script's fault.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self {
            error_code: ErrorCode::UnknownError,
            script_name: String::new(),
            message: message.into(),
            log_tail: String::new(),
        }
    }
}

/// The scripts of one lifecycle event and what they need to run.
pub(super) struct Event<'a> {
    /// The lifecycle event's name.
    pub(super) name: &'a str,
    /// Its scripts, in order.
    pub(super) scripts: &'a [Script],
    /// Where the bundle was unpacked.
    pub(super) bundle: &'a Path,
    /// The root of the instance's file system; scripts start here.
    pub(super) root: &'a Path,
    /// What they find in their environment.
    pub(super) env: &'a BTreeMap<String, String>,
}

impl Event<'_> {
    /// Runs the scripts until one fails.
    pub(super) async fn run(&self) -> Result<(), Diagnostics> {
        let mut log = format!("LifecycleEvent - {}\n", self.name);
        for script in self.scripts {
            log.push_str(&format!("Script - {}\n", script.location));
            let ran = self.run_one(script, &mut log).await;
            ran.map_err(|(error_code, message)| Diagnostics {
                error_code,
                script_name: script.location.clone(),
                message,
                log_tail: tail(&log).to_owned(),
            })?;
        }
        Ok(())
    }

    async fn run_one(&self, script: &Script, log: &mut String) -> Result<(), (ErrorCode, String)> {
        let location = &script.location;
        let path = inside(self.bundle, location)
            .ok()
            .filter(|path| path.is_file());
        let path = path.ok_or_else(|| {
            let place = self.bundle.join(location.trim_start_matches('/'));
            let place = place.display();
            let message = format!("Script does not exist at specified location: {place}");
            (ErrorCode::ScriptMissing, message)
        })?;
        let timeout = Duration::from_secs(script.timeout);
        let output = match tokio::time::timeout(timeout, self.output(path)).await {
            Ok(output) => output.map_err(|error| {
                let message = format!("Script at specified location: {location}: {error}");
                (ErrorCode::UnknownError, message)
            })?,
            Err(_) => {
                let seconds = script.timeout;
                let message = format!(
                    "Script at specified location: {location} failed to complete in {seconds} seconds"
                );
                return Err((ErrorCode::ScriptTimedOut, message));
            }
        };
        append(log, "[stdout]", &output.stdout);
        append(log, "[stderr]", &output.stderr);
        match output.status.code() {
            Some(0) => Ok(()),
            code => {
                let code = code.map_or_else(|| "signal".to_owned(), |code| code.to_string());
                let message = format!(
                    "Script at specified location: {location} run as user root failed with exit \
                     code {code}"
                );
                Err((ErrorCode::ScriptFailed, message))
            }
        }
    }

    /// Runs a script to its end. Dropped before, it takes the script and its children along.
    async fn output(&self, path: PathBuf) -> io::Result<Output> {
        let mut command = interpreter(&path)?;
        command
            .arg(&path)
            .current_dir(self.root)
            .env_clear()
            .env("PATH", PATH)
            .envs(self.env)
            .env("LIFECYCLE_EVENT", self.name)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let child = command.spawn()?;
        let mut family = Family { group: child.id() };
        let output = child.wait_with_output().await;
        family.group = None;
        output
    }
}

/// A script's process group. Killed when dropped, unless the script has ended by itself.
struct Family {
    group: Option<u32>,
}

impl Drop for Family {
    fn drop(&mut self) {
        let Some(group) = self.group else { return };
        let kill = format!("kill -KILL -{group}");
        let killed = std::process::Command::new("sh")
            .arg("-c")
            .arg(kill)
            .status();
        if let Err(error) = killed {
            tracing::warn!(%error, group, "a script's processes could not be ended");
        }
    }
}

/// The program that a script's first line asks for, else `sh`. The script itself is not executed:
/// archives lose the permission to, and a file just written may still be busy.
fn interpreter(path: &Path) -> io::Result<Command> {
    let text = std::fs::read(path)?;
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let first = String::from_utf8_lossy(first);
    let mut words = first.strip_prefix("#!").unwrap_or("sh").split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("sh"));
    command.args(words);
    Ok(command)
}

fn append(log: &mut String, stream: &str, output: &[u8]) {
    for line in String::from_utf8_lossy(output).lines() {
        log.push_str(stream);
        log.push_str(line);
        log.push('\n');
    }
}

/// The end of a log, at most [`LOG_TAIL_BYTES_MAX`] long.
fn tail(log: &str) -> &str {
    let mut from = log.len().saturating_sub(LOG_TAIL_BYTES_MAX);
    while !log.is_char_boundary(from) {
        from += 1;
    }
    log.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place {
        folder: tempfile::TempDir,
        env: BTreeMap<String, String>,
    }

    impl Place {
        fn new() -> Self {
            let env = BTreeMap::from([("DEPLOYMENT_ID".to_owned(), "d-1".to_owned())]);
            Self {
                folder: tempfile::tempdir().unwrap(),
                env,
            }
        }

        async fn run(&self, text: &str, timeout: u64) -> Result<(), Diagnostics> {
            std::fs::write(self.folder.path().join("hook.sh"), text).unwrap();
            let scripts = [Script {
                location: "hook.sh".to_owned(),
                timeout,
            }];
            self.event(&scripts).run().await
        }

        fn event<'a>(&'a self, scripts: &'a [Script]) -> Event<'a> {
            let (name, root) = ("ValidateService", self.folder.path());
            Event {
                name,
                scripts,
                bundle: root,
                root,
                env: &self.env,
            }
        }
    }

    #[tokio::test]
    async fn a_script_finds_its_environment() {
        let place = Place::new();
        let script = "test \"$LIFECYCLE_EVENT $DEPLOYMENT_ID\" = \"ValidateService d-1\"";
        place.run(script, 10).await.unwrap();
    }

    #[tokio::test]
    async fn a_failure_tells_code_script_and_log() {
        let script = "#!/bin/sh -u\necho looking\necho broken >&2\nexit 3\n";
        let failure = Place::new().run(script, 10).await.unwrap_err();
        assert_eq!(failure.error_code, ErrorCode::ScriptFailed);
        assert_eq!(failure.script_name, "hook.sh");
        assert!(
            failure.message.ends_with("failed with exit code 3"),
            "{failure:?}"
        );
        assert_eq!(
            failure.log_tail,
            "LifecycleEvent - ValidateService\nScript - hook.sh\n[stdout]looking\n[stderr]broken\n"
        );
    }

    #[tokio::test]
    async fn a_script_that_hangs_is_ended_with_its_children() {
        let place = Place::new();
        let failure = place
            .run("sleep 60 & echo $! > child; wait", 1)
            .await
            .unwrap_err();
        assert_eq!(failure.error_code, ErrorCode::ScriptTimedOut);
        let child = std::fs::read_to_string(place.folder.path().join("child")).unwrap();
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
            stat.is_ok_and(|stat| !stat.contains(") Z"))
        };
        for _ in 0..500 {
            if !runs() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the child still runs");
    }

    #[tokio::test]
    async fn a_missing_script_is_named() {
        let place = Place::new();
        let scripts = [Script {
            location: "none.sh".to_owned(),
            timeout: 1,
        }];
        let failure = place.event(&scripts).run().await.unwrap_err();
        assert_eq!(failure.error_code, ErrorCode::ScriptMissing);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_told() {
        let log = "ä".repeat(LOG_TAIL_BYTES_MAX);
        assert_eq!(tail(&log).len(), LOG_TAIL_BYTES_MAX);
        assert_eq!(tail(&format!("{log}x")).len(), LOG_TAIL_BYTES_MAX - 1);
    }
}
