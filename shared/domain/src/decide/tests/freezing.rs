//! Rules about freezes.

use super::story::{ALICE, Story, release, stage};
use crate::alarm::AlarmState;
use crate::fact::Request;
use crate::pipeline::WaitingOn;
use crate::reason::Reason;

fn freeze(story: &mut Story, name: Option<&str>, minutes: Option<i64>) -> Reason {
    let until = minutes
        .map(|minutes| crate::due::after(story.now, jiff::SignedDuration::from_mins(minutes)));
    let reason = "the sale".to_owned();
    story.ask(
        ALICE,
        Request::Freeze {
            stage: name.map(stage),
            reason,
            until,
        },
    )
}

#[test]
fn a_freeze_holds_deployments_until_it_is_thawed() {
    let mut story = Story::new();
    assert_eq!(freeze(&mut story, Some("dev"), None), Reason::PersonAsked);
    story.upload(1);
    assert!(matches!(
        story.state("dev").waiting[0].on,
        Some(WaitingOn::Freeze { .. })
    ));
    story.ask(
        ALICE,
        Request::Thaw {
            stage: Some(stage("dev")),
        },
    );
    assert_eq!(story.wrote(), ["thawed", "start_asked"]);
}

#[test]
fn a_freeze_ends_by_itself_and_what_waits_goes_on() {
    let mut story = Story::new();
    freeze(&mut story, None, Some(30));
    story.upload(1);
    let due = crate::due::due_at(&story.pipeline);
    assert_eq!(
        due,
        Some(crate::due::after(
            story.now,
            jiff::SignedDuration::from_mins(30)
        ))
    );
    story.time_passes(30);
    assert_eq!(story.wrote(), ["thawed", "start_asked"]);
}

#[test]
fn what_runs_goes_on_and_rollbacks_pass() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    freeze(&mut story, None, None);
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(story.wrote(), ["alarm_noted", "stop_asked"]);
    let mut other = Story::released_everywhere(2);
    freeze(&mut other, Some("production"), None);
    other.roll_back("production", None);
    assert_eq!(
        other.active("production").unwrap().offer.release,
        release(1)
    );
}

#[test]
fn a_freeze_says_when_it_is_wrong() {
    let mut story = Story::new();
    assert_eq!(freeze(&mut story, None, Some(0)), Reason::EndsInThePast);
    freeze(&mut story, None, None);
    assert_eq!(freeze(&mut story, None, None), Reason::FrozenAlready);
    assert_eq!(
        story.ask(
            ALICE,
            Request::Thaw {
                stage: Some(stage("dev"))
            }
        ),
        Reason::NotFrozen
    );
    let nowhere = story.ask(
        ALICE,
        Request::Thaw {
            stage: Some(stage("qa")),
        },
    );
    assert_eq!(nowhere, Reason::NoSuchStage { stage: stage("qa") });
}
