//! The items of the table, one function to make each and one to read it back. No item is
//! overwritten but the snapshot, the catalogue and the comparison's due time, and none is deleted
//! but a watch.
//!
//! | item | PK | SK | attributes |
//! | --- | --- | --- | --- |
//! | snapshot | `service#web` | `pipeline` | `version`, `head`, `format`, `snapshot`, `due_shard`?,
//! `due_at`? |
//! | commit | `service#web` | `commit#0000000042` | `entries`, `head`, `acts`?, `tells`?,
//! `feed_day`, `feed_at` |
//! | release | `service#web` | `release#0000000017` | `release` |
//! | catalogue | `service#web` | `source` | `of`?, `seen`?, `due_shard`?, `due_at`? |
//! | claim | `service#web` | `artefact#s3:…` | `artefact`, `release`? |
//! | watch | `watch#alarm#arn:…` | `service#web#production` | `service`, `stage` or `narrow` |
//! | comparison | `service#web` | `compare` | `due_shard`, `due_at` |
//! | service | `services` | `web` | |

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::artefact::ArtefactId;
use domain::chain::Sealed;
use domain::commit::{Claim, Watch, Watcher};
use domain::hint::Subject;
use domain::pipeline::SNAPSHOT_FORMAT;
use domain::{Commit, Pipeline, Release, ReleaseNumber, ServiceName, StageName, Timestamp};
use engine::LedgerError;

use super::trouble::corrupt;

/// An item as DynamoDB has it.
pub(super) type Item = HashMap<String, AttributeValue>;

/// The partition key's name.
pub(super) const PK: &str = "PK";
/// The sort key's name.
pub(super) const SK: &str = "SK";
/// The snapshot's version: the number of the last entry.
pub(super) const VERSION: &str = "version";
/// The hash of the last entry.
pub(super) const HEAD: &str = "head";
/// A commit's entries, byte for byte.
pub(super) const ENTRIES: &str = "entries";
/// The only partition of the index of what is due: it holds what is in flight, not what ever was.
pub(super) const DUE_SHARD: &str = "0";
/// The partition of that index for when targets are compared with the ledger.
pub(super) const COMPARE_SHARD: &str = "compare";
/// What all services are listed under.
pub(super) const SERVICES: &str = "services";
/// What the sort keys of commits begin with.
pub(super) const COMMITS: &str = "commit#";
/// What the sort keys of releases begin with.
pub(super) const RELEASES: &str = "release#";

const SNAPSHOT: &str = "snapshot";
const FORMAT: &str = "format";
const RELEASE: &str = "release";
const SERVICE: &str = "service";
const STAGE: &str = "stage";
const NARROW: &str = "narrow";
/// The sort key of when a service's targets are compared next. An item of its own: the snapshot is
/// large, and every write of it is paid by its size.
const COMPARE: &str = "compare";
/// The sort key of a service's snapshot.
const PIPELINE: &str = "pipeline";
/// Longest identity that stands in a sort key as it is, in bytes (DynamoDB takes 1,024 for the
/// whole); a longer one, of a long object key, is named by its hash.
const IDENTITY_BYTES_MAX: usize = 900;

/// A text.
pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

/// A number.
pub(super) fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A key.
pub(super) fn key(partition: &str, sort: &str) -> Item {
    HashMap::from([
        (PK.to_owned(), text(partition)),
        (SK.to_owned(), text(sort)),
    ])
}

/// The partition of a service.
pub(super) fn partition(service: &ServiceName) -> String {
    format!("service#{service}")
}

/// The sort key of the commit that begins with an entry.
pub(super) fn commit_sort(first: u64) -> String {
    format!("{COMMITS}{first:010}")
}

/// What no commit's sort key comes after.
pub(super) fn after_commits() -> String {
    format!("{COMMITS}:")
}

/// The key of a service's snapshot.
pub(super) fn pipeline_key(service: &ServiceName) -> Item {
    key(&partition(service), PIPELINE)
}

/// The key of a release.
pub(super) fn release_key(service: &ServiceName, number: ReleaseNumber) -> Item {
    key(&partition(service), &format!("{RELEASES}{:010}", number.0))
}

/// The key of an artefact's claim.
pub(super) fn claim_key(service: &ServiceName, artefact: &ArtefactId) -> Item {
    let ArtefactId(identity) = artefact;
    let sort = if identity.len() <= IDENTITY_BYTES_MAX {
        format!("artefact#{identity}")
    } else {
        format!("artefact#sha256:{}", domain::chain::Hash::of(identity))
    };
    key(&partition(service), &sort)
}

/// The key of a watch. A service watches a bucket with one prefix only, so that a new prefix
/// replaces the old one.
pub(super) fn watch_key(subject: &Subject, watcher: &Watcher) -> Item {
    let sort = match watcher {
        Watcher::Source { service, .. } => format!("service#{service}"),
        Watcher::Stage { service, stage } => format!("service#{service}#{stage}"),
    };
    key(&subject.key(), &sort)
}

/// The snapshot's item.
pub(super) fn snapshot(commit: &Commit) -> Result<Item, LedgerError> {
    let stored = serde_json::to_string(&commit.after).map_err(corrupt)?;
    let mut item = pipeline_key(&commit.service);
    item.insert(VERSION.to_owned(), number(commit.after.seq));
    item.insert(HEAD.to_owned(), text(commit.after.head.as_str()));
    item.insert(FORMAT.to_owned(), number(commit.after.format));
    item.insert(SNAPSHOT.to_owned(), text(stored));
    if let Some(due_at) = commit.due_at {
        due(&mut item, DUE_SHARD, due_at);
    }
    Ok(item)
}

/// When a service's targets are compared next.
pub(super) fn comparison(service: &ServiceName, at: Timestamp) -> Item {
    let mut item = key(&partition(service), COMPARE);
    due(&mut item, COMPARE_SHARD, at);
    item
}

/// Puts an item into a partition of the index of what is due.
pub(super) fn due(item: &mut Item, shard: &str, at: Timestamp) {
    // Rounded up: found a moment late rather than a moment before anything is due.
    let seconds = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    item.insert("due_shard".to_owned(), text(shard));
    item.insert("due_at".to_owned(), number(seconds));
}

/// The commit's item: what the stream brings to those that act and those that tell.
pub(super) fn commit(commit: &Commit) -> Result<Item, LedgerError> {
    let (Some(first), Some(last)) = (commit.entries.first(), commit.entries.last()) else {
        return Err(LedgerError::Corrupt("a commit without entries".to_owned()));
    };
    let mut item = key(&partition(&commit.service), &commit_sort(first.entry.seq));
    let entries = commit
        .entries
        .iter()
        .map(|sealed| text(&sealed.stored))
        .collect();
    item.insert(ENTRIES.to_owned(), AttributeValue::L(entries));
    item.insert(HEAD.to_owned(), text(last.hash.as_str()));
    let at = last.entry.at.to_string();
    item.insert("feed_day".to_owned(), text(at.get(..10).unwrap_or(&at)));
    item.insert("feed_at".to_owned(), text(&at));
    if commit.acts() {
        item.insert("acts".to_owned(), AttributeValue::Bool(true));
    }
    if commit.tells() {
        item.insert("tells".to_owned(), AttributeValue::Bool(true));
    }
    Ok(item)
}

/// A release's item.
pub(super) fn release(service: &ServiceName, release: &Release) -> Result<Item, LedgerError> {
    let stored = serde_json::to_string(release).map_err(corrupt)?;
    let mut item = release_key(service, release.number);
    item.insert(RELEASE.to_owned(), text(stored));
    Ok(item)
}

/// An artefact's place in the ledger.
pub(super) fn claim(service: &ServiceName, claim: &Claim) -> Item {
    let mut item = claim_key(service, &claim.artefact);
    item.insert("artefact".to_owned(), text(claim.artefact.to_string()));
    if let Some(release) = claim.release {
        item.insert(RELEASE.to_owned(), number(release.0));
    }
    item
}

/// Who watches a subject.
pub(super) fn watch(watch: &Watch) -> Item {
    let mut item = watch_key(&watch.subject, &watch.watcher);
    item.insert(SERVICE.to_owned(), text(watch.watcher.service().as_str()));
    match &watch.watcher {
        Watcher::Source { narrow, .. } => item.insert(NARROW.to_owned(), text(narrow)),
        Watcher::Stage { stage, .. } => item.insert(STAGE.to_owned(), text(stage.as_str())),
    };
    item
}

/// Reads a snapshot. A newer one is left alone: writing it back would drop what cannot be read.
pub(super) fn read_snapshot(item: &Item) -> Result<Pipeline, LedgerError> {
    let found: u32 = read_number(item, FORMAT)?;
    if found > SNAPSHOT_FORMAT {
        return Err(LedgerError::Newer {
            found,
            known: SNAPSHOT_FORMAT,
        });
    }
    let pipeline: Pipeline = serde_json::from_str(read_text(item, SNAPSHOT)?).map_err(corrupt)?;
    let version: u64 = read_number(item, VERSION)?;
    if pipeline.seq != version {
        let words = format!(
            "a snapshot of entry {} is called version {version}",
            pipeline.seq
        );
        return Err(LedgerError::Corrupt(words));
    }
    Ok(pipeline)
}

/// Reads a release.
pub(super) fn read_release(item: &Item) -> Result<Release, LedgerError> {
    serde_json::from_str(read_text(item, RELEASE)?).map_err(corrupt)
}

/// Reads the release an artefact became; none when it was rejected or unclaimed.
pub(super) fn read_claim(item: &Item) -> Result<Option<ReleaseNumber>, LedgerError> {
    if item.contains_key(RELEASE) {
        read_number(item, RELEASE).map(|number| Some(ReleaseNumber(number)))
    } else {
        Ok(None)
    }
}

/// Reads a watcher.
pub(super) fn read_watch(item: &Item) -> Result<Watcher, LedgerError> {
    let service = read_text(item, SERVICE)?.parse().map_err(corrupt)?;
    if item.contains_key(STAGE) {
        let stage: StageName = read_text(item, STAGE)?.parse().map_err(corrupt)?;
        Ok(Watcher::Stage { service, stage })
    } else {
        Ok(Watcher::Source {
            service,
            narrow: read_text(item, NARROW)?.to_owned(),
        })
    }
}

/// Reads a commit's entries, which must be a chain that begins with the number in the key.
pub(super) fn read_commit(item: &Item) -> Result<Vec<Sealed>, LedgerError> {
    let first: u64 = read_text(item, SK)?
        .strip_prefix(COMMITS)
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| LedgerError::Corrupt("a commit without a number".to_owned()))?;
    let Some(AttributeValue::L(stored)) = item.get(ENTRIES) else {
        return Err(LedgerError::Corrupt(format!(
            "commit {first} has no entries"
        )));
    };
    let mut sealed: Vec<Sealed> = Vec::with_capacity(stored.len());
    for (seq, stored) in (first..).zip(stored) {
        let stored = stored
            .as_s()
            .map_err(|_| LedgerError::Corrupt(format!("entry {seq} is no text")))?;
        let before = match sealed.last() {
            Some(before) => before.hash.clone(),
            None => before_of(stored, seq)?,
        };
        sealed.push(Sealed::follow(stored, seq, &before).map_err(corrupt)?);
    }
    let head = read_text(item, HEAD)?;
    if sealed.last().map(|last| last.hash.as_str()) != Some(head) {
        return Err(LedgerError::Corrupt(format!(
            "the last entry of commit {first} was changed"
        )));
    }
    Ok(sealed)
}

/// The hash that a commit's first entry follows, as the entry itself states it.
fn before_of(stored: &str, seq: u64) -> Result<domain::chain::Hash, LedgerError> {
    #[derive(serde::Deserialize)]
    struct Before {
        before: domain::chain::Hash,
    }
    let read: Before = serde_json::from_str(stored)
        .map_err(|error| LedgerError::Corrupt(format!("entry {seq} cannot be read: {error}")))?;
    Ok(read.before)
}

/// Reads a text.
pub(super) fn read_text<'a>(item: &'a Item, name: &str) -> Result<&'a str, LedgerError> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| LedgerError::Corrupt(format!("an item has no text {name}")))
}

pub(super) fn read_number<T: std::str::FromStr>(item: &Item, name: &str) -> Result<T, LedgerError> {
    item.get(name)
        .and_then(|value| value.as_n().ok())
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| LedgerError::Corrupt(format!("an item has no number {name}")))
}

/// Whether the stored snapshot is the one this very commit left: its answer was lost.
pub(super) fn is_left_by(item: &Item, commit: &Commit) -> bool {
    read_number::<u64>(item, VERSION).is_ok_and(|version| version == commit.after.seq)
        && read_text(item, HEAD).is_ok_and(|head| head == commit.after.head.as_str())
}
