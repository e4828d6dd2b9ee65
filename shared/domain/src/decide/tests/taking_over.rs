//! Rules about configuration, and about services that are taken over.

use super::story::{ALICE, Story, config, release, stage};
use crate::announce::announcement;
use crate::config::Target;
use crate::entry::What;
use crate::fact::{Found, Request};
use crate::reason::Reason;

fn configure(story: &mut Story, config: crate::ServiceConfig, found: Vec<Found>) -> Reason {
    story.ask(
        ALICE,
        Request::Configure {
            config: Box::new(config),
            found,
        },
    )
}

fn found(name: &str, artefact: Option<u64>) -> Found {
    Found {
        stage: stage(name),
        artefact: artefact.map(Story::artefact),
        problem: None,
        alarms: Vec::new(),
    }
}

fn fresh() -> Story {
    let mut story = Story::new();
    story.pipeline = crate::Pipeline::new("web".parse().unwrap());
    story.ledger.clear();
    story
}

#[test]
fn what_already_runs_is_the_first_last_good() {
    let mut story = fresh();
    let all = vec![
        found("dev", Some(9)),
        found("test", Some(9)),
        found("production", Some(8)),
    ];
    configure(&mut story, config(), all);
    assert_eq!(
        story.wrote(),
        [
            "configured",
            "released",
            "adopted",
            "adopted",
            "released",
            "adopted"
        ]
    );
    assert_eq!(
        story.state("test").last_good(),
        Some(release(1)),
        "the same artefact, once"
    );
    assert_eq!(story.state("production").last_good(), Some(release(2)));
}

#[test]
fn else_people_are_told_that_there_is_nothing_to_return_to() {
    let mut story = fresh();
    configure(&mut story, config(), vec![found("dev", None)]);
    assert_eq!(story.wrote(), ["configured", "nothing_to_adopt"]);
}

#[test]
fn what_stood_in_the_way_of_looking_is_written_down_and_told_in_its_own_words() {
    let mut story = fresh();
    let words = "the role arn:aws:iam::444455556666:role/target cannot be assumed";
    let problem = Some(words.to_owned());
    let unseen = Found {
        problem: problem.clone(),
        ..found("dev", None)
    };
    configure(&mut story, config(), vec![unseen]);
    let entry = &story.ledger.last().unwrap().entry;
    let stage = stage("dev");
    assert_eq!(entry.what, What::NothingToAdopt { stage, problem });
    let heard = announcement(&story.pipeline.service, entry).unwrap();
    assert_eq!(heard.detail.as_deref(), Some(words));
}

#[test]
fn only_a_stage_that_never_had_a_release_of_ours_is_taken_over() {
    let mut under_way = Story::new();
    under_way.upload(1);
    for mut story in [under_way, Story::released_everywhere(1)] {
        let mut other = config();
        other.flood_per_minute = 7;
        configure(&mut story, other, vec![found("dev", Some(9))]);
        assert_eq!(story.wrote(), ["configured"]);
    }
}

#[test]
fn applying_the_same_configuration_again_changes_nothing() {
    let mut story = Story::new();
    assert_eq!(
        configure(&mut story, config(), Vec::new()),
        Reason::NothingNew
    );
}

#[test]
fn a_stage_that_is_being_deployed_to_cannot_be_taken_away() {
    let mut story = Story::new();
    story.upload(1);
    let mut smaller = config();
    smaller.stages.remove(0);
    let refused = configure(&mut story, smaller, Vec::new());
    assert_eq!(
        refused,
        Reason::StageBusy {
            stage: stage("dev")
        }
    );
}

#[test]
fn a_stage_that_is_taken_away_drops_what_waits() {
    let mut story = Story::new();
    story.upload(1);
    story.becomes_good("dev");
    story.becomes_good("test");
    let mut smaller = config();
    smaller.stages.pop();
    configure(&mut story, smaller, Vec::new());
    assert_eq!(story.wrote(), ["dropped", "configured"]);
    assert!(!story.pipeline.stages.contains_key(&stage("production")));
}

#[test]
fn what_was_good_on_another_target_is_not_good_here() {
    let mut story = Story::released_everywhere(1);
    let mut moved = config();
    moved.stages[0].target = Target::CodeDeploy {
        application: "web".into(),
        group: "dev-mumbai".into(),
    };
    configure(&mut story, moved, vec![found("dev", None)]);
    assert_eq!(story.wrote(), ["configured", "nothing_to_adopt"]);
    assert_eq!(story.state("dev").last_good(), None);
    assert_eq!(story.state("test").last_good(), Some(release(1)));
}
