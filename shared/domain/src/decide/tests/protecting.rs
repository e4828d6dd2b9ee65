//! Rules about stages whose alarms can no longer protect them.

use super::story::{Story, alarm, stage};
use crate::alarm::{AlarmSeen, AlarmState, Voice};
use crate::fact::{Fact, Inspected};
use crate::peril::{Peril, Reflexes};
use crate::reason::Reason;

fn inspect(story: &mut Story, alarms: Vec<AlarmSeen>) -> Reason {
    look(story, alarms, None)
}

fn look(story: &mut Story, alarms: Vec<AlarmSeen>, reflexes: Option<Reflexes>) -> Reason {
    story.fact(&Fact::Inspected(Inspected {
        stage: stage("production"),
        alarms,
        reflexes,
    }))
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

#[test]
fn a_target_that_ends_deployments_on_alarms_of_its_own_is_said_once() {
    let mut story = Story::released_everywhere(1);
    let quiet = story.seen("production", AlarmState::Ok);
    let mut see = |alarms: &[&str], goes_back: bool| {
        let alarms = alarms.iter().map(|name| (*name).to_owned()).collect();
        let reflexes = Some(Reflexes { alarms, goes_back });
        let reason = look(&mut story, vec![quiet.clone()], reflexes);
        (reason, story.state("production").perils.clone())
    };
    let strange = Peril::StrangeAlarms {
        alarms: vec!["cpu".to_owned(), "disk".to_owned()],
    };
    assert_eq!(see(&[], false), (Reason::NothingNew, Vec::new()));
    assert_eq!(see(&["web-production-5xx"], true).0, Reason::NothingNew);
    let (reason, perils) = see(&["web-production-5xx"], false);
    assert_eq!(reason, Reason::AlarmsNotAsTheyShould);
    assert_eq!(perils, [Peril::StopsHalfway]);
    let (_, perils) = see(&["disk", "cpu", "disk"], true);
    assert_eq!(perils, std::slice::from_ref(&strange));
    assert_eq!(
        see(&["cpu", "disk"], true).0,
        Reason::NothingNew,
        "whatever the order"
    );
    let (_, perils) = see(&["cpu", "disk"], false);
    assert_eq!(perils, [strange, Peril::StopsHalfway]);
    let (reason, perils) = see(&[], false);
    assert_eq!(reason, Reason::AlarmsAsTheyShould);
    assert_eq!(perils, []);
}

#[test]
fn what_cannot_be_looked_at_is_believed_to_be_as_it_was() {
    let mut story = Story::released_everywhere(1);
    let quiet = story.seen("production", AlarmState::Ok);
    let reflexes = Reflexes {
        alarms: vec!["web-production-5xx".to_owned()],
        goes_back: false,
    };
    look(&mut story, vec![quiet.clone()], Some(reflexes));
    assert_eq!(look(&mut story, vec![quiet], None), Reason::NothingNew);
    look(&mut story, Vec::new(), None);
    let gone = Peril::AlarmGone {
        alarm: alarm("web-production-5xx"),
    };
    assert_eq!(
        story.state("production").perils,
        [gone, Peril::StopsHalfway]
    );
}
