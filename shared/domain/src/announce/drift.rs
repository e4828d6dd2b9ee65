//! What people hear of what others do behind the ledger's back, to targets and to alarms.

use super::Severity;
use super::told::{Told, about, plain};
use crate::artefact::Content;
use crate::drift::ApiCall;
use crate::name::{ReleaseNumber, ServiceName, StageName};
use crate::peril::Peril;

pub(super) fn called(stage: &StageName, call: &ApiCall) -> Told {
    let refused = call.refused.as_deref();
    let words = call.words();
    Told {
        stage: Some(stage.clone()),
        detail: Some(match refused {
            Some(code) => format!("{words}: {code}"),
            None => words,
        }),
        ..plain(
            "call",
            Severity::Attention,
            match refused {
                Some(_) => format!("{} by somebody else was refused", call.action),
                None => format!("{} behind the ledger's back", call.action),
            },
        )
    }
}

pub(super) fn drifted(
    service: &ServiceName,
    stage: &StageName,
    expected: ReleaseNumber,
    others: &[Content],
    by: Option<&ApiCall>,
) -> Told {
    let runs: Vec<&str> = others.iter().map(|content| content.0.as_str()).collect();
    let runs = format!("It runs {}.", runs.join(", "));
    let who = by.map(|call| format!(" {}.", call.who()));
    Told {
        detail: Some(runs + &who.unwrap_or_default()),
        next: Some(format!(
            "lastgood restore {service} {stage}, or lastgood adopt {service} {stage} --reason …"
        )),
        ..about(
            "drifted",
            Severity::Alert,
            stage,
            expected,
            "does not run: the stage drifted",
        )
    }
}

pub(super) fn ended(stage: &StageName, release: ReleaseNumber) -> Told {
    about(
        "drift-ended",
        Severity::Info,
        stage,
        release,
        "runs again: the drift ended",
    )
}

pub(super) fn adopted(stage: &StageName, release: ReleaseNumber, reason: &str) -> Told {
    Told {
        detail: Some(reason.to_owned()),
        ..about(
            "adopted",
            Severity::Info,
            stage,
            release,
            "is what a person put there, and last good from now on",
        )
    }
}

pub(super) fn unprotected(stage: &StageName, perils: &[Peril]) -> Told {
    let words: Vec<String> = perils.iter().map(Peril::words).collect();
    Told {
        stage: Some(stage.clone()),
        detail: Some(format!("{}.", words.join(". "))),
        ..plain(
            "unprotected",
            Severity::Alert,
            "not protected as it should be",
        )
    }
}

pub(super) fn protected(stage: &StageName) -> Told {
    Told {
        stage: Some(stage.clone()),
        ..plain("protected", Severity::Info, "its alarms protect it again")
    }
}
