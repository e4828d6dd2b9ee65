//! Rules about the switch for all.

use jiff::SignedDuration;

use super::super::{Recalled, decide_under};
use super::story::{ALICE, MIRA, Story, config, release, stage};
use crate::announce::{Severity, announcement};
use crate::due::{after, due_at};
use crate::entry::{Action, Actor};
use crate::fact::{Answer, Asked, Fact, Request, RequestId};
use crate::name::{Identity, ServiceName};
use crate::pipeline::{Freeze, Pipeline, WaitingOn};
use crate::reason::{Reason, Verdict};
use crate::switch::Switch;
use crate::wanted::{frozen, goes_forward};

/// The reserved pipeline of the switch.
fn everything() -> Story {
    let mut story = Story::new();
    story.pipeline = Pipeline::new(ServiceName::everything());
    story.ledger.clear();
    story
}

fn freeze(story: &mut Story, reason: &str, minutes: Option<i64>) -> Reason {
    let until = minutes.map(|minutes| after(story.now, SignedDuration::from_mins(minutes)));
    let reason = reason.to_owned();
    let stage = None;
    story.ask(
        ALICE,
        Request::Freeze {
            stage,
            reason,
            until,
        },
    )
}

fn thaw(story: &mut Story) -> Reason {
    story.ask(MIRA, Request::Thaw { stage: None })
}

#[test]
fn what_a_pipeline_was_told_of_the_switch_is_stored_with_it() {
    let mut story = Story::new();
    story.fact(&Fact::Switched(turned()));
    assert!(story.pipeline.switch.freeze.is_some());
    let stored = serde_json::to_string(&story.pipeline).unwrap();
    let read: Pipeline = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, story.pipeline);
}

/// The switch after somebody froze everything.
fn turned() -> Switch {
    let mut story = everything();
    freeze(&mut story, "the network is being moved", None);
    story.pipeline.switch.clone()
}

#[test]
fn one_request_freezes_everything_and_is_one_announcement() {
    let mut story = everything();
    assert_eq!(
        freeze(&mut story, "the network is being moved", None),
        Reason::PersonAsked
    );
    assert_eq!(story.wrote(), ["switched"]);
    let switch = &story.pipeline.switch;
    assert_eq!(
        (switch.turned, switch.by.as_ref().unwrap().short()),
        (1, "alice")
    );
    let entry = &story.ledger[0].entry;
    let heard = announcement(&story.pipeline.service, entry).unwrap();
    assert_eq!(heard.subject, "everything: frozen");
    let mut web = Story::new();
    web.fact(&Fact::Switched(switch.clone()));
    let entry = &web.ledger.last().unwrap().entry;
    assert_eq!(
        entry.actor,
        Actor::Person(Identity(ALICE.into())),
        "it is known who"
    );
    assert_eq!(
        announcement(&web.pipeline.service, entry),
        None,
        "people heard of it once"
    );
}

#[test]
fn a_pipeline_that_was_told_holds_what_comes_and_lets_it_go_after_the_thaw() {
    let mut switch = everything();
    let mut web = Story::new();
    freeze(&mut switch, "the network is being moved", None);
    web.fact(&Fact::Switched(switch.pipeline.switch.clone()));
    web.upload(1);
    let on = web.state("dev").waiting[0].on.clone();
    assert!(matches!(on, Some(WaitingOn::Freeze { .. })), "{on:?}");
    assert_eq!(thaw(&mut switch), Reason::PersonAsked);
    web.fact(&Fact::Switched(switch.pipeline.switch.clone()));
    assert_eq!(web.wrote(), ["switch_noted", "start_asked"]);
}

#[test]
fn an_older_turn_says_nothing() {
    let mut switch = everything();
    let mut web = Story::new();
    freeze(&mut switch, "the network is being moved", None);
    let froze = switch.pipeline.switch.clone();
    thaw(&mut switch);
    web.fact(&Fact::Switched(switch.pipeline.switch.clone()));
    assert_eq!(web.fact(&Fact::Switched(froze)), Reason::NothingNew);
    web.upload(1);
    assert!(web.active("dev").is_some());
}

#[test]
fn a_freeze_of_everything_ends_by_itself_and_everybody_is_told() {
    let mut switch = everything();
    freeze(&mut switch, "the sale", Some(30));
    let turned = switch.pipeline.switch.turned;
    switch.fact(&Fact::AllTold { turned });
    let ends = after(switch.now, SignedDuration::from_mins(30));
    assert_eq!(due_at(&switch.pipeline), Some(ends));
    switch.time_passes(30);
    assert_eq!(switch.wrote(), ["switched"]);
    assert!(switch.pipeline.switch.freeze.is_none());
    assert!(switch.pipeline.telling_since.is_some());
}

#[test]
fn telling_is_due_until_all_were_told() {
    let mut switch = everything();
    freeze(&mut switch, "the sale", None);
    let due = due_at(&switch.pipeline);
    assert_eq!(due, Some(after(switch.now, crate::due::ANSWER_WITHIN)));
    let old = switch.pipeline.switch.turned;
    freeze(&mut switch, "the sale goes on", None);
    assert_eq!(
        switch.fact(&Fact::AllTold { turned: old }),
        Reason::NothingNew
    );
    assert!(
        due_at(&switch.pipeline).is_some(),
        "they were told of an older turn"
    );
    let turned = switch.pipeline.switch.turned;
    switch.fact(&Fact::AllTold { turned });
    assert_eq!(
        (switch.wrote(), due_at(&switch.pipeline)),
        (vec!["all_told".into()], None)
    );
}

#[test]
fn the_switch_says_when_it_is_asked_for_something_wrong() {
    let mut story = everything();
    assert_eq!(thaw(&mut story), Reason::NotFrozen);
    assert_eq!(
        freeze(&mut story, "the sale", Some(0)),
        Reason::EndsInThePast
    );
    freeze(&mut story, "the sale", None);
    assert_eq!(freeze(&mut story, "the sale", None), Reason::FrozenAlready);
    let stage = stage("dev");
    let request = Request::Thaw {
        stage: Some(stage.clone()),
    };
    let no_stage = Reason::NoSuchStage { stage };
    assert_eq!(story.ask(ALICE, request), no_stage);
    assert_eq!(
        story.approve(ALICE, 1),
        Reason::NoSuchService,
        "it is no service"
    );
}

#[test]
fn a_test_is_announced_and_nothing_else_follows() {
    let kept = |pipeline: &Pipeline| {
        let (stages, switch) = (pipeline.stages.clone(), pipeline.switch.clone());
        (stages, switch, due_at(pipeline))
    };
    for mut story in [everything(), Story::released_everywhere(2)] {
        let before = kept(&story.pipeline);
        assert_eq!(story.ask(ALICE, Request::Announce), Reason::PersonAsked);
        assert_eq!(story.wrote(), ["test_announced"]);
        assert_eq!(kept(&story.pipeline), before);
        let (service, entry) = (&story.pipeline.service, &story.ledger.last().unwrap().entry);
        let heard = announcement(service, entry).unwrap();
        assert_eq!((heard.kind, heard.severity), ("test", Severity::Attention));
        assert!(
            heard
                .subject
                .ends_with(": a test announcement, asked for by alice")
        );
    }
}

#[test]
fn thawing_a_service_does_not_thaw_everything() {
    let mut web = Story::new();
    web.fact(&Fact::Switched(turned()));
    assert_eq!(thaw(&mut web), Reason::NotFrozen);
    web.upload(1);
    assert!(web.active("dev").is_none());
}

#[test]
fn whatever_happens_to_a_pipeline_first_it_is_told_in_the_same_decision() {
    let web = Story::new();
    let arrived = Fact::Artefact(crate::fact::ArtefactFound {
        artefact: Story::artefact(1),
        build: Story::build(1),
        proof: crate::fact::Proof::Deployable,
    });
    let nothing = Recalled::Nothing;
    let decision = decide_under(&turned(), &web.pipeline, &nothing, &arrived, web.now).unwrap();
    let wrote: Vec<String> = decision
        .entries
        .iter()
        .map(|sealed| super::story::tag(&sealed.entry.what))
        .collect();
    assert_eq!(wrote, ["switch_noted", "released", "offered", "waits"]);
    assert_eq!(decision.reason, Reason::NewArtefact, "the fact's own");
}

#[test]
fn a_request_that_changes_nothing_is_not_done_because_something_else_was_due() {
    let mut web = Story::released_everywhere(1);
    let asked = |request| {
        Fact::Asked(Asked {
            id: RequestId("request-x".into()),
            by: Identity(ALICE.to_owned()),
            request,
        })
    };
    let again = asked(Request::Promote {
        stage: stage("production"),
        release: release(1),
        despite: crate::fact::Despite::default(),
    });
    let nothing = Recalled::Nothing;
    let told = decide_under(&turned(), &web.pipeline, &nothing, &again, web.now).unwrap();
    assert_eq!(told.entries.len(), 1, "it is told of the switch");
    assert_eq!(told.verdict(), Verdict::Nothing);
    // The same when a freeze comes to its end with it.
    let until = after(web.now, SignedDuration::from_mins(5));
    let freeze = Request::Freeze {
        stage: None,
        reason: "the sale".into(),
        until: Some(until),
    };
    web.ask(ALICE, freeze);
    web.jump(6);
    let thawed = crate::decide(&web.pipeline, &nothing, &again, web.now).unwrap();
    assert_eq!(thawed.entries.len(), 1, "it thaws");
    assert_eq!(
        (thawed.verdict(), &thawed.reason),
        (Verdict::Nothing, &told.reason)
    );
}

#[test]
fn a_service_described_under_a_freeze_is_frozen_too() {
    let before = Pipeline::new("web".parse().unwrap());
    let asked = |request| {
        Fact::Asked(Asked {
            id: RequestId("request-1".into()),
            by: Identity(ALICE.into()),
            request,
        })
    };
    let (nothing, now) = (Recalled::Nothing, Story::new().now);
    let config = Box::new(config());
    let found = Vec::new();
    let describe = asked(Request::Configure { config, found });
    let decision = decide_under(&turned(), &before, &nothing, &describe, now).unwrap();
    assert_eq!(decision.after.switch, turned());
    let refused = asked(Request::Thaw { stage: None });
    let decision = decide_under(&turned(), &before, &nothing, &refused, now).unwrap();
    assert!(
        decision.entries.is_empty(),
        "a typing error makes no service"
    );
}

#[test]
fn the_last_look_finds_a_freeze_that_came_after_the_start_was_asked_for() {
    let mut web = Story::new();
    web.upload(1);
    let sealed = web.ledger.last().unwrap().clone();
    let Some(Action::Deploy(order)) = sealed.entry.what.action() else {
        panic!("a start was asked for");
    };
    let look = |web: &Story, switch: &Switch| frozen(&web.pipeline, switch, order, web.now);
    assert_eq!(look(&web, &Switch::default()), None);
    let switch = turned();
    assert_eq!(
        look(&web, &switch),
        switch.freeze,
        "though the pipeline does not know"
    );
    let mut own = web.clone();
    let stage = Some(stage("dev"));
    let (reason, until) = ("the sale".to_owned(), None);
    own.ask(
        ALICE,
        Request::Freeze {
            stage,
            reason,
            until,
        },
    );
    let found = look(&own, &Switch::default()).unwrap();
    assert_eq!(found.reason, "the sale");
    web.fact(&Fact::Switched(switch.clone()));
    web.answer("dev", Answer::Frozen(switch.freeze.unwrap()));
    assert_eq!(web.wrote(), ["waits"], "and it is not asked for again");
    assert!(web.active("dev").is_none());
}

#[test]
fn what_goes_back_passes_the_last_look() {
    let mut web = Story::released_everywhere(2);
    web.fact(&Fact::Switched(turned()));
    web.roll_back("production", None);
    let last = web.ledger.last().unwrap().clone();
    let Some(Action::Deploy(order)) = last.entry.what.action() else {
        panic!("a rollback was asked for");
    };
    assert_eq!(order.release, release(1));
    assert!(!goes_forward(&web.pipeline, order));
    assert_eq!(frozen(&web.pipeline, &turned(), order, web.now), None);
}

#[test]
fn an_ended_freeze_holds_nothing() {
    let mut web = Story::new();
    web.upload(1);
    let sealed = web.ledger.last().unwrap().clone();
    let Some(Action::Deploy(order)) = sealed.entry.what.action() else {
        panic!("a start was asked for");
    };
    let ended = Switch {
        turned: 1,
        by: None,
        freeze: Some(Freeze {
            by: None,
            reason: "the sale".into(),
            since: web.now,
            until: Some(web.now),
        }),
    };
    assert_eq!(frozen(&web.pipeline, &ended, order, web.now), None);
}
