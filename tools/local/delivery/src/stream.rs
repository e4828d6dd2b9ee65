//! Stream mappings at work: one reader each, and as many batches at a time as the mapping says, so
//! that a slow function delays nobody else. What is retried or discarded is decided in `batch`.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

use crate::{
    Notice, Subject,
    batch::{Batch, Discarded, Meaning, Outcome, Step},
    calls::Invoked,
    destination::Ending,
    envelope,
    invoke::error_text,
    letters::{self, DiscardedRecords, Response},
    reader::{Gatherer, More, Page, Reader, sequence_number, share_out},
    rules::Mapping,
    shared::{Shared, Spawned, lock},
};

/// How often a stream without new records is looked at. Lambda does it four times a second.
const POLL_EVERY: Duration = Duration::from_millis(150);

/// How many pages wait for a function that is slower than its stream.
const PAGES_WAITING_MAX: usize = 4;

/// How long a worker waits before it looks again at a stream that it cannot read.
const TROUBLE_PAUSE: Duration = Duration::from_secs(1);

/// The workers, by their mapping's id.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    workers: Mutex<HashMap<String, Worker>>,
}

#[derive(Debug)]
struct Worker {
    mapping: watch::Sender<Arc<Mapping>>,
    work: Spawned,
}

impl Workers {
    /// From now on there are these mappings: starts, changes and ends workers.
    pub(crate) fn set(&self, shared: &Arc<Shared>, mappings: Vec<Mapping>) {
        let mut workers = lock(&self.workers);
        workers.retain(|id, worker| {
            let stays = mappings.iter().any(|mapping| mapping.id == *id);
            if !stays {
                worker.work.abort();
            }
            stays
        });
        for mapping in mappings {
            let mapping = Arc::new(mapping);
            if let Some(worker) = workers.get(&mapping.id) {
                // Where it started does not change, or what was not read yet would be skipped.
                let start = worker.mapping.borrow().start;
                let mapping = Mapping {
                    start,
                    ..Mapping::clone(&mapping)
                };
                worker.mapping.send_replace(Arc::new(mapping));
                continue;
            }
            let id = mapping.id.clone();
            let (sender, receiver) = watch::channel(mapping);
            let work = shared.spawn(work(Arc::clone(shared), receiver));
            workers.insert(
                id,
                Worker {
                    mapping: sender,
                    work,
                },
            );
        }
    }
}

/// A batch under way.
struct Under {
    mapping: Arc<Mapping>,
    shard: String,
    records: Vec<Value>,
}

/// Reads a mapping's stream, for ever.
async fn work(shared: Arc<Shared>, mapping: watch::Receiver<Arc<Mapping>>) {
    let current = || Arc::clone(&*mapping.borrow());
    may_read(&shared, &current()).await;
    let mut reader = Reader::default();
    // They end with the reader.
    let mut carriers = JoinSet::new();
    let mut lanes: Vec<mpsc::Sender<Page>> = Vec::new();
    loop {
        let settings = current();
        while lanes.len() < settings.factor {
            let (sender, pages) = mpsc::channel(PAGES_WAITING_MAX);
            carriers.spawn(carry_all(
                Arc::clone(&shared),
                mapping.clone(),
                Gatherer::new(pages),
            ));
            lanes.push(sender);
        }
        match reader.read(&shared.calls, &settings).await {
            Ok((page, more)) => {
                // A lane that is no longer used stays, so that an item keeps its order.
                for (share, lane) in share_out(page, lanes.len()).into_iter().zip(&lanes) {
                    if !share.records.is_empty() && lane.send(share).await.is_err() {
                        tracing::error!(stream = %settings.stream, "a mapping's carrier has died");
                        return;
                    }
                }
                if more == More::NotNow {
                    tokio::time::sleep(POLL_EVERY).await;
                }
            }
            Err(error) => {
                tracing::warn!(stream = %settings.stream, %error, "the stream cannot be read");
                tokio::time::sleep(TROUBLE_PAUSE).await;
            }
        }
    }
}

/// Carries one batch after another, until the reader ends.
async fn carry_all(
    shared: Arc<Shared>,
    mapping: watch::Receiver<Arc<Mapping>>,
    mut gatherer: Gatherer,
) {
    loop {
        let mapping = Arc::clone(&*mapping.borrow());
        let Some(Page { shard, records }) = gatherer.gather(&mapping).await else {
            break;
        };
        shared
            .carry(&Under {
                mapping,
                shard,
                records,
            })
            .await;
    }
}

/// Waits until the function's role may read the stream, which AWS demands before it maps.
async fn may_read(shared: &Arc<Shared>, mapping: &Mapping) {
    let action = "dynamodb:GetRecords";
    while let Err(reason) = shared
        .role_of_may(&mapping.function, action, &mapping.stream)
        .await
    {
        tracing::error!(stream = %mapping.stream, reason, "the mapping cannot read its stream");
        tokio::time::sleep(TROUBLE_PAUSE).await;
    }
}

impl Shared {
    /// Carries a batch through its function until all records succeeded or are discarded.
    async fn carry(self: &Arc<Self>, under: &Under) {
        let copies = self.copies(&under.subject(&(0..under.records.len())));
        tokio::time::sleep(copies.first).await;
        let errors = under.mapping.errors.clone();
        let mut batch = Batch::new(errors, under.sequence_numbers());
        let mut response = None;
        let mut doubled = copies.second;
        loop {
            match batch.next(|record| under.age(record)) {
                Step::Done => break,
                Step::Discard {
                    records,
                    why,
                    invocations,
                } => {
                    let last = response.as_ref().filter(|_| invocations > 0);
                    self.discard(under, records, why, invocations, last).await;
                }
                Step::Invoke(records) => {
                    let (outcome, reason) = self.invoke_batch(under, &records, &mut response).await;
                    let meaning = batch.ended(&outcome);
                    self.after(under, &records, meaning, reason).await;
                    // Lambda may lose the note that a batch is done, and bring it again.
                    if meaning == Meaning::Succeeded
                        && let Some(delay) = doubled.take()
                    {
                        tokio::time::sleep(delay).await;
                        self.invoke_batch(under, &records, &mut None).await;
                    }
                }
            }
        }
    }

    async fn invoke_batch(
        &self,
        under: &Under,
        records: &Range<usize>,
        response: &mut Option<Response>,
    ) -> (Outcome, String) {
        let function = &under.mapping.function;
        let lane = self.lane(function.as_str());
        let _running = lane.running.acquire().await;
        let event = json!({ "Records": under.slice(records) });
        match self
            .calls
            .invoke(function, Bytes::from(event.to_string()))
            .await
        {
            Invoked::Ran(ran) => {
                let reason = error_text(&ran);
                let outcome = match &ran.error {
                    None => Outcome::Answered(ran.payload.clone()),
                    Some(_) => Outcome::Error,
                };
                *response = Some(ran);
                (outcome, reason)
            }
            Invoked::Refused(reason) | Invoked::Impossible { reason, .. } => {
                (Outcome::Refused, reason)
            }
        }
    }

    /// Tells what an invocation meant, and waits if there will be another.
    async fn after(&self, under: &Under, records: &Range<usize>, meaning: Meaning, reason: String) {
        let (what, to) = (under.subject(records), under.mapping.function.to_string());
        match meaning {
            Meaning::Succeeded => self.tell(Notice::Delivered {
                what,
                to,
                attempt: 1,
            }),
            Meaning::GivenUp => {}
            Meaning::Again { times } => {
                let pause = self.pauses.backoff(times);
                self.tell(Notice::Retried {
                    what,
                    to,
                    attempt: times,
                    reason,
                    pause,
                });
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn discard(
        self: &Arc<Self>,
        under: &Under,
        records: Range<usize>,
        why: Discarded,
        invocations: u32,
        response: Option<&Response>,
    ) {
        let mapping = &under.mapping;
        let (what, to) = (under.subject(&records), mapping.function.to_string());
        let reason = match response {
            Some(response) => format!("{}: {}", why.as_str(), error_text(response)),
            None => why.as_str().to_owned(),
        };
        let Some(destination) = &mapping.on_failure else {
            return self.tell(Notice::Dropped { what, to, reason });
        };
        let record = letters::stream_record(&DiscardedRecords {
            request_id: &envelope::new_id(),
            function: &mapping.function,
            stream: &mapping.stream,
            shard: &under.shard,
            why,
            invocations,
            records: under.slice(&records),
            response,
            now: jiff::Timestamp::now(),
        });
        let sent = self
            .send_record(&mapping.function, destination, &record, Ending::Failure)
            .await;
        match sent {
            Ok(()) => {
                let letters = destination.to_string();
                self.tell(Notice::DeadLettered {
                    what,
                    to,
                    letters,
                    reason,
                });
            }
            Err(lost) => {
                let reason = format!("{reason}; {lost}");
                self.tell(Notice::Dropped { what, to, reason });
            }
        }
    }
}

impl Under {
    fn slice(&self, records: &Range<usize>) -> &[Value] {
        self.records.get(records.clone()).unwrap_or_default()
    }

    fn sequence_number(&self, record: usize) -> String {
        self.records
            .get(record)
            .map(sequence_number)
            .unwrap_or_default()
            .to_owned()
    }

    fn sequence_numbers(&self) -> Vec<String> {
        (0..self.records.len())
            .map(|record| self.sequence_number(record))
            .collect()
    }

    fn age(&self, record: usize) -> Duration {
        let created = self.records.get(record).and_then(letters::created);
        let now = jiff::Timestamp::now().as_second();
        let seconds = created.map_or(0, |created| now - created);
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    fn subject(&self, records: &Range<usize>) -> Subject {
        Subject::Records {
            stream: self.mapping.stream.to_string(),
            first: self.sequence_number(records.start),
            last: self.sequence_number(records.end.saturating_sub(1)),
            count: records.len(),
        }
    }
}
