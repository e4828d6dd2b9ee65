//! `cargo local status`: says whether the system runs.

use std::process::ExitCode;

use clap::Args;

use crate::{
    instance::{self, Phase},
    paths::Paths,
    screen,
    trouble::Trouble,
};

/// Say whether the local system runs. Exits with 0 when it is ready, and with 3 otherwise.
#[derive(Debug, Args)]
pub struct Status {}

/// What service managers answer for "not running".
const NOT_READY: u8 = 3;

impl Status {
    pub(super) fn run(self) -> Result<ExitCode, Trouble> {
        let paths = Paths::of_repository();
        let Some(record) = instance::running(paths.state())? else {
            screen::line("not running; start it with `cargo local up`");
            return Ok(ExitCode::from(NOT_READY));
        };
        match record.phase {
            Phase::Starting => {
                screen::line(&format!("starting (process {})", record.pid));
                Ok(ExitCode::from(NOT_READY))
            }
            Phase::Ready => {
                let environment = paths.environment("local");
                screen::line(&format!(
                    "running at {} (process {})\nto use it: source {}",
                    record.endpoint,
                    record.pid,
                    environment.display()
                ));
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
