//! Rules about approval.

use super::story::{ALICE, MIRA, RAVI, Story, config, release, stage};
use crate::config::{Gate, ServiceConfig, SlackMay};
use crate::entry::{Drop, What};
use crate::fact::{Press, Request};
use crate::pipeline::WaitingOn;
use crate::question::{Choice, Question};
use crate::reason::{Reason, Verdict};

fn at_production() -> Story {
    waiting_with(config())
}

fn waiting_with(config: ServiceConfig) -> Story {
    let mut story = Story::with(config);
    story.upload_built(1, Story::build(1));
    story.becomes_good("dev");
    story.becomes_good("test");
    story
}

fn open_to_slack() -> ServiceConfig {
    let mut config = config();
    if let Gate::Approval(rule) = &mut config.stages[2].gate {
        rule.slack = SlackMay::Decide;
    }
    config
}

/// A button under what was asked last about release 1.
fn button(story: &Story, choice: Choice) -> Request {
    let asks = |what: &What| {
        matches!(what, What::Waits { release: it, on: WaitingOn::Approval { .. }, .. }
            if *it == release(1))
    };
    let ledger = story.ledger.iter().rev();
    let asked = ledger.map(|it| &it.entry).find(|it| asks(&it.what));
    Request::Press(Press {
        question: Question {
            stage: stage("production"),
            release: release(1),
            asked: crate::EntryId {
                service: story.pipeline.service.clone(),
                seq: asked.unwrap().seq,
            },
        },
        choice,
        user: "U0ALICE".to_owned(),
    })
}

fn two_needed() -> ServiceConfig {
    let mut config = config();
    if let Gate::Approval(rule) = &mut config.stages[2].gate {
        rule.count = 2;
    }
    config
}

#[test]
fn a_person_named_by_the_rule_lets_the_release_in() {
    let mut story = at_production();
    assert_eq!(story.approve(ALICE, 1), Reason::PersonAsked);
    assert_eq!(story.wrote(), ["approved", "start_asked"]);
}

#[test]
fn nobody_else_does() {
    let mut story = at_production();
    let stranger = "arn:aws:iam::999900001111:user/alice";
    assert_eq!(story.approve(stranger, 1), Reason::NotAnApprover);
    assert!(story.active("production").is_none());
}

#[test]
fn the_author_may_not_approve_own_work() {
    let mut story = at_production();
    assert_eq!(story.approve(RAVI, 1), Reason::AuthorMayNotApprove);
}

#[test]
fn who_may_not_approve_hears_that_also_when_there_is_nothing_left_to_approve() {
    let mut story = at_production();
    story.approve(ALICE, 1);
    let stranger = "arn:aws:iam::999900001111:user/alice";
    assert_eq!(story.approve(stranger, 1), Reason::NotAnApprover);
    assert_eq!(story.approve(RAVI, 1), Reason::AuthorMayNotApprove);
    assert_eq!(story.approve(MIRA, 1), Reason::AlreadyThere);
    assert_eq!(story.verdict(MIRA, 1), Verdict::Nothing);
    assert_eq!(story.verdict(RAVI, 1), Verdict::Refused);
}

#[test]
fn a_refusal_is_one_also_when_something_else_was_due() {
    let mut story = at_production();
    story.ask(
        ALICE,
        Request::Freeze {
            stage: None,
            reason: "the sale".into(),
            until: Some(crate::due::after(
                story.now,
                jiff::SignedDuration::from_mins(5),
            )),
        },
    );
    story.jump(6);
    assert_eq!(story.verdict(RAVI, 1), Verdict::Refused, "though it thaws");
}

#[test]
fn the_second_approval_of_one_person_counts_once() {
    let mut story = waiting_with(two_needed());
    story.approve(ALICE, 1);
    assert_eq!(story.approve(ALICE, 1), Reason::ApprovedAlready);
    assert!(story.active("production").is_none());
    story.approve(MIRA, 1);
    assert!(story.active("production").is_some(), "two people");
}

#[test]
fn an_approval_is_for_exactly_this_release() {
    let mut story = at_production();
    let unknown = Reason::NoSuchRelease {
        release: release(7),
    };
    assert_eq!(story.approve(ALICE, 7), unknown);
    story.upload_built(2, Story::build(2));
    let other = Reason::NotWaiting {
        instead: Some(release(1)),
    };
    assert_eq!(story.approve(ALICE, 2), other);
    let request = Request::Approve {
        stage: stage("dev"),
        release: release(1),
        reason: None,
    };
    assert_eq!(story.ask(ALICE, request), Reason::AlreadyThere);
}

#[test]
fn a_changed_configuration_voids_what_was_given() {
    let mut story = waiting_with(two_needed());
    story.approve(ALICE, 1);
    let mut changed = two_needed();
    changed.stages[2].rollbacks_per_day = 9;
    story.ask(
        MIRA,
        Request::Configure {
            config: Box::new(changed),
            found: Vec::new(),
        },
    );
    assert!(
        story.wrote().contains(&"approvals_voided".to_owned()),
        "{:?}",
        story.wrote()
    );
    assert!(story.state("production").waiting[0].approvals.is_empty());
}

#[test]
fn expiry_is_not_rejection() {
    let mut story = at_production();
    story.time_passes(60 * 24 * 7);
    assert_eq!(story.wrote(), ["dropped"]);
    let what = &story.ledger.last().unwrap().entry.what;
    assert!(matches!(
        what,
        What::Dropped {
            end: Drop::Expired,
            ..
        }
    ));
    assert_eq!(
        story.approve(ALICE, 1),
        Reason::NotWaiting { instead: None }
    );
}

#[test]
fn a_person_can_say_no() {
    let mut story = at_production();
    let (stage, release) = (stage("production"), release(1));
    let request = Request::Reject {
        stage,
        release,
        reason: "not before the sale".into(),
    };
    assert_eq!(story.ask(ALICE, request), Reason::PersonAsked);
    assert!(story.state("production").waiting.is_empty());
}

#[test]
fn windows_hold_what_is_approved_until_they_open() {
    let mut config = config();
    config.stages[2].windows = vec!["Tue 10:00-17:00 UTC".parse().unwrap()];
    let mut story = waiting_with(config);
    story.approve(ALICE, 1);
    let opens_at = Some("2026-11-24T10:00:00Z".parse().unwrap());
    assert_eq!(
        story.state("production").waiting[0].on,
        Some(WaitingOn::Window { opens_at })
    );
    assert_eq!(
        crate::due::due_at(&story.pipeline),
        opens_at,
        "it asks to be looked at then"
    );
    story.time_passes(60 * 24);
    assert!(story.active("production").is_some());
}

#[test]
fn the_same_request_again_is_done_once() {
    let mut story = at_production();
    story.approve(ALICE, 1);
    // `Story::fact` repeats every fact and expects nothing of it; here is the reason.
    let known = story.pipeline.requests.last().unwrap().clone();
    let request = Request::Thaw { stage: None };
    let asked = crate::fact::Asked {
        id: known,
        by: crate::Identity(ALICE.into()),
        request,
    };
    assert_eq!(story.fact(&crate::Fact::Asked(asked)), Reason::RequestKnown);
}

#[test]
fn a_request_whose_approval_is_void_after_it_expired_ends_with_the_same_decision() {
    let mut story = at_production();
    story.approve(ALICE, 1);
    story.begins("production");
    story.finishes("production");
    story.upload_built(2, Story::build(2));
    story.becomes_good("dev");
    story.becomes_good("test");
    story.approve(ALICE, 2);
    story.jump(60 * 24 * 8);
    // What runs there is another release now, so that the approval is void, and too late to renew.
    story.finishes("production");
    let wrote = story.wrote();
    let ends: Vec<_> = wrote.iter().rev().take(2).rev().collect();
    assert_eq!(ends, ["approvals_voided", "dropped"], "{wrote:?}");
}

#[test]
fn a_request_with_all_its_yeses_does_not_expire() {
    let mut story = at_production();
    let hold = Request::Freeze {
        stage: Some(stage("production")),
        reason: "the sale".into(),
        until: None,
    };
    story.ask(ALICE, hold);
    assert_eq!(story.approve(ALICE, 1), Reason::PersonAsked);
    story.jump(8 * 24 * 60);
    assert_eq!(story.approve(MIRA, 1), Reason::PersonAsked, "one more");
}

#[test]
fn a_button_in_slack_counts_only_where_the_rule_says_so_and_only_from_its_approvers() {
    let mut closed = at_production();
    for choice in [Choice::Approve, Choice::Reject] {
        let pressed = button(&closed, choice);
        assert_eq!(closed.ask(ALICE, pressed), Reason::NotFromSlack);
    }
    let mut open = waiting_with(open_to_slack());
    let stranger = "arn:aws:iam::999900001111:user/alice";
    let pressed = button(&open, Choice::Approve);
    let reason = open.ask(stranger, pressed.clone());
    assert_eq!(reason, Reason::NotAnApprover, "the channel is no authority");
    let reason = open.ask(RAVI, pressed.clone());
    assert_eq!(reason, Reason::AuthorMayNotApprove);
    assert_eq!(open.ask(ALICE, pressed), Reason::PersonAsked);
    assert_eq!(open.wrote(), ["approved", "start_asked"]);
    let said = open
        .ledger
        .iter()
        .rev()
        .find_map(|it| match &it.entry.what {
            What::Approved { reason, .. } => reason.clone(),
            _ => None,
        });
    assert_eq!(said.unwrap(), "in Slack, as U0ALICE");
}

#[test]
fn a_button_in_slack_can_say_no() {
    let mut story = waiting_with(open_to_slack());
    let pressed = button(&story, Choice::Reject);
    assert_eq!(story.ask(MIRA, pressed), Reason::PersonAsked);
    let rejected = story.ledger.iter().any(|it| {
        matches!(&it.entry.what, What::Dropped { end: Drop::Rejected { reason, .. }, .. }
            if reason == "in Slack, as U0ALICE")
    });
    assert!(rejected);
}

#[test]
fn a_button_counts_for_the_offer_it_asked_about_and_not_for_a_later_one_of_the_same_release() {
    let mut story = waiting_with(open_to_slack());
    let old = button(&story, Choice::Approve);
    let pressed = button(&story, Choice::Reject);
    story.ask(ALICE, pressed);
    let late = story.ask(ALICE, old.clone());
    assert_eq!(late, Reason::NotWaiting { instead: None });
    story.promote("production", 1, crate::fact::Despite::default());
    assert_eq!(story.ask(ALICE, old), Reason::AskedAnew);
    let new = button(&story, Choice::Approve);
    assert_eq!(story.ask(ALICE, new), Reason::PersonAsked);
}

#[test]
fn two_people_may_press_the_same_button() {
    let mut config = open_to_slack();
    if let Gate::Approval(rule) = &mut config.stages[2].gate {
        rule.count = 2;
    }
    let mut story = waiting_with(config);
    let seen_by_both = button(&story, Choice::Approve);
    assert_eq!(story.ask(ALICE, seen_by_both.clone()), Reason::PersonAsked);
    let again = story.ask(ALICE, seen_by_both.clone());
    assert_eq!(again, Reason::ApprovedAlready);
    assert_eq!(story.ask(MIRA, seen_by_both), Reason::PersonAsked);
    assert!(story.active("production").is_some());
}
