//! What chance might miss, exhaustively: every state of a small world (`walk` over `model`, `step`
//! and `turn`), a crash at every point of every handler and every two of them (`crash`), and every
//! interleaving of two handlers (`race`). Both of these take the shipped engine through `story` on
//! a `scene`; all are held against the invariants in `law`. What is drawn by chance is the swarm's.

mod crash;
mod date;
mod history;
mod key;
mod law;
mod model;
mod ports;
mod race;
mod scene;
mod step;
mod story;
#[cfg(test)]
mod tests;
mod turn;
mod walk;

use std::io::Write;
use std::thread;
use std::time::Instant;

use model::Model;
use story::STORIES;
use walk::{Shadow, Walked};

/// Explores without chance: states, crashes, interleavings.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Adverse steps in one history of the small world, at most.
    #[arg(long, default_value_t = 1)]
    adversities: u8,
    /// States of the small world, at most.
    #[arg(long, default_value_t = 100_000_000)]
    states: usize,
    /// Walk what a history really came to beside the state that stands for it.
    #[arg(long)]
    shadow: bool,
    /// Leave out pairs of crashes.
    #[arg(long)]
    single: bool,
    /// Explore only this.
    #[arg(long)]
    only: Option<Part>,
}

/// The parts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Every state of a small world.
    States,
    /// A crash at every point, and at every two.
    Crashes,
    /// Every interleaving of two handlers.
    Races,
}

/// Explores all there is; whether nothing was wrong.
///
/// # Errors
/// When the small world cannot be made or nothing can be printed.
pub(crate) fn run(options: &Options, out: &mut impl Write) -> anyhow::Result<bool> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let wanted = |part| options.only.is_none_or(|only| only == part);
    let mut well = true;
    if wanted(Part::States) {
        let begin = Instant::now();
        let bounds = walk::Bounds {
            adversities: options.adversities,
            states: options.states,
            shadow: if options.shadow {
                Shadow::Follows
            } else {
                Shadow::Absent
            },
        };
        let walked = walk::walk(&Model::new()?, bounds);
        print_walk(&walked, out)?;
        took(begin, out)?;
        well &= walked.violations.is_empty();
    }
    if wanted(Part::Crashes) {
        let bounds = crash::Bounds {
            every: 1,
            pairs: !options.single,
            threads,
        };
        for story in &STORIES {
            let begin = Instant::now();
            let crashed = crash::crash(story, bounds)?;
            writeln!(
                out,
                "{}: {} points, {} strikes, {} pairs of crashes, {} commits judged",
                story.name, crashed.points, crashed.singles, crashed.pairs, crashed.commits
            )?;
            well &= objections(&crashed.wrong, out)?;
            took(begin, out)?;
        }
    }
    if wanted(Part::Races) {
        let begin = Instant::now();
        let raced = race::race(race::Bounds { every: 1, threads })?;
        writeln!(
            out,
            "two handlers on one pipeline: {} meetings, {} interleavings, {} different ends",
            raced.meetings, raced.interleavings, raced.ends
        )?;
        well &= objections(&raced.wrong, out)?;
        took(begin, out)?;
    }
    Ok(well)
}

fn objections(wrong: &[String], out: &mut impl Write) -> std::io::Result<bool> {
    for what in wrong {
        writeln!(out, "VIOLATION {what}")?;
    }
    Ok(wrong.is_empty())
}

fn took(begin: Instant, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "  in {:.1} s", begin.elapsed().as_secs_f64())
}

fn print_walk(walked: &Walked, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(
        out,
        "the small world: {} states, {} steps, {} decisions, histories of up to {} steps",
        walked.states(),
        walked.steps,
        walked.decisions,
        walked.longest
    )?;
    for (adversities, states) in walked.levels.iter().enumerate() {
        writeln!(out, "  {states} states need {adversities} adverse steps")?;
    }
    let end = match (walked.is_closed(), walked.complete) {
        (true, _) => "all there is: more adversity leads nowhere new",
        (false, true) => "all with so much adversity",
        (false, false) => "not all: the walk was cut off",
    };
    writeln!(out, "  {end}")?;
    writeln!(
        out,
        "  every state comes to rest, after {} fair steps at most",
        walked.longest_rest
    )?;
    for violation in &walked.violations {
        writeln!(out, "VIOLATION {}", violation.what)?;
        for line in &violation.story {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}
