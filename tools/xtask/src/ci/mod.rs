//! `cargo xtask ci`: every check there is, one after the other, with what each takes. What a step
//! does is in `steps`; CI itself calls nothing but this.

mod groovy;
mod snapshots;
mod steps;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use clap::Args;

use crate::tree;
use steps::{STEPS, Step};

/// Which steps are run, and how.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Runs only this step; can be given several times.
    #[arg(long, value_name = "STEP", value_parser = steps::named)]
    only: Vec<&'static Step>,
    /// Goes on after a step that failed.
    #[arg(long)]
    keep_going: bool,
    /// Lists the steps and runs none.
    #[arg(long)]
    list: bool,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    /// An earlier one failed.
    NotRun,
}

/// Runs the steps and sums up.
///
/// # Errors
/// When the workspace cannot be read. A step that fails is an exit code.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let chosen = |step: &&Step| {
        options.only.is_empty() || options.only.iter().any(|only| only.name == step.name)
    };
    let steps: Vec<&Step> = STEPS.iter().filter(chosen).collect();
    if options.list {
        for step in steps {
            println!("{:<10} {}", step.name, step.what);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let root = tree::root()?;
    let outcomes = run_all(&root, &steps, options.keep_going);
    let failed = sum_up(&outcomes);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn run_all<'a>(root: &Path, steps: &[&'a Step], keep_going: bool) -> Vec<(&'a Step, Outcome)> {
    let mut outcomes: Vec<(&Step, Outcome)> = Vec::new();
    for step in steps {
        let stopped = !keep_going
            && outcomes
                .iter()
                .any(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
        let outcome = if stopped {
            Outcome::NotRun
        } else {
            run_one(root, step)
        };
        outcomes.push((step, outcome));
    }
    outcomes
}

fn run_one(root: &Path, step: &Step) -> Outcome {
    println!("\n━━ {}: {}", step.name, step.what);
    let begun = Instant::now();
    match (step.run)(root) {
        Ok(()) => Outcome::Passed(begun.elapsed()),
        Err(error) => {
            println!("error: {error:#}");
            println!("again, alone: cargo xtask ci --only {}", step.name);
            Outcome::Failed(begun.elapsed())
        }
    }
}

/// Prints the table; tells whether anything failed.
fn sum_up(outcomes: &[(&Step, Outcome)]) -> bool {
    println!("\n━━ summary");
    let mut total = Duration::ZERO;
    let mut failed = false;
    for (step, outcome) in outcomes {
        let (word, took) = match outcome {
            Outcome::Passed(took) => ("passed", Some(*took)),
            Outcome::Failed(took) => ("FAILED", Some(*took)),
            Outcome::NotRun => ("not run", None),
        };
        failed |= matches!(outcome, Outcome::Failed(_));
        total += took.unwrap_or_default();
        println!(
            "{:<10} {word:<8} {:>8}",
            step.name,
            took.map(shown).unwrap_or_default()
        );
    }
    println!("{:<10} {:<8} {:>8}", "all", "", shown(total));
    failed
}

fn shown(took: Duration) -> String {
    let seconds = took.as_secs_f64();
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        let whole = took.as_secs();
        format!("{} m {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Step = Step {
        name: "good",
        what: "succeeds",
        run: |_| Ok(()),
    };
    const BAD: Step = Step {
        name: "bad",
        what: "fails",
        run: |_| anyhow::bail!("on purpose"),
    };

    fn words(steps: &[&Step], keep_going: bool) -> Vec<&'static str> {
        run_all(Path::new("."), steps, keep_going)
            .into_iter()
            .map(|(_, outcome)| match outcome {
                Outcome::Passed(_) => "passed",
                Outcome::Failed(_) => "failed",
                Outcome::NotRun => "not run",
            })
            .collect()
    }

    #[test]
    fn the_first_failure_stops_unless_told_to_go_on() {
        assert_eq!(
            words(&[&GOOD, &BAD, &GOOD], false),
            ["passed", "failed", "not run"]
        );
        assert_eq!(
            words(&[&GOOD, &BAD, &GOOD], true),
            ["passed", "failed", "passed"]
        );
    }

    #[test]
    fn one_failure_fails_all() {
        let took = Duration::from_secs(1);
        assert!(!sum_up(&[(&GOOD, Outcome::Passed(took))]));
        assert!(sum_up(&[
            (&BAD, Outcome::Failed(took)),
            (&GOOD, Outcome::NotRun)
        ]));
    }

    #[test]
    fn times_are_short_to_read() {
        assert_eq!(shown(Duration::from_millis(1_250)), "1.2 s");
        assert_eq!(shown(Duration::from_secs(605)), "10 m 05 s");
    }
}
