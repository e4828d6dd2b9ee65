//! One commit, one transaction: the snapshot moves on, and with it everything that belongs to it,
//! or nothing does.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{
    Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};
use domain::commit::{ClaimKind, Watch, Watches};
use domain::{Commit, Release, ReleaseNumber, ServiceName, Timestamp, What};
use engine::LedgerError;

use super::items::{self, Item, PK, SK, VERSION};
use super::{DynamoLedger, catalogue, trouble};

/// Most items of one transaction (DynamoDB, TransactWriteItems).
const TRANSACTION_ITEMS_MAX: usize = 100;

/// Writes a commit.
pub(super) async fn commit(ledger: &DynamoLedger, commit: &Commit) -> Result<(), LedgerError> {
    let mut writes = core(ledger, commit)?;
    let room = TRANSACTION_ITEMS_MAX
        .checked_sub(writes.len())
        .ok_or_else(|| {
            LedgerError::Corrupt(format!(
                "a commit of {} items does not fit into one transaction of {TRANSACTION_ITEMS_MAX}",
                writes.len()
            ))
        })?;
    let mut watches = watch_writes(ledger, &commit.watches)?;
    // A configuration of many stages with many alarms has more watches than a transaction takes.
    // A watch too many costs a look and nothing else: what does not fit is added before, removed
    // after.
    let Surplus { before, after } = surplus(&mut watches, room);
    watch(ledger, before).await?;
    writes.extend(watches.added);
    writes.extend(watches.removed);
    let sent = ledger
        .client
        .transact_write_items()
        .set_transact_items(Some(writes))
        .client_request_token(commit.token())
        .send()
        .await;
    if let Err(error) = sent {
        trouble::write(&error, commit)?;
    }
    // The commit is done, whatever becomes of watches that nobody needs any more.
    if let Err(error) = watch(ledger, after).await {
        tracing::warn!(service = %commit.service, %error, "watches were left behind");
    }
    Ok(())
}

/// Everything but watches.
fn core(ledger: &DynamoLedger, commit: &Commit) -> Result<Vec<TransactWriteItem>, LedgerError> {
    let mut writes = vec![
        put(snapshot(ledger, commit)?),
        put(once(ledger, items::commit(commit)?)?),
    ];
    for number in &commit.releases {
        let release = release(commit, *number)?;
        writes.push(put(once(
            ledger,
            items::release(&commit.service, release)?,
        )?));
    }
    let mut claimed = BTreeSet::new();
    for claim in &commit.claims {
        // DynamoDB refuses two writes to one item.
        if !claimed.insert(&claim.artefact) {
            continue;
        }
        let item = items::claim(&commit.service, claim);
        writes.push(put(match claim.kind {
            ClaimKind::First => once(ledger, item)?,
            ClaimKind::Replace => plain(ledger, item)?,
        }));
    }
    if let Some(new) = &commit.catalogue {
        writes.push(put(plain(ledger, catalogue::begin(&commit.service, new))?));
    }
    if commit
        .entries
        .iter()
        .any(|sealed| matches!(sealed.entry.what, What::Configured { .. }))
    {
        let item = items::key(items::SERVICES, commit.service.as_str());
        writes.push(put(plain(ledger, item)?));
    }
    if let Some(at) = commit.compare_at {
        writes.push(put(plain(ledger, items::comparison(&commit.service, at))?));
    }
    Ok(writes)
}

/// Puts off when a service's targets are compared next; whoever writes last is right enough.
pub(super) async fn compare_at(
    ledger: &DynamoLedger,
    service: &ServiceName,
    at: Timestamp,
) -> Result<(), LedgerError> {
    ledger
        .client
        .put_item()
        .table_name(&ledger.table)
        .set_item(Some(items::comparison(service, at)))
        .send()
        .await
        .map_err(trouble::read("dynamodb:PutItem"))?;
    Ok(())
}

/// A release that is new in this commit, from the entry that made it.
fn release(commit: &Commit, number: ReleaseNumber) -> Result<&Release, LedgerError> {
    commit
        .entries
        .iter()
        .find_map(|sealed| {
            let What::Released { release } = &sealed.entry.what else {
                return None;
            };
            (release.number == number).then_some(release.as_ref())
        })
        .ok_or_else(|| LedgerError::Corrupt(format!("no entry makes release {number}")))
}

/// The snapshot, on condition that nobody was faster. Its stored item comes back when somebody was:
/// it may be ourselves, whose answer was lost.
fn snapshot(ledger: &DynamoLedger, commit: &Commit) -> Result<Put, LedgerError> {
    let builder = Put::builder()
        .table_name(&ledger.table)
        .set_item(Some(items::snapshot(commit)?))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let builder = if commit.expected == 0 {
        builder
            .condition_expression("attribute_not_exists(#pk)")
            .expression_attribute_names("#pk", PK)
    } else {
        builder
            .condition_expression("#version = :expected")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":expected", items::number(commit.expected))
    };
    builder.build().map_err(trouble::corrupt)
}

/// An item that must not be there yet.
fn once(ledger: &DynamoLedger, item: Item) -> Result<Put, LedgerError> {
    Put::builder()
        .table_name(&ledger.table)
        .set_item(Some(item))
        .condition_expression("attribute_not_exists(#pk)")
        .expression_attribute_names("#pk", PK)
        .build()
        .map_err(trouble::corrupt)
}

/// An item that may be there already.
fn plain(ledger: &DynamoLedger, item: Item) -> Result<Put, LedgerError> {
    Put::builder()
        .table_name(&ledger.table)
        .set_item(Some(item))
        .build()
        .map_err(trouble::corrupt)
}

fn put(put: Put) -> TransactWriteItem {
    TransactWriteItem::builder().put(put).build()
}

#[derive(Debug, Default)]
struct WatchWrites {
    added: Vec<TransactWriteItem>,
    removed: Vec<TransactWriteItem>,
}

fn watch_writes(ledger: &DynamoLedger, watches: &Watches) -> Result<WatchWrites, LedgerError> {
    let mut writes = WatchWrites::default();
    let kept: BTreeSet<(String, String)> = watches.add.iter().map(place).collect();
    for watch in &watches.add {
        writes.added.push(put(plain(ledger, items::watch(watch))?));
    }
    // A watch whose item is written anew, because only its prefix changed, is not removed.
    for watch in watches
        .remove
        .iter()
        .filter(|watch| !kept.contains(&place(watch)))
    {
        let delete = Delete::builder()
            .table_name(&ledger.table)
            .set_key(Some(items::watch_key(&watch.subject, &watch.watcher)))
            .build()
            .map_err(trouble::corrupt)?;
        writes
            .removed
            .push(TransactWriteItem::builder().delete(delete).build());
    }
    Ok(writes)
}

fn place(watch: &Watch) -> (String, String) {
    let key = items::watch_key(&watch.subject, &watch.watcher);
    let part = |name| items::read_text(&key, name).unwrap_or_default().to_owned();
    (part(PK), part(SK))
}

struct Surplus {
    before: Vec<TransactWriteItem>,
    after: Vec<TransactWriteItem>,
}

fn surplus(watches: &mut WatchWrites, room: usize) -> Surplus {
    let added = watches.added.len().min(room);
    let removed = watches.removed.len().min(room - added);
    Surplus {
        before: watches.added.split_off(added),
        after: watches.removed.split_off(removed),
    }
}

async fn watch(ledger: &DynamoLedger, writes: Vec<TransactWriteItem>) -> Result<(), LedgerError> {
    for chunk in writes.chunks(TRANSACTION_ITEMS_MAX) {
        ledger
            .client
            .transact_write_items()
            .set_transact_items(Some(chunk.to_vec()))
            .send()
            .await
            .map_err(trouble::read("dynamodb:TransactWriteItems"))?;
    }
    Ok(())
}
