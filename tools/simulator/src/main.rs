//! The adversary: runs the shipped core on virtual time under faults, and judges what it did. Here
//! is the command line; each way of looking for trouble has a module of its own.

mod audit;
mod cloud;
mod explore;
mod ports;
mod run;
mod scenario;
mod settled;
mod shared;
mod swarm;
#[cfg(test)]
mod tests;
mod world;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum as _};

use crate::shared::Bug;

/// Looks for a schedule of events that breaks a release: without a command, by many seeds.
#[derive(Debug, Parser)]
#[command(name = "sim", args_conflicts_with_subcommands = true)]
struct Args {
    #[command(flatten)]
    swarm: swarm::Options,
    #[command(subcommand)]
    other: Option<Other>,
}

/// What else can be done than running seeds.
#[derive(Debug, Subcommand)]
enum Other {
    /// Name the bugs that `--plant` plants.
    Bugs,
    /// Go through everything that can happen to a small world, without chance.
    Explore(explore::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    let well = match args.other {
        None => swarm::run_all(&args.swarm, &mut out)?,
        Some(Other::Explore(options)) => explore::run(&options, &mut out)?,
        Some(Other::Bugs) => {
            for bug in Bug::value_variants() {
                if let Some(value) = bug.to_possible_value() {
                    let help = value.get_help().map(ToString::to_string);
                    let (name, help) = (value.get_name(), help.unwrap_or_default());
                    writeln!(out, "{name:<24}{help}")?;
                }
            }
            true
        }
    };
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
