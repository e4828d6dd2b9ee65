//! Entries: what the ledger decided. Immutable, numbered, chained. An entry that asks `deployer`
//! for an action leaves it no choice: it names target, artefact and mark.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alarm::AlarmSeen;
use crate::artefact::{Artefact, BuildFacts, Content, Release};
use crate::chain::Hash;
use crate::config::ServiceConfig;
use crate::drift::ApiCall;
use crate::fact::{Despite, RequestId};
use crate::name::{EntryId, Identity, ReleaseNumber, StageName};
use crate::peril::Peril;
use crate::pipeline::{Cause, Freeze, WaitingOn};
use crate::reason::Reason;
use crate::scan::Scan;
use crate::switch::Switch;

pub use crate::call::Call;
pub use crate::drop::Drop;
pub use crate::order::{Action, AlarmsAtStart, Order, StopOrder};

/// The format every entry is written in. Raised when an older reader could misread a newer entry.
pub const ENTRY_FORMAT: u32 = 1;

/// One thing the ledger decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`ENTRY_FORMAT`] at the time of writing.
    pub format: u32,
    /// 1, 2, 3 … per service, without gap.
    pub seq: u64,
    /// When it was decided, by the deciding function's clock.
    pub at: Timestamp,
    /// What or who brought it about.
    pub actor: Actor,
    /// What was decided.
    pub what: What,
    /// Why.
    pub why: Reason,
    /// The request it answers, so that the same one again is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The hash of the entry before it.
    pub before: Hash,
}

/// What or who brought an entry about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person or a build server, as AWS verified it.
    Person(Identity),
    /// An event's source, such as `aws.cloudwatch`.
    Source(String),
    /// A rule of our own, when time passed.
    Clock,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The service has a new configuration.
    Configured {
        /// The whole of it.
        config: Arc<ServiceConfig>,
    },
    /// No service claims this artefact.
    Unclaimed {
        /// The artefact.
        artefact: Artefact,
    },
    /// An artefact cannot be deployed.
    ArtefactRejected {
        /// The artefact.
        artefact: Artefact,
        /// What its build said.
        build: BuildFacts,
        /// Why not.
        problem: String,
    },
    /// An artefact became a release.
    Released {
        /// The release.
        release: Arc<Release>,
    },
    /// A release that the snapshot no longer held was taken up again by a person.
    Recalled {
        /// The release.
        release: Arc<Release>,
    },
    /// What is known of the scan of a release's image changed.
    Scanned {
        /// The release.
        release: ReleaseNumber,
        /// What is known now.
        scan: Scan,
    },
    /// What ran on a stage without our doing became last good there: when the service was taken
    /// over, or because a person says so of a stage that drifted.
    Adopted {
        /// The stage.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
        /// Why, as the person said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// What runs on a stage could not be proved: its first deployment has nothing to return to.
    NothingToAdopt {
        /// The stage.
        stage: StageName,
        /// Why its target could not be looked at, in AWS's words; none when it could.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// Releases arrive faster than the service's limit.
    Flooded {
        /// How many within the last minute.
        count: u32,
    },
    /// A release is offered to no stage by itself.
    HeldBack {
        /// The stage it was not offered to.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
    },
    /// A release is offered to a stage. This entry's id is the deployment's id.
    Offered {
        /// The stage.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
        /// What it is for.
        purpose: Purpose,
        /// Rules a person overrode.
        despite: Despite,
    },
    /// A person overrode rules for an offer that waits.
    Overridden {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// All rules that are overridden now.
        despite: Despite,
    },
    /// What a deployment waits for, when that changed.
    Waits {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// For what.
        on: WaitingOn,
    },
    /// A person said yes.
    Approved {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// Who.
        by: Identity,
        /// Why, if said.
        reason: Option<String>,
    },
    /// Approvals given so far count no more.
    ApprovalsVoided {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
    },
    /// A deployment ended before it began.
    Dropped {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// Which way.
        end: Drop,
    },
    /// `deployer` is asked to begin a deployment.
    StartAsked {
        /// The deployment.
        deployment: EntryId,
        /// What exactly.
        order: Box<Order>,
    },
    /// The platform began it.
    Begun {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// The platform's id.
        platform_id: String,
        /// The platform's time.
        started_at: Timestamp,
    },
    /// The platform finished; the bake begins.
    BakeBegun {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// When the bake ends.
        until: Timestamp,
    },
    /// The release is good on this stage.
    Succeeded {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
    },
    /// It ended, and proves nothing: nothing ran, or an alarm still fires. It is not good.
    Unproven {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
    },
    /// It ended badly, and nothing undid it.
    Failed {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// What went wrong.
        problem: String,
        /// What the target runs now, as far as is known.
        runs: Option<ReleaseNumber>,
    },
    /// `deployer` is asked to stop an attempt and have the platform undo it.
    StopAsked {
        /// The deployment.
        deployment: EntryId,
        /// The release that fails.
        release: ReleaseNumber,
        /// Why.
        cause: Cause,
        /// Where it goes back to.
        to: ReleaseNumber,
        /// What exactly.
        order: Box<StopOrder>,
    },
    /// `deployer` is asked to deploy an earlier release in place of this one.
    ReturnAsked {
        /// The deployment.
        deployment: EntryId,
        /// The release that fails.
        release: ReleaseNumber,
        /// Why.
        cause: Cause,
        /// What exactly; its release is where it goes back to.
        order: Box<Order>,
    },
    /// The platform undoes a deployment by itself. We record it and send nothing.
    RollbackAdopted {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
        /// The platform's words.
        problem: String,
    },
    /// The stage runs an earlier release again.
    RolledBack {
        /// The stage.
        stage: StageName,
        /// The deployment that was undone.
        deployment: EntryId,
        /// The release that was undone.
        release: ReleaseNumber,
        /// What runs now; none when the platform could not tell.
        to: Option<ReleaseNumber>,
        /// The stage's alarms that still fire; CloudWatch needs a while to see that things are
        /// well.
        firing: Vec<String>,
    },
    /// A rollback ended badly. Nothing older is tried.
    RollbackFailed {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release that was to be undone.
        release: ReleaseNumber,
        /// What went wrong.
        problem: String,
    },
    /// A release is never deployed here again by itself.
    Quarantined {
        /// The stage.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
    },
    /// Deployments are held.
    Frozen {
        /// The stage; none means all of the service.
        stage: Option<StageName>,
        /// Who, why, until when.
        freeze: Freeze,
    },
    /// A freeze ended.
    Thawed {
        /// The stage; none means the service's own freeze.
        stage: Option<StageName>,
    },
    /// The switch for all was turned: everything is frozen, or no longer.
    Switched {
        /// As it is now.
        switch: Switch,
    },
    /// A pipeline was told of the switch for all.
    SwitchNoted {
        /// As it was told.
        switch: Switch,
    },
    /// Every pipeline was told of a turn of the switch.
    AllTold {
        /// The entry that turned it.
        turned: u64,
    },
    /// A person tries whether announcements arrive. Nothing else follows from it.
    TestAnnounced {
        /// Who.
        by: Identity,
    },
    /// What the ledger believes about an alarm changed.
    AlarmNoted {
        /// The alarm as it was seen.
        seen: AlarmSeen,
    },
    /// An alarm fired after the bake: nothing is done by itself.
    AlarmAfterBake {
        /// The stage.
        stage: StageName,
        /// What runs there.
        release: ReleaseNumber,
        /// The alarm.
        seen: AlarmSeen,
    },
    /// Not every task or instance runs what was deployed.
    MixtureSeen {
        /// The stage.
        stage: StageName,
        /// The deployment.
        deployment: EntryId,
        /// The release.
        release: ReleaseNumber,
    },
    /// Somebody else than `deployer` changed a stage's target, or tried to.
    CallSeen {
        /// The stage.
        stage: StageName,
        /// The call.
        call: ApiCall,
    },
    /// The target runs something else than the ledger brought about.
    Drifted {
        /// The stage.
        stage: StageName,
        /// The release that should run.
        expected: ReleaseNumber,
        /// What runs instead, on all of the target or on some of it.
        others: Vec<Content>,
        /// Who probably did it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<ApiCall>,
    },
    /// The target runs again what the ledger brought about.
    DriftEnded {
        /// The stage.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
    },
    /// A stage is not protected as it should be: a bad release might not be noticed, or taken back.
    Unprotected {
        /// The stage.
        stage: StageName,
        /// Why; all of it.
        perils: Vec<Peril>,
    },
    /// The stage's alarms can protect it again.
    Protected {
        /// The stage.
        stage: StageName,
    },
    /// A person is called, loudly.
    PersonCalled {
        /// The stage.
        stage: StageName,
        /// What they have to know.
        call: Call,
    },
}

/// What a deployment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Going forward.
    Release,
    /// Going back because a person said so. It passes gates, windows and freezes, and is itself
    /// never rolled back.
    Rollback,
}

impl What {
    /// The action it asks for, if any.
    #[must_use]
    pub fn action(&self) -> Option<Action<'_>> {
        match self {
            Self::StartAsked { order, .. } | Self::ReturnAsked { order, .. } => {
                Some(Action::Deploy(order))
            }
            Self::StopAsked { order, .. } => Some(Action::Stop(order)),
            Self::Configured { .. }
            | Self::Unclaimed { .. }
            | Self::ArtefactRejected { .. }
            | Self::Released { .. }
            | Self::Recalled { .. }
            | Self::Scanned { .. }
            | Self::Adopted { .. }
            | Self::NothingToAdopt { .. }
            | Self::Flooded { .. }
            | Self::HeldBack { .. }
            | Self::Offered { .. }
            | Self::Overridden { .. }
            | Self::Waits { .. }
            | Self::Approved { .. }
            | Self::ApprovalsVoided { .. }
            | Self::Dropped { .. }
            | Self::Begun { .. }
            | Self::BakeBegun { .. }
            | Self::Succeeded { .. }
            | Self::Unproven { .. }
            | Self::Failed { .. }
            | Self::RollbackAdopted { .. }
            | Self::RolledBack { .. }
            | Self::RollbackFailed { .. }
            | Self::Quarantined { .. }
            | Self::Frozen { .. }
            | Self::Thawed { .. }
            | Self::Switched { .. }
            | Self::SwitchNoted { .. }
            | Self::AllTold { .. }
            | Self::TestAnnounced { .. }
            | Self::AlarmNoted { .. }
            | Self::AlarmAfterBake { .. }
            | Self::MixtureSeen { .. }
            | Self::CallSeen { .. }
            | Self::Drifted { .. }
            | Self::DriftEnded { .. }
            | Self::Unprotected { .. }
            | Self::Protected { .. }
            | Self::PersonCalled { .. } => None,
        }
    }
}
