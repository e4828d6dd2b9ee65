//! What would have to happen next is what the rules then really do.

use super::story::{ALICE, Story, config, release, stage};
use crate::alarm::AlarmState;
use crate::config::Queue;
use crate::decide::{Ahead, ahead};
use crate::fact::{Despite, Request};
use crate::pipeline::{Phase, WaitingOn};
use crate::reason::Reason;

fn of(story: &Story, name: &str, number: u64) -> Ahead {
    let known = story.pipeline.releases[&release(number)].clone();
    ahead(&story.pipeline, &stage(name), &known, story.now).unwrap()
}

fn kinds(on: &[WaitingOn]) -> Vec<&'static str> {
    on.iter()
        .map(|on| match on {
            WaitingOn::Scan { .. } => "scan",
            WaitingOn::Approval { .. } => "approval",
            WaitingOn::Drift { .. } => "drift",
            WaitingOn::Freeze { .. } => "freeze",
            WaitingOn::Window { .. } => "window",
            WaitingOn::Alarm { .. } => "alarm",
            WaitingOn::Stage { .. } => "stage",
            WaitingOn::Turn { .. } => "turn",
            WaitingOn::Target { .. } => "target",
            WaitingOn::Switch { .. } => "switch",
        })
        .collect()
}

fn waits(story: &Story, name: &str, number: u64) -> Vec<&'static str> {
    match of(story, name, number) {
        Ahead::Waits { on } => kinds(&on),
        other => panic!("{other:?}"),
    }
}

/// Release 1 waits for all that there is to wait for: a person, a freeze, a window, an alarm.
fn held() -> Story {
    let mut config = config();
    config.stages[2].windows = vec!["Tue 10:00-17:00 UTC".parse().unwrap()];
    let mut story = Story::with(config);
    story.upload(1);
    story.becomes_good("dev");
    story.becomes_good("test");
    story.alarm("production", AlarmState::Alarm);
    let request = Request::Freeze {
        stage: Some(stage("production")),
        reason: "the sale".into(),
        until: None,
    };
    story.ask(ALICE, request);
    story
}

#[test]
fn what_waits_says_all_that_holds_it_in_the_order_of_the_rules() {
    let mut story = held();
    let all = ["approval", "freeze", "window", "alarm"];
    assert_eq!(waits(&story, "production", 1), all);
    // Each is taken away, and the next one is what the ledger itself says.
    story.approve(ALICE, 1);
    assert_eq!(waits(&story, "production", 1), all[1..]);
    let thaw = Request::Thaw {
        stage: Some(stage("production")),
    };
    story.ask(ALICE, thaw);
    assert_eq!(waits(&story, "production", 1), all[2..]);
    story.time_passes(60 * 24);
    assert_eq!(waits(&story, "production", 1), all[3..]);
    story.alarm("production", AlarmState::Ok);
    assert!(matches!(
        of(&story, "production", 1),
        Ahead::UnderWay { active } if matches!(active.phase, Phase::Starting { .. })
    ));
}

#[test]
fn an_approval_may_come_while_the_stage_is_busy_and_the_rest_only_then() {
    let mut story = Story::released_everywhere(1);
    for number in 2..=3 {
        story.upload(number);
        story.becomes_good("dev");
        story.becomes_good("test");
        if number == 2 {
            story.approve(ALICE, 2);
        }
    }
    assert_eq!(waits(&story, "production", 3), ["approval", "stage"]);
    story.approve(ALICE, 3);
    assert_eq!(waits(&story, "production", 3), ["stage"]);
}

#[test]
fn in_a_queue_each_waits_for_the_first() {
    let mut config = config();
    config.queue = Queue::All;
    let mut story = Story::with(config);
    for number in 1..=3 {
        story.upload(number);
    }
    story.begins("dev");
    assert_eq!(waits(&story, "dev", 3), ["stage"]);
    let request = Request::Freeze {
        stage: Some(stage("dev")),
        reason: "the sale".into(),
        until: None,
    };
    story.ask(ALICE, request);
    story.finishes("dev");
    story.bake_ends("dev");
    assert_eq!(waits(&story, "dev", 2), ["freeze"]);
    assert_eq!(waits(&story, "dev", 3), ["turn", "freeze"]);
}

#[test]
fn what_is_not_good_before_is_barred_by_the_stage_before() {
    let mut story = Story::new();
    story.upload(1);
    story.begins("dev");
    let by = Reason::NotGoodBefore {
        stage: stage("test"),
    };
    assert_eq!(of(&story, "production", 1), Ahead::Barred { by });
}

#[test]
fn what_was_rolled_back_is_barred_by_its_quarantine() {
    let mut story = Story::released_everywhere(2);
    story.roll_back("production", None);
    story.begins("production");
    story.finishes("production");
    let by = Reason::Quarantined;
    assert_eq!(of(&story, "production", 2), Ahead::Barred { by });
    assert_eq!(of(&story, "production", 1), Ahead::Runs);
}

#[test]
fn what_nothing_offers_by_itself_needs_a_person_and_then_waits_as_they_say() {
    let mut story = Story::released_everywhere(3);
    let needs = of(&story, "production", 2);
    let Ahead::NeedsPromotion { on } = &needs else {
        panic!("{needs:?}")
    };
    assert_eq!(kinds(on), ["approval"]);
    story.promote("production", 2, Despite::default());
    assert_eq!(waits(&story, "production", 2), kinds(on));
}

#[test]
fn a_rollback_is_about_the_release_that_comes_back_too() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story.alarm("dev", AlarmState::Alarm);
    for number in 1..=2 {
        assert!(
            matches!(
                of(&story, "dev", number),
                Ahead::UnderWay { active } if matches!(active.phase, Phase::RollingBack { .. })
            ),
            "release {number}"
        );
    }
}

#[test]
fn what_should_run_on_a_drifted_stage_waits_for_a_person_to_say_what_becomes_of_it() {
    let mut story = Story::released_everywhere(2);
    assert_eq!(of(&story, "production", 2), Ahead::Runs);
    story.drifts("production");
    assert_eq!(of(&story, "production", 2), Ahead::Drifted);
    story.restore("production");
    assert!(matches!(
        of(&story, "production", 2),
        Ahead::UnderWay { .. }
    ));
}

#[test]
fn asking_ahead_decides_nothing() {
    let story = Story::released_everywhere(3);
    let before = story.pipeline.clone();
    of(&story, "production", 2);
    assert_eq!(story.pipeline, before);
    let nowhere = Reason::NoSuchStage { stage: stage("qa") };
    assert_eq!(of(&story, "qa", 2), Ahead::Barred { by: nowhere });
}
