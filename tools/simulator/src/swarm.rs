//! Many seeds, one after the other, and what they came to.

use std::io::{self, Write};

use crate::run::{Sum, run};
use crate::shared::Bug;
use crate::world;

/// Seeds of one run when none is asked for.
const SEEDS: u64 = 200;

/// What is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
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

/// Runs what is asked for; whether nothing was violated.
///
/// # Errors
/// When a scenario cannot be drawn, or nothing can be printed.
pub(crate) fn run_all(options: &Options, out: &mut impl Write) -> anyhow::Result<bool> {
    if let Some(seed) = options.seed {
        writeln!(out, "seed {seed}")?;
        let outcome = run(seed, options.plant)?;
        for line in &outcome.story {
            writeln!(out, "{line}")?;
        }
        for violation in &outcome.violations {
            writeln!(out, "VIOLATION {violation}")?;
        }
        return Ok(outcome.violations.is_empty());
    }
    let end = options.from.saturating_add(options.seeds);
    writeln!(out, "seeds {}..{end}", options.from)?;
    let mut sum = Sum::default();
    for seed in options.from..end {
        sum.add(seed, run(seed, options.plant)?);
    }
    summary(out, &sum)?;
    Ok(sum.failed.is_empty())
}

fn summary(out: &mut impl Write, sum: &Sum) -> io::Result<()> {
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
