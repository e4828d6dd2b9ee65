//! Folding entries into the snapshot: one table of legal transitions. Whatever is not in it is a
//! typed error, because a ledger that does not fold is corrupt and must not be acted on.
//!
//! Here is what an entry changes of the whole service; what it changes of one stage is in `stage`.

mod stage;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::SignedDuration;

use crate::alarm::AlarmSeen;
use crate::chain::Sealed;
use crate::config::ServiceConfig;
use crate::entry::{Entry, What};
use crate::name::{EntryId, ReleaseNumber, StageName};
use crate::pipeline::{
    ARRIVALS_KEPT, Cause, Freeze, How, Offer, Pipeline, RELEASES_KEPT, REQUESTS_KEPT, Snapshot,
    Stage,
};
use crate::switch::Switch;

/// How long an automatic rollback counts against a stage.
pub const ROLLBACKS_COUNT_FOR: SignedDuration = SignedDuration::from_hours(24);

/// An entry that cannot follow what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// Its number is not the next one.
    #[error("entry {seq} cannot follow entry {last}")]
    Order {
        /// Its number.
        seq: u64,
        /// The last one's.
        last: u64,
    },
    /// It makes a release whose number is not the next one.
    #[error("entry {seq} makes release {number}, which cannot follow release {last}")]
    Release {
        /// Its number.
        seq: u64,
        /// The release's number.
        number: ReleaseNumber,
        /// The number of the newest release.
        last: u64,
    },
    /// It names a stage that is not configured.
    #[error("entry {seq} names stage {stage}, which is not configured")]
    NoStage {
        /// Its number.
        seq: u64,
        /// The stage.
        stage: StageName,
    },
    /// It brings a turn of the switch for all that is not newer.
    #[error("entry {seq} brings an old turn of the switch for all")]
    Switch {
        /// Its number.
        seq: u64,
    },
    /// The deployment it names is not where the entry needs it.
    #[error("entry {seq} cannot happen to deployment {deployment} now")]
    Transition {
        /// Its number.
        seq: u64,
        /// The deployment.
        deployment: EntryId,
    },
}

/// Folds one sealed entry into the snapshot.
///
/// # Errors
/// When the entry cannot follow what is there; the snapshot is then unusable.
pub fn apply(pipeline: &mut Pipeline, sealed: &Sealed) -> Result<(), Illegal> {
    let entry = &sealed.entry;
    if pipeline.seq.checked_add(1) != Some(entry.seq) {
        return Err(Illegal::Order {
            seq: entry.seq,
            last: pipeline.seq,
        });
    }
    change(pipeline, entry)?;
    pipeline.seq = entry.seq;
    pipeline.head = sealed.hash.clone();
    if let Some(request) = &entry.request
        && pipeline.requests.last() != Some(request)
    {
        push_bounded(&mut pipeline.requests, request.clone(), REQUESTS_KEPT);
    }
    prune(pipeline);
    Ok(())
}

fn change(pipeline: &mut Pipeline, entry: &Entry) -> Result<(), Illegal> {
    match &entry.what {
        What::Configured { config } => configure(pipeline, config),
        What::Released { release } => {
            if pipeline.last_release.checked_add(1) != Some(release.number.0) {
                return Err(Illegal::Release {
                    seq: entry.seq,
                    number: release.number,
                    last: pipeline.last_release,
                });
            }
            pipeline.last_release = release.number.0;
            pipeline
                .releases
                .insert(release.number, Arc::clone(release));
            push_bounded(&mut pipeline.arrivals, entry.at, ARRIVALS_KEPT);
        }
        What::Recalled { release } => {
            pipeline
                .releases
                .insert(release.number, Arc::clone(release));
        }
        What::Scanned { release, scan } => {
            pipeline.scans.insert(*release, scan.clone());
        }
        What::Flooded { .. } => pipeline.flood_told_at = Some(entry.at),
        What::AlarmNoted { seen } => note_alarm(pipeline, seen),
        What::Frozen { stage, freeze } => {
            *freeze_of(pipeline, entry, stage.as_ref())? = Some(freeze.clone());
        }
        What::Thawed { stage } => *freeze_of(pipeline, entry, stage.as_ref())? = None,
        What::Switched { switch } => {
            turn(pipeline, entry, switch)?;
            pipeline.telling_since = Some(entry.at);
        }
        What::SwitchNoted { switch } => turn(pipeline, entry, switch)?,
        What::AllTold { .. } => pipeline.telling_since = None,
        What::Adopted { stage, .. }
        | What::Offered { stage, .. }
        | What::Overridden { stage, .. }
        | What::Waits { stage, .. }
        | What::Approved { stage, .. }
        | What::ApprovalsVoided { stage, .. }
        | What::Dropped { stage, .. } => before_start(pipeline, entry, stage)?,
        What::StartAsked { .. }
        | What::StopAsked { .. }
        | What::ReturnAsked { .. }
        | What::RollbackAdopted { .. }
        | What::Begun { .. }
        | What::BakeBegun { .. }
        | What::MixtureSeen { .. }
        | What::Quarantined { .. }
        | What::PersonCalled { .. } => under_way(pipeline, entry)?,
        What::CallSeen { .. }
        | What::Drifted { .. }
        | What::DriftEnded { .. }
        | What::Unprotected { .. }
        | What::Protected { .. } => behind_the_back(pipeline, entry)?,
        What::Succeeded { .. }
        | What::Unproven { .. }
        | What::Failed { .. }
        | What::RolledBack { .. }
        | What::RollbackFailed { .. } => at_the_end(pipeline, entry)?,
        // Written down for people; no rule needs them.
        What::Unclaimed { .. }
        | What::ArtefactRejected { .. }
        | What::NothingToAdopt { .. }
        | What::HeldBack { .. }
        | What::TestAnnounced { .. }
        | What::AlarmAfterBake { .. } => {}
    }
    Ok(())
}

/// One stage, and the number of the entry that changes it, for its errors.
struct At<'a> {
    stage: &'a mut Stage,
    entry: &'a Entry,
}

impl At<'_> {
    fn illegal(&self, deployment: &EntryId) -> Illegal {
        Illegal::Transition {
            seq: self.entry.seq,
            deployment: deployment.clone(),
        }
    }
}

fn at<'a>(
    pipeline: &'a mut Pipeline,
    entry: &'a Entry,
    name: &StageName,
) -> Result<At<'a>, Illegal> {
    let missing = || Illegal::NoStage {
        seq: entry.seq,
        stage: name.clone(),
    };
    let stage = pipeline.stages.get_mut(name).ok_or_else(missing)?;
    Ok(At { stage, entry })
}

/// What happens to offers before they begin.
fn before_start(pipeline: &mut Pipeline, entry: &Entry, name: &StageName) -> Result<(), Illegal> {
    let id = EntryId {
        service: pipeline.service.clone(),
        seq: entry.seq,
    };
    let mut at = at(pipeline, entry, name)?;
    if let What::Adopted { release, .. } = &entry.what {
        at.adopt(*release);
    } else if let What::Offered {
        release,
        purpose,
        despite,
        ..
    } = &entry.what
    {
        at.stage.waiting.push(Offer {
            id,
            release: *release,
            purpose: *purpose,
            offered_at: entry.at,
            approvals: Vec::new(),
            despite: despite.clone(),
            on: None,
        });
    } else if let What::Overridden {
        deployment,
        despite,
        ..
    } = &entry.what
    {
        at.offer(deployment)?.despite = despite.clone();
    } else if let What::Waits { deployment, on, .. } = &entry.what {
        at.put_back(deployment)?;
        at.offer(deployment)?.on = Some(on.clone());
    } else if let What::Approved { deployment, by, .. } = &entry.what {
        at.approve(deployment, by)?;
    } else if let What::ApprovalsVoided { deployment, .. } = &entry.what {
        at.offer(deployment)?.approvals.clear();
    } else if let What::Dropped { deployment, .. } = &entry.what {
        at.offer(deployment)?;
        at.stage.waiting.retain(|offer| offer.id != *deployment);
    }
    Ok(())
}

/// What happens to a deployment from its start on.
fn under_way(pipeline: &mut Pipeline, entry: &Entry) -> Result<(), Illegal> {
    if let What::StartAsked { deployment, order } = &entry.what {
        at(pipeline, entry, &order.stage)?.start(deployment, &order.attempt)?;
    } else if let What::StopAsked {
        deployment,
        cause,
        to,
        order,
        ..
    } = &entry.what
    {
        let mut at = at(pipeline, entry, &order.stage)?;
        at.undo(deployment, cause.clone(), How::Stop, Some(*to))?;
    } else if let What::ReturnAsked {
        deployment,
        cause,
        order,
        ..
    } = &entry.what
    {
        let mut at = at(pipeline, entry, &order.stage)?;
        at.undo(deployment, cause.clone(), How::Return, Some(order.release))?;
        at.active(deployment)?.attempt = order.attempt.clone();
    } else if let What::RollbackAdopted {
        stage,
        deployment,
        release,
        problem,
    } = &entry.what
    {
        let mut at = at(pipeline, entry, stage)?;
        // A release that was good here before may be deployed once more, and be undone.
        let (cause, to) = (
            Cause::Platform {
                problem: problem.clone(),
            },
            at.stage.good_without(Some(*release)),
        );
        at.undo(deployment, cause, How::Adopted, to)?;
    } else if let What::Begun {
        stage,
        deployment,
        platform_id,
        started_at,
        ..
    } = &entry.what
    {
        at(pipeline, entry, stage)?.begin(deployment, platform_id, *started_at)?;
    } else if let What::BakeBegun {
        stage,
        deployment,
        until,
        ..
    } = &entry.what
    {
        at(pipeline, entry, stage)?.bake(deployment, *until)?;
    } else if let What::MixtureSeen {
        stage, deployment, ..
    } = &entry.what
    {
        at(pipeline, entry, stage)?.active(deployment)?.mixed_since = Some(entry.at);
    } else if let What::Quarantined { stage, release } = &entry.what {
        at(pipeline, entry, stage)?.quarantine(*release);
    } else if let What::PersonCalled { stage, call } = &entry.what {
        at(pipeline, entry, stage)?.call(call);
    }
    Ok(())
}

/// What others do to a stage's target, and to the alarms that protect it.
fn behind_the_back(pipeline: &mut Pipeline, entry: &Entry) -> Result<(), Illegal> {
    if let What::CallSeen { stage, call } = &entry.what {
        at(pipeline, entry, stage)?.hear_of(call);
    } else if let What::Drifted {
        stage,
        expected,
        others,
        by,
    } = &entry.what
    {
        at(pipeline, entry, stage)?.drift(*expected, others, by.as_ref());
    } else if let What::DriftEnded { stage, release } = &entry.what {
        at(pipeline, entry, stage)?.runs(Some(*release));
    } else if let What::Unprotected { stage, perils } = &entry.what {
        at(pipeline, entry, stage)?.stage.perils.clone_from(perils);
    } else if let What::Protected { stage } = &entry.what {
        at(pipeline, entry, stage)?.stage.perils.clear();
    }
    Ok(())
}

/// How a deployment ends.
fn at_the_end(pipeline: &mut Pipeline, entry: &Entry) -> Result<(), Illegal> {
    if let What::Succeeded {
        stage,
        deployment,
        release,
    } = &entry.what
    {
        at(pipeline, entry, stage)?.succeed(deployment, *release)
    } else if let What::Unproven {
        stage,
        deployment,
        release,
    } = &entry.what
    {
        let mut at = at(pipeline, entry, stage)?;
        at.end(deployment)?;
        at.runs(Some(*release));
        Ok(())
    } else if let What::Failed {
        stage,
        deployment,
        runs,
        ..
    } = &entry.what
    {
        let mut at = at(pipeline, entry, stage)?;
        at.end(deployment)?;
        at.runs(*runs);
        Ok(())
    } else if let What::RolledBack {
        stage,
        deployment,
        to,
        firing,
        ..
    } = &entry.what
    {
        at(pipeline, entry, stage)?.rolled_back(deployment, *to, firing)
    } else if let What::RollbackFailed {
        stage, deployment, ..
    } = &entry.what
    {
        let mut at = at(pipeline, entry, stage)?;
        at.end(deployment)?;
        at.stage.runs = None;
        Ok(())
    } else {
        Ok(())
    }
}

fn configure(pipeline: &mut Pipeline, config: &Arc<ServiceConfig>) {
    pipeline
        .stages
        .retain(|name, _| config.stage(name).is_some());
    for stage in &config.stages {
        let before = pipeline
            .config
            .as_ref()
            .and_then(|config| config.stage(&stage.name));
        let moved = before.is_some_and(|before| !before.same_target(stage));
        let state = pipeline.stages.entry(stage.name.clone()).or_default();
        if moved {
            state.forget_target();
        }
    }
    pipeline
        .alarms
        .retain(|arn, _| config.stages.iter().any(|stage| stage.alarms.contains(arn)));
    pipeline.config = Some(Arc::clone(config));
}

fn note_alarm(pipeline: &mut Pipeline, seen: &AlarmSeen) {
    pipeline.alarms.insert(seen.alarm.clone(), seen.clone());
    let Some(config) = &pipeline.config else {
        return;
    };
    let clear: Vec<StageName> = config
        .stages
        .iter()
        .filter(|stage| pipeline.firing(stage).is_empty())
        .map(|stage| stage.name.clone())
        .collect();
    for name in clear {
        if let Some(stage) = pipeline.stages.get_mut(&name) {
            stage.recovers_until = None;
        }
    }
}

/// A pipeline never goes back to an older turn of the switch.
fn turn(pipeline: &mut Pipeline, entry: &Entry, switch: &Switch) -> Result<(), Illegal> {
    if switch.turned <= pipeline.switch.turned {
        return Err(Illegal::Switch { seq: entry.seq });
    }
    pipeline.switch = switch.clone();
    Ok(())
}

fn freeze_of<'a>(
    pipeline: &'a mut Pipeline,
    entry: &'a Entry,
    name: Option<&StageName>,
) -> Result<&'a mut Option<Freeze>, Illegal> {
    match name {
        None => Ok(&mut pipeline.freeze),
        Some(name) => Ok(&mut at(pipeline, entry, name)?.stage.freeze),
    }
}

fn push_bounded<T>(list: &mut Vec<T>, item: T, most: usize) {
    list.push(item);
    if list.len() > most {
        list.remove(0);
    }
}

/// Forgets releases that no stage refers to, but the newest few: the snapshot may not grow with the
/// length of history.
fn prune(snapshot: &mut Snapshot) {
    let newest = snapshot.last_release;
    let stages = &snapshot.stages;
    snapshot.releases.retain(|number, _| {
        number.0.saturating_add(RELEASES_KEPT) > newest
            || stages.values().any(|stage| refers(stage, *number))
    });
    let releases = &snapshot.releases;
    snapshot
        .scans
        .retain(|number, _| releases.contains_key(number));
}

fn refers(stage: &Stage, number: ReleaseNumber) -> bool {
    let some = Some(number);
    stage.good.contains(&number)
        || stage.should_run() == some
        || stage.newest == some
        || stage.waiting.iter().any(|offer| offer.release == number)
        || stage
            .active
            .as_ref()
            .is_some_and(|active| active.offer.release == number || active.over == some)
}
