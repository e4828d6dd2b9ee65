//! A service's configuration is itself a request, so every change to it is an entry. What already
//! runs becomes the first last good, where it can be proved.

use std::sync::Arc;

use super::{Draft, alarms};
use crate::artefact::{Artefact, BuildFacts, Release};
use crate::config::ServiceConfig;
use crate::entry::{Drop, What};
use crate::fact::Found;
use crate::name::{EntryId, ReleaseNumber, StageName};
use crate::reason::Reason;

pub(super) fn configure(draft: &mut Draft, config: &ServiceConfig, found: &[Found]) -> Reason {
    if config.service != draft.pipeline.service {
        return Reason::OtherService;
    }
    if draft.pipeline.config.as_deref() == Some(config) {
        return Reason::NothingNew;
    }
    let removed: Vec<StageName> = draft
        .stage_names()
        .into_iter()
        .filter(|name| config.stage(name).is_none())
        .collect();
    let moved = draft.stage_names().into_iter().filter(|name| {
        let before = draft.pipeline.stage(name).map(|(before, _)| before);
        let after = config.stage(name);
        before
            .zip(after)
            .is_some_and(|(before, after)| !before.same_target(after))
    });
    let busy = removed
        .iter()
        .cloned()
        .chain(moved)
        .find(|name| draft.active(name).is_some());
    if let Some(stage) = busy {
        return Reason::StageBusy { stage };
    }
    for name in &removed {
        end_offers(draft, name);
    }
    let changed: Vec<StageName> = config
        .stages
        .iter()
        .filter(|stage| {
            draft
                .pipeline
                .stage(&stage.name)
                .is_some_and(|(before, _)| before != *stage)
        })
        .map(|stage| stage.name.clone())
        .collect();
    let what = What::Configured {
        config: Arc::new(config.clone()),
    };
    draft.write(what, Reason::PersonAsked);
    for name in &changed {
        void_approvals(draft, name);
    }
    for found in found {
        for seen in &found.alarms {
            let _ = alarms::changed(draft, seen);
        }
        take_over(draft, found);
    }
    Reason::PersonAsked
}

fn offers(draft: &Draft, name: &StageName) -> Vec<(EntryId, ReleaseNumber, bool)> {
    let stage = draft.pipeline.stages.get(name);
    stage
        .into_iter()
        .flat_map(|stage| &stage.waiting)
        .map(|offer| (offer.id.clone(), offer.release, !offer.approvals.is_empty()))
        .collect()
}

fn end_offers(draft: &mut Draft, name: &StageName) {
    for (deployment, release, _) in offers(draft, name) {
        let what = What::Dropped {
            stage: name.clone(),
            deployment,
            release,
            end: Drop::StageRemoved,
        };
        draft.write(what, Reason::ConfigurationChanged);
    }
}

fn void_approvals(draft: &mut Draft, name: &StageName) {
    for (deployment, release, approved) in offers(draft, name) {
        if approved {
            let what = What::ApprovalsVoided {
                stage: name.clone(),
                deployment,
                release,
            };
            draft.write(what, Reason::ConfigurationChanged);
        }
    }
}

/// Only a stage that has never had a release of ours takes over what runs there.
fn take_over(draft: &mut Draft, found: &Found) {
    let name = &found.stage;
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    if stage.newest.is_some() || stage.active.is_some() {
        return;
    }
    let Some(artefact) = &found.artefact else {
        draft.write(
            What::NothingToAdopt {
                stage: name.clone(),
                problem: found.problem.clone(),
            },
            Reason::CannotBeProved,
        );
        return;
    };
    let release = release_for(draft, artefact);
    draft.write(
        What::Adopted {
            stage: name.clone(),
            release,
            reason: None,
        },
        Reason::FoundRunning,
    );
}

/// The release that an artefact already is, or becomes now.
pub(super) fn release_for(draft: &mut Draft, artefact: &Artefact) -> ReleaseNumber {
    let known = draft
        .pipeline
        .releases
        .values()
        .find(|release| release.artefact.id() == artefact.id());
    if let Some(known) = known {
        return known.number;
    }
    let number = draft.next_release();
    let release = Release {
        number,
        artefact: artefact.clone(),
        build: BuildFacts::default(),
        recorded_at: draft.now,
    };
    draft.write(
        What::Released {
            release: Arc::new(release),
        },
        Reason::FoundRunning,
    );
    number
}
