//! The snapshot: what the rules need to know of a service, and nothing that grows with its history.
//! How it changes is in [`mod@crate::apply`], what is decided on it in [`mod@crate::decide`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alarm::AlarmSeen;
use crate::artefact::{Content, Release};
use crate::chain::Hash;
use crate::config::{ServiceConfig, StageConfig};
use crate::drift::{ApiCall, Drift};
use crate::entry::Purpose;
use crate::fact::{Despite, RequestId};
use crate::name::{AlarmArn, EntryId, Identity, ReleaseNumber, ServiceName, StageName};
use crate::peril::Peril;
use crate::scan::Scan;
use crate::switch::Switch;

/// The format the snapshot is written in. A function that meets a newer one leaves it alone:
/// writing it back would drop what it cannot read.
pub const SNAPSHOT_FORMAT: u32 = 1;
/// Releases kept beyond those a stage refers to.
pub const RELEASES_KEPT: u64 = 20;
/// Good releases kept per stage.
pub const GOOD_KEPT: usize = 10;
/// Quarantined releases kept per stage.
pub const QUARANTINED_KEPT: usize = 50;
/// Requests kept, to recognise one that is repeated.
pub const REQUESTS_KEPT: usize = 40;
/// Times of arrivals kept, to recognise a flood.
pub const ARRIVALS_KEPT: usize = 100;

/// A service's pipeline, as a [`Snapshot`] of it. Copies share the snapshot until one of them is
/// changed: most facts change nothing, and a decision is made on a copy.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pipeline(Arc<Snapshot>);

impl Deref for Pipeline {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl DerefMut for Pipeline {
    fn deref_mut(&mut self) -> &mut Snapshot {
        Arc::make_mut(&mut self.0)
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the rules need to know of a service. Its version is the number of its last entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`SNAPSHOT_FORMAT`] at the time of writing.
    pub format: u32,
    /// The service.
    pub service: ServiceName,
    /// The number of the last entry; 0 before the first.
    pub seq: u64,
    /// The hash of the last entry.
    pub head: Hash,
    /// The configuration; none before a service was described. Shared, as releases are: a snapshot
    /// is copied for every decision that changes it, and these never change.
    pub config: Option<Arc<ServiceConfig>>,
    /// The number of the newest release; 0 before the first.
    pub last_release: u64,
    /// A bounded tail of releases, and every one a stage refers to.
    pub releases: BTreeMap<ReleaseNumber, Arc<Release>>,
    /// What is known of the scans of releases that are held here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scans: BTreeMap<ReleaseNumber, Scan>,
    /// The stages' states, for each configured stage.
    pub stages: BTreeMap<StageName, Stage>,
    /// What is believed about alarms of configured stages.
    pub alarms: BTreeMap<AlarmArn, AlarmSeen>,
    /// A freeze of the whole service.
    pub freeze: Option<Freeze>,
    /// Requests done lately, oldest first.
    pub requests: Vec<RequestId>,
    /// Arrivals lately, oldest first.
    pub arrivals: Vec<Timestamp>,
    /// When people were last told of a flood.
    pub flood_told_at: Option<Timestamp>,
    /// The switch for all, as far as this pipeline was told of it.
    #[serde(default, skip_serializing_if = "Switch::is_untouched")]
    pub switch: Switch,
    /// When the switch was turned, while not every pipeline was told. Only the reserved pipeline
    /// of the switch has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telling_since: Option<Timestamp>,
}

/// One stage's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Deployments that wait, oldest first.
    pub waiting: Vec<Offer>,
    /// The one deployment that is being done.
    pub active: Option<Active>,
    /// Releases that were good here and never rolled back from, oldest deployment first. The last
    /// one is last good.
    pub good: Vec<ReleaseNumber>,
    /// Releases that were rolled back here.
    pub quarantined: BTreeSet<ReleaseNumber>,
    /// What runs here as far as we brought it about; none before the first deployment and after one
    /// that ended in the unknown.
    pub runs: Option<ReleaseNumber>,
    /// The newest release that was ever begun here: nothing older goes here by itself.
    pub newest: Option<ReleaseNumber>,
    /// A freeze of this stage.
    pub freeze: Option<Freeze>,
    /// Automatic rollbacks within the last day.
    pub rollbacks: Vec<Timestamp>,
    /// Until when its alarms may take to clear after a rollback, while one still fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovers_until: Option<Timestamp>,
    /// What runs here instead of what should; while it does, nothing of ours counts as running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What others called lately, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<ApiCall>,
    /// What leaves it unprotected, as people were told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub perils: Vec<Peril>,
}

impl Stage {
    /// The newest release that is good here.
    #[must_use]
    pub fn last_good(&self) -> Option<ReleaseNumber> {
        self.good.last().copied()
    }

    /// Where leaving a release leads: the newest good release that is another one.
    #[must_use]
    pub fn good_without(&self, leaves: Option<ReleaseNumber>) -> Option<ReleaseNumber> {
        let mut newest_first = self.good.iter().rev().copied();
        newest_first.find(|good| Some(*good) != leaves)
    }

    /// The release that should run here: what does, or what it drifted from.
    #[must_use]
    pub fn should_run(&self) -> Option<ReleaseNumber> {
        let expected = self.drift.as_ref().map(|drift| drift.expected);
        self.runs.or(expected)
    }

    /// Whether something of ours happened to the target since the stage stood as `earlier`: what
    /// was seen then says nothing about now.
    #[must_use]
    pub fn has_moved_since(&self, earlier: &Self) -> bool {
        self.active.is_some()
            || earlier.active.is_some()
            || self.runs != earlier.runs
            || self.newest != earlier.newest
            || self.good != earlier.good
            || self.quarantined != earlier.quarantined
            || self.rollbacks != earlier.rollbacks
            || self.freeze != earlier.freeze
    }

    /// The stage deploys to something else now: nothing is known of what runs there.
    pub(crate) fn forget_target(&mut self) {
        self.good.clear();
        self.runs = None;
        self.newest = None;
        self.recovers_until = None;
        self.drift = None;
        self.calls.clear();
    }
}

/// A release that was offered to a stage: what a deployment is before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The deployment's id: the entry that offered it.
    pub id: EntryId,
    /// The release.
    pub release: ReleaseNumber,
    /// What it is for.
    pub purpose: Purpose,
    /// When it was offered.
    pub offered_at: Timestamp,
    /// Who said yes.
    pub approvals: Vec<Approval>,
    /// Rules a person overrode.
    pub despite: Despite,
    /// What it waits for; none before that was looked at.
    pub on: Option<WaitingOn>,
}

/// One person's yes, for exactly what was true then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: Identity,
    /// When.
    pub at: Timestamp,
    /// What ran on the stage then: the approval is void when that changed.
    pub over: Option<ReleaseNumber>,
}

/// What a deployment waits for, as a type and not as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitingOn {
    /// For the scan of its image.
    Scan {
        /// Why there is nothing to rely on; none while it may still end.
        problem: Option<String>,
    },
    /// For people to say yes.
    Approval {
        /// How many more.
        missing: u32,
        /// When the request expires.
        expires_at: Timestamp,
    },
    /// For a person to say what becomes of a drift: by `adopt`, `restore` or `promote`.
    Drift {
        /// The release that should run there.
        expected: ReleaseNumber,
    },
    /// For a freeze to end.
    Freeze {
        /// Whose.
        by: String,
        /// Why.
        reason: String,
        /// Until when; none means until thawed.
        until: Option<Timestamp>,
    },
    /// For a window to open.
    Window {
        /// When the next one does; none when there is none within a week.
        opens_at: Option<Timestamp>,
    },
    /// For alarms to clear.
    Alarm {
        /// Their names.
        names: Vec<String>,
    },
    /// For the stage to be free.
    Stage {
        /// The release that is being deployed.
        busy_with: ReleaseNumber,
    },
    /// For an earlier one in the queue.
    Turn {
        /// The release before it.
        behind: ReleaseNumber,
    },
    /// For somebody else's deployment to leave the target.
    Target {
        /// That deployment's id.
        by: String,
        /// When it is tried again.
        again_at: Timestamp,
    },
    /// For the switch for all, which cannot be read: it may be a freeze of everything.
    Switch {
        /// When it is tried again.
        again_at: Timestamp,
    },
}

/// A deployment that is being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    /// What was offered; its id is the deployment's.
    pub offer: Offer,
    /// The mark of what was last asked of the platform.
    pub attempt: EntryId,
    /// What ran before.
    pub over: Option<ReleaseNumber>,
    /// How far it is.
    pub phase: Phase,
    /// What is wrong with it, when it is bad and nothing can be done about it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condemned: Option<String>,
    /// Since when not all of the target runs what it should, when people were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_since: Option<Timestamp>,
}

/// How far a deployment is. Each carries what it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The platform was asked and has not answered.
    Starting {
        /// When it was asked.
        asked_at: Timestamp,
        /// How often.
        tries: u32,
    },
    /// The platform does it.
    InProgress {
        /// The platform's id.
        platform_id: String,
        /// The platform's time: an alarm that changed before it is not this deployment's fault.
        started_at: Timestamp,
    },
    /// The platform finished; an alarm still rolls it back.
    Baking {
        /// The platform's id.
        platform_id: String,
        /// The platform's time of its beginning.
        started_at: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// It is being undone.
    RollingBack {
        /// Why.
        cause: Cause,
        /// How.
        how: How,
        /// Where it goes.
        to: Option<ReleaseNumber>,
        /// When the platform was asked.
        asked_at: Timestamp,
        /// How often.
        tries: u32,
    },
}

/// Why a deployment is undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An alarm of the stage fired.
    Alarm {
        /// Its name.
        name: String,
    },
    /// The platform said that it failed, or undid it by itself.
    Platform {
        /// The platform's words.
        problem: String,
    },
    /// It took longer than the stage allows.
    Timeout,
    /// A person said so.
    Person {
        /// Who.
        by: Identity,
        /// Why.
        reason: String,
    },
}

impl Cause {
    /// Whether no person asked for it.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        match self {
            Self::Alarm { .. } | Self::Platform { .. } | Self::Timeout => true,
            Self::Person { .. } => false,
        }
    }
}

/// How a deployment is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// We stop it and the platform undoes it.
    Stop,
    /// We deploy an earlier release.
    Return,
    /// The platform does it by itself; we send nothing.
    Adopted,
}

/// Deployments are held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Who made it; none when a rule did.
    pub by: Option<Identity>,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when; none means until thawed.
    pub until: Option<Timestamp>,
}

impl Freeze {
    /// What a deployment waits for that it holds.
    #[must_use]
    pub fn waiting_on(&self) -> WaitingOn {
        let by = self.by.as_ref().map_or("a rule", |by| by.short());
        WaitingOn::Freeze {
            by: by.to_owned(),
            reason: self.reason.clone(),
            until: self.until,
        }
    }

    /// Whether it still holds. Only its end counts: it was made to hold from its making on.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

impl Pipeline {
    /// A service nobody has described yet.
    #[must_use]
    pub fn new(service: ServiceName) -> Self {
        Self(Arc::new(Snapshot {
            format: SNAPSHOT_FORMAT,
            service,
            seq: 0,
            head: Hash::ZERO,
            config: None,
            last_release: 0,
            releases: BTreeMap::new(),
            scans: BTreeMap::new(),
            stages: BTreeMap::new(),
            alarms: BTreeMap::new(),
            freeze: None,
            requests: Vec::new(),
            arrivals: Vec::new(),
            flood_told_at: None,
            switch: Switch::default(),
            telling_since: None,
        }))
    }
}

impl Snapshot {
    /// A stage's configuration and state, when it is configured.
    #[must_use]
    pub fn stage(&self, name: &StageName) -> Option<(&StageConfig, &Stage)> {
        Some((self.config.as_ref()?.stage(name)?, self.stages.get(name)?))
    }

    /// A release, when the snapshot still holds it.
    #[must_use]
    pub fn release(&self, number: ReleaseNumber) -> Option<&Release> {
        self.releases.get(&number).map(|release| &**release)
    }

    /// The content of a release that the snapshot holds.
    #[must_use]
    pub fn content(&self, release: ReleaseNumber) -> Option<Content> {
        self.release(release)
            .map(|release| release.artefact.content())
    }

    /// The names of a stage's alarms that fire, as far as is believed.
    #[must_use]
    pub fn firing(&self, stage: &StageConfig) -> Vec<String> {
        stage
            .alarms
            .iter()
            .filter(|arn| {
                self.alarms
                    .get(*arn)
                    .is_some_and(|seen| seen.fires(stage.missing_data))
            })
            .map(|arn| arn.name().to_owned())
            .collect()
    }

    /// The freeze that holds deployments to a stage now: its own, the service's, or everything's.
    #[must_use]
    pub fn freeze_of(&self, stage: &Stage, now: Timestamp) -> Option<Freeze> {
        [&stage.freeze, &self.freeze, &self.switch.freeze]
            .into_iter()
            .flatten()
            .find(|freeze| freeze.holds(now))
            .cloned()
    }
}
