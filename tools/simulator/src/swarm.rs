//! Many seeds on all cores, and what they came to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::anyhow;
use domain::{Reason, ServiceName, What};

use crate::adversary::{Adversaries, Adversary};
use crate::bug::Bug;
use crate::run::{Case, Outcome, run};
use crate::shrink::{TRIES_MAX, shrink};
use crate::tally::{PATHS, Tally, variants};
use crate::world;

/// Seeds of one run when none is asked for.
const SEEDS: u64 = 200;
/// Most violations of a run that are printed.
const PRINTED_MAX: usize = 20;
/// Seconds of a minute.
const MINUTE: i64 = 60;

/// What is run.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// How many seeds to run, from `--from` on.
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Threads; all cores when left out.
    #[arg(long)]
    threads: Option<usize>,
    /// Replay this seed and print its history.
    #[arg(long)]
    seed: Option<u64>,
    /// Make the failing `--seed` smaller first.
    #[arg(long, requires = "seed")]
    shrink: bool,
    /// Only these adversaries.
    #[arg(long, value_delimiter = ',', conflicts_with = "without")]
    only: Option<Vec<Adversary>>,
    /// All but these adversaries.
    #[arg(long, value_delimiter = ',')]
    without: Vec<Adversary>,
    /// Without these services.
    #[arg(long, value_delimiter = ',')]
    without_services: Vec<ServiceName>,
    /// Only these steps of the seed, by their numbers.
    #[arg(long, value_delimiter = ',', requires = "seed")]
    steps: Option<Vec<usize>>,
    /// Plant a bug, to see that it is found.
    #[arg(long)]
    plant: Option<Bug>,
}

impl Options {
    fn case(&self, seed: u64) -> Case {
        let among = match &self.only {
            Some(only) => only
                .iter()
                .fold(Adversaries::NONE, |set, one| set.with(*one)),
            None => Adversaries::all(),
        };
        let among = self
            .without
            .iter()
            .fold(among, |set, one| set.without(*one));
        Case {
            bug: self.plant,
            among,
            without: self.without_services.iter().cloned().collect(),
            steps: self
                .steps
                .as_ref()
                .map(|steps| steps.iter().copied().collect()),
            ..Case::of(seed)
        }
    }
}

/// Runs what is asked for; whether nothing was violated.
///
/// # Errors
/// When a scenario cannot be drawn, or nothing can be printed.
pub(crate) fn run_all(options: &Options, out: &mut impl Write) -> anyhow::Result<bool> {
    if let Some(seed) = options.seed {
        return replay(options, seed, out);
    }
    let end = options.from.saturating_add(options.seeds);
    writeln!(out, "seeds {}..{end}", options.from)?;
    let begun = Instant::now();
    let sum = swarm(options)?;
    summary(out, &sum, begun.elapsed().as_secs_f64(), threads(options))?;
    Ok(sum.failed.is_empty())
}

fn replay(options: &Options, seed: u64, out: &mut impl Write) -> anyhow::Result<bool> {
    writeln!(out, "seed {seed}")?;
    let mut case = options.case(seed);
    if options.shrink {
        let (small, outcome) = shrink(&case, TRIES_MAX)?;
        if outcome.violations.is_empty() {
            writeln!(out, "nothing is violated")?;
            return Ok(true);
        }
        writeln!(out, "made small: {}", command(&small))?;
        case = small;
    }
    case.told = true;
    let outcome = run(&case)?;
    for line in &outcome.story {
        writeln!(out, "{line}")?;
    }
    for violation in &outcome.violations {
        writeln!(out, "VIOLATION {violation}")?;
    }
    Ok(outcome.violations.is_empty())
}

/// The command that replays a case.
fn command(case: &Case) -> String {
    let mut command = format!("cargo sim --seed {}", case.seed);
    let list = |names: Vec<String>| names.join(",");
    if case.among != Adversaries::all() {
        let names: Vec<String> = case.among.iter().map(Adversary::name).collect();
        command.push_str(&format!(" --only {}", list(names)));
    }
    if !case.without.is_empty() {
        let names = case.without.iter().map(ToString::to_string).collect();
        command.push_str(&format!(" --without-services {}", list(names)));
    }
    if let Some(steps) = &case.steps {
        let steps = steps.iter().map(ToString::to_string).collect();
        command.push_str(&format!(" --steps {}", list(steps)));
    }
    if let Some(bug) = case.bug {
        command.push_str(&format!(" --plant {}", crate::point::kebab(&bug)));
    }
    command
}

/// The sum over many seeds.
#[derive(Debug, Default)]
struct Sum {
    tally: Tally,
    failed: BTreeMap<u64, Vec<String>>,
}

impl Sum {
    fn add(&mut self, seed: u64, outcome: Outcome) {
        self.tally.add(outcome.tally);
        if !outcome.violations.is_empty() {
            self.failed.insert(seed, outcome.violations);
        }
    }
}

fn threads(options: &Options) -> usize {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    options.threads.unwrap_or(cores).max(1)
}

fn swarm(options: &Options) -> anyhow::Result<Sum> {
    let next = AtomicU64::new(options.from);
    let end = options.from.saturating_add(options.seeds);
    let work = || -> anyhow::Result<Sum> {
        let mut sum = Sum::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return Ok(sum);
            }
            sum.add(seed, run(&options.case(seed))?);
        }
    };
    let sums = thread::scope(|scope| {
        let all: Vec<_> = (0..threads(options)).map(|_| scope.spawn(work)).collect();
        let sums = all.into_iter().map(|one| one.join());
        sums.collect::<Vec<_>>()
    });
    let mut all = Sum::default();
    for sum in sums {
        let sum =
            sum.map_err(|_| anyhow!("a world fell apart: its seed is in the message above"))??;
        all.tally.add(sum.tally);
        all.failed.extend(sum.failed);
    }
    Ok(all)
}

fn summary(out: &mut impl Write, sum: &Sum, seconds: f64, threads: usize) -> io::Result<()> {
    let tally = &sum.tally;
    let count = |what: &str| tally.entries.get(what).copied().unwrap_or(0);
    let (seeds, steps, facts) = (tally.seeds, tally.steps, tally.facts);
    writeln!(
        out,
        "{seeds} seeds, {steps} steps, {facts} facts handled in {seconds:.1} s"
    )?;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = facts as f64 / seconds / threads as f64;
    writeln!(
        out,
        "{rate:.0} facts per second and thread, {threads} threads"
    )?;
    let (begun, back) = (count("begun"), count("rolled_back"));
    let (good, failed) = (
        count("succeeded"),
        count("failed") + count("rollback_failed"),
    );
    writeln!(
        out,
        "{begun} deployments: {good} good, {back} rolled back, {failed} failed"
    )?;
    let struck = tally.faults.iter().map(|(one, often)| (one.name(), often));
    list(out, "struck", struck)?;
    list(out, "rare paths", tally.paths.iter())?;
    let (points, spared) = (tally.points.len(), tally.spared());
    writeln!(
        out,
        "{points} await points; never struck: {}",
        or_none(&spared)
    )?;
    let reasons = variants::<Reason>();
    let missing = Tally::missing(reasons, &tally.reasons);
    let (all, missing_count) = (reasons.len(), missing.len());
    let (given, words) = (all - missing_count, or_none(&missing));
    writeln!(out, "{given} of {all} reasons given; never: {words}")?;
    let entries = variants::<What>();
    let missing = Tally::missing(entries, &tally.entries);
    let (all, written) = (entries.len(), entries.len() - missing.len());
    writeln!(
        out,
        "{written} of {all} entries written; never: {}",
        or_none(&missing)
    )?;
    let paths: BTreeSet<&str> = tally.paths.keys().copied().collect();
    let untaken: Vec<&str> = PATHS
        .into_iter()
        .filter(|one| !paths.contains(one))
        .collect();
    writeln!(out, "rare paths never taken: {}", or_none(&untaken))?;
    let (bound, longest) = (
        world::SETTLES_WITHIN.as_secs() / MINUTE,
        tally.settled / MINUTE,
    );
    writeln!(
        out,
        "liveness: settles within {bound} min after the faults; the longest took {longest} min"
    )?;
    for (seed, violations) in sum.failed.iter().take(PRINTED_MAX) {
        let first = violations.first().map_or("", String::as_str);
        writeln!(out, "VIOLATION {first}\n  cargo sim --seed {seed}")?;
    }
    writeln!(
        out,
        "{} of {seeds} seeds violate something",
        sum.failed.len()
    )
}

fn list<'a>(
    out: &mut impl Write,
    title: &str,
    counts: impl Iterator<Item = (impl std::fmt::Display + 'a, &'a u64)>,
) -> io::Result<()> {
    let counts: Vec<String> = counts.map(|(what, n)| format!("{what} {n}")).collect();
    writeln!(out, "{title}: {}", counts.join(", "))
}

fn or_none(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}
