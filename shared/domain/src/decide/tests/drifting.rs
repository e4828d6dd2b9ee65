//! Rules about what others do behind the ledger's back.

use super::story::{ALICE, MIRA, Story, release, stage};
use crate::Timestamp;
use crate::alarm::AlarmState;
use crate::artefact::{Artefact, Content};
use crate::drift::{ApiCall, Drift};
use crate::entry::{Drop, Purpose, What};
use crate::fact::{Called, Compared, Despite, Fact, Request, Running};
use crate::name::Identity;
use crate::pipeline::{Stage, WaitingOn};
use crate::reason::Reason;

impl Story {
    /// Somebody looks at what the target runs while we do nothing there.
    pub(super) fn compare(&mut self, name: &str, running: Running) -> Reason {
        let over = Box::new(self.state(name).clone());
        self.fact(&Fact::Compared(Compared {
            stage: stage(name),
            over,
            running,
        }))
    }

    /// Somebody deployed something else by hand, and it was noticed.
    pub(super) fn drifts(&mut self, name: &str) -> Reason {
        self.compare(name, Running::All(Content("by-hand".into())))
    }

    pub(super) fn call(id: &str, at: Timestamp) -> ApiCall {
        ApiCall {
            id: id.into(),
            at,
            action: "ecs:UpdateService".into(),
            by: Identity(MIRA.into()),
            from: "203.0.113.10".into(),
            asked: Some("taskDefinition web:6".into()),
            refused: None,
        }
    }

    pub(super) fn called(&mut self, name: &str, call: ApiCall) -> Reason {
        let stage = stage(name);
        self.fact(&Fact::Called(Called { stage, call }))
    }

    pub(super) fn adopt(&mut self, name: &str, found: Option<Artefact>) -> Reason {
        let request = Request::Adopt {
            stage: stage(name),
            reason: "it put the fire out".into(),
            found: found.map(Box::new),
        };
        self.ask(ALICE, request)
    }

    pub(super) fn restore(&mut self, name: &str) -> Reason {
        let stage = stage(name);
        self.ask(ALICE, Request::Restore { stage })
    }
}

fn by_hand() -> Content {
    Content("by-hand".into())
}

fn drifted() -> Story {
    let mut story = Story::released_everywhere(2);
    story.drifts("production");
    story
}

fn drift<'a>(story: &'a Story, name: &str) -> Option<&'a Drift> {
    story.state(name).drift.as_ref()
}

/// How the offer ended that was dropped last.
fn last_end(story: &Story) -> Drop {
    match &story.ledger.last().unwrap().entry.what {
        What::Dropped { end, .. } => end.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_target_that_runs_something_else_is_drift() {
    let mut story = Story::released_everywhere(2);
    assert_eq!(story.drifts("production"), Reason::RunsSomethingElse);
    assert_eq!(story.wrote(), ["drifted"]);
    let found = drift(&story, "production").unwrap();
    assert_eq!((found.expected, found.since), (release(2), story.now));
    assert_eq!(found.others, [by_hand()]);
    assert_eq!(story.state("production").runs, None, "nothing of ours runs");
    assert!(drift(&story, "test").is_none(), "each stage on its own");
}

#[test]
fn what_should_run_and_does_is_no_drift_in_whatever_order_it_is_seen() {
    let mut story = Story::released_everywhere(2);
    let ours = story.content(2);
    for running in [
        Running::All(ours.clone()),
        Running::Mixed(vec![ours]),
        Running::Nothing,
        Running::Unknown,
    ] {
        let reason = story.compare("production", running.clone());
        assert_eq!(reason, Reason::NothingNew, "{running:?}");
    }
    assert!(drift(&story, "production").is_none());
}

#[test]
fn one_instance_that_runs_something_else_is_drift_and_told_once() {
    let mut story = Story::released_everywhere(2);
    let ours = story.content(2);
    let mixed = vec![ours.clone(), by_hand()];
    story.compare("production", Running::Mixed(mixed));
    assert_eq!(story.wrote(), ["drifted"]);
    let turned = vec![by_hand(), ours];
    for more in [Running::Mixed(turned), Running::All(by_hand())] {
        assert_eq!(story.compare("production", more), Reason::NothingNew);
    }
    story.compare("production", Running::All(Content("again".into())));
    assert_eq!(story.wrote(), ["drifted"], "something else again is news");
    assert_eq!(drift(&story, "production").unwrap().expected, release(2));
}

#[test]
fn our_own_deployment_in_flight_is_no_drift() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    assert_eq!(story.drifts("dev"), Reason::StageMovedOn);
    assert_eq!(story.wrote(), Vec::<String>::new());
}

#[test]
fn what_was_seen_before_our_own_deployment_says_nothing_about_what_runs_after_it() {
    let mut story = Story::released_everywhere(1);
    let over: Stage = story.state("dev").clone();
    let before = Running::All(story.content(1));
    story.upload(2);
    story.becomes_good("dev");
    let late = Fact::Compared(Compared {
        stage: stage("dev"),
        over: Box::new(over),
        running: before,
    });
    assert_eq!(story.fact(&late), Reason::StageMovedOn);
    assert!(drift(&story, "dev").is_none());
}

#[test]
fn where_nothing_of_ours_is_known_to_run_nothing_can_drift() {
    let mut story = Story::new();
    assert_eq!(story.drifts("dev"), Reason::NothingToCompare);
}

#[test]
fn drift_voids_approvals() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.becomes_good("dev");
    story.becomes_good("test");
    story.alarm("production", AlarmState::Alarm);
    story.approve(ALICE, 2);
    assert_eq!(story.state("production").waiting[0].approvals.len(), 1);
    story.drifts("production");
    assert!(story.wrote().contains(&"approvals_voided".to_owned()));
    assert!(story.state("production").waiting[0].approvals.is_empty());
}

#[test]
fn a_drifted_stage_takes_no_release_by_itself() {
    let mut story = Story::released_everywhere(1);
    story.drifts("dev");
    story.upload(2);
    assert!(story.active("dev").is_none());
    let expected = release(1);
    assert_eq!(
        story.state("dev").waiting[0].on,
        Some(WaitingOn::Drift { expected })
    );
    story.compare("dev", Running::All(story.content(1)));
    assert_eq!(story.wrote(), ["drift_ended", "start_asked"]);
}

#[test]
fn a_persons_promotion_passes_the_drift_and_still_the_gate() {
    let mut story = Story::released_everywhere(1);
    story.drifts("dev");
    story.upload(2);
    story.promote("dev", 2, Despite::default());
    assert_eq!(story.wrote(), ["overridden", "start_asked"]);
    story.becomes_good("dev");
    assert!(drift(&story, "dev").is_none(), "what runs is known again");
    story.becomes_good("test");
    story.drifts("production");
    story.promote("production", 2, Despite::default());
    assert!(story.active("production").is_none(), "it is not approved");
    story.approve(ALICE, 2);
    assert!(story.active("production").is_some());
}

#[test]
fn a_persons_rollback_leads_from_the_drift_to_last_good() {
    let mut story = drifted();
    story.roll_back("production", None);
    let active = story.active("production").unwrap();
    assert_eq!(active.offer.release, release(2));
    story.begins("production");
    story.finishes("production");
    assert_eq!(story.state("production").runs, Some(release(2)));
    assert!(drift(&story, "production").is_none());
    assert!(story.state("production").quarantined.is_empty());
}

#[test]
fn restoring_brings_back_what_should_run_and_holds_nothing() {
    let mut story = drifted();
    assert_eq!(story.restore("production"), Reason::PersonAsked);
    assert_eq!(story.wrote(), ["offered", "start_asked"]);
    let active = story.active("production").unwrap();
    assert_eq!(active.offer.purpose, Purpose::Rollback);
    story.begins("production");
    assert!(drift(&story, "production").is_some(), "until it is there");
    story.finishes("production");
    assert!(drift(&story, "production").is_none());
    assert_eq!(story.state("production").last_good(), Some(release(2)));
    assert!(story.state("production").freeze.is_none());
}

#[test]
fn a_restore_that_was_never_begun_leaves_the_drift() {
    let mut story = drifted();
    story.restore("production");
    let refused = crate::fact::Answer::Refused("no such group".into());
    story.answer("production", refused);
    assert!(story.active("production").is_none());
    assert_eq!(
        drift(&story, "production").map(|drift| drift.expected),
        Some(release(2))
    );
}

#[test]
fn adopting_makes_what_runs_the_last_good() {
    let mut story = drifted();
    story.adopt("production", Some(Story::artefact(7)));
    assert_eq!(story.wrote(), ["released", "adopted"]);
    let state = story.state("production");
    assert_eq!(state.runs, Some(release(3)), "it is a release of its own");
    assert_eq!(state.last_good(), Some(release(3)));
    assert!(state.drift.is_none());
    let earlier = story.pipeline.stage(&stage("test"));
    assert!(
        earlier.unwrap().1.waiting.is_empty(),
        "it goes nowhere else"
    );
}

#[test]
fn adopting_a_release_that_is_known_is_no_new_one() {
    let mut story = drifted();
    story.roll_back("production", Some(1));
    story.begins("production");
    story.finishes("production");
    story.compare("production", Running::All(story.content(2)));
    story.adopt("production", Some(Story::artefact(2)));
    assert_eq!(story.wrote(), ["adopted"]);
    let state = story.state("production");
    assert_eq!(state.last_good(), Some(release(2)));
    assert!(state.quarantined.is_empty(), "a person vouches for it");
}

#[test]
fn what_cannot_be_proved_cannot_be_adopted() {
    let mut story = drifted();
    assert_eq!(story.adopt("production", None), Reason::CannotBeProved);
    assert!(drift(&story, "production").is_some());
}

#[test]
fn a_release_that_waits_is_adopted_where_it_waits() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.becomes_good("dev");
    story.becomes_good("test");
    story.compare("production", Running::All(story.content(2)));
    story.adopt("production", Some(Story::artefact(2)));
    assert_eq!(story.wrote(), ["adopted", "dropped"]);
    assert!(story.state("production").waiting.is_empty());
    let end = last_end(&story);
    assert!(matches!(end, Drop::Cancelled { .. }), "{end:?}");
}

#[test]
fn what_was_adopted_is_not_undone_by_an_older_release_that_waits() {
    let mut story = Story::released_everywhere(1);
    story.drifts("dev");
    story.upload(2);
    story.adopt("dev", Some(Story::artefact(7)));
    assert_eq!(story.wrote(), ["released", "adopted", "dropped"]);
    assert_eq!(last_end(&story), Drop::Superseded { by: release(3) });
    assert!(story.active("dev").is_none());
    story.upload(4);
    assert!(story.active("dev").is_some(), "what is newer goes on");
}

#[test]
fn only_a_drifted_stage_is_adopted_or_restored() {
    let mut story = Story::released_everywhere(1);
    let found = Some(Story::artefact(7));
    assert_eq!(story.adopt("production", found), Reason::NotDrifted);
    assert_eq!(story.restore("production"), Reason::NotDrifted);
    let mut story = drifted();
    story.restore("production");
    let busy = Reason::StageBusy {
        stage: stage("production"),
    };
    assert_eq!(story.restore("production"), busy);
}

#[test]
fn a_call_is_written_down_once_with_who_and_where_from() {
    let mut story = Story::released_everywhere(1);
    let mut call = Story::call("call-1", story.now);
    call.refused = Some("AccessDenied".into());
    story.called("production", call.clone());
    assert_eq!(story.wrote(), ["call_seen"]);
    assert!(drift(&story, "production").is_none(), "a call is no drift");
    assert_eq!(story.called("production", call), Reason::CallKnown);
}

#[test]
fn a_script_that_is_refused_over_and_over_is_told_once_an_hour() {
    let mut story = Story::released_everywhere(1);
    for (id, minutes, expected) in [
        ("call-1", 0, Reason::CallRecorded),
        ("call-2", 59, Reason::CallKnown),
        ("call-3", 1, Reason::CallRecorded),
    ] {
        story.jump(minutes);
        let mut call = Story::call(id, story.now);
        call.refused = Some("AccessDenied".into());
        assert_eq!(story.called("production", call), expected, "{id}");
    }
    story.called("production", Story::call("call-4", story.now));
    assert_eq!(story.wrote(), ["call_seen"], "what is granted is another");
}

#[test]
fn what_is_refused_to_another_or_otherwise_is_told_at_once() {
    let mut story = Story::released_everywhere(1);
    for (id, by, action, refused, expected) in [
        ("1", MIRA, "ecs:UpdateService", "AccessDenied", true),
        ("2", MIRA, "ecs:UpdateService", "AccessDenied", false),
        ("3", ALICE, "ecs:UpdateService", "AccessDenied", true),
        ("4", MIRA, "ecs:DeleteService", "AccessDenied", true),
        ("5", MIRA, "ecs:UpdateService", "ClusterNotFound", true),
    ] {
        let call = ApiCall {
            action: action.into(),
            by: Identity(by.into()),
            refused: Some(refused.into()),
            ..Story::call(id, story.now)
        };
        let reason = story.called("production", call);
        assert_eq!(reason == Reason::CallRecorded, expected, "{id}: {reason:?}");
    }
}

#[test]
fn a_call_is_written_down_while_we_deploy_too() {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story.called("dev", Story::call("call-1", story.now));
    assert_eq!(story.wrote(), ["call_seen"]);
}

#[test]
fn the_drift_names_who_called_before_it_was_found() {
    let mut story = Story::released_everywhere(1);
    let granted = Story::call("call-1", story.now);
    let mut refused = Story::call("call-2", story.now);
    refused.refused = Some("AccessDenied".into());
    story.called("production", granted.clone());
    story.called("production", refused);
    story.jump(3);
    story.drifts("production");
    let by = drift(&story, "production").unwrap().by.clone();
    assert_eq!(by, Some(granted));
}

#[test]
fn a_call_that_cloudtrail_tells_late_is_added_to_the_drift_it_made() {
    let mut story = Story::released_everywhere(1);
    let made_it = Story::call("call-1", story.now);
    story.jump(3);
    story.drifts("production");
    let later = crate::due::after(story.now, crate::SignedDuration::from_mins(1));
    story.called("production", Story::call("call-2", later));
    assert_eq!(drift(&story, "production").unwrap().by, None);
    story.called("production", made_it.clone());
    assert_eq!(drift(&story, "production").unwrap().by, Some(made_it));
}

#[test]
fn an_old_call_is_not_what_made_the_drift() {
    let mut story = Story::released_everywhere(1);
    story.called("production", Story::call("call-1", story.now));
    story.jump(60);
    story.drifts("production");
    assert_eq!(drift(&story, "production").unwrap().by, None);
}

#[test]
fn an_alarm_of_a_drifted_stage_is_still_told() {
    let mut story = drifted();
    story.alarm("production", AlarmState::Alarm);
    assert_eq!(story.wrote(), ["alarm_noted", "alarm_after_bake"]);
}

#[test]
fn drift_is_told_with_what_runs_who_did_it_and_what_can_be_done() {
    let mut story = Story::released_everywhere(1);
    let call = Story::call("call-1", story.now);
    story.called("production", call);
    story.drifts("production");
    let told: Vec<String> = story.ledger[story.ledger.len() - 2..]
        .iter()
        .filter_map(|sealed| crate::announce::announcement(&story.pipeline.service, &sealed.entry))
        .map(|told| told.text)
        .collect();
    insta::assert_snapshot!(told.join("\n\n"));
    let last = story.ledger.last().unwrap();
    assert!(matches!(last.entry.what, What::Drifted { .. }));
}
