//! The walk through every state of the small world: all that can happen when nothing goes wrong,
//! and all that so many adverse steps lead to. It goes deep first, so that it holds one history at
//! a time, and of every state that it knows the key. How states are told apart is in `key`.

use std::collections::{HashMap, HashSet};

use super::history::{self, NO_REST, Violation, at_rest};
use super::key::{self, Key, canonical};
use super::model::{Model, State};
use super::step::Step;

/// Fair steps after which a world must be at rest.
pub(super) const RESTS_WITHIN: u8 = 120;
/// Different violations after which the walk ends.
const VIOLATIONS_MAX: usize = 5;

/// How far to walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Adverse steps in one history at most.
    pub(crate) adversities: u8,
    /// States at most.
    pub(crate) states: usize,
    pub(crate) shadow: Shadow,
}

/// Whether the state that a history really came to is walked beside the one that stands for it.
/// Twice the work: it shows that nothing is lost by going on from the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shadow {
    Follows,
    Absent,
}

/// What a walk came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walked {
    /// States for each number of adverse steps that they need.
    pub(crate) levels: Vec<usize>,
    /// Steps followed.
    pub(crate) steps: u64,
    /// Decisions taken.
    pub(crate) decisions: u64,
    /// Steps of the longest history that was held.
    pub(crate) longest: usize,
    /// The most fair steps that any state needed to come to rest.
    pub(crate) longest_rest: u8,
    /// Whether nothing was left out within the adversities that were allowed.
    pub(crate) complete: bool,
    /// What was wrong, each with its history.
    pub(crate) violations: Vec<Violation>,
}

impl Walked {
    /// All states.
    pub(crate) fn states(&self) -> usize {
        self.levels.iter().sum()
    }

    /// Whether more adversity would lead to nothing new.
    pub(crate) fn is_closed(&self) -> bool {
        self.complete && self.levels.last() == Some(&0)
    }
}

/// What is known of a state.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Fair steps to its rest.
    rest: u8,
    /// The fewest adverse steps that it was gone on from with; none when it was only passed on the
    /// way to rest.
    adversities: Option<u8>,
}

/// One state of the history that is walked, with the steps that are left to go from it.
struct Frame {
    state: State,
    shadow: Option<State>,
    adversities: u8,
    steps: Vec<Step>,
    next: usize,
}

struct Walk<'a> {
    model: &'a Model,
    bounds: Bounds,
    known: HashMap<Key, Known>,
    history: Vec<Frame>,
    told: HashSet<String>,
    walked: Walked,
}

/// Walks.
pub(crate) fn walk(model: &Model, bounds: Bounds) -> Walked {
    let mut walk = Walk {
        model,
        bounds,
        known: HashMap::new(),
        history: Vec::new(),
        told: HashSet::new(),
        walked: Walked::default(),
    };
    let first = model.configured();
    walk.walked.decisions += first.decisions;
    walk.object(first.wrong);
    let shadow = (bounds.shadow == Shadow::Follows).then(|| first.state.clone());
    walk.enter(canonical(model, first.state), shadow, 0);
    while walk.goes_on() && walk.step() {}
    walk.done()
}

impl Walk<'_> {
    fn goes_on(&self) -> bool {
        self.known.len() < self.bounds.states && self.walked.violations.len() < VIOLATIONS_MAX
    }

    /// Takes the next step of the history, or one back; whether there was any.
    fn step(&mut self) -> bool {
        let Some(frame) = self.history.last_mut() else {
            return false;
        };
        let Some(step) = frame.steps.get(frame.next) else {
            self.history.pop();
            return true;
        };
        frame.next += 1;
        let adversities = frame.adversities + u8::from(step.is_adverse(&frame.state));
        if adversities > self.bounds.adversities {
            return true;
        }
        let mut followed = self.model.follow(&frame.state, step);
        let state = canonical(self.model, followed.state);
        self.walked.steps += 1;
        self.walked.decisions += followed.decisions;
        let shadow = frame.shadow.as_ref().map(|shadow| {
            let really = self.model.follow(shadow, step);
            let stands = canonical(self.model, really.state.clone());
            if key::of(&stands) != key::of(&state) || really.wrong != followed.wrong {
                followed.wrong.push(format!(
                    "what stands for a state behaves otherwise at {step:?}:\n{}\n{}",
                    key::printed(&stands),
                    key::printed(&state)
                ));
            }
            really.state
        });
        self.object(followed.wrong);
        self.enter(state, shadow, adversities);
        true
    }

    /// Goes on from a state, if it was not gone on from with as few adverse steps before.
    fn enter(&mut self, state: State, shadow: Option<State>, adversities: u8) {
        let key = key::of(&state);
        let known = self.known.get(&key).copied();
        let before = known.and_then(|known| known.adversities);
        if before.is_some_and(|before| before <= adversities) {
            return;
        }
        let rest = known.map_or_else(|| self.calm(key, &state), |known| known.rest);
        let known = Known {
            rest,
            adversities: Some(adversities),
        };
        self.known.insert(key, known);
        let mut steps = self.model.steps(&state);
        // What comes anyway first: what an adverse step leads to is mostly known then.
        steps.sort_by_key(|step| step.is_adverse(&state));
        self.history.push(Frame {
            state,
            shadow,
            adversities,
            steps,
            next: 0,
        });
        self.walked.longest = self.walked.longest.max(self.history.len() - 1);
    }

    /// Follows a state until nothing is left to do, or to one that is known to get there; how many
    /// fair steps it takes.
    fn calm(&mut self, key: Key, state: &State) -> u8 {
        let mut way = vec![key];
        let mut state = state.clone();
        let left = loop {
            let Some(step) = self.model.fair_step(&state) else {
                self.object(at_rest(self.model, &state));
                break 0;
            };
            if way.len() > usize::from(RESTS_WITHIN) {
                self.object(vec![NO_REST.to_owned()]);
                break 0;
            }
            let followed = self.model.follow(&state, &step);
            self.walked.decisions += followed.decisions;
            self.object(followed.wrong);
            state = canonical(self.model, followed.state);
            let key = key::of(&state);
            if let Some(known) = self.known.get(&key) {
                break known.rest.saturating_add(1);
            }
            way.push(key);
        };
        let mut rest = left;
        for key in way.into_iter().rev() {
            self.walked.longest_rest = self.walked.longest_rest.max(rest);
            self.known.entry(key).or_insert(Known {
                rest,
                adversities: None,
            });
            rest = rest.saturating_add(1);
        }
        rest.saturating_sub(1)
    }

    fn object(&mut self, wrong: Vec<String>) {
        for what in wrong {
            // The same fault shows at many numbers.
            let kind = history::kind(&what);
            if self.walked.violations.len() < VIOLATIONS_MAX && self.told.insert(kind) {
                let taken = |frame: &Frame| frame.steps.get(frame.next.checked_sub(1)?).cloned();
                let steps = self.history.iter().filter_map(taken).collect();
                let violation = history::violation(self.model, what, steps);
                self.walked.violations.push(violation);
            }
        }
    }

    fn done(mut self) -> Walked {
        self.walked.complete = self.history.is_empty();
        self.walked.levels = vec![0; usize::from(self.bounds.adversities) + 1];
        for known in self.known.values() {
            let level = known.adversities.map(usize::from);
            if let Some(level) = level.and_then(|level| self.walked.levels.get_mut(level)) {
                *level += 1;
            }
        }
        self.walked
    }
}
