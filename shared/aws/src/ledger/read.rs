//! What reading brings. All reads are strongly consistent but those of an index, which cannot be.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::decide::Recalled;
use domain::hint::Subject;
use domain::switch::Switch;
use domain::{Pipeline, Release, ReleaseNumber, ServiceName, Timestamp};
use engine::{LedgerError, Loaded, Mention};
use futures_util::future::try_join_all;

use super::items::{self, Item, SK};
use super::{DynamoLedger, trouble};

/// Most keys of one read (DynamoDB, BatchGetItem).
const BATCH_KEYS_MAX: usize = 100;
/// How often keys that a read left out are asked for again.
const LEFTOVER_TRIES_MAX: u32 = 5;

/// A pipeline and what a fact mentions, in one read.
pub(super) async fn load(
    ledger: &DynamoLedger,
    service: &ServiceName,
    mention: &Mention,
) -> Result<Loaded, LedgerError> {
    let pipeline_key = items::pipeline_key(service);
    let mentioned = match mention {
        Mention::Nothing => None,
        Mention::Artefact(artefact) => Some(items::claim_key(service, artefact)),
        Mention::Release(number) => Some(items::release_key(service, *number)),
    };
    let everything = ServiceName::everything();
    // DynamoDB refuses the same key twice.
    let switch_key = (*service != everything).then(|| items::pipeline_key(&everything));
    let keys = std::iter::once(pipeline_key.clone())
        .chain(mentioned.clone())
        .chain(switch_key.clone())
        .collect();
    let found = batch(ledger, keys).await?;
    let at = |key: &Item| found.iter().find(|item| is_at(item, key));
    let pipeline = match at(&pipeline_key) {
        Some(item) => items::read_snapshot(item)?,
        None => Pipeline::new(service.clone()),
    };
    let recalled = match (mention, mentioned.as_ref().and_then(at)) {
        (Mention::Nothing, _) | (Mention::Artefact(_) | Mention::Release(_), None) => {
            Recalled::Nothing
        }
        (Mention::Artefact(_), Some(item)) => Recalled::Artefact(items::read_claim(item)?),
        (Mention::Release(_), Some(item)) => {
            Recalled::Release(Box::new(items::read_release(item)?))
        }
    };
    let switch = switch(switch_key.as_ref().unwrap_or(&pipeline_key), at);
    Ok(Loaded {
        pipeline,
        recalled,
        switch,
    })
}

/// The switch for all. What cannot be read keeps no service from going back.
fn switch<'a>(key: &Item, at: impl FnOnce(&Item) -> Option<&'a Item>) -> Option<Switch> {
    let Some(item) = at(key) else {
        return Some(Switch::default());
    };
    match items::read_snapshot(item) {
        Ok(pipeline) => Some(pipeline.switch.clone()),
        Err(error) => {
            tracing::error!(%error, "the switch for all cannot be read: nothing new is begun");
            None
        }
    }
}

/// Snapshots, in the order asked for.
pub(super) async fn pipelines(
    ledger: &DynamoLedger,
    services: &[ServiceName],
) -> Result<Vec<Pipeline>, LedgerError> {
    let chunks = services.chunks(BATCH_KEYS_MAX).map(|chunk| {
        let mut keys: Vec<Item> = chunk.iter().map(items::pipeline_key).collect();
        // DynamoDB refuses the same key twice.
        keys.sort_by(|one, other| partition_of(one).cmp(&partition_of(other)));
        keys.dedup();
        batch(ledger, keys)
    });
    // All at the same time: however many services there are, it is one round trip.
    let found = try_join_all(chunks).await?;
    let mut read: BTreeMap<ServiceName, Pipeline> = BTreeMap::new();
    for item in found.iter().flatten() {
        let pipeline = items::read_snapshot(item)?;
        read.insert(pipeline.service.clone(), pipeline);
    }
    Ok(services
        .iter()
        .filter_map(|service| read.remove(service))
        .collect())
}

fn partition_of(item: &Item) -> Option<&str> {
    items::read_text(item, items::PK).ok()
}

fn is_at(item: &Item, key: &Item) -> bool {
    key.iter()
        .all(|(name, value)| item.get(name) == Some(value))
}

/// Items by key, all of them: what DynamoDB leaves out under load is asked for again.
async fn batch(ledger: &DynamoLedger, keys: Vec<Item>) -> Result<Vec<Item>, LedgerError> {
    let mut found = Vec::with_capacity(keys.len());
    let mut wanted = keys;
    for _ in 0..LEFTOVER_TRIES_MAX {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(wanted))
            .consistent_read(true)
            .build()
            .map_err(trouble::corrupt)?;
        let answer = ledger
            .client
            .batch_get_item()
            .request_items(&ledger.table, request)
            .send()
            .await
            .map_err(trouble::read("dynamodb:BatchGetItem"))?;
        let mut responses = answer.responses.unwrap_or_default();
        found.extend(responses.remove(&ledger.table).unwrap_or_default());
        let mut leftover = answer.unprocessed_keys.unwrap_or_default();
        wanted = leftover
            .remove(&ledger.table)
            .map(|left| left.keys)
            .unwrap_or_default();
        if wanted.is_empty() {
            return Ok(found);
        }
    }
    let words = format!(
        "{} items were left out {LEFTOVER_TRIES_MAX} times",
        wanted.len()
    );
    Err(LedgerError::Unavailable(words))
}

/// Who watches a subject.
pub(super) async fn watchers(
    ledger: &DynamoLedger,
    subject: &Subject,
) -> Result<Vec<Watcher>, LedgerError> {
    let found = Range::all(subject.key()).read(ledger, None).await?;
    found.iter().map(items::read_watch).collect()
}

/// All services.
pub(super) async fn services(ledger: &DynamoLedger) -> Result<Vec<ServiceName>, LedgerError> {
    let found = Range::all(items::SERVICES.to_owned())
        .read(ledger, None)
        .await?;
    found
        .iter()
        .map(|item| {
            items::read_text(item, SK)?
                .parse()
                .map_err(trouble::corrupt)
        })
        .collect()
}

/// Services that one kind of due time, a partition of the index of what is due, has passed for: the
/// longest overdue first.
pub(super) async fn due(
    ledger: &DynamoLedger,
    shard: &str,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<ServiceName>, LedgerError> {
    let mut pages = ledger
        .client
        .query()
        .table_name(&ledger.table)
        .index_name("due")
        .key_condition_expression("#shard = :shard AND #due <= :now")
        .expression_attribute_names("#shard", "due_shard")
        .expression_attribute_names("#due", "due_at")
        .expression_attribute_values(":shard", items::text(shard))
        .expression_attribute_values(":now", items::number(now.as_second()))
        .set_limit(i32::try_from(limit).ok())
        .into_paginator()
        .items()
        .send();
    let mut services = Vec::new();
    while let Some(item) = pages.next().await {
        let item = item.map_err(trouble::read("dynamodb:Query"))?;
        let partition = items::read_text(&item, items::PK)?;
        let service = partition.strip_prefix("service#").unwrap_or(partition);
        services.push(service.parse().map_err(trouble::corrupt)?);
        if services.len() >= limit {
            break;
        }
    }
    Ok(services)
}

/// Entries from a number on, in whole commits.
pub(super) async fn entries(
    ledger: &DynamoLedger,
    service: &ServiceName,
    from: u64,
    limit: usize,
) -> Result<Vec<Sealed>, LedgerError> {
    let partition = items::partition(service);
    let onwards = Range::new(&partition, items::commit_sort(from), items::after_commits());
    let mut read = chained(&onwards.read(ledger, Some(limit)).await?, limit)?;
    let starts_there = read.first().is_some_and(|first| first.entry.seq == from);
    if from > 1 && !starts_there {
        // The entry stands in the middle of a commit that begins before it.
        let before = Range::new(
            &partition,
            items::commit_sort(0),
            items::commit_sort(from - 1),
        );
        let begun = before.backwards().read(ledger, Some(1)).await?;
        let mut whole = chained(&begun, limit)?;
        whole.extend(read);
        read = whole;
        check(&read)?;
    }
    read.retain(|sealed| sealed.entry.seq >= from);
    Ok(read)
}

/// The newest entries, oldest first, in whole commits.
pub(super) async fn newest_entries(
    ledger: &DynamoLedger,
    service: &ServiceName,
    limit: usize,
) -> Result<Vec<Sealed>, LedgerError> {
    let all = Range::begins(&items::partition(service), items::COMMITS);
    let newest = all.backwards().read(ledger, Some(limit)).await?;
    let mut commits = Vec::new();
    let mut count = 0;
    for item in &newest {
        let commit = items::read_commit(item)?;
        count += commit.len();
        commits.push(commit);
        if count >= limit {
            break;
        }
    }
    let read: Vec<Sealed> = commits.into_iter().rev().flatten().collect();
    check(&read)?;
    Ok(read)
}

/// A release by number.
pub(super) async fn release(
    ledger: &DynamoLedger,
    service: &ServiceName,
    number: ReleaseNumber,
) -> Result<Option<Release>, LedgerError> {
    let found = batch(ledger, vec![items::release_key(service, number)]).await?;
    found.first().map(items::read_release).transpose()
}

/// The newest releases, newest first.
pub(super) async fn newest_releases(
    ledger: &DynamoLedger,
    service: &ServiceName,
    limit: usize,
) -> Result<Vec<Release>, LedgerError> {
    let all = Range::begins(&items::partition(service), items::RELEASES);
    let found = all.backwards().read(ledger, Some(limit)).await?;
    found.iter().map(items::read_release).collect()
}

/// The entries of commits in order, until there are enough.
fn chained(commits: &[Item], limit: usize) -> Result<Vec<Sealed>, LedgerError> {
    let mut read: Vec<Sealed> = Vec::new();
    for item in commits {
        if read.len() >= limit {
            break;
        }
        read.extend(items::read_commit(item)?);
    }
    check(&read)?;
    Ok(read)
}

/// Each entry must follow the one before it, across commits too.
fn check(read: &[Sealed]) -> Result<(), LedgerError> {
    for (before, after) in read.iter().zip(read.iter().skip(1)) {
        let expected = before.entry.seq + 1;
        if after.entry.seq != expected {
            let found = after.entry.seq;
            let words = format!("entry {expected} is missing: {found} stands in its place");
            return Err(LedgerError::Corrupt(words));
        }
        if after.entry.before != before.hash {
            let words = format!("entry {expected} does not follow entry {}", expected - 1);
            return Err(LedgerError::Corrupt(words));
        }
    }
    Ok(())
}

/// A run of sort keys within one partition.
struct Range {
    partition: String,
    sorts: Sorts,
    forward: bool,
}

enum Sorts {
    All,
    Begins(String),
    Between(String, String),
}

impl Range {
    fn all(partition: String) -> Self {
        Self {
            partition,
            sorts: Sorts::All,
            forward: true,
        }
    }

    fn begins(partition: &str, with: &str) -> Self {
        let sorts = Sorts::Begins(with.to_owned());
        Self {
            partition: partition.to_owned(),
            sorts,
            forward: true,
        }
    }

    fn new(partition: &str, from: String, to: String) -> Self {
        let sorts = Sorts::Between(from, to);
        Self {
            partition: partition.to_owned(),
            sorts,
            forward: true,
        }
    }

    fn backwards(self) -> Self {
        Self {
            forward: false,
            ..self
        }
    }

    /// Reads all items, or the first `limit` of them.
    async fn read(
        &self,
        ledger: &DynamoLedger,
        limit: Option<usize>,
    ) -> Result<Vec<Item>, LedgerError> {
        let query = ledger
            .client
            .query()
            .table_name(&ledger.table)
            .consistent_read(true)
            .scan_index_forward(self.forward)
            .set_limit(limit.and_then(|limit| i32::try_from(limit.max(1)).ok()))
            .expression_attribute_names("#pk", items::PK)
            .expression_attribute_values(":pk", items::text(&self.partition));
        let query = match &self.sorts {
            Sorts::All => query.key_condition_expression("#pk = :pk"),
            Sorts::Begins(with) => query
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :with)")
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":with", items::text(with)),
            Sorts::Between(from, to) => query
                .key_condition_expression("#pk = :pk AND #sk BETWEEN :from AND :to")
                .expression_attribute_names("#sk", SK)
                .expression_attribute_values(":from", items::text(from))
                .expression_attribute_values(":to", items::text(to)),
        };
        let mut pages = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            found.push(item.map_err(trouble::read("dynamodb:Query"))?);
            if limit.is_some_and(|limit| found.len() >= limit) {
                break;
            }
        }
        Ok(found)
    }
}
