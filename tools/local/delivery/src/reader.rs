//! Reading a table's stream from where a mapping starts, filtered and in order, and gathering
//! batches of what was read. What is done with a batch is `stream`.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
};

use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    calls::{Calls, Position},
    client::CallError,
    letters,
    rules::{Mapping, Start},
};

/// The largest batch, in bytes of its records; Lambda's limit of an invocation's payload.
const BATCH_BYTES_MAX: usize = 6 * 1024 * 1024 - 64 * 1024;

/// Where in a stream a mapping is.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    shard: Option<Shard>,
    /// Shards that were read to their end.
    finished: Vec<String>,
}

#[derive(Debug)]
struct Shard {
    id: String,
    iterator: String,
    position: Position,
}

/// Records of one shard, in its order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Page {
    pub(crate) shard: String,
    pub(crate) records: Vec<Value>,
}

/// Whether there may be more to read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum More {
    Perhaps,
    NotNow,
}

impl Reader {
    /// Reads on: the records that the function is to see.
    pub(crate) async fn read(
        &mut self,
        calls: &Calls,
        mapping: &Mapping,
    ) -> Result<(Page, More), CallError> {
        if self.shard.is_none() && !self.open(calls, mapping).await? {
            return Ok((Page::default(), More::NotNow));
        }
        let Some(shard) = self.shard.as_mut() else {
            return Ok((Page::default(), More::NotNow));
        };
        let read = match calls.records(mapping.stream.place(), &shard.iterator).await {
            Ok(read) => read,
            Err(CallError::Refused { code, .. }) if code.contains("ExpiredIterator") => {
                let position = shard.position.clone();
                shard.iterator = iterator(calls, mapping, &shard.id, &position).await?;
                return Ok((Page::default(), More::Perhaps));
            }
            Err(CallError::Refused { code, .. }) if code.contains("TrimmedDataAccess") => {
                tracing::error!(stream = %mapping.stream, "records are gone before they were read");
                shard.position = Position::Oldest;
                shard.iterator = iterator(calls, mapping, &shard.id, &Position::Oldest).await?;
                return Ok((Page::default(), More::Perhaps));
            }
            Err(error) => return Err(error),
        };
        let more = if read.records.is_empty() {
            More::NotNow
        } else {
            More::Perhaps
        };
        let last = read
            .records
            .last()
            .and_then(|record| record.pointer(SEQUENCE_NUMBER));
        if let Some(number) = last.and_then(Value::as_str) {
            shard.position = Position::After(number.to_owned());
        }
        let records = read
            .records
            .into_iter()
            .filter_map(|record| seen(record, mapping))
            .collect();
        let page = Page {
            shard: shard.id.clone(),
            records,
        };
        match read.next {
            Some(next) => shard.iterator = next,
            None => {
                self.finished.push(std::mem::take(&mut shard.id));
                self.shard = None;
            }
        }
        Ok((page, more))
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

/// Where a record has its sequence number.
const SEQUENCE_NUMBER: &str = "/dynamodb/SequenceNumber";

/// A record's sequence number.
pub(crate) fn sequence_number(record: &Value) -> &str {
    record
        .pointer(SEQUENCE_NUMBER)
        .and_then(Value::as_str)
        .unwrap_or_default()
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

/// Shares a page out among so many batches at a time. Records of one item stay together: its order
/// is all that Lambda keeps with a `ParallelizationFactor` above one.
pub(crate) fn share_out(page: Page, factor: usize) -> Vec<Page> {
    let empty = || Page {
        shard: page.shard.clone(),
        records: Vec::new(),
    };
    let mut shares: Vec<Page> = (0..factor.max(1)).map(|_| empty()).collect();
    for record in page.records {
        let share = item(&record) % shares.len();
        if let Some(share) = shares.get_mut(share) {
            share.records.push(record);
        }
    }
    shares
}

/// A number that stands for the record's item.
fn item(record: &Value) -> usize {
    let keys = record.pointer("/dynamodb/Keys").and_then(Value::as_object);
    let mut keys: Vec<String> = keys
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    keys.sort_unstable();
    let mut hasher = DefaultHasher::new();
    keys.hash(&mut hasher);
    usize::try_from(hasher.finish() >> 33).unwrap_or_default()
}

/// Gathers batches of what a reader sends.
#[derive(Debug)]
pub(crate) struct Gatherer {
    pages: mpsc::Receiver<Page>,
    waiting: VecDeque<Value>,
    shard: String,
}

impl Gatherer {
    pub(crate) const fn new(pages: mpsc::Receiver<Page>) -> Self {
        Self {
            pages,
            waiting: VecDeque::new(),
            shard: String::new(),
        }
    }

    /// Waits for a batch, at most as long as the mapping's window once there is a record. Nothing
    /// if the reader has ended.
    pub(crate) async fn gather(&mut self, mapping: &Mapping) -> Option<Page> {
        while self.waiting.is_empty() {
            let page = self.pages.recv().await?;
            self.add(page);
        }
        let until = Instant::now() + mapping.window;
        while self.waiting.len() < mapping.batch_size {
            let Ok(Some(page)) = timeout_at(until, self.pages.recv()).await else {
                break;
            };
            self.add(page);
        }
        Some(self.take(mapping.batch_size))
    }

    fn add(&mut self, page: Page) {
        self.shard = page.shard;
        self.waiting.extend(page.records);
    }

    fn take(&mut self, count: usize) -> Page {
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
        Page {
            shard: self.shard.clone(),
            records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: &str, window: u32) -> Mapping {
        let stream = "arn:aws:dynamodb:eu-west-1:111122223333:table/t/stream/2026-11-23T10:00:00";
        let given = json!({
            "UUID": "u", "EventSourceArn": stream, "StartingPosition": start,
            "FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:f",
            "BatchSize": 3, "MaximumBatchingWindowInSeconds": window,
            "FilterCriteria": { "Filters": [{ "Pattern": r#"{"eventName":["INSERT"]}"# }] }
        });
        Mapping::read(&given, 1_000).unwrap()
    }

    fn record(name: &str, created: f64) -> Value {
        json!({ "eventName": name, "dynamodb": { "ApproximateCreationDateTime": created } })
    }

    fn page(records: impl IntoIterator<Item = u32>) -> Page {
        Page {
            shard: "s".to_owned(),
            records: records.into_iter().map(|one| json!(one)).collect(),
        }
    }

    #[test]
    fn the_function_sees_what_its_filters_let_through_with_the_streams_name() {
        let latest = mapping("LATEST", 0);
        let record_seen = seen(record("INSERT", 1_000.4), &latest).unwrap();
        assert_eq!(record_seen["eventSourceARN"], latest.stream.as_str());
        assert!(seen(record("REMOVE", 1_000.4), &latest).is_none());
        assert!(seen(record("INSERT", 999.9), &latest).is_none());
        assert!(seen(record("INSERT", 1.0), &mapping("TRIM_HORIZON", 0)).is_some());
    }

    #[test]
    fn the_records_of_one_item_stay_together_and_in_order() {
        let record = |item: usize, number: usize| {
            json!({ "dynamodb": {
                "Keys": { "PK": { "S": item.to_string() } }, "SequenceNumber": number.to_string()
            } })
        };
        let records = (0..100).map(|number| record(number % 10, number)).collect();
        let shares = share_out(
            Page {
                shard: "s".to_owned(),
                records,
            },
            4,
        );
        assert_eq!(shares.len(), 4);
        assert_eq!(
            shares
                .iter()
                .map(|share| share.records.len())
                .sum::<usize>(),
            100
        );
        assert!(
            shares
                .iter()
                .filter(|share| !share.records.is_empty())
                .count()
                > 1
        );
        for item in 0..10 {
            let of_item = |share: &Page| {
                let key = item.to_string();
                let records = share.records.iter();
                let mine = records.filter(|record| record["dynamodb"]["Keys"]["PK"]["S"] == key);
                mine.map(|record| sequence_number(record).parse::<u32>().unwrap())
                    .collect()
            };
            let found: Vec<Vec<u32>> = shares
                .iter()
                .map(of_item)
                .filter(|found: &Vec<u32>| !found.is_empty())
                .collect();
            assert_eq!(found.len(), 1, "item {item}");
            assert!(found[0].is_sorted());
        }
        let swapped = json!({ "dynamodb": { "Keys": { "A": 1, "B": 2 } } });
        assert_eq!(
            item(&swapped),
            item(&json!({ "dynamodb": { "Keys": { "B": 2, "A": 1 } } }))
        );
    }

    #[tokio::test]
    async fn batches_are_bounded_in_records_and_bytes() {
        let (sender, receiver) = mpsc::channel(10);
        let mut gatherer = Gatherer::new(receiver);
        sender.send(page(0..5)).await.unwrap();
        assert_eq!(
            gatherer.gather(&mapping("LATEST", 0)).await,
            Some(page(0..3))
        );
        assert_eq!(
            gatherer.gather(&mapping("LATEST", 0)).await,
            Some(page(3..5))
        );
        let large = json!("x".repeat(BATCH_BYTES_MAX / 2));
        let records = vec![large.clone(), large.clone(), large];
        sender
            .send(Page {
                shard: "s".to_owned(),
                records,
            })
            .await
            .unwrap();
        drop(sender);
        for _ in 0..3 {
            let batch = gatherer.gather(&mapping("LATEST", 0)).await.unwrap();
            assert_eq!(batch.records.len(), 1);
        }
        assert_eq!(gatherer.gather(&mapping("LATEST", 0)).await, None);
    }

    #[tokio::test]
    async fn a_window_gathers_what_comes_within_it() {
        let (sender, receiver) = mpsc::channel(10);
        let mut gatherer = Gatherer::new(receiver);
        sender.send(page(0..1)).await.unwrap();
        let late = tokio::spawn(async move {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            sender.send(page(1..9)).await.unwrap();
            sender
        });
        assert_eq!(
            gatherer.gather(&mapping("LATEST", 20)).await,
            Some(page(0..3))
        );
        drop(late.await.unwrap());
    }
}
