//! DynamoDB Streams: reading a table's stream.

use serde_json::{Value, json};

use super::{Calls, Json, list, text};
use crate::{
    Place,
    client::{CALL_MAX, CallError},
};

const STREAMS: Json = Json {
    service: "dynamodb",
    target: "DynamoDBStreams_20120810",
    version: "1.0",
};

/// How many records are read at once.
const RECORDS_MAX: usize = 1_000;

/// Where in a shard to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Position {
    /// At the oldest record.
    Oldest,
    /// After the record with this sequence number.
    After(String),
}

/// What was read.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) records: Vec<Value>,
    /// Where to go on; nothing at the end of a closed shard.
    pub(crate) next: Option<String>,
}

impl Calls {
    /// The ids of a stream's shards, oldest first.
    pub(crate) async fn shards(
        &self,
        place: &Place,
        stream: &str,
    ) -> Result<Vec<String>, CallError> {
        let body = json!({ "StreamArn": stream });
        let answer = self
            .json(place, &STREAMS, "DescribeStream", &body, CALL_MAX)
            .await?;
        let description = answer.get("StreamDescription").cloned().unwrap_or_default();
        list(&description, "Shards")
            .iter()
            .map(|shard| text(shard, "ShardId"))
            .collect()
    }

    /// An iterator at a position of a shard.
    pub(crate) async fn iterator(
        &self,
        place: &Place,
        stream: &str,
        shard: &str,
        position: &Position,
    ) -> Result<String, CallError> {
        let mut body = json!({ "StreamArn": stream, "ShardId": shard });
        let fields = match position {
            Position::Oldest => vec![("ShardIteratorType", "TRIM_HORIZON")],
            Position::After(number) => {
                vec![
                    ("ShardIteratorType", "AFTER_SEQUENCE_NUMBER"),
                    ("SequenceNumber", number),
                ]
            }
        };
        if let Some(body) = body.as_object_mut() {
            body.extend(
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), json!(value))),
            );
        }
        let answer = self
            .json(place, &STREAMS, "GetShardIterator", &body, CALL_MAX)
            .await?;
        text(&answer, "ShardIterator")
    }

    /// The next records.
    pub(crate) async fn records(
        &self,
        place: &Place,
        iterator: &str,
    ) -> Result<Records, CallError> {
        let body = json!({ "ShardIterator": iterator, "Limit": RECORDS_MAX });
        let answer = self
            .json(place, &STREAMS, "GetRecords", &body, CALL_MAX)
            .await?;
        let next = answer
            .get("NextShardIterator")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(Records {
            records: list(&answer, "Records"),
            next,
        })
    }
}
