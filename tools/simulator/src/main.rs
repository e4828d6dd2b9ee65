//! The adversary: runs the shipped core on virtual time, seed after seed, under faults, and judges
//! what it did. Here is the command line; `run` has one seed's way.

mod audit;
mod cloud;
mod ports;
mod run;
mod scenario;
mod settled;
mod shared;
#[cfg(test)]
mod tests;
mod world;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;

use crate::run::{Sum, run};
use crate::shared::Bug;

/// Seeds of one run when none is asked for.
const SEEDS: u64 = 200;

/// Looks for a schedule of events that breaks a release.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Args {
    /// How many seeds to run, from `--from` on.
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Replay this seed and print its history.
    #[arg(long)]
    seed: Option<u64>,
    /// Plant a bug, to see that it is found.
    #[arg(long)]
    plant: Option<Bug>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let mut out = std::io::stdout().lock();
    if let Some(seed) = args.seed {
        writeln!(out, "seed {seed}")?;
        let outcome = run(seed, args.plant)?;
        for line in &outcome.story {
            writeln!(out, "{line}")?;
        }
        for violation in &outcome.violations {
            writeln!(out, "VIOLATION {violation}")?;
        }
        return Ok(code(outcome.violations.is_empty()));
    }
    let end = args.from.saturating_add(args.seeds);
    writeln!(out, "seeds {}..{end}", args.from)?;
    let mut sum = Sum::default();
    for seed in args.from..end {
        sum.add(seed, run(seed, args.plant)?);
    }
    summary(&mut out, &sum)?;
    Ok(code(sum.failed.is_empty()))
}

fn code(well: bool) -> ExitCode {
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn summary(out: &mut impl std::io::Write, sum: &Sum) -> std::io::Result<()> {
    let facts: u64 = sum.tally.verdicts.values().sum();
    writeln!(
        out,
        "{} seeds, {} steps, {facts} facts",
        sum.seeds, sum.tally.steps
    )?;
    for (title, counts) in [
        ("faults", &sum.tally.faults),
        ("entries", &sum.tally.kinds),
        ("reasons of received facts", &sum.tally.verdicts),
    ] {
        let counts: Vec<String> = counts
            .iter()
            .map(|(what, n)| format!("{what} {n}"))
            .collect();
        writeln!(out, "{title}: {}", counts.join(", "))?;
    }
    writeln!(out, "reasons entries gave: {}", sum.reasons.len())?;
    let settles = world::SETTLES_WITHIN;
    writeln!(
        out,
        "everything settled within {settles:#} after the faults: {}",
        sum.failed.is_empty()
    )?;
    for (seed, violations) in &sum.failed {
        let first = violations.first().map_or("", String::as_str);
        writeln!(out, "VIOLATION {first}\n  replay: cargo sim --seed {seed}")?;
    }
    Ok(())
}
