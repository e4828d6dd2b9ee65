//! What an entry is about: its stage and its release, to pick entries by.

use domain::entry::{Call, What};
use domain::{ReleaseNumber, StageName};

/// The stage an entry is about.
pub(crate) fn stage_of(what: &What) -> Option<&StageName> {
    match what {
        What::Adopted { stage, .. }
        | What::NothingToAdopt { stage, .. }
        | What::HeldBack { stage, .. }
        | What::Offered { stage, .. }
        | What::Overridden { stage, .. }
        | What::Waits { stage, .. }
        | What::Approved { stage, .. }
        | What::ApprovalsVoided { stage, .. }
        | What::Dropped { stage, .. }
        | What::Begun { stage, .. }
        | What::BakeBegun { stage, .. }
        | What::Succeeded { stage, .. }
        | What::Unproven { stage, .. }
        | What::Failed { stage, .. }
        | What::RollbackAdopted { stage, .. }
        | What::RolledBack { stage, .. }
        | What::RollbackFailed { stage, .. }
        | What::Quarantined { stage, .. }
        | What::AlarmAfterBake { stage, .. }
        | What::MixtureSeen { stage, .. }
        | What::CallSeen { stage, .. }
        | What::Drifted { stage, .. }
        | What::DriftEnded { stage, .. }
        | What::Unprotected { stage, .. }
        | What::Protected { stage }
        | What::PersonCalled { stage, .. } => Some(stage),
        What::StartAsked { order, .. } | What::ReturnAsked { order, .. } => Some(&order.stage),
        What::StopAsked { order, .. } => Some(&order.stage),
        What::Frozen { stage, .. } | What::Thawed { stage } => stage.as_ref(),
        What::Configured { .. }
        | What::Unclaimed { .. }
        | What::ArtefactRejected { .. }
        | What::Released { .. }
        | What::Recalled { .. }
        | What::Scanned { .. }
        | What::Flooded { .. }
        | What::Switched { .. }
        | What::SwitchNoted { .. }
        | What::AllTold { .. }
        | What::TestAnnounced { .. }
        | What::AlarmNoted { .. } => None,
    }
}

/// The release an entry is about.
pub(crate) fn release_of(what: &What) -> Option<ReleaseNumber> {
    match what {
        What::Released { release } | What::Recalled { release } => Some(release.number),
        What::Scanned { release, .. } => Some(*release),
        What::Adopted { release, .. }
        | What::HeldBack { release, .. }
        | What::Offered { release, .. }
        | What::Overridden { release, .. }
        | What::Waits { release, .. }
        | What::Approved { release, .. }
        | What::ApprovalsVoided { release, .. }
        | What::Dropped { release, .. }
        | What::Begun { release, .. }
        | What::BakeBegun { release, .. }
        | What::Succeeded { release, .. }
        | What::Unproven { release, .. }
        | What::Failed { release, .. }
        | What::StopAsked { release, .. }
        | What::ReturnAsked { release, .. }
        | What::RollbackAdopted { release, .. }
        | What::RolledBack { release, .. }
        | What::RollbackFailed { release, .. }
        | What::Quarantined { release, .. }
        | What::AlarmAfterBake { release, .. }
        | What::DriftEnded { release, .. }
        | What::MixtureSeen { release, .. } => Some(*release),
        What::Drifted { expected, .. } => Some(*expected),
        What::StartAsked { order, .. } => Some(order.release),
        What::PersonCalled { call, .. } => match call {
            Call::NothingToReturnTo { release, .. }
            | Call::Irreversible { release, .. }
            | Call::RunsSomethingElse { release }
            | Call::ActionRefused { release, .. } => Some(*release),
            Call::RollbackFailed { to, .. } => Some(*to),
            Call::ReturnedElsewhere { expected } => Some(*expected),
            Call::StillFiring { .. } | Call::TooManyRollbacks { .. } | Call::LateAction { .. } => {
                None
            }
        },
        What::CallSeen { .. }
        | What::Unprotected { .. }
        | What::Protected { .. }
        | What::Configured { .. }
        | What::NothingToAdopt { .. }
        | What::Unclaimed { .. }
        | What::ArtefactRejected { .. }
        | What::Flooded { .. }
        | What::Frozen { .. }
        | What::Thawed { .. }
        | What::Switched { .. }
        | What::SwitchNoted { .. }
        | What::AllTold { .. }
        | What::TestAnnounced { .. }
        | What::AlarmNoted { .. } => None,
    }
}
