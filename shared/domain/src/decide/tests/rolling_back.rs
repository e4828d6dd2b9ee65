//! Rules about rolling back.

use super::story::{ALICE, Story, release, stage};
use crate::alarm::{AlarmState, Voice};
use crate::artefact::BuildFacts;
use crate::entry::{Call, What};
use crate::fact::{Answer, Despite, Fact, Request, Running};
use crate::pipeline::{How, Phase, WaitingOn};
use crate::reason::Reason;

/// Release 1 is good everywhere, release 2 is on its way to dev.
fn second_on_dev() -> Story {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story
}

fn called(story: &Story) -> Option<&Call> {
    story
        .ledger
        .iter()
        .rev()
        .find_map(|sealed| match &sealed.entry.what {
            What::PersonCalled { call, .. } => Some(call),
            _ => None,
        })
}

#[test]
fn an_alarm_during_deployment_stops_it_with_rollback() {
    let mut story = second_on_dev();
    let reason = story.alarm("dev", AlarmState::Alarm);
    assert_eq!(
        reason,
        Reason::AlarmFired {
            alarm: "web-dev-5xx".into()
        }
    );
    assert_eq!(story.wrote(), ["alarm_noted", "stop_asked"]);
    story.answer("dev", Answer::Stopping);
    story.undoing("dev");
    story.undone("dev", Running::All(story.content(1)));
    assert_eq!(story.wrote(), ["rolled_back", "quarantined"]);
    assert_eq!(story.state("dev").runs, Some(release(1)));
    assert_eq!(story.state("dev").last_good(), Some(release(1)));
}

#[test]
fn an_alarm_during_the_bake_deploys_last_good() {
    let mut story = second_on_dev();
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(story.wrote(), ["alarm_noted", "return_asked"]);
    let What::ReturnAsked { order, .. } = &story.ledger.last().unwrap().entry.what else {
        panic!("a return is asked for")
    };
    assert_eq!(order.release, release(1), "it names where to");
    story.begins("dev");
    story.finishes("dev");
    assert_eq!(story.wrote(), ["rolled_back", "quarantined"]);
    assert!(
        story.active("test").is_none(),
        "it never reaches the next stage"
    );
}

#[test]
fn the_platforms_own_rollback_is_adopted_and_never_counted_as_success() {
    let mut story = second_on_dev();
    story.undoing("dev");
    assert_eq!(story.wrote(), ["rollback_adopted"]);
    assert!(
        story.ledger.last().unwrap().entry.what.action().is_none(),
        "we send nothing"
    );
    story.undone("dev", Running::All(story.content(1)));
    assert_eq!(story.wrote(), ["rolled_back", "quarantined"]);
    assert_eq!(story.state("dev").last_good(), Some(release(1)));
}

#[test]
fn an_alarm_while_the_platform_rolls_back_sends_nothing() {
    let mut story = second_on_dev();
    story.undoing("dev");
    assert_eq!(
        story.alarm("dev", AlarmState::Alarm),
        Reason::RollbackUnderWay
    );
    assert_eq!(story.wrote(), ["alarm_noted"]);
}

#[test]
fn a_platform_that_went_elsewhere_calls_a_person() {
    let mut story = Story::released_everywhere(2);
    story.upload(3);
    story.begins("dev");
    story.undone("dev", Running::All(story.content(1)));
    assert_eq!(
        called(&story),
        Some(&Call::ReturnedElsewhere {
            expected: release(2)
        })
    );
    assert_eq!(story.state("dev").runs, Some(release(1)));
}

#[test]
fn a_failed_deployment_is_rolled_back_too() {
    let mut story = second_on_dev();
    story.fails("dev", "HEALTH_CONSTRAINTS");
    assert_eq!(story.wrote(), ["return_asked"]);
}

#[test]
fn a_deployment_that_takes_too_long_is_rolled_back() {
    let mut story = second_on_dev();
    story.jump(61);
    let (platform_id, started_at) = ("d-1".to_owned(), story.now);
    let underway = crate::fact::Progress::Underway {
        platform_id,
        started_at,
    };
    assert_eq!(
        story.observe("dev", underway, Running::Unknown),
        Reason::DeploymentTimedOut
    );
    assert_eq!(story.wrote(), ["stop_asked"]);
}

#[test]
fn with_nothing_to_go_back_to_a_person_is_called_and_nothing_is_done() {
    let mut story = Story::new();
    story.upload(1);
    story.begins("dev");
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(story.wrote(), ["alarm_noted", "person_called"]);
    assert!(matches!(
        called(&story),
        Some(Call::NothingToReturnTo { .. })
    ));
    story.finishes("dev");
    assert_eq!(story.wrote(), ["failed"], "it is never good");
    assert_eq!(
        story.state("dev").runs,
        Some(release(1)),
        "and it is known to run"
    );
    assert!(story.active("test").is_none());
}

#[test]
fn an_irreversible_release_is_not_rolled_back_by_itself() {
    let mut story = Story::released_everywhere(1);
    story.upload_built(
        2,
        BuildFacts {
            irreversible: true,
            ..BuildFacts::default()
        },
    );
    story.begins("dev");
    story.alarm("dev", AlarmState::Alarm);
    assert!(matches!(called(&story), Some(Call::Irreversible { .. })));
    assert!(matches!(
        story.active("dev").unwrap().phase,
        Phase::InProgress { .. }
    ));
}

#[test]
fn a_rollback_is_never_itself_rolled_back() {
    let mut story = second_on_dev();
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    story.begins("dev");
    story.alarm("dev", AlarmState::Ok);
    assert_eq!(
        story.alarm("dev", AlarmState::Alarm),
        Reason::RollbackUnderWay
    );
    assert_eq!(story.wrote(), ["alarm_noted"]);
}

#[test]
fn a_failing_rollback_calls_a_person_and_tries_nothing_older() {
    let mut story = Story::released_everywhere(2);
    story.upload(3);
    story.begins("dev");
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    story.begins("dev");
    story.fails("dev", "HEALTH_CONSTRAINTS");
    assert_eq!(
        story.wrote(),
        ["rollback_failed", "person_called", "frozen"]
    );
    assert!(story.active("dev").is_none());
    story.upload(4);
    assert!(matches!(
        story.state("dev").waiting[0].on,
        Some(WaitingOn::Freeze { .. })
    ));
}

#[test]
fn last_good_that_cannot_be_pulled_calls_a_person() {
    let mut story = second_on_dev();
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    story.answer("dev", Answer::Refused("the object version is gone".into()));
    assert!(matches!(called(&story), Some(Call::RollbackFailed { .. })));
}

#[test]
fn an_alarm_that_still_fires_long_after_the_rollback_calls_a_person() {
    let mut story = second_on_dev();
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    story.begins("dev");
    story.finishes("dev");
    assert!(story.state("dev").recovers_until.is_some());
    story.time_passes(15);
    assert!(matches!(called(&story), Some(Call::StillFiring { .. })));
    assert_eq!(crate::due::due_at(&story.pipeline), None, "it is told once");
}

#[test]
fn an_alarm_that_clears_after_the_rollback_calls_nobody() {
    let mut story = second_on_dev();
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    story.begins("dev");
    story.finishes("dev");
    story.alarm("dev", AlarmState::Ok);
    story.time_passes(15);
    assert_eq!(called(&story), None);
}

#[test]
fn an_alarm_after_the_bake_never_acts_by_itself() {
    let mut story = Story::released_everywhere(2);
    assert_eq!(
        story.alarm("production", AlarmState::Alarm),
        Reason::AfterBake
    );
    assert_eq!(story.wrote(), ["alarm_noted", "alarm_after_bake"]);
}

#[test]
fn an_alarm_older_than_the_deployment_is_not_its_fault() {
    let mut story = Story::released_everywhere(1);
    let mut old = story.seen("dev", AlarmState::Alarm);
    story.jump(10);
    story.upload(2);
    story.begins("dev");
    old.changed_at = old
        .changed_at
        .checked_add(jiff::SignedDuration::from_mins(1))
        .unwrap();
    assert_eq!(
        story.fact(&Fact::Alarm(old)),
        Reason::AlarmOlderThanDeployment
    );
    assert!(matches!(
        story.active("dev").unwrap().phase,
        Phase::InProgress { .. }
    ));
}

#[test]
fn only_a_newer_change_changes_what_is_believed() {
    let mut story = second_on_dev();
    let late = story.seen("dev", AlarmState::Alarm);
    story.alarm("dev", AlarmState::Ok);
    assert!(matches!(
        story.fact(&Fact::Alarm(late)),
        Reason::AlarmStale { .. }
    ));
    assert!(matches!(
        story.active("dev").unwrap().phase,
        Phase::InProgress { .. }
    ));
}

#[test]
fn muted_alarms_are_written_down_and_not_acted_on() {
    let mut story = second_on_dev();
    story.jump(1);
    let mut seen = story.seen("dev", AlarmState::Alarm);
    seen.voice = Voice::Muted;
    assert_eq!(story.fact(&Fact::Alarm(seen.clone())), Reason::AlarmNoted);
    assert_eq!(story.wrote(), ["alarm_noted"]);
    // The same state without the mute is news.
    seen.voice = Voice::Heard;
    assert!(matches!(
        story.fact(&Fact::Alarm(seen)),
        Reason::AlarmFired { .. }
    ));
}

#[test]
fn too_little_data_is_no_alarm() {
    let mut story = second_on_dev();
    assert_eq!(
        story.alarm("dev", AlarmState::InsufficientData),
        Reason::AlarmNoted
    );
    assert_eq!(story.wrote(), ["alarm_noted"]);
}

#[test]
fn a_quarantined_release_comes_back_only_by_a_person() {
    let mut story = second_on_dev();
    story.alarm("dev", AlarmState::Alarm);
    story.answer("dev", Answer::Stopping);
    story.undone("dev", Running::All(story.content(1)));
    story.alarm("dev", AlarmState::Ok);
    assert_eq!(
        story.promote("dev", 2, Despite::default()),
        Reason::Quarantined
    );
    let despite = Despite {
        quarantine: Some("it was the network".into()),
        ..Despite::default()
    };
    assert_eq!(story.promote("dev", 2, despite), Reason::PersonAsked);
    story.becomes_good("dev");
    assert!(
        story.state("dev").quarantined.is_empty(),
        "it proved itself"
    );
}

#[test]
fn the_next_newer_release_comes_through_after_an_automatic_rollback() {
    let mut story = second_on_dev();
    story.upload(3);
    story.alarm("dev", AlarmState::Alarm);
    story.undone("dev", Running::All(story.content(1)));
    story.alarm("dev", AlarmState::Ok);
    assert_eq!(story.active("dev").unwrap().offer.release, release(3));
}

#[test]
fn three_automatic_rollbacks_within_a_day_freeze_the_stage() {
    let mut story = Story::released_everywhere(1);
    for number in 2..=4 {
        story.upload(number);
        story.begins("dev");
        story.alarm("dev", AlarmState::Alarm);
        story.undone("dev", Running::All(story.content(1)));
        story.alarm("dev", AlarmState::Ok);
    }
    assert!(matches!(
        called(&story),
        Some(Call::TooManyRollbacks { count: 3 })
    ));
    assert!(story.state("dev").freeze.is_some());
}

#[test]
fn a_person_rolls_back_any_time_and_the_stage_is_held() {
    let mut story = Story::released_everywhere(2);
    assert_eq!(story.roll_back("production", None), Reason::PersonAsked);
    assert_eq!(
        story.wrote(),
        ["frozen", "quarantined", "offered", "start_asked"]
    );
    story.begins("production");
    story.finishes("production");
    assert_eq!(story.wrote(), ["succeeded"], "no bake");
    let state = story.state("production");
    assert_eq!(
        (state.runs, state.last_good()),
        (Some(release(1)), Some(release(1)))
    );
    assert!(state.freeze.is_some(), "else the next upload undoes it");
}

#[test]
fn a_person_names_where_to() {
    let mut story = Story::released_everywhere(3);
    assert_eq!(
        story.roll_back("production", Some(9)),
        Reason::NeverGood {
            release: release(9)
        }
    );
    assert_eq!(story.roll_back("production", Some(3)), Reason::RunsAlready);
    story.roll_back("production", Some(1));
    assert_eq!(
        story.active("production").unwrap().offer.release,
        release(1)
    );
    assert_eq!(
        story.roll_back("production", None),
        Reason::RollbackUnderWay
    );
}

#[test]
fn a_person_rolls_back_what_is_on_its_way() {
    let mut story = second_on_dev();
    story.roll_back("dev", None);
    assert_eq!(story.wrote(), ["frozen", "stop_asked"]);
    assert!(matches!(
        story.active("dev").unwrap().phase,
        Phase::RollingBack { how: How::Stop, .. }
    ));
}

#[test]
fn an_alarm_that_came_before_anything_was_begun_holds_the_release() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.alarm("dev", AlarmState::Alarm);
    assert_eq!(story.wrote(), ["alarm_noted", "stop_asked"]);
    story.answer("dev", Answer::NeverBegun);
    let state = story.state("dev");
    assert_eq!(state.runs, Some(release(1)), "what ran before still runs");
    assert!(
        state.quarantined.is_empty(),
        "it never ran, so it proved nothing bad"
    );
    assert!(matches!(state.waiting[0].on, Some(WaitingOn::Alarm { .. })));
    story.alarm("dev", AlarmState::Ok);
    assert_eq!(story.active("dev").unwrap().offer.release, release(2));
}

#[test]
fn a_persons_stop_that_finds_nothing_begun_ends_the_release() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.roll_back("dev", None);
    story.answer("dev", Answer::NeverBegun);
    let state = story.state("dev");
    assert_eq!(state.runs, Some(release(1)));
    assert!(state.waiting.is_empty() && state.quarantined.contains(&release(2)));
}

#[test]
fn a_stop_that_left_something_else_running_is_followed_by_last_good() {
    let mut story = second_on_dev();
    story.alarm("dev", AlarmState::Alarm);
    story.answer("dev", Answer::Stopping);
    story.finishes("dev");
    assert_eq!(
        story.wrote(),
        ["return_asked"],
        "it had finished before the stop came"
    );
    story.begins("dev");
    story.finishes("dev");
    assert_eq!(story.state("dev").runs, Some(release(1)));
}

#[test]
fn the_first_service_has_nothing_to_roll_back_to() {
    let mut story = Story::released_everywhere(1);
    assert_eq!(
        story.roll_back("production", None),
        Reason::NothingToReturnTo
    );
}

#[test]
fn last_good_deployed_once_more_and_undone_has_not_itself_to_return_to() {
    let mut story = second_on_dev();
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    story.begins("dev");
    story.fails("dev", "HEALTH_CONSTRAINTS");
    assert_eq!(story.state("dev").runs, None, "the rollback failed");
    story.alarm("dev", AlarmState::Ok);
    let thaw = Request::Thaw {
        stage: Some(stage("dev")),
    };
    story.ask(ALICE, thaw);
    story.promote("dev", 1, Despite::default());
    story.begins("dev");
    story.undoing("dev");
    let phase = &story.active("dev").unwrap().phase;
    assert!(
        matches!(phase, Phase::RollingBack { to: None, .. }),
        "{phase:?}"
    );
}
