//! The ledger table's stream as Lambda delivers it: a batch of items that were added, of which the
//! commits are of interest. One bad record does not spoil its batch.

use domain::ServiceName;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::refusal::cut;
use crate::{Ignored, Refusal, read};

/// Largest batch, in bytes (Lambda: 6 MB for synchronous calls, which stream mappings make).
const BATCH_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Longest sequence number, in bytes (DynamoDB: 21 to 40 digits).
const SEQUENCE_BYTES_MAX: usize = 64;
/// What a service's partition key begins with.
const SERVICE_PREFIX: &str = "service#";
/// What a commit's sort key begins with.
const COMMIT_PREFIX: &str = "commit#";
/// The event name of an item that was added.
const INSERT: &str = "INSERT";

/// One record of a batch, in the stream's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// What a [`BatchAnswer`] has to name when the record could not be dealt with.
    pub sequence: String,
    /// What it holds.
    pub held: Held,
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A commit.
    Commit(CommitImage),
    /// Something else of the table.
    Ignored(Ignored),
    /// Something of our own table that cannot be understood.
    Refused(Refusal),
}

/// A commit as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitImage {
    /// The service.
    pub service: ServiceName,
    /// The number in the item's sort key: that of its first entry.
    pub number: u64,
    /// The entries' JSON, byte for byte as stored: their hashes are over these bytes.
    pub entries: Vec<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Batch<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Numbered {
    dynamodb: Sequence,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Sequence {
    #[serde(rename = "SequenceNumber")]
    number: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Record {
    #[serde(rename = "eventName")]
    event_name: Option<String>,
    dynamodb: Change,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Change {
    #[serde(rename = "Keys")]
    keys: Option<Keys>,
    #[serde(rename = "NewImage")]
    new_image: Option<Item>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Keys {
    #[serde(rename = "PK")]
    partition: Option<Text>,
    #[serde(rename = "SK")]
    sort: Option<Text>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Item {
    entries: Option<List>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct List {
    #[serde(rename = "L")]
    list: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Text {
    #[serde(rename = "S")]
    text: String,
}

/// Decodes a batch.
///
/// # Errors
/// When it is no batch of a stream, or a record has no sequence number and could never be named.
pub fn decode(bytes: &[u8]) -> Result<Vec<StreamRecord>, Refusal> {
    read::limit(bytes, "the batch", BATCH_BYTES_MAX)?;
    let expected = "the table's stream";
    let batch: Batch<'_> = read::event(bytes, expected)?;
    let Some(records) = batch.records else {
        return Err(Refusal::foreign(expected, "it has no Records"));
    };
    records
        .iter()
        .enumerate()
        .map(|(at, raw)| record(raw.get(), at))
        .collect()
}

fn record(raw: &str, at: usize) -> Result<StreamRecord, Refusal> {
    let path = format!("Records[{at}]");
    let numbered: Numbered = read::json(raw.as_bytes(), &path)?;
    let number_path = format!("{path}.dynamodb.SequenceNumber");
    let sequence = read::filled(numbered.dynamodb.number, &number_path, SEQUENCE_BYTES_MAX)?;
    let held = held(raw, &path).unwrap_or_else(Held::Refused);
    Ok(StreamRecord { sequence, held })
}

fn held(raw: &str, path: &str) -> Result<Held, Refusal> {
    let Record {
        event_name,
        dynamodb,
    } = read::json(raw.as_bytes(), path)?;
    let event = event_name.unwrap_or_default();
    if event != INSERT {
        return Ok(Held::Ignored(Ignored::NotAdded { event: cut(&event) }));
    }
    let missing =
        |what: &str| Refusal::malformed(format!("{path}.dynamodb.{what}"), "it is missing");
    let keys = dynamodb.keys.ok_or_else(|| missing("Keys"))?;
    let sort = keys.sort.ok_or_else(|| missing("Keys.SK"))?.text;
    let Some(number) = sort.strip_prefix(COMMIT_PREFIX) else {
        return Ok(Held::Ignored(Ignored::NotACommit { key: cut(&sort) }));
    };
    let partition = keys.partition.ok_or_else(|| missing("Keys.PK"))?.text;
    let service = partition.strip_prefix(SERVICE_PREFIX).unwrap_or(&partition);
    let entries = dynamodb
        .new_image
        .ok_or_else(|| missing("NewImage"))?
        .entries;
    let entries = entries.ok_or_else(|| missing("NewImage.entries"))?.list;
    Ok(Held::Commit(CommitImage {
        service: read::parsed(Some(service), &format!("{path}.dynamodb.Keys.PK"))?,
        number: read::parsed(Some(number), &format!("{path}.dynamodb.Keys.SK"))?,
        entries: entries.into_iter().map(|entry| entry.text).collect(),
    }))
}

/// What the function returns for a batch (`ReportBatchItemFailures`): Lambda delivers again from
/// the lowest named sequence number on; nothing named means that all is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAnswer {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct BatchItemFailure {
    item_identifier: String,
}

impl BatchAnswer {
    /// The records with these sequence numbers are to be delivered again; none means all is done.
    pub fn again(sequences: impl IntoIterator<Item = String>) -> Self {
        let failure = |item_identifier| BatchItemFailure { item_identifier };
        Self {
            batch_item_failures: sequences.into_iter().map(failure).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_is_answered_in_its_own_words() {
        let json = |answer| serde_json::to_string(&answer).unwrap();
        assert_eq!(json(BatchAnswer::again([])), r#"{"batchItemFailures":[]}"#);
        assert_eq!(
            json(BatchAnswer::again(["800000000003126276362".to_owned()])),
            r#"{"batchItemFailures":[{"itemIdentifier":"800000000003126276362"}]}"#
        );
    }

    #[test]
    fn a_record_that_cannot_be_named_refuses_the_batch() {
        let batch = br#"{"Records":[{"eventName":"INSERT","dynamodb":{"SequenceNumber":""}}]}"#;
        assert_eq!(
            decode(batch).unwrap_err().to_string(),
            "malformed at Records[0].dynamodb.SequenceNumber: it is empty"
        );
    }
}
