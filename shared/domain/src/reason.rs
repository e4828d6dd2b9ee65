//! Reasons: why the ledger decided so. Every decision has one, above all when it does nothing.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{EntryId, ReleaseNumber, StageName};
use crate::scan::TooBad;

/// Why a decision is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    // What moves releases on.
    /// A new artefact arrived.
    NewArtefact,
    /// The release is good on the stage before.
    GoodOnStageBefore,
    /// It is the pipeline's first stage.
    FirstStage,
    /// All that the stage asks for is given.
    WayIsFree,
    /// Something still has to happen.
    NotYet,
    /// The platform reported it.
    PlatformReported,
    /// Nothing was heard of the last request in time.
    NoAnswerInTime,
    /// The bake ended without alarm.
    BakeEnded,
    /// The target runs the release everywhere.
    RunsEverywhere,
    /// A desired count of 0 proves nothing.
    NothingRuns,
    /// Not all of the target runs the release.
    RunsMixed,
    /// The target runs something else.
    RunsSomethingElse,
    /// A newer release reached the same gate.
    NewerReachedGate,
    /// The request was not answered in time.
    RequestExpired,
    /// The configuration changed.
    ConfigurationChanged,
    /// What runs on the stage changed.
    StageChanged,
    /// A person asked for it.
    PersonAsked,
    /// Found running when the service was taken over.
    FoundRunning,
    /// What runs could not be proved when the service was taken over.
    CannotBeProved,

    /// AWS recorded that somebody else made a call.
    CallRecorded,
    /// The stage drifted from what the ledger brought about.
    StageDrifted,
    /// The stage's alarms are as it needs them.
    AlarmsAsTheyShould,
    /// The stage's alarms are not as it needs them.
    AlarmsNotAsTheyShould,

    // What turns releases back.
    /// An alarm of the stage fired during deployment or bake.
    AlarmFired {
        /// Its name.
        alarm: String,
    },
    /// The platform failed the deployment.
    DeploymentFailed,
    /// The deployment took longer than the stage allows.
    DeploymentTimedOut,
    /// The platform undoes it by itself.
    PlatformRollsBack,
    /// The platform's undoing left something else running.
    UndoneElsewhere,
    /// The rollback ended.
    RollbackEnded,
    /// The rollback failed; nothing older is tried.
    RollbackEndedBadly,
    /// The release was rolled back here.
    WasRolledBack,
    /// Too many automatic rollbacks within a day.
    TooManyRollbacks,
    /// A person's rollback holds the stage until it is thawed.
    HoldAfterRollback,
    /// There is nothing good to go back to.
    NothingToReturnTo,
    /// Going back would not bring the old state back.
    Irreversible,

    // What holds.
    /// The release is older than what the stage has or waits for.
    OlderThanStage {
        /// The newer one.
        than: ReleaseNumber,
    },
    /// The release is quarantined on the stage.
    Quarantined,
    /// The image's scan found more than its source lets through.
    FindingsTooBad,
    /// The same, said to who asks for it all the same.
    Vulnerable {
        /// What was found.
        findings: TooBad,
    },
    /// An alarm was already firing.
    AlarmFiringBefore {
        /// Its name.
        alarm: String,
    },
    /// The target is occupied by somebody else's deployment.
    TargetOccupied,
    /// Whether everything is frozen cannot be read.
    SwitchUnreadable,
    /// A freeze came before it began.
    Frozen,
    /// More releases than the service's limit within a minute.
    Flood,

    // Why nothing is done.
    /// The artefact has its place in the ledger already.
    ArtefactKnown {
        /// Its release, if it became one.
        release: Option<ReleaseNumber>,
    },
    /// No service claims it.
    NobodyClaims,
    /// It cannot be deployed.
    ArtefactUnusable,
    /// Its tag is none that makes a release.
    TagNotWanted,
    /// What is believed about the alarm is as new or newer.
    AlarmStale {
        /// CloudWatch's time of what is believed.
        believed: Timestamp,
    },
    /// The alarm changed, and nothing follows from it.
    AlarmNoted,
    /// No stage of this service watches the alarm.
    AlarmNotWatched,
    /// The alarm changed before the deployment began.
    AlarmOlderThanDeployment,
    /// The bake is over: an alarm does nothing by itself.
    AfterBake,
    /// A rollback is under way.
    RollbackUnderWay,
    /// It is about an attempt that is no longer the stage's own.
    AttemptNotCurrent {
        /// The attempt.
        attempt: EntryId,
    },
    /// The switch for all was turned.
    SwitchTurned,
    /// Nothing changed.
    NothingNew,
    /// The call was recorded before.
    CallKnown,
    /// The stage has moved on since its target was looked at.
    StageMovedOn,
    /// Nothing of ours is known to run there.
    NothingToCompare,
    /// The request was done before.
    RequestKnown,
    /// Nothing is due.
    NothingDue,

    // Why a person's request is refused.
    /// The service is not configured.
    NoSuchService,
    /// The service has no such stage.
    NoSuchStage {
        /// The stage.
        stage: StageName,
    },
    /// The service has no such release.
    NoSuchRelease {
        /// The release.
        release: ReleaseNumber,
    },
    /// The release does not wait for approval there.
    NotWaiting {
        /// The release that does, if any.
        instead: Option<ReleaseNumber>,
    },
    /// The stage's gate is automatic.
    NoApprovalNeeded,
    /// The rule names nobody like this.
    NotAnApprover,
    /// The rule does not let authors approve own work.
    AuthorMayNotApprove,
    /// The rule takes no decision from Slack.
    NotFromSlack,
    /// The release was offered anew after the question that was answered.
    AskedAnew,
    /// This person approved already.
    ApprovedAlready,
    /// The request for approval has expired.
    ApprovalExpired,
    /// The release is not good on the stage before.
    NotGoodBefore {
        /// The stage before.
        stage: StageName,
    },
    /// It is there already, or on its way.
    AlreadyThere,
    /// The stage runs it already.
    RunsAlready,
    /// The release was never good there.
    NeverGood {
        /// The release.
        release: ReleaseNumber,
    },
    /// The stage did not drift.
    NotDrifted,
    /// The stage is not frozen.
    NotFrozen,
    /// It is frozen so already.
    FrozenAlready,
    /// The freeze would end before it begins.
    EndsInThePast,
    /// The configuration is for another service.
    OtherService,
    /// The configuration takes away a stage that is being deployed to.
    StageBusy {
        /// The stage.
        stage: StageName,
    },
}

/// What became of a fact, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Something was written.
    Done,
    /// Nothing had to be.
    Nothing,
    /// A person's request was refused.
    Refused,
}

impl Reason {
    /// Whether it refuses a person's request.
    #[must_use]
    pub fn refuses(&self) -> bool {
        matches!(
            self,
            Self::NoSuchService
                | Self::NoSuchStage { .. }
                | Self::NoSuchRelease { .. }
                | Self::NotWaiting { .. }
                | Self::NoApprovalNeeded
                | Self::NotAnApprover
                | Self::AuthorMayNotApprove
                | Self::NotFromSlack
                | Self::AskedAnew
                | Self::ApprovalExpired
                | Self::NotGoodBefore { .. }
                | Self::Quarantined
                | Self::Vulnerable { .. }
                | Self::NeverGood { .. }
                | Self::NothingToReturnTo
                | Self::CannotBeProved
                | Self::NotDrifted
                | Self::NotFrozen
                | Self::EndsInThePast
                | Self::OtherService
                | Self::StageBusy { .. }
        )
    }
}

impl fmt::Display for Reason {
    #[expect(clippy::too_many_lines, reason = "one line for each reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewArtefact => f.write_str("a new artefact arrived"),
            Self::GoodOnStageBefore => f.write_str("it is good on the stage before"),
            Self::FirstStage => f.write_str("it is the first stage"),
            Self::WayIsFree => f.write_str("all that the stage asks for is given"),
            Self::NotYet => f.write_str("something still has to happen first"),
            Self::PlatformReported => f.write_str("the platform reported it"),
            Self::NoAnswerInTime => f.write_str("nothing was heard of the last request in time"),
            Self::BakeEnded => f.write_str("the bake ended without alarm"),
            Self::RunsEverywhere => f.write_str("the whole target runs it"),
            Self::NothingRuns => f.write_str("nothing runs there, and that proves nothing"),
            Self::RunsMixed => f.write_str("not all of the target runs it"),
            Self::RunsSomethingElse => f.write_str("the target runs something else"),
            Self::NewerReachedGate => f.write_str("a newer release reached the same gate"),
            Self::RequestExpired => f.write_str("nobody approved it in time"),
            Self::ConfigurationChanged => f.write_str("the stage's configuration changed"),
            Self::StageChanged => f.write_str("what runs on the stage changed"),
            Self::PersonAsked => f.write_str("a person asked for it"),
            Self::FoundRunning => {
                f.write_str("it was found running when the service was taken over")
            }
            Self::CannotBeProved => f.write_str("what runs there could not be proved"),
            Self::CallRecorded => f.write_str("AWS recorded a call that somebody else made"),
            Self::StageDrifted => {
                f.write_str("the stage drifted from what the ledger brought about")
            }
            Self::AlarmsAsTheyShould => f.write_str("its alarms are as it needs them"),
            Self::AlarmsNotAsTheyShould => f.write_str("its alarms are not as it needs them"),
            Self::AlarmFired { alarm } => write!(f, "alarm {alarm} fired"),
            Self::DeploymentFailed => f.write_str("the deployment failed"),
            Self::DeploymentTimedOut => {
                f.write_str("the deployment took longer than the stage allows")
            }
            Self::PlatformRollsBack => f.write_str("the platform undoes it by itself"),
            Self::UndoneElsewhere => {
                f.write_str("after the stop something other than last good runs")
            }
            Self::RollbackEnded => f.write_str("the rollback ended"),
            Self::RollbackEndedBadly => {
                f.write_str("the rollback failed, and nothing older is tried")
            }
            Self::WasRolledBack => f.write_str("it was rolled back here"),
            Self::TooManyRollbacks => f.write_str("too many automatic rollbacks within a day"),
            Self::HoldAfterRollback => {
                f.write_str("a person's rollback holds the stage until it is thawed")
            }
            Self::NothingToReturnTo => f.write_str("there is no good release to go back to"),
            Self::Irreversible => f.write_str("going back would not bring the old state back"),
            Self::OlderThanStage { than } => write!(f, "its build is older than release {than}"),
            Self::Quarantined => f.write_str("it was rolled back on this stage and is quarantined"),
            Self::FindingsTooBad => {
                f.write_str("the scan found more than the service file lets through")
            }
            Self::Vulnerable { findings } => write!(f, "its scan found {findings}"),
            Self::AlarmFiringBefore { alarm } => {
                write!(f, "alarm {alarm} was firing before it began")
            }
            Self::TargetOccupied => f.write_str("somebody else's deployment occupies the target"),
            Self::SwitchUnreadable => {
                f.write_str("nothing new begins while the ledger cannot tell whether it may")
            }
            Self::Frozen => f.write_str("a freeze came before it began"),
            Self::Flood => f.write_str("more releases arrive than the service's limit"),
            Self::ArtefactKnown {
                release: Some(release),
            } => write!(f, "the artefact is release {release} already"),
            Self::ArtefactKnown { release: None } => {
                f.write_str("the artefact is recorded already")
            }
            Self::NobodyClaims => f.write_str("no service claims it"),
            Self::ArtefactUnusable => f.write_str("it cannot be deployed"),
            Self::TagNotWanted => f.write_str("its tag is none that makes a release"),
            Self::AlarmStale { believed } => write!(f, "a change of {believed} is known already"),
            Self::AlarmNoted => f.write_str("the alarm changed, and nothing follows from it"),
            Self::AlarmNotWatched => f.write_str("no stage of this service watches the alarm"),
            Self::AlarmOlderThanDeployment => {
                f.write_str("the alarm changed before the deployment began")
            }
            Self::AfterBake => f.write_str("the bake is over, so nothing is done by itself"),
            Self::RollbackUnderWay => f.write_str("a rollback is under way"),
            Self::AttemptNotCurrent { attempt } => {
                write!(f, "{attempt} is not what the stage is doing now")
            }
            Self::SwitchTurned => f.write_str("everything was frozen or thawed"),
            Self::NothingNew => f.write_str("nothing changed"),
            Self::CallKnown => f.write_str("the call was recorded before"),
            Self::StageMovedOn => {
                f.write_str("the stage has moved on since its target was looked at")
            }
            Self::NothingToCompare => f.write_str("nothing of ours is known to run there"),
            Self::RequestKnown => f.write_str("the request was done before"),
            Self::NothingDue => f.write_str("nothing is due"),
            Self::NoSuchService => f.write_str("the service is not configured"),
            Self::NoSuchStage { stage } => write!(f, "the service has no stage {stage}"),
            Self::NoSuchRelease { release } => write!(f, "the service has no release {release}"),
            Self::NotWaiting {
                instead: Some(instead),
            } => write!(f, "it does not wait there: release {instead} does"),
            Self::NotWaiting { instead: None } => f.write_str("it does not wait there"),
            Self::NoApprovalNeeded => f.write_str("the stage's gate is automatic"),
            Self::NotAnApprover => {
                f.write_str("the stage's rule does not name this identity as an approver")
            }
            Self::AuthorMayNotApprove => {
                f.write_str("the commit's author may not approve own work here")
            }
            Self::NotFromSlack => {
                f.write_str("the stage takes no decision from Slack; sign one with `lastgood`")
            }
            Self::AskedAnew => {
                f.write_str("the release was offered anew, and the question asked anew")
            }
            Self::ApprovedAlready => f.write_str("this identity approved it already"),
            Self::ApprovalExpired => f.write_str("the request for approval has expired"),
            Self::NotGoodBefore { stage } => write!(f, "it is not good on {stage}"),
            Self::AlreadyThere => f.write_str("it waits there or is on its way already"),
            Self::RunsAlready => f.write_str("it runs there already"),
            Self::NeverGood { release } => write!(
                f,
                "release {release} was never good there, or was rolled back"
            ),
            Self::NotDrifted => f.write_str("the stage did not drift"),
            Self::NotFrozen => f.write_str("it is not frozen"),
            Self::FrozenAlready => f.write_str("it is frozen so already"),
            Self::EndsInThePast => f.write_str("the freeze would end in the past"),
            Self::OtherService => f.write_str("the configuration is for another service"),
            Self::StageBusy { stage } => {
                write!(f, "{stage} is being deployed to; wait until that has ended")
            }
        }
    }
}
