//! What an entry asks `deployer` for. It leaves no choice: it names target, artefact and mark.

use serde::{Deserialize, Serialize};

use crate::artefact::Artefact;
use crate::config::{Place, Target};
use crate::name::{EntryId, ReleaseNumber, StageName};

/// Begin a deployment: exactly this, there, with this mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The mark that finds it again: the entry that first asked.
    pub attempt: EntryId,
    /// The stage.
    pub stage: StageName,
    /// Account, Region, role.
    pub place: Place,
    /// The target.
    pub target: Target,
    /// The release.
    pub release: ReleaseNumber,
    /// Its artefact.
    pub artefact: Artefact,
    /// Whether an alarm that fires right before the start holds it.
    pub alarms: AlarmsAtStart,
}

/// What alarms do to a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmsAtStart {
    /// One that fires holds the deployment.
    Hold,
    /// They are passed over: a rollback, or a person said so. The platform's own alarm check is
    /// overridden too, else CodeDeploy would stop it at once.
    PassOver,
}

/// Stop an attempt: exactly this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopOrder {
    /// The attempt's mark.
    pub attempt: EntryId,
    /// The stage.
    pub stage: StageName,
    /// Account, Region, role.
    pub place: Place,
    /// The target.
    pub target: Target,
    /// The platform's id of it, when known.
    pub platform_id: Option<String>,
}

/// What an entry asks `deployer` to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action<'a> {
    /// Begin a deployment.
    Deploy(&'a Order),
    /// Stop an attempt.
    Stop(&'a StopOrder),
}
