//! The simulator itself: it repeats itself, and it finds what was planted.

use crate::run::run;
use crate::shared::Bug;

/// So many seeds are enough to find each planted bug.
const ENOUGH: u64 = 150;

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in [1, 7] {
        assert_eq!(run(seed, None).unwrap(), run(seed, None).unwrap());
    }
}

fn is_found(bug: Bug) {
    let found = (0..ENOUGH).any(|seed| !run(seed, Some(bug)).unwrap().violations.is_empty());
    assert!(found, "{bug:?} is not found in {ENOUGH} seeds");
}

#[test]
fn commits_without_version_check_are_found() {
    is_found(Bug::SkipVersionCheck);
}

#[test]
fn a_forgotten_due_time_is_found() {
    is_found(Bug::ForgetDue);
}

#[test]
fn an_undone_attempt_taken_for_success_is_found() {
    is_found(Bug::UndoneIsSuccess);
}

#[test]
fn stale_alarms_that_act_are_found() {
    is_found(Bug::StaleAlarms);
}

#[test]
fn a_deployment_begun_twice_is_found() {
    is_found(Bug::DeployTwice);
}

#[test]
fn a_lost_announcement_is_found() {
    is_found(Bug::LoseAnnouncement);
}

#[test]
fn a_lost_artefact_is_found() {
    is_found(Bug::LoseArtefact);
}
