//! Words for what others do behind the ledger's back.

use domain::artefact::Content;
use domain::drift::{ApiCall, Drift};
use domain::peril::Peril;
use domain::{ReleaseNumber, StageName};

use crate::times::Times;

pub(super) fn called(stage: &StageName, call: &ApiCall) -> String {
    let refused = call.refused.as_ref();
    let refused = refused.map(|code| format!(", and AWS refused: {code}"));
    format!(
        "{}, for {stage}{}",
        call.words(),
        refused.unwrap_or_default()
    )
}

pub(super) fn drifted(
    stage: &StageName,
    expected: ReleaseNumber,
    others: &[Content],
    by: Option<&ApiCall>,
) -> String {
    let by = by.map(|call| format!(": {}", call.who()));
    format!(
        "{stage} drifted from release {expected}, it runs {}{}",
        contents(others),
        by.unwrap_or_default()
    )
}

pub(super) fn ended(stage: &StageName, release: ReleaseNumber) -> String {
    format!("{stage} runs release {release} again, its drift ended")
}

pub(super) fn adopted(stage: &StageName, release: ReleaseNumber, reason: &str) -> String {
    format!("what runs on {stage} is adopted as release {release}, its last good: {reason:?}")
}

pub(super) fn unprotected(stage: &StageName, all: &[Peril]) -> String {
    format!("{stage} is not protected as it should be: {}", perils(all))
}

/// What leaves a stage unprotected.
pub(crate) fn perils(all: &[Peril]) -> String {
    let words: Vec<String> = all.iter().map(Peril::words).collect();
    words.join("; ")
}

/// A stage's drift, for its row.
pub(crate) fn drift(drift: &Drift, times: &Times) -> String {
    let by = drift.by.as_ref().map(|call| format!(": {}", call.who()));
    format!(
        "drifted from release {} since {}, runs {}{}",
        drift.expected,
        times.at_and_ago(drift.since),
        contents(&drift.others),
        by.unwrap_or_default()
    )
}

fn contents(others: &[Content]) -> String {
    let short: Vec<String> = others.iter().map(|content| short(&content.0)).collect();
    short.join(", ")
}

/// A digest by its beginning, as people know it; an object by the beginning of its
/// version.
fn short(content: &str) -> String {
    if let Some(digest) = content.strip_prefix("sha256:") {
        return format!("sha256:{}", digest.get(..12).unwrap_or(digest));
    }
    match content.rsplit_once('@') {
        Some((object, version)) => {
            let version = version.get(..8).unwrap_or(version);
            format!("{object}@{version}")
        }
        None => content.to_owned(),
    }
}
