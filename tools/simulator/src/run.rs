//! One seed, from its drawing to its judgement.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use domain::entry::{Actor, Call, Drop};
use domain::pipeline::WaitingOn;
use domain::{Entry, ServiceName, SignedDuration, What};
use engine::memory::contract::noon;
use engine::memory::{Keep, MemoryLedger};
use fastrand::Rng;

use crate::adversary::{Adversaries, Odds};
use crate::audit::Audit;
use crate::bug::Bug;
use crate::scenario::{self, Plan};
use crate::settled;
use crate::shared::Shared;
use crate::tally::{Tally, name_of};
use crate::world::World;

/// What is run.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) bug: Option<Bug>,
    /// Who may be about.
    pub(crate) among: Adversaries,
    /// Services that are left out.
    pub(crate) without: BTreeSet<ServiceName>,
    /// The numbers of the steps that are kept; none keeps all.
    pub(crate) steps: Option<BTreeSet<usize>>,
    /// Whether somebody wants to read the history.
    pub(crate) told: bool,
}

impl Case {
    pub(crate) fn of(seed: u64) -> Self {
        Self {
            seed,
            bug: None,
            among: Adversaries::all(),
            without: BTreeSet::new(),
            steps: None,
            told: false,
        }
    }

    /// The plan of this case.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub(crate) fn plan(&self) -> anyhow::Result<Plan> {
        let mut plan = scenario::draw(&mut Rng::with_seed(self.seed), self.among)?;
        let kept = |service: &ServiceName| !self.without.contains(service);
        plan.services.retain(|one| kept(&one.config.service));
        plan.steps.retain(|step| {
            let named = self.steps.as_ref();
            kept(&step.service) && named.is_none_or(|steps| steps.contains(&step.number))
        });
        Ok(plan)
    }
}

/// What one seed came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) violations: Vec<String>,
    pub(crate) story: Vec<String>,
    pub(crate) tally: Tally,
    /// The steps that were taken.
    pub(crate) steps: BTreeSet<usize>,
}

/// Runs one case.
///
/// # Errors
/// When the scenario cannot be drawn.
pub(crate) fn run(case: &Case) -> anyhow::Result<Outcome> {
    // What happens and what strikes are drawn apart: leaving out a step leaves the others.
    let mut rng = Rng::with_seed(case.seed ^ 0x9e37_79b9_7f4a_7c15);
    let odds = Odds::draw(&mut rng, case.among);
    Ok(play(case.plan()?, odds, rng, case))
}

/// One world of so many puts everything that is stored through the bytes of its stored form: most
/// of a world's time would go there, and what does not survive it shows in any of them.
const STORED_ONE_IN: u64 = 8;

/// Whether everything that is stored is read back from its stored form, drawn apart from all else.
fn draw_keep(seed: u64) -> Keep {
    match Rng::with_seed(!seed).u64(0..STORED_ONE_IN) {
        0 => Keep::AsWritten,
        _ => Keep::AsGiven,
    }
}

/// Rare paths that entries tell of.
fn note_path(tally: &mut Tally, entry: &Entry) {
    let what = &entry.what;
    if matches!(what, What::RollbackAdopted { .. }) {
        tally.path("a platform rolled back by itself");
    }
    let on = |on: &WaitingOn| matches!(on, WaitingOn::Freeze { .. });
    let looked = entry.actor == Actor::Source("deployer".to_owned());
    if looked && matches!(what, What::Waits { on: one, .. } if on(one)) {
        tally.path("a start met a freeze at the last look");
    }
    let scan = |on: &WaitingOn| matches!(on, WaitingOn::Scan { problem: Some(_) });
    if matches!(what, What::Waits { on, .. } if scan(on)) {
        tally.path("a scan brought nothing to rely on");
    }
    let refused = |end: &Drop| matches!(end, Drop::Vulnerable(_));
    if matches!(what, What::Dropped { end, .. } if refused(end)) {
        tally.path("an image was refused over what its scan found");
    }
    let late = |call: &Call| matches!(call, Call::LateAction { .. });
    if matches!(what, What::PersonCalled { call, .. } if late(call)) {
        tally.path("an attempt landed after it was given up");
    }
}

/// Plays a plan.
pub(crate) fn play(plan: Plan, odds: Odds, rng: Rng, case: &Case) -> Outcome {
    let steps = plan.steps.iter().map(|step| step.number).collect();
    let keep = draw_keep(case.seed);
    let shared = Rc::new(Shared {
        now: Cell::new(noon()),
        begin: noon(),
        rng: RefCell::new(rng),
        foul: Cell::new(true),
        odds,
        told: RefCell::default(),
        next_scan: Cell::new(None),
        bug: case.bug,
        nap: Cell::new(SignedDuration::ZERO),
        here: Cell::new(None),
        rollout: Cell::new(None),
        keep,
        ledger: MemoryLedger::keeping(keep),
        cloud: RefCell::default(),
        cloud_moved: Cell::new(false),
        outbox: RefCell::default(),
        late: RefCell::default(),
        landed: RefCell::default(),
        unfound: RefCell::default(),
        heard: RefCell::default(),
        audit: RefCell::new(Audit::new(keep)),
        tally: RefCell::default(),
        story: case.told.then(RefCell::default),
    });
    let mut world = World::new(Rc::clone(&shared), plan);
    world.run();
    let mut violations = shared.audit.borrow().violations.clone();
    if violations.is_empty() {
        violations = settled::objections(&shared, &world.people.pushed);
    }
    let mut tally = shared.tally.take();
    tally.seeds = 1;
    if keep == Keep::AsWritten {
        tally.path("a world in which all that is stored is read back");
    }
    for book in shared.audit.borrow().books.values() {
        for entry in &book.entries {
            *tally.entries.entry(name_of(&entry.what)).or_default() += 1;
            *tally.reasons.entry(name_of(&entry.why)).or_default() += 1;
            note_path(&mut tally, entry);
        }
    }
    let story = shared.story.as_ref().map(RefCell::take);
    Outcome {
        violations,
        story: story.unwrap_or_default(),
        tally,
        steps,
    }
}
