//! The `lastgood` command line, run as people run it: a process with somebody's environment.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use tokio::process::Command;

use crate::{environment::Environment, system::System};

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

/// The command line in somebody's hands. Cheap enough to clone.
#[derive(Debug, Clone)]
pub struct Lastgood {
    program: PathBuf,
    environment: Environment,
}

impl Lastgood {
    /// As the account's root.
    #[must_use]
    pub fn of_root(system: &System) -> Self {
        Self {
            program: system.lastgood().to_owned(),
            environment: system.environment().clone(),
        }
    }

    /// As one of the local system's people.
    ///
    /// # Errors
    /// When there is nobody of that name.
    pub fn of(system: &System, name: &str) -> Result<Self> {
        let mut people = system.people().iter();
        let (_, environment) = people
            .find(|(person, _)| person.name == name)
            .with_context(|| format!("the local system has nobody called {name}"))?;
        Ok(Self {
            program: system.lastgood().to_owned(),
            environment: environment.clone(),
        })
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).map(str::to_owned)
    }

    /// Runs it and waits for its end, however that is.
    ///
    /// # Errors
    /// When it cannot be started.
    pub async fn run(&self, arguments: &[&str]) -> Result<Said> {
        let output = Command::new(&self.program)
            .args(arguments)
            // Nobody sits here to be asked.
            .arg("--yes")
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(self.environment.iter())
            // Facts about a build are typed here; this checkout's are not meant.
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("failed to run {}", self.program.display()))?;
        Ok(Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs it, which must succeed, and gives what it printed.
    ///
    /// # Errors
    /// When it fails; with what it said.
    pub async fn must(&self, arguments: &[&str]) -> Result<String> {
        let said = self.run(arguments).await?;
        anyhow::ensure!(
            said.code == Some(0),
            "`lastgood {}` failed: {}",
            arguments.join(" "),
            said.err.trim()
        );
        Ok(said.out)
    }

    /// Runs it for its JSON.
    ///
    /// # Errors
    /// When it fails, or prints something else.
    pub async fn json<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let all: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(["--output", "json"])
            .collect();
        let out = self.must(&all).await?;
        serde_json::from_str(&out)
            .with_context(|| format!("`lastgood {}` printed no such JSON", all.join(" ")))
    }
}
