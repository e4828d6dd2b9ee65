//! Plays a scenario that is told as text, and tells what became of it. How it is read is in
//! `scenario::text`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use fastrand::Rng;

use crate::adversary::Odds;
use crate::run::{self, Case};
use crate::scenario::text;

/// What is played.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Scenarios, such as `tools/simulator/scenarios/good-release.txt`.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Plays what is asked for; whether nothing was violated.
///
/// # Errors
/// When a scenario cannot be read, or nothing can be printed.
pub(crate) fn run(options: &Options, out: &mut impl Write) -> anyhow::Result<bool> {
    let mut well = true;
    for file in &options.files {
        let played = play(file)?;
        writeln!(out, "{}", played.text)?;
        well &= played.well;
    }
    Ok(well)
}

/// A scenario's history, and whether nothing was violated.
pub(crate) struct Played {
    pub(crate) text: String,
    pub(crate) well: bool,
}

/// Plays one scenario: always the same history.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn play(file: &Path) -> anyhow::Result<Played> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| name.clone())?;
    let told = text::read(&text).with_context(|| name)?;
    let case = Case {
        told: true,
        ..Case::of(0)
    };
    let outcome = run::play(told.plan, Odds::none(), Rng::with_seed(0), &case);
    let mut lines = vec![told.title, String::new()];
    lines.extend(outcome.story);
    let well = outcome.violations.is_empty();
    let objections = outcome.violations.into_iter();
    lines.extend(objections.map(|what| format!("VIOLATION {what}")));
    Ok(Played {
        text: lines.join("\n"),
        well,
    })
}
