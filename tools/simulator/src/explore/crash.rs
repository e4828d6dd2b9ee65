//! A crash at every point of every handler, before and after the effect, then every pair of
//! crashes: each story must end as it ends without.

use std::rc::Rc;
use std::thread;

use super::model::Model;
use super::scene::{Scene, Strike, Strikes};
use super::story::{Story, Told, begin, tell};

/// Which strikes to try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Every so many-th point is struck; 1 means each.
    pub(crate) every: u64,
    pub(crate) pairs: bool,
    pub(crate) threads: usize,
}

/// What crashing came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Crashed {
    pub(crate) points: u64,
    pub(crate) singles: u64,
    pub(crate) pairs: u64,
    pub(crate) commits: u64,
    pub(crate) wrong: Vec<String>,
}

/// Tells a story once without strikes and then with each.
///
/// # Errors
/// When the small world cannot be made.
pub(crate) fn crash(story: &Story, bounds: Bounds) -> anyhow::Result<Crashed> {
    let scene = begin(&Rc::new(Model::new()?));
    let expected = tell(&scene, story, Vec::new());
    let parts = thread::scope(|scope| {
        let expected = &expected;
        let workers: Vec<_> = (0_u64..)
            .take(bounds.threads.max(1))
            .map(|one| scope.spawn(move || part(story, expected, bounds, one)))
            .collect();
        let joined = workers.into_iter().map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<anyhow::Result<Vec<Crashed>>>()
    })?;
    let mut sum = Crashed {
        points: expected.points,
        wrong: expected.wrong,
        ..Crashed::default()
    };
    for part in parts {
        sum.singles += part.singles;
        sum.pairs += part.pairs;
        sum.commits += part.commits;
        sum.wrong.extend(part.wrong);
    }
    Ok(sum)
}

/// One worker's share: every so many-th first point.
fn part(story: &Story, expected: &Told, bounds: Bounds, worker: u64) -> anyhow::Result<Crashed> {
    let scene = begin(&Rc::new(Model::new()?));
    let mut sum = Crashed::default();
    let (step, threads) = (bounds.every.max(1), bounds.threads.max(1) as u64);
    let points = (0..expected.points).filter(|at| at % step == 0);
    for first in points.filter(|at| (at / step) % threads == worker) {
        for strike in [Strike::Killed, Strike::Error] {
            sum.singles += 1;
            sum.try_with(&scene, story, expected, vec![(first, strike)]);
        }
        if !bounds.pairs {
            continue;
        }
        // What is struck is begun again: some more points than without.
        for second in (first + 1)..(expected.points + MORE_POINTS) {
            let strikes = vec![(first, Strike::Killed), (second, Strike::Killed)];
            sum.pairs += 1;
            sum.try_with(&scene, story, expected, strikes);
        }
    }
    Ok(sum)
}

/// Points that a handler passes at most before it is struck.
const MORE_POINTS: u64 = 16;
/// Violations that are told.
const VIOLATIONS_MAX: usize = 5;

impl Crashed {
    fn try_with(&mut self, scene: &Scene, story: &Story, expected: &Told, strikes: Strikes) {
        let told = tell(scene, story, strikes.clone());
        self.commits += told.commits;
        if self.wrong.len() >= VIOLATIONS_MAX {
            return;
        }
        let name = story.name;
        let mut object = |what: String| {
            self.wrong
                .push(format!("{name}, struck at {strikes:?}: {what}"));
        };
        if let Some(what) = told.wrong.first() {
            object(what.clone());
        } else if told.outcome != expected.outcome {
            object(format!(
                "it ends otherwise:\n{}\nand without:\n{}",
                told.outcome, expected.outcome
            ));
        }
    }
}
