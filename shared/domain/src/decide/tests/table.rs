//! The specification in one table: what each state of a stage makes of each fact. Read it when you
//! review a change of the rules.

use std::fmt::Write as _;

use super::scanning::critical;
use super::story::{ALICE, Story, release, stage};
use crate::alarm::AlarmState;
use crate::fact::{Answer, Despite, Fact, Progress, Request, Running};
use crate::pipeline::{Freeze, How, Phase};
use crate::scan::{Findings, ScanFound};
use crate::switch::Switch;

type Made = fn() -> Story;
type Told = fn(&mut Story);

fn states() -> Vec<(&'static str, Made)> {
    let mut states: Vec<(&'static str, Made)> = vec![
        ("idle, never deployed", Story::new),
        ("idle, release 1 good", || Story::released_everywhere(1)),
        ("waiting for a freeze", || {
            let mut story = Story::released_everywhere(1);
            let reason = "the sale".to_owned();
            story.ask(
                ALICE,
                Request::Freeze {
                    stage: Some(stage("dev")),
                    reason,
                    until: None,
                },
            );
            story.upload(2);
            story
        }),
        ("starting", || {
            let mut story = Story::released_everywhere(1);
            story.upload(2);
            story
        }),
        ("in progress", in_progress),
        ("in progress, nothing to return to", || {
            let mut story = Story::new();
            story.upload(1);
            story.begins("dev");
            story
        }),
        ("baking", || {
            let mut story = in_progress();
            story.finishes("dev");
            story
        }),
        ("rolling back by stop", || {
            let mut story = in_progress();
            story.alarm("dev", AlarmState::Alarm);
            story
        }),
        ("rolling back by return", || {
            let mut story = in_progress();
            story.finishes("dev");
            story.alarm("dev", AlarmState::Alarm);
            story
        }),
        ("rolling back, adopted", || {
            let mut story = in_progress();
            story.undoing("dev");
            story
        }),
        ("waiting for its scan", || {
            let mut story = Story::of_scanned_images();
            story.upload(2);
            story
        }),
        ("a person's rollback", || {
            let mut story = Story::released_everywhere(2);
            story.roll_back("dev", None);
            story.begins("dev");
            story
        }),
    ];
    states.extend(drifted());
    states
}

fn drifted() -> [(&'static str, Made); 3] {
    [
        ("drifted", || {
            let mut story = Story::released_everywhere(1);
            story.drifts("dev");
            story
        }),
        ("drifted, a release waits", || {
            let mut story = Story::released_everywhere(1);
            story.drifts("dev");
            story.upload(2);
            story
        }),
        ("drifted, a restore is under way", || {
            let mut story = Story::released_everywhere(1);
            story.drifts("dev");
            story.restore("dev");
            story.begins("dev");
            story
        }),
    ]
}

fn in_progress() -> Story {
    let mut story = Story::released_everywhere(1);
    story.upload(2);
    story.begins("dev");
    story
}

fn observe(story: &mut Story, progress: Progress, running: Running) {
    if story.active("dev").is_some() {
        story.observe("dev", progress, running);
    }
}

fn ids(story: &Story) -> (String, crate::Timestamp) {
    ("d-1".to_owned(), story.now)
}

fn intended(story: &Story) -> Running {
    let Some(active) = story.active("dev") else {
        return Running::Unknown;
    };
    let number = match &active.phase {
        Phase::RollingBack {
            how: How::Return,
            to: Some(to),
            ..
        } => *to,
        _ => active.offer.release,
    };
    Running::All(story.content(number.0))
}

#[expect(clippy::too_many_lines, reason = "one arm for each fact")]
fn facts() -> Vec<(&'static str, Told)> {
    vec![
        ("artefact", |story| drop(story.upload(9))),
        ("scan: not ended", |story| scan(story, ScanFound::Pending)),
        ("scan: nothing to rely on", |story| {
            scan(story, ScanFound::Unclear("UNSUPPORTED_IMAGE".into()))
        }),
        ("scan: found nothing", |story| {
            scan(story, ScanFound::Complete(Findings::default()))
        }),
        ("scan: found too much", |story| {
            scan(story, ScanFound::Complete(critical()))
        }),
        ("alarm fires", |story| {
            drop(story.alarm("dev", AlarmState::Alarm))
        }),
        ("alarm clears", |story| {
            drop(story.alarm("dev", AlarmState::Ok))
        }),
        ("too little data", |story| {
            drop(story.alarm("dev", AlarmState::InsufficientData))
        }),
        ("answer: begun", |story| {
            if story.active("dev").is_some() {
                story.begins("dev");
            }
        }),
        ("answer: stopping", |story| answer(story, Answer::Stopping)),
        ("answer: never begun", |story| {
            answer(story, Answer::NeverBegun)
        }),
        ("answer: refused", |story| {
            answer(story, Answer::Refused("no such group".into()))
        }),
        ("answer: withheld", |story| answer(story, Answer::Withheld)),
        ("answer: occupied", |story| {
            answer(
                story,
                Answer::Occupied {
                    by: "d-THEIRS".into(),
                },
            )
        }),
        ("seen: not found", |story| {
            observe(story, Progress::NotFound, Running::Unknown)
        }),
        ("seen: not found, a minute later", |story| {
            story.jump(2);
            observe(story, Progress::NotFound, Running::Unknown);
        }),
        ("seen: underway", |story| {
            let (platform_id, started_at) = ids(story);
            observe(
                story,
                Progress::Underway {
                    platform_id,
                    started_at,
                },
                Running::Unknown,
            );
        }),
        ("seen: underway, two hours later", |story| {
            let (platform_id, started_at) = ids(story);
            story.jump(120);
            observe(
                story,
                Progress::Underway {
                    platform_id,
                    started_at,
                },
                Running::Unknown,
            );
        }),
        ("seen: succeeded, all run it", |story| {
            let ((platform_id, started_at), running) = (ids(story), intended(story));
            observe(
                story,
                Progress::Succeeded {
                    platform_id,
                    started_at,
                },
                running,
            );
        }),
        ("seen: the same, at the end of the bake", |story| {
            let ((platform_id, started_at), running) = (ids(story), intended(story));
            story.jump(5);
            observe(
                story,
                Progress::Succeeded {
                    platform_id,
                    started_at,
                },
                running,
            );
        }),
        ("seen: succeeded, nothing runs", |story| {
            let (platform_id, started_at) = ids(story);
            observe(
                story,
                Progress::Succeeded {
                    platform_id,
                    started_at,
                },
                Running::Nothing,
            );
        }),
        ("seen: succeeded, mixed", |story| {
            let (platform_id, started_at) = ids(story);
            let mixed = Running::Mixed(Vec::new());
            observe(
                story,
                Progress::Succeeded {
                    platform_id,
                    started_at,
                },
                mixed,
            );
        }),
        ("seen: failed", |story| {
            let (platform_id, why) = (ids(story).0, "HEALTH_CONSTRAINTS".to_owned());
            observe(
                story,
                Progress::Failed { platform_id, why },
                Running::Unknown,
            );
        }),
        ("seen: undoing", |story| {
            let (platform_id, why) = (ids(story).0, "circuit breaker".to_owned());
            observe(
                story,
                Progress::Undoing { platform_id, why },
                Running::Unknown,
            );
        }),
        ("seen: undone, last good runs", |story| {
            let (platform_id, why) = (ids(story).0, "circuit breaker".to_owned());
            let good = story
                .state("dev")
                .last_good()
                .map(|good| story.content(good.0));
            let running = good.map_or(Running::Unknown, Running::All);
            observe(story, Progress::Undone { platform_id, why }, running);
        }),
        ("asked: promote 1", |story| {
            drop(story.promote("dev", 1, Despite::default()))
        }),
        ("asked: roll back", |story| {
            drop(story.roll_back("dev", None))
        }),
        ("asked: cancel 2", |story| {
            let (stage, release) = (stage("dev"), release(2));
            let reason = "not now".to_owned();
            drop(story.ask(
                ALICE,
                Request::Cancel {
                    stage,
                    release,
                    reason,
                },
            ));
        }),
        ("asked: freeze", |story| {
            let (stage, reason) = (Some(stage("dev")), "held".to_owned());
            story.ask(
                ALICE,
                Request::Freeze {
                    stage,
                    reason,
                    until: None,
                },
            );
        }),
        ("asked: thaw", |story| {
            drop(story.ask(
                ALICE,
                Request::Thaw {
                    stage: Some(stage("dev")),
                },
            ));
        }),
        ("asked: announce", |story| {
            drop(story.ask(ALICE, Request::Announce));
        }),
        ("everything is frozen", |story| {
            story.fact(&Fact::Switched(frozen(story)));
        }),
        ("answer: frozen meanwhile", |story| {
            // As `deployer` finds it: the pipeline is told in the same turn.
            let switch = frozen(story);
            let freeze = switch.freeze.clone().unwrap();
            story.fact(&Fact::Switched(switch));
            answer(story, Answer::Frozen(freeze));
        }),
        ("compared: what should run runs", |story| {
            let runs = story.state("dev").should_run();
            let running = runs.map_or(Running::Unknown, |runs| Running::All(story.content(runs.0)));
            story.compare("dev", running);
        }),
        ("compared: something else runs", |story| {
            let other = crate::artefact::Content("other".into());
            story.compare("dev", Running::All(other));
        }),
        ("compared: nothing runs", |story| {
            drop(story.compare("dev", Running::Nothing))
        }),
        ("a call by somebody else", |story| {
            let call = Story::call("call-1", story.now);
            story.called("dev", call);
        }),
        ("asked: adopt", |story| {
            drop(story.adopt("dev", Some(Story::artefact(7))))
        }),
        ("asked: restore", |story| drop(story.restore("dev"))),
        ("an hour passes", |story| {
            story.jump(60);
            story.fact(&Fact::TimePassed);
        }),
    ]
}

fn frozen(story: &Story) -> Switch {
    let by = Some(crate::Identity(ALICE.into()));
    Switch {
        turned: 1,
        by: by.clone(),
        freeze: Some(Freeze {
            by,
            reason: "the network is being moved".into(),
            since: story.now,
            until: None,
        }),
    }
}

fn scan(story: &mut Story, found: ScanFound) {
    story.scan(2, found);
}

fn answer(story: &mut Story, answer: Answer) {
    if story.active("dev").is_some() {
        story.answer("dev", answer);
    }
}

#[test]
fn every_state_makes_of_every_fact_what_the_table_says() {
    let mut table = String::new();
    for (state, made) in states() {
        let _ = writeln!(table, "{state}");
        for (fact, told) in facts() {
            let mut story = made();
            let before = story.ledger.len();
            told(&mut story);
            let wrote: Vec<String> = story.ledger[before..]
                .iter()
                .map(|sealed| super::story::tag(&sealed.entry.what))
                .collect();
            let wrote = if wrote.is_empty() {
                "-".to_owned()
            } else {
                wrote.join(", ")
            };
            let _ = writeln!(table, "  {fact:<42} {wrote}");
        }
    }
    insta::assert_snapshot!(table);
}
