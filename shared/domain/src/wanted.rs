//! The last look before acting: is what an entry asked for still wanted? `deployer` asks this with
//! a snapshot it has just read, so that an entry that comes late or twice does no harm.

use crate::entry::Action;
use crate::pipeline::{How, Phase, Pipeline};
use crate::reason::Reason;

/// Whether an action is still wanted.
///
/// # Errors
/// Why it is not.
pub fn wanted(pipeline: &Pipeline, action: Action<'_>) -> Result<(), Reason> {
    let (stage, attempt) = match action {
        Action::Deploy(order) => (&order.stage, &order.attempt),
        Action::Stop(order) => (&order.stage, &order.attempt),
    };
    let not_current = || Reason::AttemptNotCurrent {
        attempt: attempt.clone(),
    };
    let (_, state) = pipeline.stage(stage).ok_or_else(|| Reason::NoSuchStage {
        stage: stage.clone(),
    })?;
    let active = state
        .active
        .as_ref()
        .filter(|active| active.attempt == *attempt);
    let phase = &active.ok_or_else(not_current)?.phase;
    let fits = match (action, phase) {
        (Action::Deploy(_), Phase::Starting { .. }) => true,
        (Action::Deploy(_), Phase::RollingBack { how, .. }) => *how == How::Return,
        (Action::Stop(_), Phase::RollingBack { how, .. }) => *how == How::Stop,
        (Action::Deploy(_) | Action::Stop(_), Phase::InProgress { .. } | Phase::Baking { .. })
        | (Action::Stop(_), Phase::Starting { .. }) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Reason::NothingNew)
    }
}
