//! What people see of a service's stages at GitHub, entry by entry.

use domain::announce::announcement;
use domain::chain::Hash;
use domain::entry::{Actor, Drop, ENTRY_FORMAT};
use domain::{Reason, Timestamp};

use super::*;

fn id(seq: u64) -> EntryId {
    let service = "web".parse().unwrap();
    EntryId { service, seq }
}

fn stage() -> StageName {
    "production".parse().unwrap()
}

fn entry(seq: u64, what: What) -> Entry {
    Entry {
        format: ENTRY_FORMAT,
        seq,
        at: Timestamp::UNIX_EPOCH,
        actor: Actor::Clock,
        what,
        why: Reason::WayIsFree,
        request: None,
        before: Hash::ZERO,
    }
}

fn started(deployment: u64, release: u64) -> What {
    let order = serde_json::json!({
        "attempt": format!("web/{deployment}"),
        "stage": "production",
        "place": { "account": "111122223333", "region": "ap-south-1" },
        "target": { "code_deploy": { "application": "web", "group": "production" } },
        "release": release,
        "artefact": { "object": {
            "bucket": "b", "key": "k", "version": "v", "sha256": null, "bytes": 1
        } },
        "alarms": "hold"
    });
    What::StartAsked {
        deployment: id(deployment),
        order: serde_json::from_value(order).unwrap(),
    }
}

fn succeeded(deployment: u64, release: u64) -> What {
    What::Succeeded {
        stage: stage(),
        deployment: id(deployment),
        release: ReleaseNumber(release),
    }
}

fn rolled_back(deployment: u64, release: u64, to: Option<u64>) -> What {
    What::RolledBack {
        stage: stage(),
        deployment: id(deployment),
        release: ReleaseNumber(release),
        to: to.map(ReleaseNumber),
        firing: Vec::new(),
    }
}

fn dropped(deployment: u64, release: u64) -> What {
    What::Dropped {
        stage: stage(),
        deployment: id(deployment),
        release: ReleaseNumber(release),
        end: Drop::Expired,
    }
}

/// Hears entries as GitHub would be told of them; a line for each change.
fn told(board: &mut Board, whats: Vec<What>) -> Vec<String> {
    let mut lines = Vec::new();
    for (seq, what) in (1..).zip(whats) {
        let entry = entry(seq, what);
        let announced = announcement(&"web".parse().unwrap(), &entry);
        let mut changes = board.hear(&entry, &id(seq), announced.as_ref());
        for change in &mut changes {
            let repository = Repository::find("git@x:acme/shop", "x").unwrap();
            let number = change.shown.deployment * 100;
            let spot = change.shown.spot.take().unwrap_or(Spot {
                repository,
                id: number,
            });
            board.place(&change.stage, &change.shown, spot);
            let Change {
                shown,
                state,
                description,
                ..
            } = change;
            lines.push(format!(
                "{} {}: {description}",
                shown.deployment,
                state.as_str()
            ));
        }
        let again = board.hear(&entry, &id(seq), announced.as_ref());
        let without = |changes: &[Change]| {
            let part = |it: &Change| (it.shown.deployment, it.state);
            changes.iter().map(part).collect::<Vec<_>>()
        };
        assert!(
            without(&changes).ends_with(&without(&again)),
            "the last of it is said again until it is settled"
        );
        assert_eq!(changes.is_empty(), again.is_empty());
        board.settle(&entry);
    }
    lines
}

#[test]
fn what_runs_is_shown_once_and_what_ran_is_said_to_run_no_more() {
    let mut board = Board::default();
    let lines = told(
        &mut board,
        vec![
            started(1, 16),
            succeeded(1, 16),
            started(3, 17),
            succeeded(3, 17),
        ],
    );
    assert_eq!(
        lines,
        [
            "1 in_progress: web production release 16: is being deployed",
            "1 success: web production release 16: is good",
            "3 in_progress: web production release 17: is being deployed",
            "1 inactive: web production release 16: does not run there any more (web/4)",
            "3 success: web production release 17: is good",
        ]
    );
}

#[test]
fn a_rollback_is_told_when_it_begins_and_leaves_what_runs_as_it_is() {
    let mut board = Board::default();
    let stopped = What::RollbackAdopted {
        stage: stage(),
        deployment: id(3),
        release: ReleaseNumber(17),
        problem: "the circuit breaker".to_owned(),
    };
    let whats = vec![started(1, 16), succeeded(1, 16), started(3, 17), stopped];
    let lines = told(
        &mut board,
        [whats, vec![rolled_back(3, 17, Some(16))]].concat(),
    );
    assert_eq!(
        lines[3..],
        [
            "3 failure: web production release 17: the platform rolls it back",
            "3 failure: web production release 17: rolled back, release 16 runs",
        ]
    );
    let place = &board.stages[&stage()];
    assert_eq!(place.runs.as_ref().unwrap().release, ReleaseNumber(16));
    assert_eq!(place.moves, None);
}

#[test]
fn what_is_known_to_run_instead_takes_the_place_of_what_ran() {
    let mut board = Board::default();
    let whats = vec![started(1, 16), succeeded(1, 16), started(3, 17)];
    told(
        &mut board,
        [whats, vec![rolled_back(3, 17, Some(15))]].concat(),
    );
    assert_eq!(board.stages[&stage()], Place::default());
}

#[test]
fn what_never_started_is_not_shown_and_what_was_shown_is_taken_back() {
    let mut board = Board::default();
    assert_eq!(told(&mut board, vec![dropped(1, 17)]), Vec::<String>::new());
    let lines = told(&mut board, vec![started(1, 17), dropped(1, 17)]);
    assert!(lines[1].starts_with("1 inactive: "), "{lines:?}");
    let lines = told(&mut board, vec![started(1, 17), started(2, 18)]);
    assert!(lines[1].starts_with("1 inactive: "), "{lines:?}");
}

#[test]
fn drift_takes_what_ran_off_the_board_until_it_runs_again() {
    let mut board = Board::default();
    let drifted = What::Drifted {
        stage: stage(),
        expected: ReleaseNumber(16),
        others: Vec::new(),
        by: None,
    };
    let ended = What::DriftEnded {
        stage: stage(),
        release: ReleaseNumber(16),
    };
    let lines = told(
        &mut board,
        vec![started(1, 16), succeeded(1, 16), drifted, ended],
    );
    assert!(lines[2].starts_with("1 inactive: "), "{lines:?}");
    assert!(lines[3].starts_with("1 success: "), "{lines:?}");
}

#[test]
fn what_somebody_adopts_runs_under_the_entry_that_says_so() {
    let mut board = Board::default();
    let adopted = What::Adopted {
        stage: stage(),
        release: ReleaseNumber(18),
        reason: None,
    };
    let lines = told(&mut board, vec![started(1, 16), succeeded(1, 16), adopted]);
    assert!(lines[2].starts_with("1 inactive: "), "{lines:?}");
    assert!(lines[3].starts_with("3 success: "), "{lines:?}");
}

#[test]
fn a_board_goes_on_where_it_was_kept() {
    let mut board = Board::default();
    told(
        &mut board,
        vec![started(1, 16), succeeded(1, 16), started(3, 17)],
    );
    let kept = serde_json::to_string(&board).unwrap();
    assert_eq!(serde_json::from_str::<Board>(&kept).unwrap(), board);
    assert_eq!(
        kept,
        r#"{"stages":{"production":{"runs":{"deployment":1,"release":16,"spot":{"repository":"acme/shop","id":100}},"moves":{"deployment":3,"release":17,"spot":{"repository":"acme/shop","id":300}}}}}"#
    );
}
