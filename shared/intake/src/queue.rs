//! Announcements as a queue brings them that is subscribed to the topic with raw delivery: a hint
//! that there is something to tell. What it is, the ledger says.

use domain::EntryId;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Refusal, read};

/// Largest batch, in bytes (Lambda: 6 MB for synchronous calls, which queue mappings make).
const BATCH_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Longest message id, in bytes (SQS: 100 characters).
const MESSAGE_ID_BYTES_MAX: usize = 100;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRecord {
    /// What a [`BatchAnswer`](crate::stream::BatchAnswer) names when it has to come again.
    pub message: String,
    /// The entry that is announced; a message that names none will never do so.
    pub announced: Result<EntryId, Refusal>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Batch<'a> {
    #[serde(rename = "Records", borrow)]
    records: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Record {
    message_id: Option<String>,
    event_source: Option<String>,
    body: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Announced {
    id: EntryId,
}

/// Decodes a batch.
///
/// # Errors
/// When it is no batch of a queue.
pub fn decode(bytes: &[u8]) -> Result<Vec<QueueRecord>, Refusal> {
    read::limit(bytes, "the event", BATCH_BYTES_MAX)?;
    let expected = "a queue";
    let batch: Batch<'_> = read::event(bytes, expected)?;
    let Some(records) = batch.records else {
        return Err(Refusal::foreign(expected, "it has no Records"));
    };
    let mut decoded = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let path = format!("Records[{index}]");
        let record: Record = read::json(record.get().as_bytes(), &path)?;
        if record.event_source.as_deref() != Some("aws:sqs") {
            return Err(Refusal::foreign(expected, "a record is not from aws:sqs"));
        }
        let id_path = format!("{path}.messageId");
        let message = read::filled(record.message_id, &id_path, MESSAGE_ID_BYTES_MAX)?;
        let announced = announced(record.body, &format!("{path}.body"));
        decoded.push(QueueRecord { message, announced });
    }
    Ok(decoded)
}

fn announced(body: Option<String>, path: &str) -> Result<EntryId, Refusal> {
    let body = body.ok_or_else(|| Refusal::malformed(path, "it is missing"))?;
    let announced: Announced = read::json(body.as_bytes(), path)?;
    Ok(announced.id)
}
