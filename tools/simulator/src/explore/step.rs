//! Everything that can happen to the small world next. What has to come anyway is free; what an
//! adversary does, or a person in a bad mood, costs one, so that the walk can say how much
//! adversity it has seen in every combination. What a step does is in `turn`.

use domain::ReleaseNumber;
use domain::alarm::AlarmState;
use domain::config::Gate;
use domain::due::due_at;
use domain::pipeline::Active;

use super::model::{Acting, Is, Model, RELEASES, State};

/// One thing that can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// The next artefact arrives.
    Upload,
    /// Time passes until something is due, and the reconciler looks.
    Minute,
    /// A quarter of an hour passes.
    Quarter,
    /// An event says that something moved on a stage's target; its handler looks and decides.
    Look(usize),
    /// The same, but its handler is slow to decide on what it saw.
    Glance(usize),
    /// The slow handler decides.
    Decide,
    /// The deployer carries out the next entry.
    CarryOut,
    /// It does so slowly: it has seen that the action is wanted.
    Check,
    /// It acts.
    Act,
    /// It tells the ledger.
    Answer,
    /// It dies, and the stream brings the entry again.
    Die,
    /// A target's open deployment goes on.
    Becomes(usize, Is),
    /// Somebody else deploys to a target.
    Meddle(usize),
    /// The alarm changes.
    Flip,
    /// A change of the alarm is heard of: the oldest first, or not.
    Hear(usize),
    /// A person asks.
    Ask(Wish),
}

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    Approve(ReleaseNumber),
    Reject(ReleaseNumber),
    Promote(usize, ReleaseNumber),
    RollBack(usize, Option<ReleaseNumber>),
    Freeze(usize),
    Thaw(usize),
}

impl Step {
    /// Whether it is an adversary's.
    pub(crate) fn is_adverse(&self, state: &State) -> bool {
        match self {
            // While the stream stands still.
            Self::Minute | Self::Quarter => !state.outbox.is_empty(),
            Self::Becomes(_, is) => matches!(is, Is::Failed | Is::Undoing),
            Self::Flip => state.alarm.state == AlarmState::Ok,
            Self::Hear(at) => *at > 0,
            Self::Ask(wish) => !matches!(wish, Wish::Approve(_) | Wish::Thaw(_)),
            Self::Glance(_) | Self::Check | Self::Die | Self::Meddle(_) => true,
            Self::Upload
            | Self::Look(_)
            | Self::Decide
            | Self::CarryOut
            | Self::Act
            | Self::Answer => false,
        }
    }
}

impl Model {
    /// Every step that the world allows.
    pub(crate) fn steps(&self, state: &State) -> Vec<Step> {
        let mut steps = Vec::new();
        if state.uploaded < RELEASES {
            steps.push(Step::Upload);
        }
        match (&state.acting, state.outbox.is_empty()) {
            (Some(Acting::Checked), _) => steps.extend([Step::Act, Step::Die]),
            (Some(Acting::Acted(_)), _) => steps.extend([Step::Answer, Step::Die]),
            (None, false) => steps.extend([Step::CarryOut, Step::Check]),
            (None, true) => {}
        }
        if state.looked.is_some() {
            steps.push(Step::Decide);
        }
        for (at, site) in state.sites.iter().enumerate() {
            if self.active(state, at).is_some() {
                steps.push(Step::Look(at));
                if state.looked.is_none() {
                    steps.push(Step::Glance(at));
                }
            }
            match site.attempts.iter().find(|one| one.is_open()) {
                Some(open) if open.is == Is::Undoing => steps.push(Step::Becomes(at, Is::Undone)),
                Some(open) => {
                    steps.push(Step::Becomes(at, Is::Succeeded));
                    steps.push(Step::Becomes(at, Is::Failed));
                    if open.mark.is_some() {
                        steps.push(Step::Becomes(at, Is::Undoing));
                    }
                }
                None => steps.push(Step::Meddle(at)),
            }
        }
        if state.changes.len() < 2 {
            steps.push(Step::Flip);
        }
        steps.extend((0..state.changes.len()).map(Step::Hear));
        if due_at(&state.pipeline).is_some() {
            steps.extend([Step::Minute, Step::Quarter]);
        }
        self.wishes(state, &mut steps);
        steps
    }

    /// What people may ask for that is not refused out of hand.
    fn wishes(&self, state: &State, steps: &mut Vec<Step>) {
        for (at, config) in self.config.stages.iter().enumerate() {
            let Some(stage) = state.pipeline.stages.get(&config.name) else {
                continue;
            };
            let mut wish = |wish| steps.push(Step::Ask(wish));
            for offer in &stage.waiting {
                if matches!(config.gate, Gate::Approval(_)) {
                    wish(Wish::Approve(offer.release));
                    wish(Wish::Reject(offer.release));
                }
            }
            for number in 1..=state.pipeline.last_release {
                wish(Wish::Promote(at, ReleaseNumber(number)));
            }
            wish(Wish::RollBack(at, None));
            for good in &stage.good {
                wish(Wish::RollBack(at, Some(*good)));
            }
            wish(match &stage.freeze {
                Some(_) => Wish::Thaw(at),
                None => Wish::Freeze(at),
            });
        }
    }

    /// What a stage does now.
    pub(crate) fn active<'a>(&self, state: &'a State, at: usize) -> Option<&'a Active> {
        let config = self.stage(at)?;
        state.pipeline.stages.get(&config.name)?.active.as_ref()
    }

    /// The step that comes by itself when nobody is adverse any more; none when all is at rest.
    pub(crate) fn fair_step(&self, state: &State) -> Option<Step> {
        match &state.acting {
            Some(Acting::Checked) => return Some(Step::Act),
            Some(Acting::Acted(_)) => return Some(Step::Answer),
            None => {}
        }
        if !state.outbox.is_empty() {
            return Some(Step::CarryOut);
        }
        if state.looked.is_some() {
            return Some(Step::Decide);
        }
        if !state.changes.is_empty() {
            return Some(Step::Hear(0));
        }
        for (at, site) in state.sites.iter().enumerate() {
            if let Some(open) = site.attempts.iter().find(|one| one.is_open()) {
                let ends = match open.is {
                    Is::Undoing => Is::Undone,
                    Is::Underway | Is::Succeeded | Is::Failed | Is::Undone => Is::Succeeded,
                };
                return Some(Step::Becomes(at, ends));
            }
        }
        due_at(&state.pipeline).map(|_| Step::Minute)
    }
}
