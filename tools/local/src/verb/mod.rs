//! What people can ask of `cargo local`, one file per verb.

mod demo;
mod down;
mod push;
mod status;
mod up;

use std::process::ExitCode;

use clap::Subcommand;

use crate::trouble::Trouble;

/// A verb with its options.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start everything, and say how to use it.
    Up(up::Up),
    /// Watch it: releases that go well, and one that does not.
    Demo(demo::Demo),
    /// Push an image of the sample service `shop`.
    Push(push::Push),
    /// End it.
    Down(down::Down),
    /// Say whether it runs.
    Status(status::Status),
}

/// Runs a verb; gives the exit code.
///
/// # Errors
/// When it fails, with a sentence for people.
pub async fn run(verb: Verb) -> Result<ExitCode, Trouble> {
    match verb {
        Verb::Up(up) => up.run().await,
        Verb::Demo(demo) => demo.run().await,
        Verb::Push(push) => push.run().await,
        Verb::Down(down) => down.run().await,
        Verb::Status(status) => status.run(),
    }
}
