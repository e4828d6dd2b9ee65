//! An artefact arrived: it becomes a release and is offered to the first stage, or it is recorded
//! why not. How offers go on from there is in `gate`.

use std::sync::Arc;

use jiff::SignedDuration;

use super::{Draft, Recalled};
use crate::artefact::{Artefact, Release};
use crate::catalogue;
use crate::config::Source;
use crate::due::after;
use crate::entry::{Drop, Purpose, What};
use crate::fact::{ArtefactFound, Despite, Proof};
use crate::name::{ReleaseNumber, StageName};
use crate::reason::Reason;

/// A flood is counted over this time, and told at most once in it.
const FLOOD_SPAN: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn arrived(draft: &mut Draft, recalled: &Recalled, found: &ArtefactFound) -> Reason {
    if let Recalled::Artefact(release) = recalled {
        return Reason::ArtefactKnown { release: *release };
    }
    let known = draft
        .pipeline
        .releases
        .values()
        .find(|release| release.artefact.id() == found.artefact.id());
    if let Some(known) = known {
        return Reason::ArtefactKnown {
            release: Some(known.number),
        };
    }
    let Some(config) = draft.pipeline.config.clone() else {
        draft.write(
            What::Unclaimed {
                artefact: found.artefact.clone(),
            },
            Reason::NobodyClaims,
        );
        return Reason::NobodyClaims;
    };
    if !is_wanted(&config.source, &found.artefact) {
        return Reason::TagNotWanted;
    }
    if let Proof::Unusable(problem) = &found.proof {
        let what = What::ArtefactRejected {
            artefact: found.artefact.clone(),
            build: found.build.clone(),
            problem: problem.clone(),
        };
        draft.write(what, Reason::ArtefactUnusable);
        return Reason::ArtefactUnusable;
    }
    let number = draft.next_release();
    let release = Release {
        number,
        artefact: found.artefact.clone(),
        build: found.build.clone(),
        recorded_at: draft.now,
    };
    draft.write(
        What::Released {
            release: Arc::new(release),
        },
        Reason::NewArtefact,
    );
    tell_of_flood(draft, config.flood_per_minute);
    if let Some(first) = config.stages.first() {
        offer(draft, &first.name, number, Reason::FirstStage);
    }
    Reason::NewArtefact
}

/// Untagged images are children of a multi-architecture push, or leftovers; they make no release.
fn is_wanted(source: &Source, artefact: &Artefact) -> bool {
    match (source, artefact) {
        (Source::S3 { .. }, Artefact::Object { .. }) => true,
        (Source::Ecr { .. }, Artefact::Image { tag: Some(tag), .. })
        | (Source::Oci { .. }, Artefact::Oci { tag: Some(tag), .. }) => {
            catalogue::is_wanted(source, tag)
        }
        (
            Source::S3 { .. } | Source::Ecr { .. } | Source::Oci { .. },
            Artefact::Object { .. } | Artefact::Image { .. } | Artefact::Oci { .. },
        ) => false,
    }
}

fn tell_of_flood(draft: &mut Draft, limit: u32) {
    let now = draft.now;
    let lately = draft
        .pipeline
        .arrivals
        .iter()
        .filter(|at| after(**at, FLOOD_SPAN) > now)
        .count();
    let count = u32::try_from(lately).unwrap_or(u32::MAX);
    let told = draft
        .pipeline
        .flood_told_at
        .is_some_and(|at| after(at, FLOOD_SPAN) > now);
    if count > limit && !told {
        draft.write(What::Flooded { count }, Reason::Flood);
    }
}

/// Offers a release to a stage by itself, unless it is quarantined there, older than what the stage
/// has, or there already.
pub(super) fn offer(draft: &mut Draft, name: &StageName, release: ReleaseNumber, why: Reason) {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let there = stage.should_run() == Some(release)
        || stage.waiting.iter().any(|offer| offer.release == release)
        || stage
            .active
            .as_ref()
            .is_some_and(|active| active.offer.release == release);
    if there {
        return;
    }
    let hold = if stage.quarantined.contains(&release) {
        Some(Reason::Quarantined)
    } else {
        newer_than(draft, name, release).map(|than| Reason::OlderThanStage { than })
    };
    if let Some(hold) = hold {
        draft.write(
            What::HeldBack {
                stage: name.clone(),
                release,
            },
            hold,
        );
        return;
    }
    let despite = Despite::default();
    put(draft, name, release, Purpose::Release, despite, why);
}

/// Newer is not later: what the stage has or waits for that is newer than this release.
fn newer_than(draft: &Draft, name: &StageName, release: ReleaseNumber) -> Option<ReleaseNumber> {
    let pipeline = &draft.pipeline;
    let (_, stage) = pipeline.stage(name)?;
    let build = &pipeline.releases.get(&release)?.build;
    let forward = |purpose| purpose == Purpose::Release;
    let waiting = stage
        .waiting
        .iter()
        .filter(|offer| forward(offer.purpose))
        .map(|o| o.release);
    let active = stage.active.iter().map(|active| active.offer.release);
    // What runs may be older than the newest that was begun (a release taken over has no build), or
    // the other way round (after a rollback).
    let has = stage.newest.into_iter().chain(stage.runs);
    has.chain(waiting).chain(active).find(|other| {
        *other > release
            || pipeline
                .releases
                .get(other)
                .is_some_and(|other| build.is_older_than(&other.build))
    })
}

/// Puts an offer into a stage's queue. What has an older build gives way to what a person promotes:
/// it could only go backwards. What else gives way to it is in `gate`.
pub(super) fn put(
    draft: &mut Draft,
    name: &StageName,
    release: ReleaseNumber,
    purpose: Purpose,
    despite: Despite,
    why: Reason,
) {
    draft.write(
        What::Offered {
            stage: name.clone(),
            release,
            purpose,
            despite,
        },
        why.clone(),
    );
    if purpose == Purpose::Rollback || why != Reason::PersonAsked {
        return;
    }
    let pipeline = &draft.pipeline;
    let Some((_, stage)) = pipeline.stage(name) else {
        return;
    };
    let older_build = |number| {
        let builds = pipeline.release(number).zip(pipeline.release(release));
        builds.is_some_and(|(theirs, mine)| theirs.build.is_older_than(&mine.build))
    };
    let older: Vec<_> = stage
        .waiting
        .iter()
        .filter(|offer| offer.purpose == Purpose::Release && offer.release != release)
        .filter(|offer| older_build(offer.release))
        .map(|offer| (offer.id.clone(), offer.release))
        .collect();
    for (deployment, older) in older {
        let what = What::Dropped {
            stage: name.clone(),
            deployment,
            release: older,
            end: Drop::Superseded { by: release },
        };
        draft.write(what, Reason::NewerReachedGate);
    }
}
