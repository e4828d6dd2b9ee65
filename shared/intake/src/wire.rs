//! What people's requests and their answers look like on the wire. The command line writes the one
//! and reads the other with these very types; `command` the other way round. Who asks is never part
//! of it: AWS says that.

use domain::entry::Entry;
use domain::fact::{Despite, Request, RequestId};
use domain::file::{Problem, ServiceFile};
use domain::reason::Verdict;
use domain::{Reason, ReleaseNumber, ServiceName, StageName, Timestamp};
use serde::{Deserialize, Serialize};

/// Shortest request id, in characters: shorter ones would meet by accident.
pub const REQUEST_ID_LENGTH_MIN: usize = 8;
/// Longest request id, in characters.
pub const REQUEST_ID_LENGTH_MAX: usize = 64;
/// Longest reason a person gives, in characters.
pub const REASON_LENGTH_MAX: usize = 500;

/// One request about one service: `{"id":"…","service":"web","do":"approve","stage":…}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Chosen by who asks; the same request again, under the same id, is done once.
    pub id: RequestId,
    /// The service.
    pub service: ServiceName,
    /// What is asked for. Unknown fields are refused.
    #[serde(flatten)]
    pub ask: Ask,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    /// Make this the service's configuration.
    Apply {
        /// The service file, whole.
        file: Box<ServiceFile>,
    },
    /// Let a release into a stage.
    Approve {
        /// The stage.
        stage: StageName,
        /// The release: an approval is for exactly this one.
        release: ReleaseNumber,
        /// Why, if said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
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
    /// Offer a release to a stage by hand.
    Promote {
        /// The stage.
        stage: StageName,
        /// The release.
        release: ReleaseNumber,
        /// Why to deploy it although it is quarantined there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        despite_quarantine: Option<String>,
        /// Why to deploy it although an alarm fires.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        despite_alarm: Option<String>,
        /// Why to deploy it whatever the scan of its image found.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        despite_findings: Option<String>,
    },
    /// Go back, to last good or to an earlier good release.
    Rollback {
        /// The stage.
        stage: StageName,
        /// Where to; last good when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
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
    },
    /// Bring back what a drifted stage should run.
    Restore {
        /// The stage.
        stage: StageName,
    },
    /// Hold deployments.
    Freeze {
        /// The stage; all of the service when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<StageName>,
        /// Why.
        reason: String,
        /// Until when; until thawed when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// End a freeze.
    Thaw {
        /// The stage; the service's own freeze when left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stage: Option<StageName>,
    },
    /// Announce that somebody tries whether announcements arrive.
    Announce {},
}

/// Where something is asked for: each desk is a function with a URL of its own, and IAM says who
/// may come to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Desk {
    /// Saying yes or no to a release.
    Approval,
    /// Everything else.
    Command,
}

impl Desk {
    /// The function that sits there.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Command => "command",
        }
    }

    /// The output of the stack that names its URL.
    #[must_use]
    pub fn output(self) -> &'static str {
        match self {
            Self::Approval => "ApprovalUrl",
            Self::Command => "CommandUrl",
        }
    }
}

/// What has to be done to answer a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// The file is to be resolved, and what runs on its stages looked at, before there is a
    /// [`Request::Configure`] to decide on.
    Configure(Box<ServiceFile>),
    /// It can be decided on as it is.
    Decide(Request),
}

/// What is wrong with a request that is well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The id is too short, too long, or holds something else than visible ASCII.
    #[error(
        "the request id must have {REQUEST_ID_LENGTH_MIN} to {REQUEST_ID_LENGTH_MAX} characters, all visible ASCII"
    )]
    Id,
    /// A reason was left out.
    #[error("a reason is needed")]
    NoReason,
    /// A reason is too long.
    #[error("the reason has {0} characters, and the limit is {REASON_LENGTH_MAX}")]
    LongReason(usize),
    /// The file describes another service than the request names.
    #[error("the file describes {file:?}, and the request is about {service}")]
    OtherService {
        /// The file's.
        file: String,
        /// The request's.
        service: ServiceName,
    },
}

impl Command {
    /// Checks what types alone do not say. The command line can do so before it sends.
    ///
    /// # Errors
    /// Names the first thing that is wrong.
    pub fn check(&self) -> Result<(), CommandError> {
        let id = self.id.0.as_str();
        let fits = (REQUEST_ID_LENGTH_MIN..=REQUEST_ID_LENGTH_MAX).contains(&id.len());
        if !fits || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CommandError::Id);
        }
        if let Ask::Apply { file } = &self.ask
            && file.service != self.service.as_str()
        {
            let (file, service) = (file.service.clone(), self.service.clone());
            return Err(CommandError::OtherService { file, service });
        }
        self.ask.reasons().try_for_each(check_reason)
    }
}

impl Ask {
    /// Where it is asked for.
    #[must_use]
    pub fn desk(&self) -> Desk {
        match self {
            Self::Approve { .. } | Self::Reject { .. } => Desk::Approval,
            Self::Apply { .. }
            | Self::Promote { .. }
            | Self::Rollback { .. }
            | Self::Cancel { .. }
            | Self::Adopt { .. }
            | Self::Restore { .. }
            | Self::Freeze { .. }
            | Self::Thaw { .. }
            | Self::Announce {} => Desk::Command,
        }
    }

    /// All reasons that are given.
    fn reasons(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::Apply { .. } | Self::Restore { .. } | Self::Thaw { .. } | Self::Announce {} => {
                [None; 3]
            }
            Self::Approve { reason, .. } => [reason.as_deref(), None, None],
            Self::Promote {
                despite_quarantine,
                despite_alarm,
                despite_findings,
                ..
            } => [
                despite_quarantine.as_deref(),
                despite_alarm.as_deref(),
                despite_findings.as_deref(),
            ],
            Self::Reject { reason, .. }
            | Self::Rollback { reason, .. }
            | Self::Cancel { reason, .. }
            | Self::Adopt { reason, .. }
            | Self::Freeze { reason, .. } => [Some(reason.as_str()), None, None],
        };
        all.into_iter().flatten()
    }

    /// What has to be done to answer it.
    #[must_use]
    pub fn errand(self) -> Errand {
        let request = match self {
            Self::Apply { file } => return Errand::Configure(file),
            Self::Approve {
                stage,
                release,
                reason,
            } => Request::Approve {
                stage,
                release,
                reason,
            },
            Self::Reject {
                stage,
                release,
                reason,
            } => Request::Reject {
                stage,
                release,
                reason,
            },
            Self::Promote {
                stage,
                release,
                despite_quarantine,
                despite_alarm,
                despite_findings,
            } => {
                let despite = Despite {
                    quarantine: despite_quarantine,
                    alarm: despite_alarm,
                    findings: despite_findings,
                    drift: None,
                };
                Request::Promote {
                    stage,
                    release,
                    despite,
                }
            }
            Self::Rollback { stage, to, reason } => Request::Rollback { stage, to, reason },
            Self::Cancel {
                stage,
                release,
                reason,
            } => Request::Cancel {
                stage,
                release,
                reason,
            },
            Self::Adopt { stage, reason } => Request::Adopt {
                stage,
                reason,
                found: None,
            },
            Self::Restore { stage } => Request::Restore { stage },
            Self::Freeze {
                stage,
                reason,
                until,
            } => Request::Freeze {
                stage,
                reason,
                until,
            },
            Self::Thaw { stage } => Request::Thaw { stage },
            Self::Announce {} => Request::Announce,
        };
        Errand::Decide(request)
    }
}

fn check_reason(reason: &str) -> Result<(), CommandError> {
    if reason.trim().is_empty() {
        return Err(CommandError::NoReason);
    }
    match reason.chars().count() {
        length if length > REASON_LENGTH_MAX => Err(CommandError::LongReason(length)),
        _ => Ok(()),
    }
}

/// What the ledger decided on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether something was done, nothing had to be, or it was refused.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What was written, in order.
    pub entries: Vec<Entry>,
}

/// Why there is no [`Answer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong, as a lower-case fragment.
    pub error: String,
    /// What is wrong in the service file, when that is the trouble.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Command, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_request_is_one_flat_object() {
        let json =
            r#"{"id":"4f9c2a1b","service":"web","do":"approve","stage":"production","release":17}"#;
        let command = read(json).unwrap();
        assert_eq!(serde_json::to_string(&command).unwrap(), json);
        assert_eq!(command.check(), Ok(()));
        assert!(matches!(
            command.ask.errand(),
            Errand::Decide(Request::Approve { .. })
        ));
    }

    #[test]
    fn an_unknown_field_is_refused_because_it_may_be_a_misspelt_one() {
        let json = r#"{"id":"4f9c2a1b","service":"web","do":"promote","stage":"dev","release":1,"despite_alarn":"fix"}"#;
        assert!(
            read(json)
                .unwrap_err()
                .to_string()
                .contains("despite_alarn")
        );
        let json = r#"{"id":"4f9c2a1b","service":"web","do":"thaw","by":"arn:aws:iam::1:root"}"#;
        assert!(read(json).is_err(), "nobody can say who they are");
    }

    #[test]
    fn ids_and_reasons_are_checked() {
        let rollback = |id: &str, reason: &str| Command {
            id: RequestId(id.to_owned()),
            service: "web".parse().unwrap(),
            ask: Ask::Rollback {
                stage: "production".parse().unwrap(),
                to: None,
                reason: reason.to_owned(),
            },
        };
        assert_eq!(rollback("12345678", "errors").check(), Ok(()));
        for id in ["", "1234567", "12345678 ", "1234567é", &"x".repeat(65)] {
            assert_eq!(
                rollback(id, "errors").check(),
                Err(CommandError::Id),
                "{id:?}"
            );
        }
        assert_eq!(
            rollback("12345678", " ").check(),
            Err(CommandError::NoReason)
        );
        let longest = rollback("12345678", &"é".repeat(REASON_LENGTH_MAX)).check();
        assert_eq!(longest, Ok(()), "in characters");
        let long = rollback("12345678", &"x".repeat(REASON_LENGTH_MAX + 1)).check();
        assert_eq!(long, Err(CommandError::LongReason(REASON_LENGTH_MAX + 1)));
    }

    #[test]
    fn a_file_must_describe_the_service_that_is_meant() {
        let json = r#"{"id":"4f9c2a1b","service":"web","do":"apply","file":
            {"service":"checkout","artefact":{"s3":{"bucket":"b"}},"stages":[]}}"#;
        let wrong = read(json).unwrap().check().unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "the file describes \"checkout\", and the request is about web"
        );
    }
}
