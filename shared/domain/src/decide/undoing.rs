//! What is true about an attempt that is being undone: by the platform itself, by our stop, or by a
//! deployment of last good.

use jiff::Timestamp;

use super::observe::{Sight, is_late, release_of, runs};
use super::{Draft, undo};
use crate::due::{ANSWER_WITHIN, TRIES_MAX, after};
use crate::entry::{Purpose, What};
use crate::fact::{Progress, Running};
use crate::name::{ReleaseNumber, StageName};
use crate::pipeline::{Active, Cause};
use crate::reason::Reason;

pub(super) struct Undoing {
    pub(super) cause: Cause,
    pub(super) to: Option<ReleaseNumber>,
    pub(super) asked_at: Timestamp,
    pub(super) tries: u32,
}

pub(super) fn adopt(draft: &mut Draft, name: &StageName, active: &Active, problem: &str) {
    if active.offer.purpose == Purpose::Rollback {
        undo::rollback_failed(draft, name, format!("the platform undid it: {problem}"));
        return;
    }
    let what = What::RollbackAdopted {
        stage: name.clone(),
        deployment: active.offer.id.clone(),
        release: active.offer.release,
        problem: problem.to_owned(),
    };
    draft.write(what, Reason::PlatformRollsBack);
}

pub(super) fn adopted_end(draft: &mut Draft, sight: &Sight<'_>) {
    if draft.active(sight.name).is_some() {
        let to = release_of(draft, sight.running);
        undo::rolled_back(draft, sight.name, to);
    }
}

pub(super) fn adopted(draft: &mut Draft, sight: &Sight<'_>, undoing: &Undoing) -> Reason {
    match sight.progress {
        Progress::Undone { .. } | Progress::Failed { .. } | Progress::Succeeded { .. } => {
            adopted_end(draft, sight);
            Reason::RollbackEnded
        }
        Progress::NotFound | Progress::Underway { .. } | Progress::Undoing { .. } => {
            too_long(draft, sight.name, undoing)
        }
    }
}

fn too_long(draft: &mut Draft, name: &StageName, undoing: &Undoing) -> Reason {
    if is_late(draft, name, undoing.asked_at) {
        let problem = "it took longer than the stage allows".to_owned();
        undo::rollback_failed(draft, name, problem);
        return Reason::RollbackEndedBadly;
    }
    Reason::NotYet
}

/// We asked the platform to stop the attempt and undo it.
pub(super) fn stopping(draft: &mut Draft, sight: &Sight<'_>, undoing: Undoing) -> Reason {
    let unanswered = draft.now >= after(undoing.asked_at, ANSWER_WITHIN);
    match sight.progress {
        Progress::Undoing { .. } => too_long(draft, sight.name, &undoing),
        Progress::Underway { .. } if !unanswered => Reason::NotYet,
        Progress::NotFound if !unanswered => Reason::NotYet,
        Progress::Underway { .. } => {
            let Some(to) = undoing.to else {
                return Reason::NotYet;
            };
            if undoing.tries >= TRIES_MAX {
                let problem = format!("the platform did not stop it, asked {TRIES_MAX} times");
                undo::rollback_failed(draft, sight.name, problem);
            } else {
                undo::stop(draft, sight.name, undoing.cause, to);
            }
            Reason::NoAnswerInTime
        }
        // When the platform cannot be asked, nothing is known of what it does.
        Progress::NotFound if *sight.running == Running::Unknown => {
            too_long(draft, sight.name, &undoing)
        }
        Progress::NotFound => undo::never_begun(draft, sight.name),
        Progress::Succeeded { .. } | Progress::Failed { .. } | Progress::Undone { .. } => {
            stopped(draft, sight, undoing)
        }
    }
}

/// The attempt has ended. If last good runs again, that is that; else it is deployed.
fn stopped(draft: &mut Draft, sight: &Sight<'_>, undoing: Undoing) -> Reason {
    let Some(to) = undoing.to else {
        return Reason::NotYet;
    };
    let undone = matches!(sight.progress, Progress::Undone { .. });
    let idle = undone && *sight.running == Running::Nothing;
    if idle || runs(draft, sight.running, to) {
        undo::rolled_back(draft, sight.name, Some(to));
        return Reason::RollbackEnded;
    }
    undo::go_back(draft, sight.name, undoing.cause, to, None);
    Reason::UndoneElsewhere
}

/// We deploy an earlier release over it.
pub(super) fn returning(
    draft: &mut Draft,
    sight: &Sight<'_>,
    active: &Active,
    undoing: Undoing,
) -> Reason {
    let Some(to) = undoing.to else {
        return Reason::NotYet;
    };
    match sight.progress {
        Progress::NotFound if draft.now < after(undoing.asked_at, ANSWER_WITHIN) => Reason::NotYet,
        Progress::NotFound => {
            if undoing.tries >= TRIES_MAX {
                let problem = format!("the platform did not begin it, asked {TRIES_MAX} times");
                undo::rollback_failed(draft, sight.name, problem);
            } else {
                let mark = Some(active.attempt.clone());
                undo::go_back(draft, sight.name, undoing.cause, to, mark);
            }
            Reason::NoAnswerInTime
        }
        Progress::Underway { .. } | Progress::Undoing { .. } => {
            too_long(draft, sight.name, &undoing)
        }
        Progress::Succeeded { .. } => match sight.running {
            Running::Nothing => {
                undo::rolled_back(draft, sight.name, Some(to));
                Reason::RollbackEnded
            }
            Running::All(_) if runs(draft, sight.running, to) => {
                undo::rolled_back(draft, sight.name, Some(to));
                Reason::RollbackEnded
            }
            Running::All(_) => {
                let problem = "the target runs something else".to_owned();
                undo::rollback_failed(draft, sight.name, problem);
                Reason::RollbackEndedBadly
            }
            Running::Mixed(_) | Running::Unknown => too_long(draft, sight.name, &undoing),
        },
        Progress::Failed { why, .. } | Progress::Undone { why, .. } => {
            undo::rollback_failed(draft, sight.name, why.clone());
            Reason::RollbackEndedBadly
        }
    }
}
