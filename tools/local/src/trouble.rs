//! What can keep the local system from running, in sentences that say what to do about it.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

/// The environment variable that names the Python to use.
pub const PYTHON_VARIABLE: &str = "LASTGOOD_PYTHON";

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Trouble {
    /// Somebody else listens there.
    #[error("port {port} of 127.0.0.1 is in use by another program")]
    PortInUse {
        /// The port that was wanted.
        port: u16,
    },
    /// This very system runs already.
    #[error("the local system is already running at {endpoint} (process {pid})")]
    AlreadyRunning {
        /// Its process.
        pid: i32,
        /// Its address.
        endpoint: String,
    },
    /// It is not running, and must be.
    #[error("the local system is not running")]
    NotRunning,
    /// It was told to end, and did not.
    #[error("process {pid} did not end within {seconds} seconds")]
    DoesNotEnd {
        /// The process.
        pid: i32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// No Python, or only older ones.
    #[error("Python 3.11 or newer is needed, and {}", versions(.found))]
    NoPython {
        /// What was found instead: commands with their versions.
        found: Vec<String>,
    },
    /// Python is there, but Debian and its kin package `venv` apart.
    #[error("{python} cannot make virtual environments: its venv module is not complete")]
    NoVenv {
        /// The command.
        python: String,
    },
    /// `pip` could not reach an index.
    #[error("MiniStack could not be downloaded: {last_line}")]
    Offline {
        /// What pip said last.
        last_line: String,
    },
    /// `pip` or `venv` failed in another way.
    #[error("MiniStack could not be installed:\n{output}")]
    Install {
        /// The end of what was said.
        output: String,
    },
    /// MiniStack ended while it started, or never answered.
    #[error("MiniStack does not start; the end of {}:\n{tail}", .log.display())]
    Emulator {
        /// Its log.
        log: PathBuf,
        /// The end of it.
        tail: String,
    },
    /// The sample services could not be made.
    #[error("the sample services could not be made: {0:#}")]
    Sample(anyhow::Error),
    /// MiniStack ended while the system ran.
    #[error("MiniStack ended by itself; {} may say why", .log.display())]
    EmulatorEnded {
        /// Its log.
        log: PathBuf,
    },
    /// The functions do not compile.
    #[error("the functions could not be built ({status}):\n{output}")]
    Build {
        /// How cargo ended.
        status: ExitStatus,
        /// The end of what the compiler said.
        output: String,
    },
    /// Cargo made no binary for a function that the template names.
    #[error("the template names the function `{0}`, but no crate of this name makes a binary")]
    NoBinary(String),
    /// A resource of the stack could not be made.
    #[error("the stack could not be deployed: {resource}: {reason}")]
    Stack {
        /// The logical id.
        resource: String,
        /// What CloudFormation said.
        reason: String,
    },
    /// The stack was neither complete nor failed in time.
    #[error("the stack was still {status} after {seconds} seconds")]
    StackPending {
        /// Its status.
        status: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The stack does not have an output that is needed.
    #[error("the stack has no output `{0}`")]
    NoOutput(&'static str),
    /// A file or a process.
    #[error("failed to {what}")]
    Io {
        /// What was being done.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// A call to the local AWS.
    #[error("failed to {what} on the local AWS")]
    Aws {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The fleet or the delivery.
    #[error("failed to start the {part}")]
    Part {
        /// Which.
        part: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

fn versions(found: &[String]) -> String {
    if found.is_empty() {
        return "none was found".to_owned();
    }
    format!("only {} was found", found.join(", "))
}

impl Trouble {
    /// A file or process trouble; `what` completes "failed to …".
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// A port that cannot be listened on; `what` completes "failed to …".
    pub(crate) fn listening(port: u16, what: &str) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            if source.kind() == io::ErrorKind::AddrInUse {
                Self::PortInUse { port }
            } else {
                Self::io(what)(source)
            }
        }
    }

    /// The same with the file it is about.
    pub(crate) fn file(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        Self::io(format!("{what} {}", path.display()))
    }

    /// A failed call; `what` completes "failed to … on the local AWS".
    pub(crate) fn aws<E: Error + Send + Sync + 'static>(
        what: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Aws {
            what,
            source: Box::new(source),
        }
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PortInUse { port } => Some(format!(
                "choose another one with `cargo local up --port {}`, or end what uses it \
                 (`ss -ltnp 'sport = :{port}'` names it)",
                port.checked_add(1).unwrap_or(4577)
            )),
            Self::AlreadyRunning { .. } => Some(
                "use it (`source .lastgood/local.env`), or end it first with `cargo local down`"
                    .to_owned(),
            ),
            Self::NotRunning => Some("start it with `cargo local up`".to_owned()),
            Self::DoesNotEnd { pid, .. } => Some(format!("end it by force: `kill -9 {pid}`")),
            Self::NoPython { .. } => Some(format!(
                "install one (`apt install python3 python3-venv`, `brew install python`), or name \
                 one: `{PYTHON_VARIABLE}=/path/to/python3.12 cargo local up`"
            )),
            Self::NoVenv { .. } => Some(format!(
                "install it (`apt install python3-venv` on Debian and Ubuntu), or name another \
                 Python with {PYTHON_VARIABLE}"
            )),
            Self::Offline { .. } => Some(
                "the first start downloads some thirty Python packages from the index that pip is \
                 configured for; check the network (or PIP_INDEX_URL, HTTPS_PROXY) and start \
                 again. Later starts need no network"
                    .to_owned(),
            ),
            Self::Install { .. } => Some(
                "remove .lastgood/venv and start again; if pip finds no file for this platform, a \
                 newer Python may help"
                    .to_owned(),
            ),
            Self::Emulator { .. } => {
                Some("start again; if it stays so, remove .lastgood/venv first".to_owned())
            }
            Self::Build { .. } => Some("`cargo build` says more".to_owned()),
            Self::StackPending { .. } => Some("see .lastgood/ministack.log".to_owned()),
            Self::EmulatorEnded { .. } => Some("start again with `cargo local up`".to_owned()),
            Self::Sample(_) => Some("`cargo local up --bare` starts without them".to_owned()),
            Self::NoBinary(_)
            | Self::Stack { .. }
            | Self::NoOutput(_)
            | Self::Io { .. }
            | Self::Aws { .. }
            | Self::Part { .. } => None,
        }
    }

    /// The whole message: what happened, because of what, and what to do.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = format!("error: {self}");
        let mut cause = self.source();
        while let Some(source) = cause {
            report.push_str(&format!("\n  because: {source}"));
            cause = source.source();
        }
        if let Some(hint) = self.hint() {
            report.push_str(&format!("\n\nhint: {hint}"));
        }
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_says_how_to_choose_another() {
        assert_eq!(
            Trouble::PortInUse { port: 4577 }.report(),
            "error: port 4577 of 127.0.0.1 is in use by another program\n\n\
             hint: choose another one with `cargo local up --port 4578`, or end what uses it \
             (`ss -ltnp 'sport = :4577'` names it)"
        );
        assert!(
            Trouble::PortInUse { port: u16::MAX }
                .report()
                .contains("--port 4577")
        );
    }

    #[test]
    fn a_missing_python_says_what_was_found() {
        let none = Trouble::NoPython { found: Vec::new() }.report();
        assert!(none.starts_with("error: Python 3.11 or newer is needed, and none was found\n"));
        let old = Trouble::NoPython {
            found: vec!["python3 (3.9)".to_owned()],
        }
        .report();
        assert!(old.contains("and only python3 (3.9) was found"), "{old}");
        assert!(old.contains("LASTGOOD_PYTHON"), "{old}");
    }

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let source = io::Error::other("the disk is full");
        let trouble = Trouble::file("write", Path::new("/x"))(source);
        assert_eq!(
            trouble.report(),
            "error: failed to write /x\n  because: the disk is full"
        );
    }

    #[test]
    fn everything_people_can_do_something_about_has_a_hint() {
        for trouble in [
            Trouble::NoVenv {
                python: "python3".to_owned(),
            },
            Trouble::Offline {
                last_line: "no route".to_owned(),
            },
            Trouble::NotRunning,
            Trouble::AlreadyRunning {
                pid: 7,
                endpoint: "http://127.0.0.1:1".to_owned(),
            },
            Trouble::DoesNotEnd {
                pid: 7,
                seconds: 20,
            },
        ] {
            assert!(trouble.hint().is_some(), "{trouble}");
        }
    }
}
