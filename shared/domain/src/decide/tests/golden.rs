//! What was ever written must still load: one golden file for each format of entries and snapshots.
//! A changed entry either still reads these files as they are, or raises the format and adds its
//! own.

use super::scanning::critical;
use super::story::{ALICE, Story, stage};
use crate::alarm::AlarmState;
use crate::chain::{Hash, Sealed};
use crate::fact::{Answer, Despite, Fact, Inspected, Request, Running};
use crate::pipeline::Pipeline;
use crate::scan::ScanFound;

/// A story, the entries it writes, and the snapshot it leaves.
struct Golden {
    name: &'static str,
    story: fn() -> Story,
    entries: &'static str,
    snapshot: &'static str,
}

const GOLDEN: [Golden; 3] = [
    Golden {
        name: "-1",
        story: eventful,
        entries: include_str!("../../../golden/entries-1.jsonl"),
        snapshot: include_str!("../../../golden/snapshot-1.json"),
    },
    Golden {
        name: "-1-scans",
        story: scanned,
        entries: include_str!("../../../golden/entries-1-scans.jsonl"),
        snapshot: include_str!("../../../golden/snapshot-1-scans.json"),
    },
    Golden {
        name: "-1-test-announced",
        story: test_announced,
        entries: include_str!("../../../golden/entries-1-test-announced.jsonl"),
        snapshot: include_str!("../../../golden/snapshot-1-test-announced.json"),
    },
];

/// A story of images that are scanned.
fn scanned() -> Story {
    let mut story = Story::of_scanned_images();
    for number in 1..=4 {
        story.upload(number);
    }
    story.scan(1, ScanFound::Pending);
    story.scan(2, ScanFound::Unclear("UNSUPPORTED_IMAGE".into()));
    story.scan(3, ScanFound::Complete(critical()));
    let despite = Despite {
        findings: Some("the package is not used".into()),
        ..Despite::default()
    };
    story.promote("dev", 3, despite);
    story.begins("dev");
    story
}

/// A story of somebody who tries whether announcements arrive.
fn test_announced() -> Story {
    let mut story = Story::new();
    story.ask(ALICE, Request::Announce);
    story
}

/// A story that writes most kinds of entries.
fn eventful() -> Story {
    let mut story = Story::released_everywhere(2);
    story.upload_built(3, Story::build(3));
    story.begins("dev");
    story.finishes("dev");
    story.alarm("dev", AlarmState::Alarm);
    story.begins("dev");
    story.finishes("dev");
    story.alarm("dev", AlarmState::Ok);
    story.upload(4);
    story.begins("dev");
    story.undoing("dev");
    story.undone("dev", Running::All(story.content(2)));
    story.upload(5);
    story.answer(
        "dev",
        Answer::Occupied {
            by: "d-THEIRS".into(),
        },
    );
    story.roll_back("production", None);
    story.begins("production");
    story.fails("production", "HEALTH_CONSTRAINTS");
    story.ask(
        ALICE,
        Request::Thaw {
            stage: Some(stage("production")),
        },
    );
    story.alarm("test", AlarmState::Alarm);
    drifting(&mut story);
    story
}

/// What others do behind the ledger's back.
fn drifting(story: &mut Story) {
    let call = Story::call("6afced68-75cd-4d44-8076-0be", story.now);
    story.called("test", call);
    story.drifts("test");
    story.compare("test", Running::All(story.content(2)));
    story.drifts("test");
    story.adopt("test", Some(Story::artefact(7)));
    story.drifts("test");
    story.promote("test", 2, Despite::default());
    let stage = stage("test");
    let alarms = Vec::new();
    story.fact(&Fact::Inspected(Inspected {
        stage,
        alarms,
        reflexes: None,
    }));
}

#[test]
fn entries_of_every_format_still_load_and_fold() {
    for golden in GOLDEN {
        let mut before = Hash::ZERO;
        let mut pipeline = Pipeline::new("web".parse().unwrap());
        for (seq, line) in (1..).zip(golden.entries.lines()) {
            let sealed = Sealed::follow(line, seq, &before).unwrap();
            before = sealed.hash.clone();
            crate::apply::apply(&mut pipeline, &sealed).unwrap();
        }
        let snapshot: Pipeline = serde_json::from_str(golden.snapshot).unwrap();
        assert_eq!(pipeline, snapshot);
    }
}

#[test]
fn what_is_written_today_is_of_a_format_that_has_a_golden_file() {
    for golden in GOLDEN {
        let story = (golden.story)();
        let lines = story.ledger.iter();
        let entries: String = lines.map(|sealed| format!("{}\n", sealed.stored)).collect();
        let snapshot = serde_json::to_string_pretty(&story.pipeline).unwrap();
        if std::env::var_os("GOLDEN_UPDATE").is_some() {
            let (folder, name) = (concat!(env!("CARGO_MANIFEST_DIR"), "/golden"), golden.name);
            std::fs::write(format!("{folder}/entries{name}.jsonl"), &entries).unwrap();
            std::fs::write(format!("{folder}/snapshot{name}.json"), &snapshot).unwrap();
            continue;
        }
        assert_eq!(
            entries, golden.entries,
            "the same story is written differently: raise the format"
        );
        assert_eq!(
            snapshot, golden.snapshot,
            "the same story leaves another snapshot: raise the format"
        );
    }
}
