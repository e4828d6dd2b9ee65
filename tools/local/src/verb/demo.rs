//! `cargo local demo`: plays the main job on a system of its own, beside one that may be running.

use std::{fs, path::Path, process::ExitCode, time::Duration};

use clap::Args;

use super::up::{interrupted, log_to};
use crate::{
    demo,
    paths::Paths,
    screen::{self, Screen},
    system::{Options, System},
    trouble::Trouble,
};

/// How often what is overdue is looked at: a minute on AWS.
const TICK: Duration = Duration::from_secs(2);
/// What this run leaves behind, within `.lastgood`.
const STATE: &str = "demo";

/// Play the main job: releases of two services that go well, and one that does not. It starts a
/// local system of its own, takes a minute or two, and exits with 0 only if every step was
/// observed.
#[derive(Debug, Args)]
pub struct Demo {}

impl Demo {
    pub(super) async fn run(self) -> Result<ExitCode, Trouble> {
        let paths = Paths::of_repository();
        let state = paths.state().join(STATE);
        let paths = paths.with_state(state);
        fs::create_dir_all(paths.state()).map_err(Trouble::file("make", paths.state()))?;
        log_to(&paths.log())?;
        let screen = Screen::of_stderr();
        let options = Options {
            // Any that is free.
            port: 0,
            tick: TICK,
            ..Options::laptop(paths.clone(), screen)
        };
        let mut interrupted = std::pin::pin!(interrupted()?);
        let system = tokio::select! {
            system = System::start(options) => system?,
            () = &mut interrupted => return Ok(ended()),
        };
        let folder = paths.state().join("files");
        let played = tokio::select! {
            played = demo::run(&system, &folder, screen) => Some(played),
            () = &mut interrupted => None,
        };
        system.stop().await;
        Ok(match played {
            None => ended(),
            Some(Ok(())) => ExitCode::SUCCESS,
            Some(Err(error)) => {
                screen::line(&told(&error, &paths));
                ExitCode::FAILURE
            }
        })
    }
}

fn ended() -> ExitCode {
    screen::line("ended before its end");
    ExitCode::FAILURE
}

fn told(error: &anyhow::Error, paths: &Paths) -> String {
    let log = |what: &str, path: &Path| format!("\n  {what}: {}", path.display());
    format!(
        "\nerror: the demo was not observed to the end: {error:#}\n\nwhat happened is in{}{}",
        log("what the functions said", &paths.emulator_log()),
        log("what was delivered", &paths.log()),
    )
}
