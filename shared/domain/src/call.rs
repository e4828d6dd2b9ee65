//! Why a person is called: what cannot be set right without one.

use serde::{Deserialize, Serialize};

use crate::name::{EntryId, ReleaseNumber};

/// Why a person is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// The release is bad and there is nothing to go back to.
    NothingToReturnTo {
        /// The release.
        release: ReleaseNumber,
        /// What is wrong with it.
        problem: String,
    },
    /// The release is bad, but going back would not bring the old state back.
    Irreversible {
        /// The release.
        release: ReleaseNumber,
        /// What is wrong with it.
        problem: String,
    },
    /// The rollback itself failed.
    RollbackFailed {
        /// Where it was to go.
        to: ReleaseNumber,
        /// What went wrong.
        problem: String,
    },
    /// The rollback or the bake is long over, and the alarm still fires.
    StillFiring {
        /// The alarms.
        alarms: Vec<String>,
    },
    /// So many automatic rollbacks that the stage was frozen.
    TooManyRollbacks {
        /// How many within a day.
        count: u32,
    },
    /// The platform undid a deployment, and what runs now is not last good.
    ReturnedElsewhere {
        /// What was expected.
        expected: ReleaseNumber,
    },
    /// The target runs something else than was deployed.
    RunsSomethingElse {
        /// The release that should run.
        release: ReleaseNumber,
    },
    /// An action could not be carried out.
    ActionRefused {
        /// The release.
        release: ReleaseNumber,
        /// The platform's words.
        problem: String,
    },
    /// An action that was no longer wanted took effect all the same.
    LateAction {
        /// Its mark.
        attempt: EntryId,
    },
}
