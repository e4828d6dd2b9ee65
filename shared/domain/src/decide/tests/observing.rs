//! Rules about what counts as success, and about lost answers.

use super::story::{Story, release, stage};
use crate::alarm::AlarmState;
use crate::entry::{Call, What};
use crate::fact::{Answer, Fact, Observed, Progress, Running};
use crate::name::EntryId;
use crate::pipeline::Phase;
use crate::reason::Reason;

#[test]
fn a_desired_count_of_zero_proves_nothing() {
    let mut story = Story::new();
    story.upload(1);
    story.begins("dev");
    assert_eq!(
        story.succeeds_running("dev", Running::Nothing),
        Reason::NothingRuns
    );
    assert_eq!(story.wrote(), ["unproven"]);
    assert_eq!(story.state("dev").last_good(), None);
    assert!(
        story.active("test").is_none(),
        "it goes no further by itself"
    );
}

#[test]
fn a_mixture_is_an_entry_and_never_success() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    let mixed = Running::Mixed(vec![story.content(1), story.content(2)]);
    assert_eq!(
        story.succeeds_running("dev", mixed.clone()),
        Reason::RunsMixed
    );
    assert_eq!(story.wrote(), ["mixture_seen"]);
    story.succeeds_running("dev", mixed.clone());
    assert!(story.wrote().is_empty(), "told once");
    story.jump(61);
    story.succeeds_running("dev", mixed);
    assert_eq!(
        story.wrote(),
        ["return_asked"],
        "in the end it is rolled back"
    );
}

#[test]
fn stable_is_not_enough_when_something_else_runs() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story.succeeds_running("dev", Running::All(story.content(1)));
    assert_eq!(story.wrote(), ["failed", "person_called"]);
    let what = &story.ledger.last().unwrap().entry.what;
    assert!(matches!(
        what,
        What::PersonCalled {
            call: Call::RunsSomethingElse { .. },
            ..
        }
    ));
}

#[test]
fn an_observation_of_another_attempt_changes_nothing() {
    let mut story = Story::new();
    story.upload(1);
    let attempt: EntryId = "web/999".parse().unwrap();
    let platform_id = "d-1".to_owned();
    let reason = story.fact(&Fact::Observed(Observed {
        stage: stage("dev"),
        attempt: attempt.clone(),
        progress: Progress::Succeeded {
            platform_id,
            started_at: story.now,
        },
        running: Running::Unknown,
        alarms: Vec::new(),
    }));
    assert_eq!(reason, Reason::AttemptNotCurrent { attempt });
}

#[test]
fn a_start_that_is_not_answered_is_asked_again_with_the_same_mark() {
    let mut story = Story::new();
    story.upload(1);
    let mark = story.attempt("dev");
    assert_eq!(
        story.observe("dev", Progress::NotFound, Running::Nothing),
        Reason::NotYet
    );
    story.jump(2);
    story.observe("dev", Progress::NotFound, Running::Nothing);
    assert_eq!(story.wrote(), ["start_asked"]);
    assert_eq!(
        story.attempt("dev"),
        mark,
        "if the first went through, the second finds it"
    );
    for _ in 0..4 {
        story.jump(2);
        story.observe("dev", Progress::NotFound, Running::Nothing);
    }
    assert_eq!(story.wrote(), ["failed", "person_called"], "not for ever");
}

#[test]
fn an_event_that_was_lost_costs_a_look() {
    let mut story = Story::new();
    story.upload(1);
    // The answer to the start was lost too: the look finds it begun and done.
    assert_eq!(story.finishes("dev"), Reason::RunsEverywhere);
    assert_eq!(story.wrote(), ["begun", "bake_begun"]);
    assert!(matches!(
        story.active("dev").unwrap().phase,
        Phase::Baking { .. }
    ));
}

#[test]
fn an_action_that_landed_late_calls_a_person() {
    let story = Story::released_everywhere(1);
    let attempt: EntryId = "web/3".parse().unwrap();
    let answer = Answer::Begun {
        platform_id: "d-LATE".into(),
        started_at: story.now,
    };
    let acted = crate::fact::Acted {
        stage: stage("dev"),
        attempt: attempt.clone(),
        answer,
    };
    let decision = crate::decide(
        &story.pipeline,
        &super::super::Recalled::Nothing,
        &Fact::Acted(acted),
        story.now,
    )
    .unwrap();
    let what = &decision.entries[0].entry.what;
    assert_eq!(
        *what,
        What::PersonCalled {
            stage: stage("dev"),
            call: Call::LateAction { attempt }
        }
    );
}

#[test]
fn a_bake_needs_a_last_look() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story.finishes("dev");
    story.jump(5);
    story.fact(&Fact::TimePassed);
    assert!(story.wrote().is_empty(), "the clock alone ends no bake");
    story.finishes("dev");
    assert_eq!(story.state("dev").last_good(), Some(release(2)));
}

/// A first release that never gets well, on a platform that never gives up.
fn never_well() -> Story {
    let mut story = Story::new();
    story.upload(1);
    story.begins("dev");
    story
}

fn still_underway(story: &mut Story) -> Reason {
    let (platform_id, started_at) = ("d-1".to_owned(), story.now);
    let progress = Progress::Underway {
        platform_id,
        started_at,
    };
    story.observe("dev", progress, Running::Unknown)
}

#[test]
fn what_takes_too_long_and_cannot_be_undone_leaves_the_stage_to_the_fix() {
    let mut story = never_well();
    story.jump(61);
    assert_eq!(still_underway(&mut story), Reason::DeploymentTimedOut);
    assert_eq!(story.wrote(), ["person_called", "failed"]);
    assert_eq!(story.state("dev").runs, None, "nobody knows what runs");
    story.upload(2);
    assert_eq!(story.wrote(), ["released", "offered", "start_asked"]);
}

#[test]
fn what_an_alarm_condemned_leaves_the_stage_when_its_time_is_over() {
    let mut story = never_well();
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(still_underway(&mut story), Reason::NothingNew);
    story.jump(61);
    assert_eq!(still_underway(&mut story), Reason::DeploymentTimedOut);
    assert_eq!(story.wrote(), ["failed"]);
}
