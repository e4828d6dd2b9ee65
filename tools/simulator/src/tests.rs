//! The simulator itself: it repeats itself, nothing is violated, and it finds what was planted.

use std::fs;
use std::path::{Path, PathBuf};

use crate::adversary::{Adversaries, Adversary};
use crate::bug::{Bug, find};
use crate::play::play;
use crate::run::{Case, run};
use crate::shrink::shrink;

#[test]
fn the_same_seed_gives_the_same_history() {
    let case = Case {
        told: true,
        ..Case::of(7)
    };
    assert_eq!(run(&case).unwrap(), run(&case).unwrap());
}

#[test]
fn without_adversaries_every_world_is_well() {
    for seed in 0..2 {
        let case = Case {
            among: Adversaries::NONE,
            ..Case::of(seed)
        };
        let outcome = run(&case).unwrap();
        assert_eq!(outcome.violations, Vec::<String>::new(), "seed {seed}");
        assert_eq!(outcome.tally.faults.len(), 0);
    }
}

#[test]
fn an_adversary_that_is_left_out_does_not_strike() {
    for seed in 0..2 {
        let case = Case {
            among: Adversaries::all().without(Adversary::Kill),
            ..Case::of(seed)
        };
        assert!(
            !run(&case)
                .unwrap()
                .tally
                .faults
                .contains_key(&Adversary::Kill)
        );
    }
}

#[test]
fn a_failing_case_is_made_smaller_and_still_fails() {
    let case = Case {
        bug: Some(Bug::LoseSnapshot),
        without: ["billing", "mail"].map(|name| name.parse().unwrap()).into(),
        ..Case::of(0)
    };
    let before = run(&case).unwrap();
    assert!(!before.violations.is_empty());
    let (small, after) = shrink(&case, 12).unwrap();
    assert!(small.among.iter().count() < case.among.iter().count());
    assert!(!after.violations.is_empty());
}

/// The golden files stand beside the scenarios.
#[test]
fn every_scenario_is_told_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(&folder).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|one| one == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for file in files {
        let played = play(&file).unwrap();
        let name = file.file_stem().unwrap().to_str().unwrap();
        settings.bind(|| insta::assert_snapshot!(name, played.text));
        assert!(played.well, "{name}");
    }
}

/// One for each invariant; `cargo sim bugs` plants all there are.
#[test]
fn planted_bugs_are_found() {
    for bug in [
        Bug::BelieveArtefacts,
        Bug::ForgetSources,
        Bug::ForgetToCompare,
        Bug::DropFence,
        Bug::ForgetGate,
        Bug::SkipScans,
        Bug::DeafToAlarms,
        Bug::AnyIsGood,
        Bug::UndoneIsSuccess,
        Bug::LoseSnapshot,
        Bug::LoseAnnouncement,
        Bug::ForgetFreeze,
        Bug::ForgetSwitch,
        Bug::TrustClocks,
        Bug::ForgetDue,
    ] {
        assert!(find(bug).unwrap().is_some(), "{bug:?} is not found");
    }
}
