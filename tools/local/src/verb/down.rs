//! `cargo local down`: ends the system that runs.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    instance::{self, Record},
    paths::Paths,
    screen,
    trouble::Trouble,
};

/// How long a system may take to end.
const END_MAX: Duration = Duration::from_secs(20);
/// Between two looks whether it has.
const END_POLL: Duration = Duration::from_millis(100);

/// End the local system.
#[derive(Debug, Args)]
pub struct Down {}

impl Down {
    pub(super) async fn run(self) -> Result<ExitCode, Trouble> {
        let paths = Paths::of_repository();
        let Some(Record { pid, .. }) = instance::running(paths.state())? else {
            screen::line("nothing to end: the local system is not running");
            return Ok(ExitCode::SUCCESS);
        };
        if let Some(process) = Pid::from_raw(pid) {
            kill_process(process, Signal::TERM)
                .map_err(|error| Trouble::io("end the local system")(error.into()))?;
        }
        let began = Instant::now();
        while instance::running(paths.state())?.is_some() {
            if began.elapsed() > END_MAX {
                return Err(Trouble::DoesNotEnd {
                    pid,
                    seconds: END_MAX.as_secs(),
                });
            }
            tokio::time::sleep(END_POLL).await;
        }
        screen::line("the local system has ended");
        Ok(ExitCode::SUCCESS)
    }
}
