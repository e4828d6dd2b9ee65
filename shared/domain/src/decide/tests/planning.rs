//! What a plan says, and that it is what happens.

use super::story::{ALICE, RAVI, Story, config, monday, release, stage, tag};
use crate::alarm::AlarmState;
use crate::artefact::Release;
use crate::config::{Queue, ServiceConfig};
use crate::decide::{Plan, Recalled, Wish, plan};
use crate::entry::Purpose;
use crate::fact::{Despite, Request};
use crate::name::Identity;
use crate::pipeline::WaitingOn;
use crate::reason::{Reason, Verdict};
use jiff::SignedDuration;

fn wish(number: u64) -> Wish {
    Wish::Deploy {
        release: release(number),
        despite: Despite::default(),
    }
}

fn back(to: Option<u64>) -> Wish {
    Wish::Return {
        to: to.map(release),
        reason: "it is slow".into(),
    }
}

fn planned_by(story: &Story, by: &str, name: &str, wish: &Wish) -> Plan {
    let by = Identity(by.to_owned());
    let (stage, now) = (stage(name), story.now);
    plan(
        &story.pipeline,
        &Recalled::Nothing,
        (&stage, wish),
        &by,
        now,
    )
    .unwrap()
}

fn planned(story: &Story, name: &str, wish: &Wish) -> Plan {
    planned_by(story, ALICE, name, wish)
}

fn entries(plan: &Plan) -> Vec<String> {
    let entries = plan.decision.entries.iter();
    entries.map(|sealed| tag(&sealed.entry.what)).collect()
}

/// Release 1 runs everywhere, and release 2 waits for a person.
fn one_waits() -> Story {
    one_waits_with(config())
}

fn one_waits_with(config: ServiceConfig) -> Story {
    let mut story = Story::with(config);
    for number in 1..=2 {
        story.upload_built(number, Story::build(number));
        story.becomes_good("dev");
        story.becomes_good("test");
        if number == 1 {
            story.approve(ALICE, 1);
            if story.active("production").is_some() {
                story.becomes_good("production");
            }
        }
    }
    story
}

#[test]
fn a_plan_is_what_then_happens_and_writes_nothing() {
    let mut story = one_waits();
    let before = story.pipeline.clone();
    let plan = planned(&story, "production", &wish(2));
    assert_eq!(story.pipeline, before);
    assert_eq!(
        (plan.from, plan.release),
        (Some(release(1)), Some(release(2)))
    );
    assert_eq!((plan.purpose(), plan.differs()), (Purpose::Release, true));
    assert_eq!(plan.back_to, Some(release(1)));
    assert_eq!(plan.holds, []);
    story.approve(ALICE, 2);
    assert_eq!(entries(&plan), story.wrote());
    let attempt = story.attempt("production");
    assert_eq!(plan.order.unwrap().attempt, attempt);
}

#[test]
fn who_may_not_approve_is_told_so_and_sees_the_plan_all_the_same() {
    let plan = planned_by(&one_waits(), RAVI, "production", &wish(2));
    assert_eq!(plan.decision.verdict(), Verdict::Refused);
    assert_eq!(plan.decision.reason, Reason::AuthorMayNotApprove);
    assert!(matches!(
        plan.holds[..],
        [WaitingOn::Approval { missing: 1, .. }]
    ));
    assert_eq!(plan.order.unwrap().release, release(2));
}

#[test]
fn everything_that_holds_a_release_is_told_and_not_only_the_first() {
    let mut config = config();
    config.stages[2].windows = vec!["Tue 10:00-11:00 UTC".parse().unwrap()];
    let mut story = one_waits_with(config);
    story.ask(
        ALICE,
        Request::Freeze {
            stage: Some(stage("production")),
            reason: "the sale".into(),
            until: None,
        },
    );
    story.alarm("production", AlarmState::Alarm);
    let plan = planned(&story, "production", &wish(2));
    let kinds: Vec<String> = plan
        .holds
        .iter()
        .map(|on| {
            let json = serde_json::to_value(on).unwrap();
            json.as_object().unwrap().keys().next().unwrap().clone()
        })
        .collect();
    assert_eq!(kinds, ["freeze", "window", "alarm"]);
    assert!(monday() < story.now);
    assert_eq!(
        plan.order.unwrap().release,
        release(2),
        "what comes once nothing holds it"
    );
}

#[test]
fn a_plan_orders_its_own_release_although_another_one_starts_meanwhile() {
    let mut config = config();
    config.queue = Queue::All;
    let mut story = one_waits_with(config);
    story.upload_built(3, Story::build(3));
    story.becomes_good("dev");
    story.becomes_good("test");
    let until = Some(crate::due::after(story.now, SignedDuration::from_mins(10)));
    let freeze = Request::Freeze {
        stage: Some(stage("production")),
        reason: "the sale".into(),
        until,
    };
    story.ask(ALICE, freeze);
    story.approve(ALICE, 2);
    story.approve(ALICE, 3);
    assert!(story.active("production").is_none(), "it is frozen");
    story.jump(10);
    let plan = planned(&story, "production", &wish(3));
    assert_eq!(entries(&plan), ["thawed", "start_asked", "waits"]);
    assert_eq!(plan.order.unwrap().release, release(3));
}

#[test]
fn what_would_be_refused_has_no_order() {
    let mut story = one_waits();
    story.upload(3);
    let plan = planned(&story, "production", &wish(3));
    assert_eq!(
        plan.decision.reason,
        Reason::NotGoodBefore {
            stage: stage("test")
        }
    );
    assert_eq!(plan.order, None);
    let plan = planned(&story, "production", &wish(9));
    assert_eq!(
        plan.decision.reason,
        Reason::NoSuchRelease {
            release: release(9)
        }
    );
}

#[test]
fn what_runs_already_differs_in_nothing() {
    let plan = planned(&one_waits(), "production", &wish(1));
    assert_eq!(plan.decision.verdict(), Verdict::Nothing);
    assert!(!plan.differs());
}

#[test]
fn a_rollback_is_planned_as_it_is_done() {
    let mut story = Story::released_everywhere(3);
    let plan = planned(&story, "production", &back(None));
    assert_eq!(
        (plan.purpose(), plan.from, plan.release, plan.back_to),
        (
            Purpose::Rollback,
            Some(release(3)),
            Some(release(2)),
            Some(release(3))
        )
    );
    story.roll_back("production", None);
    assert_eq!(entries(&plan), story.wrote());
    assert_eq!(plan.order.unwrap().attempt, story.attempt("production"));
}

#[test]
fn a_rollback_while_something_is_deployed_stops_it_and_orders_nothing_new() {
    let mut story = one_waits();
    story.approve(ALICE, 2);
    story.begins("production");
    let plan = planned(&story, "production", &back(None));
    assert_eq!(plan.release, Some(release(1)));
    story.roll_back("production", None);
    assert_eq!(entries(&plan), story.wrote());
    assert!(entries(&plan).contains(&"stop_asked".to_owned()));
    assert_eq!(plan.order, None);
}

#[test]
fn what_a_drifted_stage_should_run_is_planned_as_it_is_restored() {
    let mut story = Story::released_everywhere(2);
    let plan = planned(&story, "production", &Wish::Restore);
    assert_eq!(plan.decision.reason, Reason::NotDrifted);
    story.drifts("production");
    let plan = planned(&story, "production", &Wish::Restore);
    let should = Some(release(2));
    assert_eq!(
        (plan.purpose(), plan.from, plan.release, plan.back_to),
        (Purpose::Rollback, None, should, Some(release(1)))
    );
    story.restore("production");
    assert_eq!(entries(&plan), story.wrote());
}

#[test]
fn with_nothing_to_go_back_to_a_rollback_goes_nowhere() {
    let mut story = Story::new();
    story.upload(1);
    story.becomes_good("dev");
    let plan = planned(&story, "dev", &back(None));
    assert_eq!(plan.decision.reason, Reason::NothingToReturnTo);
    assert_eq!((plan.release, plan.order), (None, None));
}

#[test]
fn a_release_that_the_snapshot_forgot_is_planned_like_any_other() {
    let mut story = Story::released_everywhere(2);
    let old = Release {
        number: release(1),
        ..(*story.pipeline.releases[&release(1)]).clone()
    };
    for state in story.pipeline.stages.values_mut() {
        state.quarantined.clear();
    }
    let by = Identity(ALICE.to_owned());
    let recalled = Recalled::Release(Box::new(old));
    story.pipeline.releases.remove(&release(1));
    let wish = wish(1);
    let dev = stage("dev");
    let plan = plan(&story.pipeline, &recalled, (&dev, &wish), &by, story.now).unwrap();
    let mut entries = plan.decision.entries.iter();
    assert!(entries.any(|sealed| tag(&sealed.entry.what) == "recalled"));
    assert_eq!(plan.order.unwrap().release, release(1));
}
