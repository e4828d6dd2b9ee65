//! What every test run explores: as much as takes seconds. `cargo sim explore` does all of it.

use std::collections::{BTreeSet, HashSet};

use super::crash::{self, crash};
use super::key::{self, canonical};
use super::model::{Is, Model, State};
use super::race::{self, race};
use super::step::{Step, Wish};
use super::story::STORIES;
use super::walk::{Bounds, Shadow, walk};

#[test]
fn every_state_of_a_small_world_keeps_the_invariants_and_comes_to_rest() {
    let bounds = Bounds {
        adversities: 0,
        states: usize::MAX,
        shadow: Shadow::Follows,
    };
    let walked = walk(&Model::new().unwrap(), bounds);
    assert!(walked.violations.is_empty(), "{:#?}", walked.violations);
    assert!(walked.complete && walked.states() > 500, "{walked:?}");
    assert!(walked.longest_rest > 3, "{walked:?}");
}

#[test]
fn one_adverse_step_leads_to_nothing_that_breaks_an_invariant() {
    let bounds = Bounds {
        adversities: 1,
        states: 600,
        shadow: Shadow::Follows,
    };
    let walked = walk(&Model::new().unwrap(), bounds);
    assert!(walked.violations.is_empty(), "{:#?}", walked.violations);
    assert!(
        walked.levels.iter().all(|states| *states > 10),
        "{walked:?}"
    );
}

/// What so many steps lead to, and how each of them is judged, when no state is taken for another
/// that prints differently once `stands` has been asked for what stands for it.
fn reached(model: &Model, steps: usize, stands: impl Fn(State) -> State) -> BTreeSet<String> {
    let mut judged = BTreeSet::new();
    let mut known = HashSet::new();
    let mut all = vec![(stands(model.configured().state), 0)];
    for _ in 0..steps {
        let mut next = Vec::new();
        for (state, adversities) in all {
            for step in model.steps(&state) {
                let adversities = adversities + usize::from(step.is_adverse(&state));
                if adversities > 1 {
                    continue;
                }
                let followed = model.follow(&state, &step);
                let key = key::of(&canonical(model, followed.state.clone()));
                judged.insert(format!("{key} {adversities} {step:?} {:?}", followed.wrong));
                let state = stands(followed.state);
                if known.insert((format!("{state:?}"), adversities)) {
                    next.push((state, adversities));
                }
            }
        }
        all = next;
    }
    judged
}

#[test]
fn going_on_from_what_stands_for_a_state_reaches_what_going_on_from_all_reaches() {
    let model = Model::new().unwrap();
    let really = reached(&model, 5, |state| state);
    let stands = reached(&model, 5, |state| canonical(&model, state));
    assert!(really.len() > 300, "{}", really.len());
    assert_eq!(really, stands);
}

#[test]
fn a_story_ends_the_same_whatever_point_a_handler_is_struck_at() {
    for story in &STORIES {
        let bounds = crash::Bounds {
            every: 11,
            pairs: false,
            threads: 1,
        };
        let crashed = crash(story, bounds).unwrap();
        assert!(crashed.wrong.is_empty(), "{:#?}", crashed.wrong);
        assert!(crashed.singles > 10, "{crashed:?}");
    }
}

#[test]
fn two_handlers_on_one_pipeline_come_to_what_one_after_the_other_comes_to() {
    let bounds = race::Bounds {
        every: 211,
        threads: 1,
    };
    let raced = race(bounds).unwrap();
    assert!(raced.wrong.is_empty(), "{:#?}", raced.wrong);
    assert!(raced.interleavings > 20, "{raced:?}");
}

#[test]
fn states_that_differ_in_numbers_and_times_only_are_one() {
    let model = Model::new().unwrap();
    let follow = |state, step: &Step| {
        let followed = model.follow(&state, step);
        assert!(followed.wrong.is_empty(), "{:?}", followed.wrong);
        followed.state
    };
    let key = |state: &State| key::of(&canonical(&model, state.clone()));
    let start = model.configured().state;
    // A freeze that ended leaves later numbers, and nothing else.
    let frozen = follow(start.clone(), &Step::Ask(Wish::Freeze(0)));
    assert_ne!(key(&start), key(&frozen));
    let thawed = follow(frozen, &Step::Ask(Wish::Thaw(0)));
    assert_ne!(start.pipeline.seq, thawed.pipeline.seq);
    assert_eq!(key(&start), key(&thawed));
    let (one, other) = (follow(start, &Step::Upload), follow(thawed, &Step::Upload));
    assert_eq!(key(&one), key(&other));
    let begun = follow(one, &Step::CarryOut);
    assert_ne!(key(&begun), key(&other));
    let ended = follow(begun.clone(), &Step::Becomes(0, Is::Succeeded));
    assert_ne!(key(&begun), key(&ended));
}
