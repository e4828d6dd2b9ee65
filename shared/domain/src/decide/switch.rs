//! The switch for all: freezing and thawing everything, and being told of it.

use jiff::Timestamp;

use super::{Draft, ask};
use crate::entry::What;
use crate::fact::Request;
use crate::name::Identity;
use crate::pipeline::Freeze;
use crate::reason::Reason;
use crate::switch::Switch;

/// What a person asks of the reserved pipeline: it can be frozen and thawed as a whole, and
/// announcements be tried on it; it is no service otherwise.
pub(super) fn asked(draft: &mut Draft, by: &Identity, request: &Request) -> Reason {
    match request {
        Request::Freeze {
            stage: None,
            reason,
            until,
        } => freeze(draft, by, reason, *until),
        Request::Thaw { stage: None } => thaw(draft, by),
        Request::Announce => ask::announce(draft, by),
        Request::Freeze {
            stage: Some(stage), ..
        }
        | Request::Thaw { stage: Some(stage) } => Reason::NoSuchStage {
            stage: stage.clone(),
        },
        Request::Configure { .. }
        | Request::Adopt { .. }
        | Request::Restore { .. }
        | Request::Approve { .. }
        | Request::Reject { .. }
        | Request::Press(_)
        | Request::Promote { .. }
        | Request::Rollback { .. }
        | Request::Cancel { .. } => Reason::NoSuchService,
    }
}

fn freeze(draft: &mut Draft, by: &Identity, reason: &str, until: Option<Timestamp>) -> Reason {
    let now = draft.now;
    if until.is_some_and(|until| until <= now) {
        return Reason::EndsInThePast;
    }
    let there = draft.pipeline.switch.holding(now);
    if there.is_some_and(|there| there.until == until && there.reason == reason) {
        return Reason::FrozenAlready;
    }
    let freeze = Freeze {
        by: Some(by.clone()),
        reason: reason.to_owned(),
        since: now,
        until,
    };
    turn(draft, Some(by), Some(freeze), Reason::PersonAsked)
}

fn thaw(draft: &mut Draft, by: &Identity) -> Reason {
    if draft.pipeline.switch.freeze.is_none() {
        return Reason::NotFrozen;
    }
    turn(draft, Some(by), None, Reason::PersonAsked)
}

/// A freeze of everything ends by itself, for everybody at once: each is told of the new turn.
pub(super) fn end_freeze(draft: &mut Draft) {
    let switch = &draft.pipeline.switch;
    let ended = switch.freeze.is_some() && switch.holding(draft.now).is_none();
    if ended && draft.pipeline.service.is_everything() {
        let _ = turn(draft, None, None, Reason::NothingDue);
    }
}

fn turn(draft: &mut Draft, by: Option<&Identity>, freeze: Option<Freeze>, why: Reason) -> Reason {
    let switch = Switch {
        turned: draft.next_id().seq,
        by: by.cloned(),
        freeze,
    };
    draft.write(What::Switched { switch }, why.clone());
    why
}

/// A pipeline is told of the switch; an older turn than it knows says nothing.
pub(super) fn told(draft: &mut Draft, switch: &Switch) -> Reason {
    if !switch.is_news_to(&draft.pipeline) {
        return Reason::NothingNew;
    }
    let switch = switch.clone();
    draft.write(What::SwitchNoted { switch }, Reason::SwitchTurned);
    Reason::SwitchTurned
}

/// Every pipeline was told of the newest turn.
pub(super) fn all_told(draft: &mut Draft, turned: u64) -> Reason {
    let pipeline = &draft.pipeline;
    if pipeline.telling_since.is_none() || pipeline.switch.turned != turned {
        return Reason::NothingNew;
    }
    draft.write(What::AllTold { turned }, Reason::SwitchTurned);
    Reason::SwitchTurned
}
