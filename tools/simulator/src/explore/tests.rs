//! What every test run explores: as much as takes seconds. `cargo sim explore` does all of it.

use super::crash::{self, crash};
use super::key::canonical;
use super::model::{Is, Model};
use super::race::{self, race};
use super::step::{Step, Wish};
use super::story::STORIES;
use super::walk::{Bounds, walk};

#[test]
fn every_state_of_a_small_world_keeps_the_invariants_and_comes_to_rest() {
    let bounds = Bounds {
        adversities: 1,
        states: 250,
        threads: 1,
    };
    let walked = walk(&Model::new().unwrap(), bounds);
    assert!(walked.violations.is_empty(), "{:#?}", walked.violations);
    assert!(walked.states() >= 250, "{walked:?}");
    assert!(walked.longest_rest > 3, "{walked:?}");
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
    let start = model.configured().state;
    // A freeze that ended leaves later numbers, and nothing else.
    let frozen = follow(start.clone(), &Step::Ask(Wish::Freeze(0)));
    assert_ne!(canonical(&start), canonical(&frozen));
    let thawed = follow(frozen, &Step::Ask(Wish::Thaw(0)));
    assert_ne!(start.pipeline.seq, thawed.pipeline.seq);
    assert_eq!(canonical(&start), canonical(&thawed));
    let (one, other) = (follow(start, &Step::Upload), follow(thawed, &Step::Upload));
    assert_eq!(canonical(&one), canonical(&other));
    let begun = follow(one, &Step::CarryOut);
    assert_ne!(canonical(&begun), canonical(&other));
    let ended = follow(begun.clone(), &Step::Becomes(0, Is::Succeeded));
    assert_ne!(canonical(&begun), canonical(&ended));
}
