//! The adversary: runs the shipped core on virtual time under faults, and judges what it did. Here
//! is the command line; each way of looking for trouble has a module of its own.

mod adversary;
mod audit;
mod bug;
mod bus;
mod buttons;
mod catalogues;
mod cloud;
mod doing;
mod explore;
mod functions;
mod ledger;
mod play;
mod point;
mod ports;
mod render;
mod run;
mod scanning;
mod scenario;
mod settled;
mod shared;
mod shrink;
mod story;
mod stream;
mod swarm;
mod tally;
#[cfg(test)]
mod tests;
mod world;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum as _};

use crate::bug::Bug;

/// A world lives for milliseconds and consists of names and lists: nearly half its time went into
/// the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Plant each bug that `--plant` knows, and say how many seeds find it.
    Bugs,
    /// Go through everything that can happen to a small world, without chance.
    Explore(explore::Options),
    /// Play scenarios that are told as text, and tell what becomes of them.
    Play(play::Options),
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    let well = match args.other {
        None => swarm::run_all(&args.swarm, &mut out)?,
        Some(Other::Explore(options)) => explore::run(&options, &mut out)?,
        Some(Other::Play(options)) => play::run(&options, &mut out)?,
        Some(Other::Bugs) => bugs(&mut out)?,
    };
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn bugs(out: &mut impl Write) -> anyhow::Result<bool> {
    let mut well = true;
    for bug in Bug::value_variants() {
        let value = bug.to_possible_value();
        let help = value.and_then(|value| value.get_help().map(ToString::to_string));
        let (name, help) = (point::kebab(bug), help.unwrap_or_default());
        match bug::find(*bug)? {
            Some((seed, shows)) => {
                let seeds = seed + 1;
                writeln!(
                    out,
                    "{name}: {help}\n    found by seed {seed}, the {seeds}th: {shows}"
                )?;
            }
            None => {
                well = false;
                writeln!(
                    out,
                    "{name}: {help}\n    NOT FOUND in {} seeds",
                    bug::ENOUGH
                )?;
            }
        }
    }
    Ok(well)
}
