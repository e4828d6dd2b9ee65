//! Every sample of `events/` is decoded, and what it comes to is pinned. A sample that no function
//! decodes fails.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use common::{FUNCTIONS, Outcome, decode, files, samples};
use domain::chain::Sealed;
use domain::entry::Entry;
use intake::stream::Held;
use intake::wire::Desk;

/// A file's name without its path.
fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

/// What each sample of a folder comes to, one after the other.
fn outcomes(function: &str, folder: &Path, fits: fn(&Outcome) -> bool) -> String {
    let mut text = String::new();
    for file in files(folder) {
        let outcome = decode(function, &std::fs::read(&file).unwrap());
        assert!(
            fits(&outcome),
            "{} does not belong here: {outcome:?}",
            file.display()
        );
        let (Outcome::Taken(what) | Outcome::Ignored(what) | Outcome::Refused(what)) = &outcome;
        let kind = match &outcome {
            Outcome::Taken(_) => "taken",
            Outcome::Ignored(_) => "ignored",
            Outcome::Refused(_) => "refused",
        };
        writeln!(text, "{} {kind}: {}", name(&file), what.trim_end()).unwrap();
    }
    text
}

#[test]
fn every_sample_is_taken_by_its_function() {
    for function in FUNCTIONS {
        let fits = |outcome: &Outcome| matches!(outcome, Outcome::Taken(_));
        let outcomes = outcomes(function, &samples().join(function), fits);
        assert!(!outcomes.is_empty(), "{function} has no sample");
        insta::assert_snapshot!(function, outcomes);
    }
}

#[test]
fn every_refused_sample_says_why() {
    for function in FUNCTIONS {
        let fits = |outcome: &Outcome| !matches!(outcome, Outcome::Taken(_));
        let outcomes = outcomes(function, &samples().join("refused").join(function), fits);
        assert!(!outcomes.is_empty(), "{function} has nothing to refuse");
        insta::assert_snapshot!(format!("refused-{function}"), outcomes);
    }
}

#[test]
fn no_sample_is_an_orphan() {
    let names = |folder: &Path| -> BTreeSet<String> {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| name(&entry.unwrap().path()).to_owned())
            .collect()
    };
    let functions: BTreeSet<String> = FUNCTIONS.map(str::to_owned).into();
    let mut known = functions.clone();
    known.extend(["README.md".to_owned(), "refused".to_owned()]);
    assert_eq!(names(&samples()), known);
    assert_eq!(names(&samples().join("refused")), functions);
}

#[test]
fn the_commits_of_the_samples_hold_entries_the_domain_can_read() {
    let mut entries = 0;
    for function in ["deployer", "notifier"] {
        for file in files(&samples().join(function)) {
            for record in intake::stream::decode(&std::fs::read(&file).unwrap()).unwrap() {
                let Held::Commit(commit) = record.held else {
                    panic!("{}", file.display())
                };
                let first: Entry = serde_json::from_str(&commit.entries[0]).unwrap();
                assert_eq!(
                    first.seq, commit.number,
                    "a commit has its first entry's number"
                );
                let (mut seq, mut before) = (first.seq, first.before);
                for stored in &commit.entries {
                    before = Sealed::follow(stored, seq, &before).unwrap().hash;
                    seq += 1;
                    entries += 1;
                }
            }
        }
    }
    assert!(entries > 0);
}

#[test]
fn an_event_may_be_exactly_as_large_as_its_limit_says() {
    for (function, sample, limit) in [
        ("artefact-uploaded", "put-object", intake::EVENT_BYTES_MAX),
        ("command", "thaw-service", 6 * 1024 * 1024),
        ("button-pressed", "approve", 6 * 1024 * 1024),
    ] {
        let file = samples().join(format!("{function}/{sample}.json"));
        let mut event = std::fs::read(file).unwrap();
        let as_it_is = decode(function, &event);
        event.resize(limit, b' ');
        assert_eq!(decode(function, &event), as_it_is, "{function}");
        event.push(b' ');
        let Outcome::Refused(why) = decode(function, &event) else {
            panic!("{function}: it is taken");
        };
        assert!(why.starts_with("too large: the event"), "{function}: {why}");
    }
}

#[test]
fn each_desk_is_a_function_of_its_own() {
    let [approval, command] = [Desk::Approval, Desk::Command].map(Desk::function);
    assert_ne!(approval, command);
    for desk in [approval, command] {
        assert!(FUNCTIONS.contains(&desk), "{desk:?}");
    }
}

#[test]
fn a_limit_is_named() {
    let large = vec![b' '; intake::EVENT_BYTES_MAX + 1];
    assert_eq!(
        decode("artefact-uploaded", &large),
        Outcome::Refused(
            "too large: the event has 1048577 bytes, and the limit is 1048576".to_owned()
        )
    );
    let event = std::fs::read_to_string(samples().join("command/thaw-service.json")).unwrap();
    let mut event: serde_json::Value = serde_json::from_str(&event).unwrap();
    event["body"] = " ".repeat(intake::command::BODY_BYTES_MAX + 1).into();
    assert_eq!(
        decode("command", event.to_string().as_bytes()),
        Outcome::Refused(
            "too large: the request has 131073 bytes, and the limit is 131072".to_owned()
        )
    );
}
