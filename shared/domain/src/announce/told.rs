//! Which entries are told, how loudly, and in which words: one arm for each.

use super::{Severity, drift};
use crate::entry::{Call, Drop, Purpose, What};
use crate::name::{ReleaseNumber, ServiceName, StageName};
use crate::pipeline::{Freeze, WaitingOn};

pub(super) struct Told {
    pub(super) kind: &'static str,
    pub(super) severity: Severity,
    pub(super) stage: Option<StageName>,
    pub(super) release: Option<ReleaseNumber>,
    pub(super) headline: String,
    pub(super) detail: Option<String>,
    pub(super) next: Option<String>,
}

pub(super) fn about(
    kind: &'static str,
    severity: Severity,
    stage: &StageName,
    release: ReleaseNumber,
    headline: impl Into<String>,
) -> Told {
    Told {
        kind,
        severity,
        stage: Some(stage.clone()),
        release: Some(release),
        headline: headline.into(),
        detail: None,
        next: None,
    }
}

pub(super) fn plain(kind: &'static str, severity: Severity, headline: impl Into<String>) -> Told {
    Told {
        kind,
        severity,
        stage: None,
        release: None,
        headline: headline.into(),
        detail: None,
        next: None,
    }
}

#[expect(clippy::too_many_lines, reason = "one arm for each entry that is told")]
pub(super) fn told(service: &ServiceName, what: &What) -> Option<Told> {
    use Severity::{Alert, Attention, Info, Urgent};
    Some(match what {
        What::Configured { .. } => plain("configured", Info, "configuration applied"),
        What::Unclaimed { artefact } => Told {
            next: Some("describe a service for it, or stop putting it there".to_owned()),
            ..plain("unclaimed", Attention, format!("nobody claims {artefact}"))
        },
        What::ArtefactRejected {
            artefact, problem, ..
        } => Told {
            detail: Some(problem.clone()),
            ..plain(
                "artefact-rejected",
                Alert,
                format!("{artefact} cannot be deployed"),
            )
        },
        What::NothingToAdopt { stage, problem } => Told {
            stage: Some(stage.clone()),
            detail: problem.clone(),
            ..plain(
                "nothing-to-adopt",
                Attention,
                "the first deployment has nothing to return to",
            )
        },
        What::Flooded { count } => {
            plain("flood", Alert, format!("{count} releases within a minute"))
        }
        What::HeldBack { stage, release } => {
            about("held-back", Info, stage, *release, "not offered by itself")
        }
        What::Waits {
            stage,
            release,
            on: WaitingOn::Approval { missing, .. },
            ..
        } => Told {
            next: Some(format!("lastgood approve {service} {stage} {release}")),
            ..about(
                "approval",
                Attention,
                stage,
                *release,
                match missing {
                    1 => "waits for an approval".to_owned(),
                    missing => format!("waits for {missing} approvals"),
                },
            )
        },
        What::Waits {
            stage,
            release,
            on: WaitingOn::Target { by, .. },
            ..
        } => about(
            "occupied",
            Attention,
            stage,
            *release,
            format!("somebody else's deployment {by} occupies the target"),
        ),
        What::Waits {
            stage,
            release,
            on: WaitingOn::Switch { .. },
            ..
        } => Told {
            next: Some(
                "nothing while Lastgood is being updated; else read the log of deployer".to_owned(),
            ),
            ..about(
                "withheld",
                Attention,
                stage,
                *release,
                "is not begun: whether everything is frozen cannot be read",
            )
        },
        What::Waits {
            stage,
            release,
            on: WaitingOn::Scan {
                problem: Some(problem),
            },
            ..
        } => Told {
            detail: Some(problem.clone()),
            next: Some(despite_findings(service, stage, *release)),
            ..about(
                "scan",
                Attention,
                stage,
                *release,
                "waits for a scan of its image, and there is none to rely on",
            )
        },
        What::Approved {
            stage,
            release,
            by,
            reason,
            ..
        } => Told {
            detail: reason.clone(),
            ..about(
                "approved",
                Info,
                stage,
                *release,
                format!("approved by {}", by.short()),
            )
        },
        What::ApprovalsVoided { stage, release, .. } => about(
            "approval",
            Attention,
            stage,
            *release,
            "approvals given so far count no more",
        ),
        What::Dropped {
            stage,
            release,
            end,
            ..
        } => dropped(service, stage, *release, end),
        What::StartAsked { order, .. } => about(
            "started",
            Info,
            &order.stage,
            order.release,
            "is being deployed",
        ),
        What::Succeeded { stage, release, .. } => {
            about("succeeded", Info, stage, *release, "is good")
        }
        What::Unproven { stage, release, .. } => about(
            "unproven",
            Attention,
            stage,
            *release,
            "deployed, and not proved good",
        ),
        What::Failed {
            stage,
            release,
            problem,
            ..
        } => Told {
            detail: Some(problem.clone()),
            ..about("failed", Alert, stage, *release, "failed")
        },
        What::StopAsked {
            release, to, order, ..
        } => about(
            "rolling-back",
            Alert,
            &order.stage,
            *release,
            format!("is rolled back to release {to}"),
        ),
        What::ReturnAsked { release, order, .. } => about(
            "rolling-back",
            Alert,
            &order.stage,
            *release,
            format!("is rolled back to release {}", order.release),
        ),
        What::RollbackAdopted {
            stage,
            release,
            problem,
            ..
        } => Told {
            detail: Some(problem.clone()),
            ..about(
                "rolling-back",
                Alert,
                stage,
                *release,
                "the platform rolls it back",
            )
        },
        What::RolledBack {
            stage, release, to, ..
        } => about(
            "rolled-back",
            Alert,
            stage,
            *release,
            to.map_or_else(
                || "rolled back".to_owned(),
                |to| format!("rolled back, release {to} runs"),
            ),
        ),
        What::RollbackFailed {
            stage,
            release,
            problem,
            ..
        } => Told {
            detail: Some(problem.clone()),
            ..about(
                "rollback-failed",
                Urgent,
                stage,
                *release,
                "the rollback failed",
            )
        },
        What::Frozen { stage, freeze } => Told {
            stage: stage.clone(),
            ..frozen(freeze)
        },
        What::Switched { switch } => match &switch.freeze {
            Some(freeze) => frozen(freeze),
            None => plain("thawed", Info, "thawed"),
        },
        What::Thawed { stage } => Told {
            stage: stage.clone(),
            ..plain("thawed", Info, "thawed")
        },
        What::TestAnnounced { by } => Told {
            next: Some("nothing: who reads this hears what is announced".to_owned()),
            ..plain(
                "test",
                Attention,
                format!("a test announcement, asked for by {}", by.short()),
            )
        },
        What::AlarmAfterBake {
            stage,
            release,
            seen,
        } => Told {
            detail: Some(seen.reason.clone()),
            next: Some(format!(
                "lastgood rollback {service} {stage} --reason \"{} fired\"",
                seen.alarm.name()
            )),
            ..about(
                "alarm",
                Alert,
                stage,
                *release,
                format!("alarm {} fired after the bake", seen.alarm.name()),
            )
        },
        What::MixtureSeen { stage, release, .. } => about(
            "mixture",
            Alert,
            stage,
            *release,
            "not all of the target runs it",
        ),
        What::PersonCalled { stage, call } => called(stage, call),
        What::Offered {
            stage,
            release,
            purpose: Purpose::Rollback,
            ..
        } => about(
            "rolling-back",
            Alert,
            stage,
            *release,
            "a person rolls back to it",
        ),
        What::CallSeen { stage, call } => drift::called(stage, call),
        What::Unprotected { stage, perils } => drift::unprotected(stage, perils),
        What::Protected { stage } => drift::protected(stage),
        What::Drifted {
            stage,
            expected,
            others,
            by,
        } => drift::drifted(service, stage, *expected, others, by.as_ref()),
        What::DriftEnded { stage, release } => drift::ended(stage, *release),
        What::Adopted {
            stage,
            release,
            reason: Some(reason),
        } => drift::adopted(stage, *release, reason),
        What::Released { .. }
        | What::Recalled { .. }
        | What::Scanned { .. }
        | What::Adopted { .. }
        | What::Offered { .. }
        | What::Overridden { .. }
        | What::Waits { .. }
        | What::Begun { .. }
        | What::BakeBegun { .. }
        | What::Quarantined { .. }
        | What::SwitchNoted { .. }
        | What::AllTold { .. }
        | What::AlarmNoted { .. } => return None,
    })
}

fn frozen(freeze: &Freeze) -> Told {
    Told {
        detail: Some(freeze.reason.clone()),
        ..plain("frozen", Severity::Attention, "frozen")
    }
}

/// The command that deploys an image whatever its scan says.
fn despite_findings(service: &ServiceName, stage: &StageName, release: ReleaseNumber) -> String {
    format!("lastgood promote {service} {stage} {release} --despite-findings \"…\"")
}

fn dropped(service: &ServiceName, stage: &StageName, release: ReleaseNumber, end: &Drop) -> Told {
    match end {
        Drop::Superseded { by } => about(
            "superseded",
            Severity::Info,
            stage,
            release,
            format!("superseded by release {by}"),
        ),
        Drop::Rejected { by, reason } => Told {
            detail: Some(reason.clone()),
            ..about(
                "rejected",
                Severity::Info,
                stage,
                release,
                format!("rejected by {}", by.short()),
            )
        },
        Drop::Expired => about(
            "expired",
            Severity::Attention,
            stage,
            release,
            "nobody approved it in time",
        ),
        Drop::Cancelled { by, reason } => Told {
            detail: Some(reason.clone()),
            ..about(
                "cancelled",
                Severity::Info,
                stage,
                release,
                format!("cancelled by {}", by.short()),
            )
        },
        Drop::Vulnerable(findings) => Told {
            detail: Some(findings.to_string()),
            next: Some(despite_findings(service, stage, release)),
            ..about(
                "vulnerable",
                Severity::Alert,
                stage,
                release,
                "is not deployed: its scan found too much",
            )
        },
        Drop::StageRemoved => about(
            "cancelled",
            Severity::Info,
            stage,
            release,
            "the stage was removed",
        ),
    }
}

fn called(stage: &StageName, call: &Call) -> Told {
    let urgent = |release: Option<ReleaseNumber>, headline: String, detail: Option<String>| Told {
        stage: Some(stage.clone()),
        release,
        detail,
        ..plain("person-called", Severity::Urgent, headline)
    };
    match call {
        Call::NothingToReturnTo { release, problem } => urgent(
            Some(*release),
            "bad, with nothing to go back to".to_owned(),
            Some(problem.clone()),
        ),
        Call::Irreversible { release, problem } => urgent(
            Some(*release),
            "bad, and marked as irreversible: not rolled back by itself".to_owned(),
            Some(problem.clone()),
        ),
        Call::RollbackFailed { to, problem } => urgent(
            Some(*to),
            "the rollback to it failed".to_owned(),
            Some(problem.clone()),
        ),
        Call::StillFiring { alarms } => {
            urgent(None, format!("still firing: {}", alarms.join(", ")), None)
        }
        Call::TooManyRollbacks { count } => urgent(
            None,
            format!("{count} automatic rollbacks within a day: frozen"),
            None,
        ),
        Call::ReturnedElsewhere { expected } => urgent(
            Some(*expected),
            "the platform went back to something else".to_owned(),
            None,
        ),
        Call::RunsSomethingElse { release } => urgent(
            Some(*release),
            "the target runs something else".to_owned(),
            None,
        ),
        Call::ActionRefused { release, problem } => urgent(
            Some(*release),
            "the platform refuses it".to_owned(),
            Some(problem.clone()),
        ),
        Call::LateAction { attempt } => urgent(
            None,
            format!("{attempt} took effect although it was no longer wanted"),
            None,
        ),
    }
}
