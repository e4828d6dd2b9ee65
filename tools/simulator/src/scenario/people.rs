//! What people ask for, and who they are.

use domain::file::ServiceFile;
use domain::{Identity, ReleaseNumber, SignedDuration, StageName, Timestamp, due};
use intake::wire::Ask;

use super::Turn;

/// The people of all worlds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// May approve.
    Alice,
    /// May approve, and writes code.
    Bob,
    /// May not approve.
    Carol,
    /// Nobody that AWS has verified.
    Nobody,
}

impl Who {
    /// Their identity; none when AWS verified nobody.
    pub(crate) fn identity(self) -> Option<Identity> {
        let name = match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
            Self::Nobody => return None,
        };
        Some(Identity(format!("arn:aws:iam::111122223333:user/{name}")))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Alice => "alice",
            Self::Bob => "bob",
            Self::Carol => "carol",
            Self::Nobody => "nobody",
        }
    }
}

/// What a person wants of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Wish {
    Approve,
    Reject,
    Cancel,
    Promote,
    PromoteDespite,
    Rollback,
    RollbackFar,
    Freeze,
    FreezeAwhile,
    FreezeStage,
    FreezeInThePast,
    Thaw,
    ThawStage,
    Adopt,
    Restore,
    /// A stage that there is not.
    Lost,
}

impl Wish {
    /// The request, about a release.
    pub(crate) fn ask(self, stage: StageName, release: ReleaseNumber, now: Timestamp) -> Ask {
        let reason = || "it looks wrong".to_owned();
        let until = |minutes| Some(due::after(now, SignedDuration::from_mins(minutes)));
        let freeze = |stage, until| Ask::Freeze {
            stage,
            reason: reason(),
            until,
        };
        match self {
            Self::Approve => Ask::Approve {
                stage,
                release,
                reason: None,
            },
            Self::Reject => Ask::Reject {
                stage,
                release,
                reason: reason(),
            },
            Self::Cancel => Ask::Cancel {
                stage,
                release,
                reason: reason(),
            },
            Self::Promote | Self::PromoteDespite => {
                let despite = (self == Self::PromoteDespite).then(reason);
                Ask::Promote {
                    stage,
                    release,
                    despite_quarantine: despite.clone(),
                    despite_alarm: despite.clone(),
                    despite_findings: despite,
                }
            }
            Self::Rollback | Self::RollbackFar => Ask::Rollback {
                stage,
                to: (self == Self::RollbackFar).then_some(release),
                reason: reason(),
            },
            Self::Freeze => freeze(None, None),
            Self::FreezeAwhile => freeze(None, until(20)),
            Self::FreezeStage => freeze(Some(stage), None),
            Self::FreezeInThePast => freeze(Some(stage), until(-60)),
            Self::Thaw => Ask::Thaw { stage: None },
            Self::ThawStage => Ask::Thaw { stage: Some(stage) },
            Self::Adopt => Ask::Adopt {
                stage,
                reason: reason(),
            },
            Self::Restore => Ask::Restore { stage },
            Self::Lost => Ask::Cancel {
                stage: elsewhere().unwrap_or(stage),
                release,
                reason: reason(),
            },
        }
    }
}

fn elsewhere() -> Option<StageName> {
    "elsewhere".parse().ok()
}

/// The switch for all is to be turned.
pub(crate) fn turn(how: Turn, now: Timestamp) -> Ask {
    let freeze = |until| Ask::Freeze {
        stage: None,
        reason: "the network is being moved".to_owned(),
        until,
    };
    match how {
        Turn::Freeze => freeze(None),
        Turn::FreezeFor(minutes) => {
            freeze(Some(due::after(now, SignedDuration::from_mins(minutes))))
        }
        Turn::Thaw => Ask::Thaw { stage: None },
    }
}

/// A new configuration is asked for.
pub(crate) fn apply(file: &ServiceFile) -> Ask {
    Ask::Apply {
        file: Box::new(file.clone()),
    }
}
