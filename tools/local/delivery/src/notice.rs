//! What a delivery tells about its work, for tests and the demo. No behaviour lives here.

use std::time::Duration;

/// What was delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One event of EventBridge.
    Event {
        /// The envelope's `id`.
        id: String,
        /// The envelope's `source`, for example `aws.s3`.
        source: String,
        /// The envelope's `detail-type`, for example `Object Created`.
        detail_type: String,
    },
    /// Consecutive records of a table's stream.
    Records {
        /// The stream's ARN.
        stream: String,
        /// The first record's sequence number.
        first: String,
        /// The last record's sequence number.
        last: String,
        /// How many records.
        count: usize,
    },
}

/// What a delivery did on purpose that AWS only does now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// Delivered twice.
    Doubled,
    /// Delivered this much later.
    Delayed(Duration),
    /// Held back until others had overtaken it.
    Shuffled,
    /// Not delivered at all.
    Lost,
}

/// What became of something that was to be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It arrived: the function answered without error, or the queue or event bus took it.
    Delivered {
        /// What was delivered.
        what: Subject,
        /// The target's ARN.
        to: String,
        /// Which attempt it was, from 1.
        attempt: u32,
    },
    /// An attempt failed; there will be another.
    Retried {
        /// What was to be delivered.
        what: Subject,
        /// The target's ARN.
        to: String,
        /// Which attempt failed, from 1.
        attempt: u32,
        /// Why it failed.
        reason: String,
        /// How long until the next attempt.
        pause: Duration,
    },
    /// No further attempt: it went to a dead-letter queue or an on-failure destination.
    DeadLettered {
        /// What was to be delivered.
        what: Subject,
        /// The target's ARN.
        to: String,
        /// The ARN of the queue, topic, function or bus that has it now.
        letters: String,
        /// Why the last attempt failed.
        reason: String,
    },
    /// No further attempt, and nobody has it: there is no dead-letter queue or destination, or
    /// that one failed too.
    Dropped {
        /// What was to be delivered.
        what: Subject,
        /// The target's ARN.
        to: String,
        /// Why.
        reason: String,
    },
    /// A limit of this machine was reached, and what came over it was dropped.
    Overflowed {
        /// What was dropped.
        what: Subject,
        /// The queue that was full, in words.
        queue: String,
        /// How many it holds.
        limit: usize,
    },
    /// Something went wrong on purpose.
    Unkind {
        /// What it happened to.
        what: Subject,
        /// What happened.
        deed: Deed,
    },
}
