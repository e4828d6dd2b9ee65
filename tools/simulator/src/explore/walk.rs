//! The walk through every state of the small world, adversity by adversity: first all that can
//! happen when nothing goes wrong, then all that one adverse step leads to, then two. When a level
//! has nothing new, the world is explored completely.

use std::collections::{HashMap, HashSet};
use std::thread;

use super::key::{self, Key};
use super::law::{self, AtRest};
use super::model::{Model, State};
use super::step::Step;

/// Fair steps after which a world must be at rest.
const RESTS_WITHIN: u16 = 120;
/// States that are expanded at a time.
const BATCH: usize = 4096;
/// Different violations after which the walk ends.
const VIOLATIONS_MAX: usize = 5;

/// How far to walk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Adverse steps in one history at most.
    pub(crate) adversities: usize,
    /// States at most.
    pub(crate) states: usize,
    pub(crate) threads: usize,
}

/// What a walk came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Walked {
    /// New states for each number of adverse steps.
    pub(crate) levels: Vec<usize>,
    /// Steps followed.
    pub(crate) steps: u64,
    /// Decisions taken.
    pub(crate) decisions: u64,
    /// The most fair steps that any state needed to come to rest.
    pub(crate) longest_rest: u16,
    /// Whether nothing was left out within the adversities that were allowed.
    pub(crate) complete: bool,
    /// Whether more adversity would lead to nothing new.
    pub(crate) closed: bool,
    /// What was wrong, each with its history.
    pub(crate) violations: Vec<Violation>,
}

/// Something wrong, and how it comes to it.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) what: String,
    pub(crate) story: Vec<String>,
}

impl Walked {
    /// All states.
    pub(crate) fn states(&self) -> usize {
        self.levels.iter().sum()
    }
}

/// A state to go on from; its number is its place among those found.
struct Node {
    number: u32,
    state: State,
}

/// What a step led to.
struct Led {
    parent: u32,
    /// Which of the parent's steps it was.
    which: u16,
    adverse: bool,
    key: Key,
    state: State,
    wrong: Vec<String>,
    decisions: u64,
}

/// How a state came to rest.
struct Rest {
    /// Keys on the way with the steps that each has before it.
    way: Vec<(Key, u16)>,
    wrong: Vec<String>,
    decisions: u64,
}

struct Walk<'a> {
    model: &'a Model,
    bounds: Bounds,
    seen: HashSet<Key>,
    parents: Vec<(u32, u16)>,
    /// Fair steps to rest, for every state that was followed there.
    calm: HashMap<Key, u16>,
    told: HashSet<String>,
    walked: Walked,
}

/// Walks.
pub(crate) fn walk(model: &Model, bounds: Bounds) -> Walked {
    let mut walk = Walk {
        model,
        bounds,
        seen: HashSet::new(),
        parents: Vec::new(),
        calm: HashMap::new(),
        told: HashSet::new(),
        walked: Walked::default(),
    };
    let first = model.configured();
    let led = Led {
        parent: 0,
        which: 0,
        adverse: false,
        key: key::of(&first.state),
        state: first.state,
        wrong: first.wrong,
        decisions: first.decisions,
    };
    walk.run(led);
    walk.walked
}

impl Walk<'_> {
    fn run(&mut self, first: Led) {
        let mut level = vec![first];
        for _ in 0..=self.bounds.adversities {
            let before = self.seen.len();
            let mut next = Vec::new();
            let mut stack = self.take_in(level);
            while !stack.is_empty() && self.goes_on() {
                let batch = stack.split_off(stack.len().saturating_sub(BATCH));
                let (same, more): (Vec<Led>, Vec<Led>) =
                    self.expand(batch).into_iter().partition(|led| !led.adverse);
                next.extend(more.into_iter().filter(|led| !self.seen.contains(&led.key)));
                stack.extend(self.take_in(same));
            }
            self.walked.levels.push(self.seen.len() - before);
            if !stack.is_empty() {
                return;
            }
            let mut keys = HashSet::new();
            next.retain(|led| !self.seen.contains(&led.key) && keys.insert(led.key));
            if next.is_empty() {
                self.walked.closed = true;
                break;
            }
            level = next;
        }
        self.walked.complete = true;
    }

    fn goes_on(&self) -> bool {
        self.seen.len() < self.bounds.states && self.walked.violations.len() < VIOLATIONS_MAX
    }

    /// Takes over what is new, follows it to its rest, and gives it back to go on from.
    fn take_in(&mut self, led: Vec<Led>) -> Vec<Node> {
        let mut nodes = Vec::new();
        for one in led {
            if !self.seen.insert(one.key) {
                continue;
            }
            let number = u32::try_from(self.parents.len()).unwrap_or(u32::MAX);
            self.parents.push((one.parent, one.which));
            for what in one.wrong {
                self.violation(number, what);
            }
            nodes.push((
                one.key,
                Node {
                    number,
                    state: one.state,
                },
            ));
        }
        let (model, calm) = (self.model, &self.calm);
        let rests = in_parallel(self.bounds.threads, &nodes, |(key, node)| {
            (node.number, to_rest(model, calm, *key, &node.state))
        });
        for (number, rest) in rests {
            self.walked.decisions += rest.decisions;
            let longest = rest.way.iter().map(|(_, steps)| *steps).max();
            self.walked.longest_rest = self.walked.longest_rest.max(longest.unwrap_or(0));
            self.calm.extend(rest.way);
            for what in rest.wrong {
                self.violation(number, format!("at rest: {what}"));
            }
        }
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    fn expand(&mut self, batch: Vec<Node>) -> Vec<Led> {
        let model = self.model;
        let all = in_parallel(self.bounds.threads, &batch, |node| {
            let steps = (0..).zip(model.steps(&node.state));
            let led = steps.map(|(which, step)| {
                let followed = model.follow(&node.state, &step);
                Led {
                    parent: node.number,
                    which,
                    adverse: step.is_adverse(&node.state),
                    key: key::of(&followed.state),
                    state: followed.state,
                    wrong: followed.wrong,
                    decisions: followed.decisions,
                }
            });
            led.collect::<Vec<Led>>()
        });
        let mut news = Vec::new();
        for led in all.into_iter().flatten() {
            self.walked.steps += 1;
            self.walked.decisions += led.decisions;
            // What is wrong about a step that leads to a known state is wrong all the same.
            let known = self.seen.contains(&led.key);
            if known && let Some(what) = led.wrong.first() {
                let what = what.clone();
                let step = self.step(led.parent, led.which);
                self.violation(led.parent, format!("{what}, at {step:?}"));
            }
            if !known {
                news.push(led);
            }
        }
        news
    }

    fn violation(&mut self, number: u32, what: String) {
        // The same fault shows at many numbers.
        let kind: String = what.chars().filter(|c| !c.is_ascii_digit()).collect();
        if self.walked.violations.len() < VIOLATIONS_MAX && self.told.insert(kind) {
            let story = self.story(number);
            self.walked.violations.push(Violation { what, story });
        }
    }

    /// The steps that lead to a state.
    fn way(&self, number: u32) -> Vec<u16> {
        let mut way = Vec::new();
        let mut number = number;
        while number > 0 {
            let Some((parent, which)) = self.parents.get(number as usize) else {
                break;
            };
            way.push(*which);
            number = *parent;
        }
        way.reverse();
        way
    }

    fn step(&self, parent: u32, which: u16) -> Option<Step> {
        let mut state = self.model.configured().state;
        for which in self.way(parent) {
            let step = self.model.steps(&state).get(usize::from(which))?.clone();
            state = self.model.follow(&state, &step).state;
        }
        self.model.steps(&state).get(usize::from(which)).cloned()
    }

    /// How it comes to a state: each step with what was written.
    fn story(&self, number: u32) -> Vec<String> {
        let mut lines = Vec::new();
        let mut state = self.model.configured().state;
        for which in self.way(number) {
            let Some(step) = self.model.steps(&state).get(usize::from(which)).cloned() else {
                break;
            };
            state = tell(self.model, &state, &step, &mut lines);
        }
        lines.push("and then, when nobody is adverse any more:".to_owned());
        for _ in 0..RESTS_WITHIN {
            let Some(step) = self.model.fair_step(&state) else {
                break;
            };
            state = tell(self.model, &state, &step, &mut lines);
        }
        lines
    }
}

/// Follows a step and tells of it.
fn tell(model: &Model, state: &State, step: &Step, lines: &mut Vec<String>) -> State {
    let next = model.follow(state, step).state;
    let adverse = if step.is_adverse(state) { "!" } else { " " };
    lines.push(format!("{}{adverse} {step:?}", next.now));
    for (config, site) in model.config.stages.iter().zip(&next.sites) {
        let name = &config.name;
        let Some(stage) = next.pipeline.stages.get(name) else {
            continue;
        };
        if state.pipeline.stages.get(name) == Some(stage) {
            continue;
        }
        let phase = stage.active.as_ref().map(|active| &active.phase);
        lines.push(format!(
            "      {name}: waits {:?}, does {phase:?}, good {:?}, runs {:?}, really {:?}",
            stage
                .waiting
                .iter()
                .map(|o| (o.release.0, &o.on))
                .collect::<Vec<_>>(),
            stage.good,
            stage.runs,
            site.running
        ));
    }
    next
}

/// Follows a state until nothing is left to do, or to one that is known to get there.
fn to_rest(model: &Model, calm: &HashMap<Key, u16>, key: Key, state: &State) -> Rest {
    let mut rest = Rest {
        way: Vec::new(),
        wrong: Vec::new(),
        decisions: 0,
    };
    let mut keys = vec![key];
    let mut state = state.clone();
    let left = loop {
        let last = keys.last().copied().unwrap_or_default();
        if let Some(known) = calm.get(&last) {
            break *known;
        }
        let Some(step) = model.fair_step(&state) else {
            rest.wrong.extend(law::of_rest(model, &AtRest::of(&state)));
            break 0;
        };
        if keys.len() > usize::from(RESTS_WITHIN) {
            rest.wrong
                .push("liveness: it never comes to rest".to_owned());
            break 0;
        }
        let followed = model.follow(&state, &step);
        rest.decisions += followed.decisions;
        rest.wrong.extend(followed.wrong);
        state = followed.state;
        keys.push(key::of(&state));
    };
    let far = (left..).take(keys.len());
    rest.way = keys.into_iter().rev().zip(far).collect();
    rest
}

/// Maps in several threads; the order stays.
fn in_parallel<T: Sync, U: Send>(
    threads: usize,
    items: &[T],
    map: impl Fn(&T) -> U + Sync,
) -> Vec<U> {
    let size = items.len().div_ceil(threads.max(1)).max(1);
    if threads <= 1 || items.len() < 2 {
        return items.iter().map(map).collect();
    }
    thread::scope(|scope| {
        let map = &map;
        let parts: Vec<_> = items
            .chunks(size)
            .map(|part| scope.spawn(move || part.iter().map(map).collect::<Vec<U>>()))
            .collect();
        // A thread that panicked has printed why; what it left out is missed below.
        parts
            .into_iter()
            .flat_map(|part| match part.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
