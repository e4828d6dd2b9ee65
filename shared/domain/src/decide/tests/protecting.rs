//! Rules about stages whose alarms can no longer protect them.

use super::story::{Story, alarm, stage};
use crate::alarm::{AlarmSeen, AlarmState, Voice};
use crate::fact::{Fact, Inspected};
use crate::peril::Peril;
use crate::reason::Reason;

fn inspect(story: &mut Story, alarms: Vec<AlarmSeen>) -> Reason {
    let stage = stage("production");
    story.fact(&Fact::Inspected(Inspected { stage, alarms }))
}

#[test]
fn an_alarm_that_was_deleted_leaves_the_stage_unprotected_and_is_said_once() {
    let mut story = Story::released_everywhere(1);
    let quiet = story.seen("production", AlarmState::Ok);
    assert_eq!(inspect(&mut story, vec![quiet.clone()]), Reason::NothingNew);
    inspect(&mut story, Vec::new());
    assert_eq!(story.wrote(), ["unprotected"]);
    let gone = Peril::AlarmGone {
        alarm: alarm("web-production-5xx"),
    };
    assert_eq!(story.state("production").perils, [gone]);
    story.jump(15);
    assert_eq!(inspect(&mut story, Vec::new()), Reason::NothingNew);
    inspect(&mut story, vec![quiet]);
    assert_eq!(story.wrote(), ["protected"]);
    assert!(story.state("production").perils.is_empty());
}

#[test]
fn an_alarm_that_fires_for_a_week_and_is_muted_protects_nobody() {
    let mut story = Story::released_everywhere(1);
    let mut muted = story.seen("production", AlarmState::Alarm);
    muted.voice = Voice::Muted;
    story.jump(60 * 24 * 7 - 1);
    assert_eq!(inspect(&mut story, vec![muted.clone()]), Reason::NothingNew);
    story.jump(1);
    inspect(&mut story, vec![muted.clone()]);
    assert_eq!(story.wrote(), ["unprotected"]);
    muted.voice = Voice::Heard;
    inspect(&mut story, vec![muted]);
    assert_eq!(story.wrote(), ["protected"]);
}

#[test]
fn a_new_configuration_begins_without_perils() {
    let mut story = Story::released_everywhere(1);
    inspect(&mut story, Vec::new());
    let mut other = super::story::config();
    other.stages[2].alarms.clear();
    let request = crate::fact::Request::Configure {
        config: Box::new(other),
        found: Vec::new(),
    };
    story.ask(super::story::ALICE, request);
    assert_eq!(inspect(&mut story, Vec::new()), Reason::AlarmsAsTheyShould);
}
