//! One seed, from its drawing to its judgement, and the sum over many.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use domain::SignedDuration;
use engine::memory::MemoryLedger;
use engine::memory::contract::noon;
use fastrand::Rng;

use crate::audit::{Audit, name_of};
use crate::shared::{Bug, Shared, Tally, Weather, count};
use crate::world::World;
use crate::{scenario, settled};

/// What one seed came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) story: Vec<String>,
    pub(crate) tally: Tally,
    pub(crate) reasons: BTreeSet<String>,
}

/// Runs one seed.
///
/// # Errors
/// When the scenario cannot be drawn.
pub(crate) fn run(seed: u64, bug: Option<Bug>) -> anyhow::Result<Outcome> {
    let mut rng = Rng::with_seed(seed);
    let services = scenario::services(&mut rng)?;
    let steps = scenario::steps(&mut rng, &services);
    let shared = Rc::new(Shared {
        now: Cell::new(noon()),
        rng: RefCell::new(rng),
        weather: Cell::new(Weather::Foul),
        bug,
        nap: Cell::new(SignedDuration::ZERO),
        ledger: MemoryLedger::default(),
        cloud: RefCell::default(),
        outbox: RefCell::default(),
        sent: RefCell::default(),
        wakes: RefCell::default(),
        heard: RefCell::default(),
        audit: RefCell::new(Audit::default()),
        tally: RefCell::default(),
        story: RefCell::default(),
    });
    let mut world = World::new(Rc::clone(&shared), services, steps);
    world.run();
    let mut violations = shared.audit.borrow().violations.clone();
    if violations.is_empty() {
        violations = settled::objections(&shared, &world.uploads);
    }
    let mut tally = shared.tally.borrow().clone();
    let audit = shared.audit.borrow();
    for entry in audit.books.values().flat_map(|book| &book.entries) {
        count(&mut tally.kinds, &name_of(&entry.what));
    }
    Ok(Outcome {
        violations,
        story: shared.story.borrow().clone(),
        tally,
        reasons: audit.reasons.clone(),
    })
}

/// The sum over many seeds.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    pub(crate) seeds: u64,
    pub(crate) tally: Tally,
    pub(crate) reasons: BTreeSet<String>,
    pub(crate) failed: BTreeMap<u64, Vec<String>>,
}

impl Sum {
    /// Adds one seed's outcome.
    pub(crate) fn add(&mut self, seed: u64, outcome: Outcome) {
        self.seeds += 1;
        self.tally.steps += outcome.tally.steps;
        let mine = [
            &mut self.tally.faults,
            &mut self.tally.verdicts,
            &mut self.tally.kinds,
        ];
        let theirs = [
            outcome.tally.faults,
            outcome.tally.verdicts,
            outcome.tally.kinds,
        ];
        for (mine, theirs) in mine.into_iter().zip(theirs) {
            for (what, often) in theirs {
                *mine.entry(what).or_default() += often;
            }
        }
        self.reasons.extend(outcome.reasons);
        if !outcome.violations.is_empty() {
            self.failed.insert(seed, outcome.violations);
        }
    }
}
