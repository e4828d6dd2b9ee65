//! `cargo local`: reads the command line and runs a verb. What a verb does is in its own file.

use std::process::ExitCode;

use clap::Parser;
use local::{
    screen,
    verb::{self, Verb},
};

/// The whole of Lastgood on this machine.
#[derive(Debug, Parser)]
#[command(
    name = "cargo local",
    bin_name = "cargo local",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[tokio::main]
async fn main() -> ExitCode {
    match verb::run(Arguments::parse().verb).await {
        Ok(code) => code,
        Err(trouble) => {
            screen::line(&trouble.report());
            ExitCode::FAILURE
        }
    }
}
