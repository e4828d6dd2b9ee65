//! What was ever written must still load: one golden file for each format of entries and snapshots.
//! A changed entry either still reads these files as they are, or raises the format and adds its
//! own.

use super::story::{ALICE, Story, stage};
use crate::alarm::AlarmState;
use crate::chain::{Hash, Sealed};
use crate::fact::{Answer, Request, Running};
use crate::pipeline::Pipeline;

const ENTRIES: &str = include_str!("../../../golden/entries-1.jsonl");
const SNAPSHOT: &str = include_str!("../../../golden/snapshot-1.json");

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
    story
}

#[test]
fn entries_of_every_format_still_load_and_fold() {
    let mut before = Hash::ZERO;
    let mut pipeline = Pipeline::new("web".parse().unwrap());
    for (seq, line) in (1..).zip(ENTRIES.lines()) {
        let sealed = Sealed::follow(line, seq, &before).unwrap();
        before = sealed.hash.clone();
        crate::apply::apply(&mut pipeline, &sealed).unwrap();
    }
    let snapshot: Pipeline = serde_json::from_str(SNAPSHOT).unwrap();
    assert_eq!(pipeline, snapshot);
}

#[test]
fn what_is_written_today_is_of_a_format_that_has_a_golden_file() {
    let story = eventful();
    let entries: String = story
        .ledger
        .iter()
        .map(|sealed| format!("{}\n", sealed.stored))
        .collect();
    let snapshot = serde_json::to_string_pretty(&story.pipeline).unwrap();
    if std::env::var_os("GOLDEN_UPDATE").is_some() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
        std::fs::write(format!("{folder}/entries-1.jsonl"), &entries).unwrap();
        std::fs::write(format!("{folder}/snapshot-1.json"), &snapshot).unwrap();
        return;
    }
    assert_eq!(
        entries, ENTRIES,
        "the same story is written differently: raise the format"
    );
    assert_eq!(
        snapshot, SNAPSHOT,
        "the same story leaves another snapshot: raise the format"
    );
}
