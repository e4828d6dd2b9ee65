//! Reading a table's stream from where a mapping starts, filtered, in order. What is done with the
//! records is `stream`.

use std::{collections::VecDeque, time::Duration};

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    calls::{Calls, Position},
    client::CallError,
    letters,
    rules::{Mapping, Start},
};

/// How often a stream without new records is looked at. Lambda does it four times a second.
const POLL_EVERY: Duration = Duration::from_millis(150);

/// The largest batch, in bytes of its records; Lambda's limit of an invocation's payload.
const BATCH_BYTES_MAX: usize = 6 * 1024 * 1024 - 64 * 1024;

/// Where in a stream a mapping is.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    shard: Option<Shard>,
    /// Shards that were read to their end.
    finished: Vec<String>,
    /// Records that the function is to see, in the stream's order.
    waiting: VecDeque<Value>,
    /// Since when the first of them waits.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Shard {
    id: String,
    iterator: String,
    position: Position,
}

/// Records for one batch.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub(crate) shard: String,
    pub(crate) records: Vec<Value>,
}

impl Reader {
    /// Waits until there is a batch, at most as long as the mapping's window once there is a
    /// record.
    pub(crate) async fn gather(
        &mut self,
        calls: &Calls,
        mapping: &Mapping,
    ) -> Result<Gathered, CallError> {
        loop {
            let read = if self.waiting.len() < mapping.batch_size {
                self.read(calls, mapping).await?
            } else {
                0
            };
            let full = self.waiting.len() >= mapping.batch_size;
            let waited = self
                .since
                .is_some_and(|since| since.elapsed() >= mapping.window);
            if full || (waited && !self.waiting.is_empty()) {
                return Ok(self.take(mapping.batch_size));
            }
            if read == 0 {
                tokio::time::sleep(POLL_EVERY).await;
            }
        }
    }

    fn take(&mut self, count: usize) -> Gathered {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < count
            && let Some(record) = self.waiting.pop_front()
        {
            bytes += record.to_string().len();
            if bytes > BATCH_BYTES_MAX && !records.is_empty() {
                self.waiting.push_front(record);
                break;
            }
            records.push(record);
        }
        self.since = (!self.waiting.is_empty()).then(Instant::now);
        let shard = self
            .shard
            .as_ref()
            .map(|shard| shard.id.clone())
            .unwrap_or_default();
        Gathered { shard, records }
    }

    /// Reads on; how many records there were, whether the function sees them or not.
    async fn read(&mut self, calls: &Calls, mapping: &Mapping) -> Result<usize, CallError> {
        let place = mapping.stream.place();
        if self.shard.is_none() && !self.open(calls, mapping).await? {
            return Ok(0);
        }
        let Some(shard) = self.shard.as_mut() else {
            return Ok(0);
        };
        let page = match calls.records(place, &shard.iterator).await {
            Ok(page) => page,
            Err(CallError::Refused { code, .. }) if code.contains("ExpiredIterator") => {
                let position = shard.position.clone();
                shard.iterator = iterator(calls, mapping, &shard.id, &position).await?;
                return Ok(0);
            }
            Err(CallError::Refused { code, .. }) if code.contains("TrimmedDataAccess") => {
                tracing::error!(stream = %mapping.stream, "records were trimmed before they were read");
                shard.position = Position::Oldest;
                shard.iterator = iterator(calls, mapping, &shard.id, &Position::Oldest).await?;
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let count = page.records.len();
        for record in page.records {
            let number = record
                .pointer("/dynamodb/SequenceNumber")
                .and_then(Value::as_str);
            if let Some(number) = number {
                shard.position = Position::After(number.to_owned());
            }
            if let Some(record) = seen(record, mapping) {
                self.since.get_or_insert_with(Instant::now);
                self.waiting.push_back(record);
            }
        }
        match page.next {
            Some(next) => shard.iterator = next,
            None => {
                self.finished.push(std::mem::take(&mut shard.id));
                self.shard = None;
            }
        }
        Ok(count)
    }

    /// Opens the oldest shard that was not read to its end, if there is one.
    async fn open(&mut self, calls: &Calls, mapping: &Mapping) -> Result<bool, CallError> {
        let shards = calls
            .shards(mapping.stream.place(), mapping.stream.as_str())
            .await?;
        let Some(id) = shards
            .into_iter()
            .find(|shard| !self.finished.contains(shard))
        else {
            return Ok(false);
        };
        let position = Position::Oldest;
        let iterator = iterator(calls, mapping, &id, &position).await?;
        self.shard = Some(Shard {
            id,
            iterator,
            position,
        });
        Ok(true)
    }
}

async fn iterator(
    calls: &Calls,
    mapping: &Mapping,
    shard: &str,
    position: &Position,
) -> Result<String, CallError> {
    calls
        .iterator(
            mapping.stream.place(),
            mapping.stream.as_str(),
            shard,
            position,
        )
        .await
}

/// The record as the function sees it, if it does.
fn seen(mut record: Value, mapping: &Mapping) -> Option<Value> {
    if let Start::Since(second) = mapping.start
        && letters::created(&record).is_some_and(|created| created < second)
    {
        return None;
    }
    if let Some(fields) = record.as_object_mut() {
        fields.insert("eventSourceARN".to_owned(), json!(mapping.stream.as_str()));
    }
    mapping.filters.let_through(&record).then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: &str) -> Mapping {
        let stream = "arn:aws:dynamodb:eu-west-1:111122223333:table/t/stream/2026-11-23T10:00:00";
        let given = json!({
            "UUID": "u", "EventSourceArn": stream, "StartingPosition": start,
            "FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:f",
            "FilterCriteria": { "Filters": [{ "Pattern": r#"{"eventName":["INSERT"]}"# }] }
        });
        Mapping::read(&given, 1_000).unwrap()
    }

    fn record(name: &str, created: f64) -> Value {
        json!({ "eventName": name, "dynamodb": { "ApproximateCreationDateTime": created } })
    }

    #[test]
    fn the_function_sees_what_its_filters_let_through_with_the_streams_name() {
        let latest = mapping("LATEST");
        let record_seen = seen(record("INSERT", 1_000.4), &latest).unwrap();
        assert_eq!(record_seen["eventSourceARN"], latest.stream.as_str());
        assert!(seen(record("REMOVE", 1_000.4), &latest).is_none());
        assert!(seen(record("INSERT", 999.9), &latest).is_none());
        assert!(seen(record("INSERT", 1.0), &mapping("TRIM_HORIZON")).is_some());
    }

    #[test]
    fn batches_are_bounded_in_records_and_bytes() {
        let mut reader = Reader::default();
        reader.waiting.extend((0..5).map(|number| json!(number)));
        assert_eq!(reader.take(3).records, [json!(0), json!(1), json!(2)]);
        assert_eq!(reader.take(3).records, [json!(3), json!(4)]);
        let large = json!("x".repeat(BATCH_BYTES_MAX / 2));
        reader.waiting.extend([large.clone(), large.clone(), large]);
        assert_eq!(reader.take(3).records.len(), 1);
        assert_eq!(reader.waiting.len(), 2);
    }
}
