//! Checks and chores of this repository: `cargo xtask tidy`, `ci` and `package`. CONTRIBUTING.md
//! says how each is used. Nothing here is shipped, and nothing here knows Lastgood's rules.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to people"
)]

mod ci;
mod debian;
mod lambda;
mod local;
mod process;
mod python;
mod tidy;
mod tree;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Checks and chores of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Checks who imports whom, shape, names, and that nothing was left lying around.
    Tidy,
    /// Runs every check there is, one after the other.
    Ci(ci::Options),
    /// Builds all functions for AWS Lambda into target/lambda, for `sam deploy`.
    Package(lambda::Options),
    /// Builds and starts the local system; `cargo local` is short for it.
    #[command(disable_help_flag = true)]
    Local {
        /// What `cargo local` takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs a cargo-lambda of its own: `cargo xtask lambda watch`, `cargo xtask lambda invoke …`.
    #[command(disable_help_flag = true)]
    Lambda {
        /// What `cargo lambda` takes.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(&Xtask::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(xtask: &Xtask) -> Result<ExitCode> {
    match &xtask.chore {
        Chore::Tidy => tidy::run(),
        Chore::Ci(options) => ci::run(options),
        Chore::Package(options) => lambda::package(options),
        Chore::Local { arguments } => local::run(arguments),
        Chore::Lambda { arguments } => lambda::pass_on(arguments),
    }
}
