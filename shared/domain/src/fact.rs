//! Facts: what happened outside, complete enough to decide on. Each is about one pipeline and has a
//! natural key, so that applying it twice changes nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alarm::AlarmSeen;
use crate::artefact::{Artefact, BuildFacts, Content};
use crate::config::ServiceConfig;
use crate::drift::ApiCall;
use crate::name::{EntryId, Identity, ReleaseNumber, StageName};
use crate::peril::Reflexes;
use crate::pipeline::{Freeze, Stage};
use crate::question::{Choice, Question};
use crate::scan::Scanned;
use crate::switch::Switch;

/// What happened outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// An artefact is there. Its key: [`Artefact::id`].
    Artefact(ArtefactFound),
    /// An image's scan was looked for. Its key: the image and what the scan came to.
    Scanned(Scanned),
    /// An alarm changed. Its key: the alarm and CloudWatch's time of the change.
    Alarm(AlarmSeen),
    /// What is true about one attempt on one stage. Its key: the attempt and what it came to.
    Observed(Observed),
    /// What the platform answered when `deployer` carried out an entry. Its key: the entry.
    Acted(Acted),
    /// A person asks. Its key: the request's id.
    Asked(Asked),
    /// The switch for all was turned. Its key: the entry that turned it.
    Switched(Switch),
    /// Every pipeline was told of a turn of the switch. Its key: the entry that turned it.
    AllTold {
        /// That entry's number.
        turned: u64,
    },
    /// Somebody else changed a stage's target, or tried to. Its key: CloudTrail's id of the call.
    Called(Called),
    /// What a stage that does nothing really runs. Its key: the stage and what was seen.
    Compared(Compared),
    /// How a stage's alarms are set up. Its key: the stage and what was seen.
    Inspected(Inspected),
    /// Time passed. Applying it twice changes nothing because what was due is done.
    TimePassed,
}

/// An artefact that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtefactFound {
    /// The artefact.
    pub artefact: Artefact,
    /// What its build said.
    pub build: BuildFacts,
    /// Whether it can be deployed.
    pub proof: Proof,
}

/// Whether an artefact was proved deployable, before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The object's checksum matches and its archive holds one appspec in its root; or the image's
    /// digest exists and is not archived.
    Deployable,
    /// It cannot be deployed; why, for people.
    Unusable(String),
}

/// What is true about one attempt on one stage, as the platform says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The stage.
    pub stage: StageName,
    /// The entry whose action was looked for.
    pub attempt: EntryId,
    /// How far it is.
    pub progress: Progress,
    /// What the target runs.
    pub running: Running,
    /// The stage's alarms, asked at the same time.
    pub alarms: Vec<AlarmSeen>,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// The platform knows no attempt with that mark.
    NotFound,
    /// It is being done.
    Underway {
        /// The platform's id.
        platform_id: String,
        /// The platform's time of its beginning.
        started_at: Timestamp,
    },
    /// Our own deployment's id ended well.
    Succeeded {
        /// The platform's id.
        platform_id: String,
        /// The platform's time of its beginning.
        started_at: Timestamp,
    },
    /// It ended badly and nothing undoes it.
    Failed {
        /// The platform's id.
        platform_id: String,
        /// The platform's words.
        why: String,
    },
    /// The platform is undoing it: by itself, or because we asked.
    Undoing {
        /// The platform's id.
        platform_id: String,
        /// The platform's words.
        why: String,
    },
    /// The platform has undone it.
    Undone {
        /// The platform's id.
        platform_id: String,
        /// The platform's words.
        why: String,
    },
}

/// What a target runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Running {
    /// Every task or instance runs this.
    All(Content),
    /// They differ.
    Mixed(Vec<Content>),
    /// Nothing runs: a desired count of 0, or no instance. It proves nothing.
    Nothing,
    /// It cannot be told.
    Unknown,
}

/// What the platform answered to an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acted {
    /// The stage.
    pub stage: StageName,
    /// The attempt that was acted on.
    pub attempt: EntryId,
    /// The answer.
    pub answer: Answer,
}

/// The platform's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A deployment was begun, or found to have been begun before.
    Begun {
        /// The platform's id.
        platform_id: String,
        /// The platform's time of its beginning.
        started_at: Timestamp,
    },
    /// A stop was accepted, or nothing is left to stop: what became of it is to be observed.
    Stopping,
    /// A stop found that nothing had ever been begun.
    NeverBegun,
    /// Nothing was begun because a freeze came first.
    Frozen(Freeze),
    /// Nothing was begun because the switch for all cannot be read.
    Withheld,
    /// Nothing was begun because an alarm fires right now.
    Held(AlarmSeen),
    /// Nothing was begun because somebody else's deployment occupies the target.
    Occupied {
        /// That deployment's id.
        by: String,
    },
    /// It can never be done; why, for people.
    Refused(String),
}

/// A call by somebody else, about one stage's target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The stage.
    pub stage: StageName,
    /// The call.
    pub call: ApiCall,
}

/// What a stage's target was seen to run while nothing of ours was done there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The stage.
    pub stage: StageName,
    /// The stage as it stood when the target was looked at: of any other, this says nothing.
    pub over: Box<Stage>,
    /// What the target runs.
    pub running: Running,
}

/// What protects a stage, as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The stage.
    pub stage: StageName,
    /// Its alarms: one that is missing does not exist.
    pub alarms: Vec<AlarmSeen>,
    /// What its target does by itself; none when that could not be looked at.
    pub reflexes: Option<Reflexes>,
}

/// A person's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The asker's own id for it: the same request again is done once.
    pub id: RequestId,
    /// Who asks, as AWS verified it.
    pub by: Identity,
    /// What for.
    pub request: Request,
}

/// A request's id, chosen by who asks; 8 to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub String);

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Make this the service's configuration.
    Configure {
        /// The whole of it.
        config: Box<ServiceConfig>,
        /// What runs on its stages now, where that can be proved.
        found: Vec<Found>,
    },
    /// Let a release into a stage.
    Approve {
        /// The stage.
        stage: StageName,
        /// The release: an approval is for exactly this one.
        release: ReleaseNumber,
        /// Why, if said.
        reason: Option<String>,
    },
    /// Refuse a release a stage.
    Reject {
        /// The stage.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
        /// Why.
        reason: String,
    },
    /// Answer a gate's question with a button in a chat.
    Press(Press),
    /// Offer a release to a stage by hand.
    Promote {
        /// The stage.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
        /// Rules that are overridden, each with a reason.
        despite: Despite,
    },
    /// Go back, to last good or to an earlier good release.
    Rollback {
        /// The stage.
        stage: StageName,
        /// Where to; none means last good.
        to: Option<ReleaseNumber>,
        /// Why.
        reason: String,
    },
    /// End a deployment that waits.
    Cancel {
        /// The stage.
        stage: StageName,
        /// The release that waits.
        release: ReleaseNumber,
        /// Why.
        reason: String,
    },
    /// Take what a drifted stage runs for what it should run.
    Adopt {
        /// The stage.
        stage: StageName,
        /// Why.
        reason: String,
        /// What could be proved to run there.
        found: Option<Box<Artefact>>,
    },
    /// Bring back what a drifted stage should run.
    Restore {
        /// The stage.
        stage: StageName,
    },
    /// Hold deployments. Asked of [`EVERYTHING`](crate::name::EVERYTHING), of every service.
    Freeze {
        /// The stage; none means all of the service.
        stage: Option<StageName>,
        /// Why.
        reason: String,
        /// Until when; none means until thawed.
        until: Option<Timestamp>,
    },
    /// End a freeze.
    Thaw {
        /// The stage; none means the service's own freeze.
        stage: Option<StageName>,
    },
    /// Announce that somebody tries whether announcements arrive. May be asked of
    /// [`EVERYTHING`](crate::name::EVERYTHING) as of any service.
    Announce,
}

/// A button in a chat that was pressed. The chat signed for its user, and the stack's settings say
/// whose identity that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Press {
    /// What it answers.
    pub question: Question,
    /// The answer.
    pub choice: Choice,
    /// The chat's own id of who pressed it, for the record.
    pub user: String,
}

/// What runs on a stage when a service is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The stage.
    pub stage: StageName,
    /// What could be proved to run there.
    pub artefact: Option<Artefact>,
    /// Why the target could not be looked at, in AWS's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The stage's alarms as they are.
    pub alarms: Vec<AlarmSeen>,
}

/// Rules a person overrides, each with a reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Despite {
    /// Deploy although the release is quarantined there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// Deploy although an alarm fires: how a fix is shipped into a fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<String>,
    /// Deploy although the image's scan found too much, or nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<String>,
    /// Deploy although the stage drifted: over what somebody put there by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
}
