//! Reading the ledger: what its errors mean to whoever typed something, and walking its entries
//! back from the newest, for as long as somebody wants more.

use std::ops::ControlFlow;

use domain::chain::Sealed;
use domain::config::StageConfig;
use domain::entry::What;
use domain::pipeline::Stage;
use domain::{Pipeline, Release, ReleaseNumber, ServiceName, StageName};
use engine::{Ledger, LedgerError, Mention};

use crate::about;
use crate::failure::{Exit, Failure};

/// Entries read at a time.
pub(crate) const PAGE: usize = 200;

/// What stands between us and the ledger, for people.
pub(crate) fn failure(error: LedgerError) -> Failure {
    match error {
        LedgerError::Unavailable(words) => unavailable(words),
        LedgerError::Corrupt(words) => Failure::failed("the ledger cannot be understood")
            .because(words)
            .hint("a person has to look: lastgood verify SERVICE tells where it breaks"),
        LedgerError::Newer { found, known } => {
            Failure::failed("the ledger was written by a newer Lastgood")
                .because(format!(
                    "its format is {found}, and this program understands up to {known}"
                ))
                .hint("update lastgood")
        }
        LedgerError::Stale => Failure::unobserved("the ledger changed meanwhile").hint("try again"),
    }
}

fn unavailable(words: String) -> Failure {
    let is = |names: &[&str]| names.iter().any(|name| words.contains(name));
    if is(&[
        "AccessDenied",
        "not authorized",
        "UnrecognizedClient",
        "InvalidSignature",
        "ExpiredToken",
    ]) {
        return Failure::new(
            Exit::NotAllowed,
            "AWS does not let this identity read the ledger",
        )
        .because(words)
        .hint("it needs dynamodb:GetItem, BatchGetItem and Query on the table and its indexes");
    }
    if is(&["ResourceNotFound"]) {
        return Failure::usage("there is no such table")
            .because(words)
            .hint("are --table, --region and the account right?");
    }
    if is(&["credentials", "Credentials"]) {
        return Failure::new(Exit::NotAllowed, "no AWS credentials could be had")
            .because(words)
            .hint(
                "sign in as for the AWS CLI (aws sso login, AWS_PROFILE, environment variables)",
            );
    }
    Failure::unobserved("the ledger could not be read")
        .because(words)
        .hint("check the network, and AWS_ENDPOINT_URL if it is set; then try again")
}

/// A service's snapshot. A service that nobody described and nothing happened to is a mistyped one.
pub(crate) async fn pipeline(
    ledger: &impl Ledger,
    service: &ServiceName,
) -> Result<Pipeline, Failure> {
    let loaded = ledger
        .load(service, &Mention::Nothing)
        .await
        .map_err(failure)?;
    if loaded.pipeline.seq == 0 {
        return Err(Failure::usage(format!("there is no service {service}"))
            .hint("lastgood status lists the services; lastgood apply makes one"));
    }
    Ok(loaded.pipeline)
}

/// Walks a service's entries from the newest to the oldest, until `see` breaks.
pub(crate) async fn back(
    ledger: &impl Ledger,
    service: &ServiceName,
    newest: u64,
    mut see: impl FnMut(&Sealed) -> ControlFlow<()>,
) -> Result<(), Failure> {
    let page = u64::try_from(PAGE).unwrap_or(u64::MAX);
    let mut before = newest.saturating_add(1);
    while before > 1 {
        let from = before.saturating_sub(page).max(1);
        for sealed in range(ledger, service, from, before).await?.iter().rev() {
            if see(sealed).is_break() {
                return Ok(());
            }
        }
        before = from;
    }
    Ok(())
}

/// Everything the ledger says of one release, the newest first, back to where it became one.
pub(crate) async fn about_release(
    ledger: &impl Ledger,
    service: &ServiceName,
    newest: u64,
    release: ReleaseNumber,
    mut see: impl FnMut(&Sealed),
) -> Result<(), Failure> {
    back(ledger, service, newest, |sealed| {
        let what = &sealed.entry.what;
        if about::release_of(what) != Some(release) {
            return ControlFlow::Continue(());
        }
        see(sealed);
        if matches!(what, What::Released { .. }) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })
    .await
}

/// A release by number. One that was never recorded is a mistyped one.
pub(crate) async fn release(
    ledger: &impl Ledger,
    pipeline: &Pipeline,
    number: ReleaseNumber,
) -> Result<Release, Failure> {
    let service = &pipeline.service;
    if let Some(known) = pipeline.release(number) {
        return Ok(known.clone());
    }
    let found = ledger.release(service, number).await.map_err(failure)?;
    found.ok_or_else(|| {
        Failure::usage(format!("{service} has no release {number}"))
            .hint(format!("its newest is {}", pipeline.last_release))
    })
}

/// A stage that a service has. Another one is a mistyped one.
pub(crate) fn stage<'a>(
    pipeline: &'a Pipeline,
    name: &StageName,
) -> Result<(&'a StageConfig, &'a Stage), Failure> {
    pipeline.stage(name).ok_or_else(|| {
        let stages = pipeline.config.iter().flat_map(|config| &config.stages);
        let names: Vec<&str> = stages.map(|stage| stage.name.as_str()).collect();
        let failure = Failure::usage(format!("{} has no stage {name}", pipeline.service));
        if names.is_empty() {
            failure.hint("it is not configured: lastgood apply its service file")
        } else {
            failure.hint(format!("its stages are {}", names.join(", ")))
        }
    })
}

/// The entries with `from <= seq < before`, in order. A page may end early, so it is asked for
/// more.
async fn range(
    ledger: &impl Ledger,
    service: &ServiceName,
    from: u64,
    before: u64,
) -> Result<Vec<Sealed>, Failure> {
    let mut entries: Vec<Sealed> = Vec::new();
    let mut next = from;
    while next < before {
        let page = ledger.entries(service, next, PAGE).await.map_err(failure)?;
        let Some(last) = page.last().map(|sealed| sealed.entry.seq) else {
            break;
        };
        // A commit is read whole, so a page may begin before and end behind what was asked for.
        entries.extend(
            page.into_iter()
                .filter(|s| (next..before).contains(&s.entry.seq)),
        );
        if last < next {
            break;
        }
        next = last + 1;
    }
    Ok(entries)
}
