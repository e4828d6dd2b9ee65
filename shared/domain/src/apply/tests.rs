//! What the snapshot keeps and what it forgets.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{prune, push_bounded, refers};
use crate::artefact::{Artefact, BuildFacts, Release};
use crate::entry::Purpose;
use crate::fact::Despite;
use crate::name::{EntryId, ReleaseNumber};
use crate::pipeline::{Active, Offer, Phase, Pipeline, QUARANTINED_KEPT, RELEASES_KEPT, Stage};

const SEVEN: ReleaseNumber = ReleaseNumber(7);

fn offer(release: ReleaseNumber) -> Offer {
    Offer {
        id: EntryId {
            service: "web".parse().unwrap(),
            seq: 1,
        },
        release,
        purpose: Purpose::Release,
        offered_at: Timestamp::UNIX_EPOCH,
        approvals: Vec::new(),
        despite: Despite::default(),
        on: None,
    }
}

fn active(release: u64, over: Option<ReleaseNumber>) -> Active {
    Active {
        offer: offer(ReleaseNumber(release)),
        attempt: offer(SEVEN).id,
        over,
        phase: Phase::Starting {
            asked_at: Timestamp::UNIX_EPOCH,
            tries: 1,
        },
        condemned: None,
        mixed_since: None,
    }
}

/// Every way in which a stage may refer to release 7, and to no other way.
fn referring() -> [Stage; 6] {
    let stage = Stage::default;
    [
        Stage {
            good: vec![SEVEN],
            ..stage()
        },
        Stage {
            runs: Some(SEVEN),
            ..stage()
        },
        Stage {
            newest: Some(SEVEN),
            ..stage()
        },
        Stage {
            waiting: vec![offer(SEVEN)],
            ..stage()
        },
        Stage {
            active: Some(active(7, None)),
            ..stage()
        },
        Stage {
            active: Some(active(8, Some(SEVEN))),
            ..stage()
        },
    ]
}

#[test]
fn a_release_that_a_stage_refers_to_is_never_forgotten() {
    for stage in referring() {
        assert!(refers(&stage, SEVEN), "{stage:?}");
        assert!(!refers(&stage, ReleaseNumber(9)), "{stage:?}");
    }
    assert!(!refers(&Stage::default(), SEVEN));
}

#[test]
fn the_newest_releases_are_kept_and_older_ones_that_nobody_needs_are_not() {
    let mut pipeline = Pipeline::new("web".parse().unwrap());
    let last = RELEASES_KEPT + 8;
    pipeline.last_release = last;
    for number in 1..=last {
        let release = Release {
            number: ReleaseNumber(number),
            artefact: Artefact::Object {
                bucket: "artefacts".into(),
                key: "web/web.zip".into(),
                version: number.to_string(),
                sha256: None,
                bytes: 1,
            },
            build: BuildFacts::default(),
            recorded_at: Timestamp::UNIX_EPOCH,
        };
        pipeline.releases.insert(release.number, release.into());
    }
    let [good, ..] = referring();
    pipeline.stages.insert("dev".parse().unwrap(), good);
    prune(&mut pipeline);
    let kept: BTreeSet<u64> = pipeline.releases.keys().map(|number| number.0).collect();
    let expected: BTreeSet<u64> = (9..=last).chain([7]).collect();
    assert_eq!(kept, expected);
}

#[test]
fn a_bounded_list_holds_as_many_as_it_may_and_drops_the_oldest() {
    let mut list = vec![1, 2];
    push_bounded(&mut list, 3, 3);
    assert_eq!(list, [1, 2, 3]);
    push_bounded(&mut list, 4, 3);
    assert_eq!(list, [2, 3, 4]);
}

#[test]
fn so_many_releases_stay_in_quarantine_and_then_the_oldest_is_forgotten() {
    let mut stage = Stage::default();
    let entry = crate::decide::tests::story::Story::new().ledger[0]
        .entry
        .clone();
    let most = u64::try_from(QUARANTINED_KEPT).unwrap();
    for number in 1..=most + 1 {
        let mut at = super::At {
            stage: &mut stage,
            entry: &entry,
        };
        at.quarantine(ReleaseNumber(number));
        let expected = usize::try_from(number).unwrap().min(QUARANTINED_KEPT);
        assert_eq!(stage.quarantined.len(), expected);
    }
    assert!(!stage.quarantined.contains(&ReleaseNumber(1)));
}
