//! One release on one stage, as a channel knows it: where it stands, and the message that shows it.

use domain::entry::{Call, Drop, Entry, Purpose, What};
use domain::pipeline::WaitingOn;
use domain::{EntryId, ReleaseNumber, StageName, Timestamp};
use serde::{Deserialize, Serialize};

/// A message of Slack's: its `ts`, unique within its channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub String);

/// One release on one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The stage.
    pub stage: StageName,
    /// The release.
    pub release: ReleaseNumber,
    /// The message that shows it; none while the channel was not told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<MessageId>,
    /// Where it stands.
    pub standing: Standing,
    /// Since when.
    pub since: Timestamp,
    /// Who approved it, in the short form of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved_by: Vec<String>,
}

/// Where a release stands on a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It was offered, and nothing more is known.
    Offered,
    /// It waits for people.
    Asks {
        /// How many more.
        missing: u32,
        /// When the question expires.
        expires_at: Timestamp,
        /// The entry that asks.
        asked: EntryId,
    },
    /// It waits for something that passes by itself.
    Waits {
        /// For what, in words.
        on: String,
    },
    /// It is not offered by itself.
    HeldBack,
    /// It is being deployed.
    Deploying,
    /// It is deployed, and an alarm still rolls it back.
    Baking {
        /// Until when.
        until: Timestamp,
    },
    /// It is good.
    Good,
    /// It is deployed, and not proved good.
    Unproven,
    /// It failed, and nothing undid it.
    Failed {
        /// What went wrong.
        problem: String,
    },
    /// It is being undone.
    RollingBack {
        /// Where it goes, when that is known.
        to: Option<ReleaseNumber>,
    },
    /// It was undone.
    RolledBack {
        /// What runs now, when that is known.
        to: Option<ReleaseNumber>,
    },
    /// Undoing it failed.
    RollbackFailed {
        /// What went wrong.
        problem: String,
    },
    /// It ended before it began; how, in words.
    Ended {
        /// In words, such as `rejected by alice`.
        how: String,
    },
}

/// What one entry does to a card.
pub(crate) enum Step {
    /// It stands there now.
    To(Standing),
    /// Somebody said yes.
    Approved(String),
    /// What was said counts no more.
    Voided,
    /// Nothing; it is only told.
    Told,
}

impl Card {
    pub(crate) fn new(stage: StageName, release: ReleaseNumber, since: Timestamp) -> Self {
        Self {
            stage,
            release,
            message: None,
            standing: Standing::Offered,
            since,
            approved_by: Vec::new(),
        }
    }

    /// Takes a step, and says whether it stands elsewhere now; the same step again changes nothing.
    pub(crate) fn take(&mut self, step: Step, at: Timestamp) -> bool {
        match step {
            Step::To(standing) if self.standing == standing => false,
            Step::To(standing) => {
                self.since = at;
                self.standing = standing;
                true
            }
            Step::Approved(by) if self.approved_by.contains(&by) => false,
            Step::Approved(by) => {
                self.approved_by.push(by);
                true
            }
            Step::Voided => {
                self.approved_by.clear();
                true
            }
            Step::Told => false,
        }
    }

    /// Whether nothing more is expected to happen to it.
    pub(crate) fn is_over(&self) -> bool {
        match &self.standing {
            Standing::Good
            | Standing::HeldBack
            | Standing::Unproven
            | Standing::Failed { .. }
            | Standing::RolledBack { .. }
            | Standing::RollbackFailed { .. }
            | Standing::Ended { .. } => true,
            Standing::Offered
            | Standing::Asks { .. }
            | Standing::Waits { .. }
            | Standing::Deploying
            | Standing::Baking { .. }
            | Standing::RollingBack { .. } => false,
        }
    }
}

/// Which release on which stage an entry is about, and what it does to its card.
#[expect(clippy::too_many_lines, reason = "one arm for each entry")]
pub(crate) fn step(entry: &Entry, id: &EntryId) -> Option<(StageName, ReleaseNumber, Step)> {
    let to = |stage: &StageName, release: &ReleaseNumber, standing| {
        Some((stage.clone(), *release, Step::To(standing)))
    };
    match &entry.what {
        What::HeldBack { stage, release } => to(stage, release, Standing::HeldBack),
        What::Offered {
            stage,
            release,
            purpose,
            ..
        } => match purpose {
            Purpose::Release => to(stage, release, Standing::Offered),
            Purpose::Rollback => to(stage, release, Standing::Deploying),
        },
        What::Waits {
            stage, release, on, ..
        } => to(stage, release, waits(on, id)),
        What::Approved {
            stage, release, by, ..
        } => Some((
            stage.clone(),
            *release,
            Step::Approved(by.short().to_owned()),
        )),
        What::ApprovalsVoided { stage, release, .. } => {
            Some((stage.clone(), *release, Step::Voided))
        }
        What::Dropped {
            stage,
            release,
            end,
            ..
        } => to(stage, release, Standing::Ended { how: ended(end) }),
        What::StartAsked { order, .. } => to(&order.stage, &order.release, Standing::Deploying),
        What::BakeBegun {
            stage,
            release,
            until,
            ..
        } => to(stage, release, Standing::Baking { until: *until }),
        What::Succeeded { stage, release, .. } => to(stage, release, Standing::Good),
        What::Unproven { stage, release, .. } => to(stage, release, Standing::Unproven),
        What::Failed {
            stage,
            release,
            problem,
            ..
        } => to(stage, release, failed(problem)),
        What::StopAsked {
            release,
            to: back,
            order,
            ..
        } => to(
            &order.stage,
            release,
            Standing::RollingBack { to: Some(*back) },
        ),
        What::ReturnAsked { release, order, .. } => {
            let back = Some(order.release);
            to(&order.stage, release, Standing::RollingBack { to: back })
        }
        What::RollbackAdopted { stage, release, .. } => {
            to(stage, release, Standing::RollingBack { to: None })
        }
        What::RolledBack {
            stage,
            release,
            to: back,
            ..
        } => to(stage, release, Standing::RolledBack { to: *back }),
        What::RollbackFailed {
            stage,
            release,
            problem,
            ..
        } => {
            let problem = problem.clone();
            to(stage, release, Standing::RollbackFailed { problem })
        }
        What::Begun { stage, release, .. }
        | What::AlarmAfterBake { stage, release, .. }
        | What::MixtureSeen { stage, release, .. }
        | What::Drifted {
            stage,
            expected: release,
            ..
        }
        | What::DriftEnded { stage, release } => Some((stage.clone(), *release, Step::Told)),
        What::PersonCalled { stage, call } => Some((stage.clone(), called(call)?, Step::Told)),
        What::Configured { .. }
        | What::Unclaimed { .. }
        | What::ArtefactRejected { .. }
        | What::Released { .. }
        | What::Recalled { .. }
        | What::Scanned { .. }
        | What::Adopted { .. }
        | What::NothingToAdopt { .. }
        | What::Flooded { .. }
        | What::Overridden { .. }
        | What::Quarantined { .. }
        | What::Frozen { .. }
        | What::Thawed { .. }
        | What::Switched { .. }
        | What::SwitchNoted { .. }
        | What::AllTold { .. }
        | What::TestAnnounced { .. }
        | What::CallSeen { .. }
        | What::Unprotected { .. }
        | What::Protected { .. }
        | What::AlarmNoted { .. } => None,
    }
}

fn failed(problem: &str) -> Standing {
    Standing::Failed {
        problem: problem.to_owned(),
    }
}

fn called(call: &Call) -> Option<ReleaseNumber> {
    match call {
        Call::NothingToReturnTo { release, .. }
        | Call::Irreversible { release, .. }
        | Call::RunsSomethingElse { release }
        | Call::ActionRefused { release, .. } => Some(*release),
        Call::RollbackFailed { .. }
        | Call::StillFiring { .. }
        | Call::TooManyRollbacks { .. }
        | Call::ReturnedElsewhere { .. }
        | Call::LateAction { .. } => None,
    }
}

fn waits(on: &WaitingOn, id: &EntryId) -> Standing {
    let on = match on {
        WaitingOn::Approval {
            missing,
            expires_at,
        } => {
            return Standing::Asks {
                missing: *missing,
                expires_at: *expires_at,
                asked: id.clone(),
            };
        }
        WaitingOn::Scan { problem: None } => "for the scan of its image".to_owned(),
        WaitingOn::Scan {
            problem: Some(problem),
        } => format!("for a scan of its image to rely on: {problem}"),
        WaitingOn::Drift { expected } => {
            format!("until somebody adopts the stage's drift from release {expected}, or ends it")
        }
        WaitingOn::Freeze { by, reason, .. } => format!("for {by}'s freeze to end: {reason}"),
        WaitingOn::Window { .. } => "for its window to open".to_owned(),
        WaitingOn::Alarm { names } => format!("for alarms to clear: {}", names.join(", ")),
        WaitingOn::Stage { busy_with } => format!("until release {busy_with} is done"),
        WaitingOn::Turn { behind } => format!("behind release {behind}"),
        WaitingOn::Target { by, .. } => {
            format!("for somebody else's deployment {by} to leave the target")
        }
        WaitingOn::Switch { .. } => "until it can be read whether everything is frozen".to_owned(),
    };
    Standing::Waits { on }
}

fn ended(end: &Drop) -> String {
    match end {
        Drop::Superseded { by } => format!("superseded by release {by}"),
        Drop::Rejected { by, reason } => format!("rejected by {}: {reason}", by.short()),
        Drop::Expired => "not approved in time".to_owned(),
        Drop::Cancelled { by, reason } => format!("cancelled by {}: {reason}", by.short()),
        Drop::Vulnerable(findings) => format!("refused: its scan found {findings}"),
        Drop::StageRemoved => "ended: the stage was removed".to_owned(),
    }
}
