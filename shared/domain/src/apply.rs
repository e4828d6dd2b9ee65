//! Folding entries into the snapshot: one table of legal transitions. Whatever is not in it is a
//! typed error, because a ledger that does not fold is corrupt and must not be acted on.

use jiff::{SignedDuration, Timestamp};

use crate::alarm::AlarmSeen;
use crate::chain::Sealed;
use crate::config::ServiceConfig;
use crate::due::{CLEAR_WITHIN, after};
use crate::entry::{Call, Entry, Purpose, What};
use crate::name::{EntryId, ReleaseNumber, StageName};
use crate::pipeline::{
    ARRIVALS_KEPT, Active, Approval, Cause, Freeze, GOOD_KEPT, How, Offer, Phase, Pipeline,
    QUARANTINED_KEPT, RELEASES_KEPT, REQUESTS_KEPT, Stage,
};

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
    /// It names a stage that is not configured.
    #[error("entry {seq} names stage {stage}, which is not configured")]
    NoStage {
        /// Its number.
        seq: u64,
        /// The stage.
        stage: StageName,
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
    if entry.seq != pipeline.seq + 1 {
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
            pipeline.last_release = pipeline.last_release.max(release.number.0);
            pipeline
                .releases
                .insert(release.number, (**release).clone());
            push_bounded(&mut pipeline.arrivals, entry.at, ARRIVALS_KEPT);
        }
        What::Recalled { release } => {
            pipeline
                .releases
                .insert(release.number, (**release).clone());
        }
        What::Flooded { .. } => pipeline.flood_told_at = Some(entry.at),
        What::AlarmNoted { seen } => note_alarm(pipeline, seen),
        What::Frozen { stage, freeze } => set_freeze(pipeline, entry, stage, Some(freeze.clone()))?,
        What::Thawed { stage } => set_freeze(pipeline, entry, stage, None)?,
        What::StartAsked { order, .. } => start(stage(pipeline, entry, &order.stage)?, entry)?,
        What::StopAsked { order, .. } => undo(stage(pipeline, entry, &order.stage)?, entry)?,
        What::ReturnAsked { order, .. } => undo(stage(pipeline, entry, &order.stage)?, entry)?,
        What::RollbackAdopted { stage: name, .. } => undo(stage(pipeline, entry, name)?, entry)?,
        What::Adopted { stage: name, .. }
        | What::Offered { stage: name, .. }
        | What::Overridden { stage: name, .. }
        | What::Waits { stage: name, .. }
        | What::Approved { stage: name, .. }
        | What::ApprovalsVoided { stage: name, .. }
        | What::Dropped { stage: name, .. } => wait(pipeline, entry, name)?,
        What::Begun { stage: name, .. }
        | What::BakeBegun { stage: name, .. }
        | What::Succeeded { stage: name, .. }
        | What::Unproven { stage: name, .. }
        | What::Failed { stage: name, .. }
        | What::RolledBack { stage: name, .. }
        | What::RollbackFailed { stage: name, .. }
        | What::Quarantined { stage: name, .. }
        | What::MixtureSeen { stage: name, .. }
        | What::PersonCalled { stage: name, .. } => {
            proceed(stage(pipeline, entry, name)?, entry)?;
        }
        // Written down for people; no rule needs them.
        What::Unclaimed { .. }
        | What::ArtefactRejected { .. }
        | What::NothingToAdopt { .. }
        | What::HeldBack { .. }
        | What::AlarmAfterBake { .. } => {}
    }
    Ok(())
}

fn stage<'a>(
    pipeline: &'a mut Pipeline,
    entry: &Entry,
    name: &StageName,
) -> Result<&'a mut Stage, Illegal> {
    pipeline
        .stages
        .get_mut(name)
        .ok_or_else(|| Illegal::NoStage {
            seq: entry.seq,
            stage: name.clone(),
        })
}

fn illegal(entry: &Entry, deployment: &EntryId) -> Illegal {
    Illegal::Transition {
        seq: entry.seq,
        deployment: deployment.clone(),
    }
}

fn configure(pipeline: &mut Pipeline, config: &ServiceConfig) {
    pipeline
        .stages
        .retain(|name, _| config.stage(name).is_some());
    for stage in &config.stages {
        pipeline.stages.entry(stage.name.clone()).or_default();
    }
    pipeline
        .alarms
        .retain(|arn, _| config.stages.iter().any(|stage| stage.alarms.contains(arn)));
    pipeline.config = Some(config.clone());
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

fn set_freeze(
    pipeline: &mut Pipeline,
    entry: &Entry,
    name: &Option<StageName>,
    freeze: Option<Freeze>,
) -> Result<(), Illegal> {
    match name {
        None => pipeline.freeze = freeze,
        Some(name) => stage(pipeline, entry, name)?.freeze = freeze,
    }
    Ok(())
}

/// What happens to offers before they begin.
fn wait(pipeline: &mut Pipeline, entry: &Entry, name: &StageName) -> Result<(), Illegal> {
    let id = EntryId {
        service: pipeline.service.clone(),
        seq: entry.seq,
    };
    let stage = stage(pipeline, entry, name)?;
    match &entry.what {
        What::Adopted { release, .. } => {
            make_good(stage, *release);
            stage.newest = stage.newest.max(Some(*release));
        }
        What::Offered {
            release,
            purpose,
            despite,
            ..
        } => stage.waiting.push(Offer {
            id,
            release: *release,
            purpose: *purpose,
            offered_at: entry.at,
            approvals: Vec::new(),
            despite: despite.clone(),
            on: None,
        }),
        What::Overridden {
            deployment,
            despite,
            ..
        } => {
            offer(stage, entry, deployment)?.despite = despite.clone();
        }
        What::Waits { deployment, on, .. } => {
            put_back(stage, entry, deployment)?;
            offer(stage, entry, deployment)?.on = Some(on.clone());
        }
        What::Approved { deployment, by, .. } => {
            let over = stage.runs;
            let approval = Approval {
                by: by.clone(),
                at: entry.at,
                over,
            };
            offer(stage, entry, deployment)?.approvals.push(approval);
        }
        What::ApprovalsVoided { deployment, .. } => {
            offer(stage, entry, deployment)?.approvals.clear();
        }
        What::Dropped { deployment, .. } => {
            offer(stage, entry, deployment)?;
            stage.waiting.retain(|offer| offer.id != *deployment);
        }
        other => return Err(unexpected(entry, other)),
    }
    Ok(())
}

fn unexpected(entry: &Entry, _: &What) -> Illegal {
    Illegal::Order {
        seq: entry.seq,
        last: entry.seq,
    }
}

/// A deployment whose start was held before anything was begun waits again, first in line.
fn put_back(stage: &mut Stage, entry: &Entry, deployment: &EntryId) -> Result<(), Illegal> {
    if stage
        .active
        .as_ref()
        .is_none_or(|active| active.offer.id != *deployment)
    {
        return Ok(());
    }
    match stage.active.take() {
        Some(Active {
            offer,
            phase: Phase::Starting { .. },
            ..
        }) => stage.waiting.insert(0, offer),
        Some(_) | None => return Err(illegal(entry, deployment)),
    }
    Ok(())
}

fn offer<'a>(
    stage: &'a mut Stage,
    entry: &Entry,
    deployment: &EntryId,
) -> Result<&'a mut Offer, Illegal> {
    stage
        .waiting
        .iter_mut()
        .find(|offer| offer.id == *deployment)
        .ok_or_else(|| illegal(entry, deployment))
}

fn active<'a>(
    stage: &'a mut Stage,
    entry: &Entry,
    deployment: &EntryId,
) -> Result<&'a mut Active, Illegal> {
    stage
        .active
        .as_mut()
        .filter(|active| active.offer.id == *deployment)
        .ok_or_else(|| illegal(entry, deployment))
}

/// A first start takes an offer out of the queue; a repeated one counts.
fn start(stage: &mut Stage, entry: &Entry) -> Result<(), Illegal> {
    let What::StartAsked { deployment, order } = &entry.what else {
        return Err(unexpected(entry, &entry.what));
    };
    if let Some(active) = &mut stage.active {
        let Phase::Starting { asked_at, tries } = &mut active.phase else {
            return Err(illegal(entry, deployment));
        };
        if active.offer.id != *deployment {
            return Err(illegal(entry, deployment));
        }
        *asked_at = entry.at;
        *tries += 1;
        return Ok(());
    }
    let at = stage
        .waiting
        .iter()
        .position(|offer| offer.id == *deployment)
        .ok_or_else(|| illegal(entry, deployment))?;
    let mut offer = stage.waiting.remove(at);
    offer.on = None;
    stage.active = Some(Active {
        offer,
        attempt: order.attempt.clone(),
        over: stage.runs,
        phase: Phase::Starting {
            asked_at: entry.at,
            tries: 1,
        },
        condemned: None,
        mixed_since: None,
    });
    Ok(())
}

/// Everything that undoes an active deployment.
fn undo(stage: &mut Stage, entry: &Entry) -> Result<(), Illegal> {
    let last_good = stage.last_good();
    let (deployment, cause, how, to, attempt) = match &entry.what {
        What::StopAsked {
            deployment,
            cause,
            to,
            ..
        } => (deployment, cause.clone(), How::Stop, Some(*to), None),
        What::ReturnAsked {
            deployment,
            cause,
            order,
            ..
        } => (
            deployment,
            cause.clone(),
            How::Return,
            Some(order.release),
            Some(&order.attempt),
        ),
        What::RollbackAdopted {
            deployment,
            problem,
            ..
        } => {
            let cause = Cause::Platform {
                problem: problem.clone(),
            };
            (deployment, cause, How::Adopted, last_good, None)
        }
        other => return Err(unexpected(entry, other)),
    };
    let active = active(stage, entry, deployment)?;
    let before = match &active.phase {
        Phase::RollingBack {
            how: was, tries, ..
        } if *was == how => *tries,
        Phase::RollingBack {
            how: How::Return | How::Adopted,
            ..
        } => {
            return Err(illegal(entry, deployment));
        }
        Phase::Starting { .. }
        | Phase::InProgress { .. }
        | Phase::Baking { .. }
        | Phase::RollingBack { .. } => 0,
    };
    if let Some(attempt) = attempt {
        active.attempt = attempt.clone();
    }
    active.phase = Phase::RollingBack {
        cause,
        how,
        to,
        asked_at: entry.at,
        tries: before + 1,
    };
    active.mixed_since = None;
    Ok(())
}

/// What happens to a deployment that is being done, up to its end.
fn proceed(stage: &mut Stage, entry: &Entry) -> Result<(), Illegal> {
    match &entry.what {
        What::Begun {
            deployment,
            release,
            platform_id,
            started_at,
            ..
        } => {
            let active = active(stage, entry, deployment)?;
            if !matches!(active.phase, Phase::Starting { .. }) {
                return Err(illegal(entry, deployment));
            }
            active.phase = Phase::InProgress {
                platform_id: platform_id.clone(),
                started_at: *started_at,
            };
            if active.offer.purpose == Purpose::Release {
                stage.newest = stage.newest.max(Some(*release));
            }
        }
        What::BakeBegun {
            deployment, until, ..
        } => {
            let active = active(stage, entry, deployment)?;
            let Phase::InProgress {
                platform_id,
                started_at,
            } = &active.phase
            else {
                return Err(illegal(entry, deployment));
            };
            active.phase = Phase::Baking {
                platform_id: platform_id.clone(),
                started_at: *started_at,
                until: *until,
            };
            active.mixed_since = None;
        }
        What::MixtureSeen { deployment, .. } => {
            active(stage, entry, deployment)?.mixed_since = Some(entry.at);
        }
        What::Quarantined { release, .. } => {
            stage.good.retain(|good| good != release);
            stage.quarantined.insert(*release);
            while stage.quarantined.len() > QUARANTINED_KEPT {
                stage.quarantined.pop_first();
            }
        }
        What::PersonCalled { call, .. } => called(stage, call),
        What::Succeeded { .. }
        | What::Unproven { .. }
        | What::Failed { .. }
        | What::RolledBack { .. }
        | What::RollbackFailed { .. } => end(stage, entry)?,
        other => return Err(unexpected(entry, other)),
    }
    Ok(())
}

fn called(stage: &mut Stage, call: &Call) {
    match call {
        Call::NothingToReturnTo { problem, .. } | Call::Irreversible { problem, .. } => {
            if let Some(active) = &mut stage.active {
                active.condemned = Some(problem.clone());
            }
        }
        Call::StillFiring { .. } => stage.recovers_until = None,
        Call::RollbackFailed { .. }
        | Call::TooManyRollbacks { .. }
        | Call::ReturnedElsewhere { .. }
        | Call::RunsSomethingElse { .. }
        | Call::ActionRefused { .. }
        | Call::LateAction { .. } => {}
    }
}

fn end(stage: &mut Stage, entry: &Entry) -> Result<(), Illegal> {
    match &entry.what {
        What::Succeeded {
            deployment,
            release,
            ..
        } => {
            active(stage, entry, deployment)?;
            make_good(stage, *release);
            stage.quarantined.remove(release);
        }
        What::Unproven {
            deployment,
            release,
            ..
        } => {
            active(stage, entry, deployment)?;
            stage.runs = Some(*release);
        }
        What::Failed { deployment, .. } => {
            // What was never begun changed nothing; otherwise nobody knows what runs.
            let begun = !matches!(
                active(stage, entry, deployment)?.phase,
                Phase::Starting { .. }
            );
            if begun {
                stage.runs = None;
            }
        }
        What::RolledBack {
            deployment,
            to,
            firing,
            ..
        } => {
            let automatic = match &active(stage, entry, deployment)?.phase {
                Phase::RollingBack { cause, .. } => cause.is_automatic(),
                Phase::Starting { .. } | Phase::InProgress { .. } | Phase::Baking { .. } => {
                    return Err(illegal(entry, deployment));
                }
            };
            stage.runs = *to;
            if automatic {
                remember_rollback(stage, entry.at);
            }
            stage.recovers_until = (!firing.is_empty()).then(|| after(entry.at, CLEAR_WITHIN));
        }
        What::RollbackFailed { deployment, .. } => {
            active(stage, entry, deployment)?;
            stage.runs = None;
        }
        other => return Err(unexpected(entry, other)),
    }
    stage.active = None;
    Ok(())
}

fn make_good(stage: &mut Stage, release: ReleaseNumber) {
    stage.good.retain(|good| *good != release);
    push_bounded(&mut stage.good, release, GOOD_KEPT);
    stage.runs = Some(release);
}

fn remember_rollback(stage: &mut Stage, at: Timestamp) {
    stage
        .rollbacks
        .retain(|earlier| after(*earlier, ROLLBACKS_COUNT_FOR) > at);
    stage.rollbacks.push(at);
}

fn push_bounded<T>(list: &mut Vec<T>, item: T, most: usize) {
    list.push(item);
    if list.len() > most {
        list.remove(0);
    }
}

/// Forgets releases that no stage refers to, but the newest few: the snapshot may not grow with the
/// length of history.
fn prune(pipeline: &mut Pipeline) {
    let newest = pipeline.last_release;
    let stages = &pipeline.stages;
    pipeline.releases.retain(|number, _| {
        number.0.saturating_add(RELEASES_KEPT) > newest
            || stages.values().any(|stage| refers(stage, *number))
    });
}

fn refers(stage: &Stage, number: ReleaseNumber) -> bool {
    let some = Some(number);
    stage.good.contains(&number)
        || stage.runs == some
        || stage.newest == some
        || stage.waiting.iter().any(|offer| offer.release == number)
        || stage
            .active
            .as_ref()
            .is_some_and(|active| active.offer.release == number || active.over == some)
}
