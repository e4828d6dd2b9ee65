//! What the platform answered when `deployer` carried out an entry.

use jiff::SignedDuration;

use super::{Draft, alarms, observe, undo};
use crate::due::after;
use crate::entry::{Call, What};
use crate::fact::{Acted, Answer};
use crate::name::StageName;
use crate::pipeline::{Active, How, Phase, WaitingOn};
use crate::reason::Reason;

/// When a target that somebody else occupies is tried again.
const TARGET_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// When a start is tried again that was withheld because the switch for all cannot be read. Mostly
/// the functions are being updated, one after the other; people hear of every try.
const SWITCH_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);

pub(super) fn acted(draft: &mut Draft, acted: &Acted) -> Reason {
    let name = &acted.stage;
    let active = draft.active(name).cloned();
    let Some(active) = active.filter(|active| active.attempt == acted.attempt) else {
        return not_current(draft, acted);
    };
    match active.phase.clone() {
        Phase::Starting { .. } => starting(draft, name, &active, &acted.answer),
        Phase::RollingBack { how, .. } => undoing(draft, name, how, &acted.answer),
        Phase::InProgress { .. } | Phase::Baking { .. } => Reason::NothingNew,
    }
}

/// An action that was dropped in the ledger took effect all the same: people have to know.
fn not_current(draft: &mut Draft, acted: &Acted) -> Reason {
    let reason = Reason::AttemptNotCurrent {
        attempt: acted.attempt.clone(),
    };
    let Some(stage) = draft.pipeline.stages.get(&acted.stage) else {
        return reason;
    };
    let landed = matches!(acted.answer, Answer::Begun { .. });
    if landed && stage.active.is_none() && stage.runs.is_some() {
        let call = Call::LateAction {
            attempt: acted.attempt.clone(),
        };
        let what = What::PersonCalled {
            stage: acted.stage.clone(),
            call,
        };
        draft.write(what, reason.clone());
    }
    reason
}

fn starting(draft: &mut Draft, name: &StageName, active: &Active, answer: &Answer) -> Reason {
    let (stage, deployment) = (name.clone(), active.offer.id.clone());
    let release = active.offer.release;
    match answer {
        Answer::Begun {
            platform_id,
            started_at,
        } => {
            let what = What::Begun {
                stage,
                deployment,
                release,
                platform_id: platform_id.clone(),
                started_at: *started_at,
            };
            draft.write(what, Reason::PlatformReported);
            Reason::PlatformReported
        }
        Answer::Frozen(freeze) => waits(draft, name, active, freeze.waiting_on(), Reason::Frozen),
        Answer::Withheld => {
            let again_at = after(draft.now, SWITCH_AGAIN_AFTER);
            let on = WaitingOn::Switch { again_at };
            waits(draft, name, active, on, Reason::SwitchUnreadable)
        }
        Answer::Held(seen) => {
            let alarm = seen.alarm.name().to_owned();
            let on = WaitingOn::Alarm {
                names: vec![alarm.clone()],
            };
            let why = Reason::AlarmFiringBefore { alarm };
            let why = waits(draft, name, active, on, why);
            let _ = alarms::changed(draft, seen);
            why
        }
        Answer::Occupied { by } => {
            let on = WaitingOn::Target {
                by: by.clone(),
                again_at: after(draft.now, TARGET_AGAIN_AFTER),
            };
            waits(draft, name, active, on, Reason::TargetOccupied)
        }
        Answer::Refused(problem) => {
            observe::refused(draft, name, problem.clone());
            Reason::DeploymentFailed
        }
        Answer::Stopping | Answer::NeverBegun => Reason::NothingNew,
    }
}

/// Nothing was begun: it waits again.
fn waits(
    draft: &mut Draft,
    name: &StageName,
    active: &Active,
    on: WaitingOn,
    why: Reason,
) -> Reason {
    let what = What::Waits {
        stage: name.clone(),
        deployment: active.offer.id.clone(),
        release: active.offer.release,
        on,
    };
    draft.write(what, why.clone());
    why
}

fn undoing(draft: &mut Draft, name: &StageName, how: How, answer: &Answer) -> Reason {
    match (how, answer) {
        (How::Stop, Answer::NeverBegun) => undo::never_begun(draft, name),
        (How::Stop | How::Return, Answer::Refused(problem)) => {
            undo::rollback_failed(draft, name, problem.clone());
            Reason::RollbackEndedBadly
        }
        (How::Stop | How::Return | How::Adopted, _) => Reason::NotYet,
    }
}
