//! Undoing a deployment: where to, how, and what follows. Whether it has to be undone is decided
//! where the fact came in.

use super::{Draft, gate};
use crate::apply::ROLLBACKS_COUNT_FOR;
use crate::due::after;
use crate::entry::{AlarmsAtStart, Call, StopOrder, What};
use crate::name::{EntryId, ReleaseNumber, StageName};
use crate::pipeline::{Cause, Freeze, How, Phase, WaitingOn};
use crate::reason::Reason;

/// Rolls the active deployment back: to `to`, or to last good. With nothing to go back to a person
/// is called and nothing is done.
pub(super) fn roll_back(
    draft: &mut Draft,
    name: &StageName,
    cause: Cause,
    to: Option<ReleaseNumber>,
) {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let Some(active) = &stage.active else { return };
    let release = active.offer.release;
    let target = to.or_else(|| stage.good_without(Some(release)));
    let irreversible = cause.is_automatic()
        && draft
            .pipeline
            .releases
            .get(&release)
            .is_some_and(|release| release.build.irreversible);
    match target {
        Some(_) if irreversible => {
            let problem = words(&cause);
            condemn(
                draft,
                name,
                Call::Irreversible { release, problem },
                Reason::Irreversible,
            );
        }
        Some(to) => ask_for_undo(draft, name, cause, to),
        None => {
            let problem = words(&cause);
            let call = Call::NothingToReturnTo { release, problem };
            condemn(draft, name, call, Reason::NothingToReturnTo);
        }
    }
}

/// A bad deployment that stays: it runs on, and ends as failed.
fn condemn(draft: &mut Draft, name: &StageName, call: Call, why: Reason) {
    let Some(active) = draft.active(name).cloned() else {
        return;
    };
    if active.condemned.is_some() {
        return;
    }
    let problem = match &call {
        Call::NothingToReturnTo { problem, .. } | Call::Irreversible { problem, .. } => {
            problem.clone()
        }
        Call::RollbackFailed { .. }
        | Call::StillFiring { .. }
        | Call::TooManyRollbacks { .. }
        | Call::ReturnedElsewhere { .. }
        | Call::RunsSomethingElse { .. }
        | Call::ActionRefused { .. }
        | Call::LateAction { .. } => String::new(),
    };
    draft.write(
        What::PersonCalled {
            stage: name.clone(),
            call,
        },
        why.clone(),
    );
    if matches!(active.phase, Phase::Baking { .. }) {
        fail(draft, name, problem, why, Some(active.offer.release));
    }
}

/// While the platform works it is stopped and told to undo; what has finished is deployed over.
fn ask_for_undo(draft: &mut Draft, name: &StageName, cause: Cause, to: ReleaseNumber) {
    let Some(active) = draft.active(name) else {
        return;
    };
    match active.phase {
        Phase::Starting { .. } | Phase::InProgress { .. } => stop(draft, name, cause, to),
        Phase::Baking { .. } => go_back(draft, name, cause, to, None),
        Phase::RollingBack { .. } => {}
    }
}

/// Asks `deployer` to stop the current attempt.
pub(super) fn stop(draft: &mut Draft, name: &StageName, cause: Cause, to: ReleaseNumber) {
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let Some(active) = &stage.active else { return };
    let platform_id = match &active.phase {
        Phase::InProgress { platform_id, .. } | Phase::Baking { platform_id, .. } => {
            Some(platform_id.clone())
        }
        Phase::Starting { .. } | Phase::RollingBack { .. } => None,
    };
    let why = why(&cause);
    let what = What::StopAsked {
        deployment: active.offer.id.clone(),
        release: active.offer.release,
        cause,
        to,
        order: Box::new(StopOrder {
            attempt: active.attempt.clone(),
            stage: name.clone(),
            place: config.place.clone(),
            target: config.target.clone(),
            platform_id,
        }),
    };
    draft.write(what, why);
}

/// Asks `deployer` to deploy an earlier release over this one; again with the same mark when
/// `again` is given.
pub(super) fn go_back(
    draft: &mut Draft,
    name: &StageName,
    cause: Cause,
    to: ReleaseNumber,
    again: Option<EntryId>,
) {
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let Some(active) = &stage.active else { return };
    let mark = again.unwrap_or_else(|| draft.next_id());
    let Some(order) = gate::order(&draft.pipeline, config, to, mark, AlarmsAtStart::PassOver)
    else {
        return;
    };
    let why = why(&cause);
    let what = What::ReturnAsked {
        deployment: active.offer.id.clone(),
        release: active.offer.release,
        cause,
        order: Box::new(order),
    };
    draft.write(what, why);
}

/// The stage runs an earlier release again: what follows from that.
pub(super) fn rolled_back(draft: &mut Draft, name: &StageName, to: Option<ReleaseNumber>) {
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let Some(active) = &stage.active else { return };
    let Phase::RollingBack {
        cause,
        how,
        to: expected,
        ..
    } = &active.phase
    else {
        return;
    };
    let (cause, how, expected) = (cause.clone(), *how, *expected);
    let (deployment, release) = (active.offer.id.clone(), active.offer.release);
    let (limit, firing) = (config.rollbacks_per_day, draft.pipeline.firing(config));
    let what = What::RolledBack {
        stage: name.clone(),
        deployment,
        release,
        to,
        firing,
    };
    draft.write(what, Reason::RollbackEnded);
    if to != Some(release) {
        let what = What::Quarantined {
            stage: name.clone(),
            release,
        };
        draft.write(what, Reason::WasRolledBack);
    }
    // The platform chose; if it chose something else than last good, a person has to look.
    if how == How::Adopted
        && to != expected
        && let Some(expected) = expected
    {
        let call = Call::ReturnedElsewhere { expected };
        draft.write(
            What::PersonCalled {
                stage: name.clone(),
                call,
            },
            Reason::UndoneElsewhere,
        );
    }
    if cause.is_automatic() {
        freeze_after_many(draft, name, limit);
    }
}

fn freeze_after_many(draft: &mut Draft, name: &StageName, limit: u32) {
    let Some(stage) = draft.pipeline.stages.get(name) else {
        return;
    };
    let now = draft.now;
    let lately = stage
        .rollbacks
        .iter()
        .filter(|at| after(**at, ROLLBACKS_COUNT_FOR) > now)
        .count();
    let count = u32::try_from(lately).unwrap_or(u32::MAX);
    if count < limit
        || stage
            .freeze
            .as_ref()
            .is_some_and(|freeze| freeze.holds(now))
    {
        return;
    }
    let reason = format!("{count} automatic rollbacks within a day");
    freeze(draft, name, reason, Reason::TooManyRollbacks);
    let call = Call::TooManyRollbacks { count };
    draft.write(
        What::PersonCalled {
            stage: name.clone(),
            call,
        },
        Reason::TooManyRollbacks,
    );
}

/// A stop found that nothing had ever been begun, so what ran before still runs. For an alarm that
/// is an alarm that fired before the deployment began: it holds it. A person's word ends it.
pub(super) fn never_begun(draft: &mut Draft, name: &StageName) -> Reason {
    let Some((config, active)) = draft
        .pipeline
        .stage(name)
        .and_then(|(config, stage)| Some((config, stage.active.as_ref()?)))
    else {
        return Reason::NothingNew;
    };
    let Phase::RollingBack {
        cause: Cause::Alarm { name: alarm },
        ..
    } = &active.phase
    else {
        let over = active.over;
        rolled_back(draft, name, over);
        return Reason::RollbackEnded;
    };
    let why = Reason::AlarmFiringBefore {
        alarm: alarm.clone(),
    };
    let firing = draft.pipeline.firing(config);
    let names = if firing.is_empty() {
        vec![alarm.clone()]
    } else {
        firing
    };
    let what = What::Waits {
        stage: name.clone(),
        deployment: active.offer.id.clone(),
        release: active.offer.release,
        on: WaitingOn::Alarm { names },
    };
    draft.write(what, why.clone());
    why
}

/// Freezes a stage by rule, until a person thaws it.
pub(super) fn freeze(draft: &mut Draft, name: &StageName, reason: String, why: Reason) {
    let freeze = Freeze {
        by: None,
        reason,
        since: draft.now,
        until: None,
    };
    draft.write(
        What::Frozen {
            stage: Some(name.clone()),
            freeze,
        },
        why,
    );
}

/// The rollback ended badly: nothing older is tried, nothing newer comes in, a person is called.
pub(super) fn rollback_failed(draft: &mut Draft, name: &StageName, problem: String) {
    let Some(active) = draft.active(name) else {
        return;
    };
    let (deployment, release) = (active.offer.id.clone(), active.offer.release);
    let to = match &active.phase {
        Phase::RollingBack { to, .. } => *to,
        Phase::Starting { .. } | Phase::InProgress { .. } | Phase::Baking { .. } => Some(release),
    };
    let what = What::RollbackFailed {
        stage: name.clone(),
        deployment,
        release,
        problem: problem.clone(),
    };
    draft.write(what, Reason::RollbackEndedBadly);
    let call = Call::RollbackFailed {
        to: to.unwrap_or(release),
        problem,
    };
    draft.write(
        What::PersonCalled {
            stage: name.clone(),
            call,
        },
        Reason::RollbackEndedBadly,
    );
    let frozen = draft
        .pipeline
        .stages
        .get(name)
        .is_some_and(|stage| stage.freeze.is_some());
    if !frozen {
        let reason = "a rollback failed: look at the stage, then thaw it".to_owned();
        freeze(draft, name, reason, Reason::RollbackEndedBadly);
    }
}

/// Ends the active deployment as failed, with what the target runs as far as is known.
pub(super) fn fail(
    draft: &mut Draft,
    name: &StageName,
    problem: String,
    why: Reason,
    runs: Option<ReleaseNumber>,
) {
    let Some(active) = draft.active(name) else {
        return;
    };
    let what = What::Failed {
        stage: name.clone(),
        deployment: active.offer.id.clone(),
        release: active.offer.release,
        problem,
        runs,
    };
    draft.write(what, why);
}

fn why(cause: &Cause) -> Reason {
    match cause {
        Cause::Alarm { name } => Reason::AlarmFired {
            alarm: name.clone(),
        },
        Cause::Platform { .. } => Reason::DeploymentFailed,
        Cause::Timeout => Reason::DeploymentTimedOut,
        Cause::Person { .. } => Reason::PersonAsked,
    }
}

fn words(cause: &Cause) -> String {
    match cause {
        Cause::Alarm { name } => format!("alarm {name} fired"),
        Cause::Platform { problem } => problem.clone(),
        Cause::Timeout => "it took longer than the stage allows".to_owned(),
        Cause::Person { reason, .. } => reason.clone(),
    }
}
