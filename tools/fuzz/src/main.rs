//! `cargo campaign`: fuzzes targets, one after the other.
#![expect(clippy::print_stdout, reason = "a command line tool talks to people")]

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use fuzz::{TARGETS, Target, campaign};

/// Fuzzes what reads bytes that somebody else wrote, guided by what code an input reaches.
///
/// Example: cargo campaign service-file --minutes 20
#[derive(Debug, Parser)]
#[command(name = "cargo campaign", bin_name = "cargo campaign")]
struct Options {
    /// Targets; all when none is named.
    targets: Vec<String>,
    /// How long each is fuzzed.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// Only names the targets there are.
    #[arg(long)]
    list: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    if options.list {
        for target in TARGETS {
            println!("{}", target.name);
        }
        return Ok(());
    }
    let named: Result<Vec<&Target>> = options
        .targets
        .iter()
        .map(|name| Target::of(name).with_context(|| format!("there is no target {name}: --list")))
        .collect();
    let mut targets = named?;
    if targets.is_empty() {
        targets.extend(TARGETS);
    }
    let fuzzer = campaign::build()?;
    let time = Duration::from_secs(60 * options.minutes);
    targets
        .into_iter()
        .try_for_each(|target| campaign::run(&fuzzer, target, time))
}
