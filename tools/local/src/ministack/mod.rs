//! MiniStack as a child process: started, waited for, ended with all it started. Installing it is
//! `install`'s work; what it is asked is not known here.

mod install;

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use gateway::{Emulator, Place};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    net::TcpListener,
    process::{Child, ChildStdin, Command},
};

pub use install::install;

use crate::{paths::Paths, trouble::Trouble};

/// The secret of every account's root key. Nothing listens beyond loopback, and fleet, delivery and
/// every guide to emulators use this one.
pub const ROOT_SECRET: &str = "test";

/// The supervisor and what it adds to MiniStack.
const SCRIPT: &str = include_str!("../../ministack/run.py");
/// How long MiniStack may take to answer for the first time.
const START_MAX: Duration = Duration::from_secs(60);
/// Between two looks whether it answers.
const START_POLL: Duration = Duration::from_millis(50);
/// How many lines of its log explain a failure.
const TAIL_LINES: usize = 15;

/// A MiniStack that runs. Dropped, it ends, with every function process.
#[derive(Debug)]
pub struct MiniStack {
    child: Child,
    // Held open: waiting for a child would close it, and then the supervisor ends everything.
    _alive: Option<ChildStdin>,
    group: Option<Pid>,
    address: SocketAddr,
}

impl MiniStack {
    /// Starts it on a free port and waits until it answers. Functions will call `endpoint`.
    ///
    /// # Errors
    /// When it does not start; the end of its log is in the error.
    pub async fn start(
        paths: &Paths,
        python: &Path,
        endpoint: &str,
        home: &Place,
    ) -> Result<Self, Trouble> {
        let scratch = fresh_scratch(paths)?;
        let script = paths.state().join("run.py");
        fs::write(&script, SCRIPT).map_err(Trouble::file("write", &script))?;
        let address = free_address().await?;
        let log = paths.emulator_log();
        let file = File::create(&log).map_err(Trouble::file("write", &log))?;
        let errors = file.try_clone().map_err(Trouble::file("write", &log))?;
        let mut child = Command::new(python)
            .arg(&script)
            .env_clear()
            .envs(inherited())
            .envs(settings(address, endpoint, home, &scratch))
            .current_dir(&scratch)
            // Closes when we end, however we end; then the supervisor ends everything.
            .stdin(Stdio::piped())
            .stdout(file)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Trouble::file("start", python))?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let alive = child.stdin.take();
        let mut ministack = Self {
            child,
            _alive: alive,
            group,
            address,
        };
        ministack.answers(home, &log).await?;
        Ok(ministack)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A client of it.
    #[must_use]
    pub fn emulator(&self) -> Emulator {
        Emulator::new(self.address, ROOT_SECRET)
    }

    /// Resolves when it has ended, which it does not by itself.
    pub async fn ended(&mut self) {
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "MiniStack cannot be waited for");
        }
    }

    /// Ends it and waits until it has.
    pub async fn stop(mut self) {
        self.kill();
        self.ended().await;
    }

    async fn answers(&mut self, home: &Place, log: &Path) -> Result<(), Trouble> {
        let emulator = self.emulator();
        let began = Instant::now();
        loop {
            let ended = self
                .child
                .try_wait()
                .map_err(Trouble::io("wait for MiniStack"))?
                .is_some();
            if ended || began.elapsed() > START_MAX {
                return Err(Trouble::Emulator {
                    log: log.to_owned(),
                    tail: tail(log),
                });
            }
            if emulator
                .query(home, "sts", &[("Action", "GetCallerIdentity")])
                .await
                .is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(START_POLL).await;
        }
    }

    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // It may have ended by itself; then there is no such group.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for MiniStack {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What MiniStack gets of our environment: nothing about AWS or proxies, which functions would
/// inherit.
fn inherited() -> impl Iterator<Item = (&'static str, String)> {
    ["PATH", "HOME", "LANG", "LC_ALL", "USER"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok()?)))
}

fn settings(
    address: SocketAddr,
    endpoint: &str,
    home: &Place,
    scratch: &Path,
) -> [(&'static str, String); 14] {
    [
        ("AUTH", "true".to_owned()),
        ("AWS_ACCESS_KEY_ID", home.account.clone()),
        ("AWS_DEFAULT_REGION", home.region.clone()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", ROOT_SECRET.to_owned()),
        ("BIND_HOST", address.ip().to_string()),
        // With a Docker daemon it would look for containers of its own and remove them.
        ("DOCKER_HOST", "unix:///nowhere".to_owned()),
        ("GATEWAY_PORT", address.port().to_string()),
        ("LOG_LEVEL", "INFO".to_owned()),
        ("MINISTACK_ACCOUNT_ID", home.account.clone()),
        ("MINISTACK_REGION", home.region.clone()),
        ("PYTHONUNBUFFERED", "1".to_owned()),
        ("SFTP_ENABLED", "0".to_owned()),
        ("TMPDIR", scratch.display().to_string()),
    ]
}

fn fresh_scratch(paths: &Paths) -> Result<PathBuf, Trouble> {
    let scratch = paths.scratch();
    if scratch.exists() {
        fs::remove_dir_all(&scratch).map_err(Trouble::file("empty", &scratch))?;
    }
    fs::create_dir_all(&scratch).map_err(Trouble::file("make", &scratch))?;
    Ok(scratch)
}

/// An address nobody uses. Somebody could take it in the moment until MiniStack does; then its
/// start fails, and the next one succeeds.
async fn free_address() -> Result<SocketAddr, Trouble> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(Trouble::io("find a free port"))?;
    listener
        .local_addr()
        .map_err(Trouble::io("find a free port"))
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(TAIL_LINES);
    lines.get(from..).unwrap_or_default().join("\n")
}
