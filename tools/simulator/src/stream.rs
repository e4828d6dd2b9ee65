//! The table's stream and the two mappings that read it, set as the template sets them: batches,
//! partial failures, bisecting, and a bounded number of tries, after which a record is given up.

use std::rc::Rc;

use domain::{Commit, SignedDuration, Timestamp, due};

use crate::point::Function;

/// The shards of the stream: services are spread over them, and one that stands holds up others.
pub(crate) const SHARDS: usize = 2;

/// How a mapping is set.
struct Mapping {
    batch: usize,
    tries_max: u32,
    age_max: SignedDuration,
}

/// `infra/template.yaml`, `LedgerStream` of both functions.
fn mapping(reader: Function) -> Mapping {
    if reader == Function::Notifier {
        Mapping {
            batch: 10,
            tries_max: 100,
            age_max: SignedDuration::from_hours(12),
        }
    } else {
        Mapping {
            batch: 5,
            tries_max: 10,
            age_max: SignedDuration::from_hours(1),
        }
    }
}

/// One record.
#[derive(Debug, Clone)]
struct Record {
    number: u64,
    at: Timestamp,
    commit: Rc<Commit>,
    acts: bool,
    tells: bool,
}

/// How far one mapping is in one shard.
#[derive(Debug)]
struct Cursor {
    reader: Function,
    at: usize,
    busy: bool,
    tries: u32,
    /// After a whole batch failed it is cut in two, which counts as no try.
    cut: Option<usize>,
}

#[derive(Debug)]
struct Shard {
    records: Vec<Record>,
    cursors: [Cursor; 2],
}

/// The stream.
#[derive(Debug)]
pub(crate) struct Stream {
    shards: Vec<Shard>,
    number: u64,
}

/// A batch to be read.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) reader: Function,
    pub(crate) shard: usize,
    pub(crate) records: Vec<(u64, Rc<Commit>)>,
}

/// What a batch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    /// All is done.
    Done,
    /// All is done, and it comes again all the same.
    Again,
    /// It failed from this record on.
    FailedAt(u64),
    /// The function failed as a whole.
    Failed,
}

impl Stream {
    pub(crate) fn new() -> Self {
        let cursor = |reader| Cursor {
            reader,
            at: 0,
            busy: false,
            tries: 0,
            cut: None,
        };
        let shard = |_| Shard {
            records: Vec::new(),
            cursors: [cursor(Function::Deployer), cursor(Function::Notifier)],
        };
        Self {
            shards: (0..SHARDS).map(shard).collect(),
            number: 0,
        }
    }

    pub(crate) fn push(&mut self, commit: Rc<Commit>, now: Timestamp) {
        self.number += 1;
        let sum: usize = commit.service.as_str().bytes().map(usize::from).sum();
        let record = Record {
            number: self.number,
            at: now,
            acts: commit.acts(),
            tells: commit.tells(),
            commit,
        };
        if let Some(shard) = self.shards.get_mut(sum % SHARDS) {
            shard.records.push(record);
        }
    }

    /// Readers that have something to read and do not read; from now on they do.
    pub(crate) fn begin(&mut self) -> Vec<(Function, usize)> {
        let mut begun = Vec::new();
        for (at, shard) in self.shards.iter_mut().enumerate() {
            shard.forget_what_was_read();
            for cursor in &mut shard.cursors {
                let mut rest = shard.records.iter().skip(cursor.at);
                let skipped = rest.position(|record| record.passes(cursor.reader));
                match skipped {
                    None => cursor.at = shard.records.len(),
                    Some(skipped) if !cursor.busy => {
                        cursor.at += skipped;
                        cursor.busy = true;
                        begun.push((cursor.reader, at));
                    }
                    Some(_) => {}
                }
            }
        }
        begun
    }

    /// The batch a reader gets now.
    pub(crate) fn batch(&self, reader: Function, shard: usize) -> Option<Batch> {
        let at = self.shards.get(shard)?;
        let cursor = at.cursors.iter().find(|cursor| cursor.reader == reader)?;
        let most = cursor.cut.unwrap_or(mapping(reader).batch);
        let rest = at.records.iter().skip(cursor.at);
        let records = rest.filter(|record| record.passes(reader)).take(most);
        let records = records.map(|record| (record.number, Rc::clone(&record.commit)));
        Some(Batch {
            reader,
            shard,
            records: records.collect(),
        })
    }

    /// The reader of a batch rests before it reads again.
    pub(crate) fn hold(&mut self, batch: &Batch) {
        let shard = self.shards.get_mut(batch.shard);
        let cursors = shard.into_iter().flat_map(|shard| &mut shard.cursors);
        cursors
            .filter(|cursor| cursor.reader == batch.reader)
            .for_each(|cursor| cursor.busy = true);
    }

    /// What a batch came to; after how long it is tried again, and the record that was given up.
    pub(crate) fn came(&mut self, batch: &Batch, came: &Came, now: Timestamp) -> Aftermath {
        let mapping = mapping(batch.reader);
        let mut after = Aftermath::default();
        let Some(shard) = self.shards.get_mut(batch.shard) else {
            return after;
        };
        let position = |number: u64| shard.records.iter().position(|one| one.number == number);
        let (first, last) = (batch.records.first(), batch.records.last());
        let first = first.and_then(|(number, _)| position(*number));
        let last = last.and_then(|(number, _)| position(*number));
        let failed = match came {
            Came::FailedAt(number) => position(*number),
            Came::Done | Came::Again | Came::Failed => None,
        };
        let mut cursors = shard.cursors.iter_mut();
        let Some(cursor) = cursors.find(|cursor| cursor.reader == batch.reader) else {
            return after;
        };
        cursor.busy = false;
        match came {
            Came::Again => return after,
            Came::Done => {
                cursor.at = last.map_or(cursor.at, |last| last + 1);
                cursor.tries = 0;
                cursor.cut = None;
                return after;
            }
            Came::FailedAt(_) => {
                cursor.tries = if failed == first { cursor.tries + 1 } else { 1 };
                cursor.at = failed.unwrap_or(cursor.at);
                cursor.cut = None;
            }
            Came::Failed if batch.records.len() > 1 => {
                cursor.cut = Some(batch.records.len().div_ceil(2));
                after.bisected = true;
            }
            Came::Failed => cursor.tries += 1,
        }
        let record = shard.records.get(cursor.at);
        let old = record.is_some_and(|one| due::after(one.at, mapping.age_max) < now);
        if old || cursor.tries > mapping.tries_max {
            after.given_up = record.map(|record| Rc::clone(&record.commit));
            cursor.at += 1;
            cursor.tries = 0;
            cursor.cut = None;
        }
        after.pause = 1_i64 << cursor.tries.min(6);
        after
    }
}

/// What follows from a batch.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    /// In seconds.
    pub(crate) pause: i64,
    pub(crate) bisected: bool,
    pub(crate) given_up: Option<Rc<Commit>>,
}

impl Shard {
    /// What both mappings are past is never read again: it would only hold snapshots of long ago.
    fn forget_what_was_read(&mut self) {
        let read = self.cursors.iter().map(|cursor| cursor.at).min();
        let read = read.unwrap_or(0);
        if read > 0 {
            self.records.drain(..read);
            self.cursors.iter_mut().for_each(|cursor| cursor.at -= read);
        }
    }
}

impl Record {
    fn passes(&self, reader: Function) -> bool {
        if reader == Function::Notifier {
            self.tells
        } else {
            self.acts
        }
    }
}
