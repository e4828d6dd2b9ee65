//! One batch of a stream on its way through a function: what is invoked next, what is retried,
//! cut in two, or discarded. Pure; the records themselves stay outside, here they are positions.
//! Sources: Lambda developer guide, services-dynamodb-errors and
//! services-ddb-batchfailurereporting.

use std::{collections::VecDeque, ops::Range, time::Duration};

use serde_json::Value;

/// What a mapping says about errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorRules {
    /// How many attempts after the first; none: until the record is too old.
    pub(crate) retries: Option<u32>,
    /// How old a record may be; none: as long as the stream has it.
    pub(crate) age: Option<Duration>,
    /// What becomes of a batch that failed as a whole.
    pub(crate) whole: Whole,
    /// What the function's answer means.
    pub(crate) answers: Answers,
}

/// What becomes of a batch that failed as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// It is tried again as it is.
    Kept,
    /// It is cut in two halves (`BisectBatchOnFunctionError`). Cutting costs no retry.
    Bisected,
}

/// What a function's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// Nothing: without an error the whole batch succeeded.
    Ignored,
    /// `ReportBatchItemFailures`: the answer may name records that failed.
    ItemFailures,
}

/// Why records are discarded, in Lambda's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Discarded {
    /// `RetryAttemptsExhausted`
    Retries,
    /// `RecordAgeExceeded`
    Age,
}

impl Discarded {
    /// How the destination's record calls it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Retries => "RetryAttemptsExhausted",
            Self::Age => "RecordAgeExceeded",
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Invoke the function with these records.
    Invoke(Range<usize>),
    /// Send these records' metadata to the destination, and go on.
    Discard {
        /// Which records.
        records: Range<usize>,
        /// Why.
        why: Discarded,
        /// How many times the function was invoked with them.
        invocations: u32,
    },
    /// All records are done with.
    Done,
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The function answered this.
    Answered(Value),
    /// The function reported an error, crashed or timed out.
    Error,
    /// Lambda could not run it. This costs no retry.
    Refused,
}

/// What an outcome meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// All records of the invocation succeeded.
    Succeeded,
    /// Some or all will be tried again, the `times`-th time in a row for the first of them.
    Again {
        /// How many times in a row.
        times: u32,
    },
    /// They will be discarded.
    GivenUp,
}

#[derive(Debug, Clone)]
struct Piece {
    records: Range<usize>,
    invocations: u32,
    retries: u32,
    refusals: u32,
}

/// A batch on its way.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    rules: ErrorRules,
    sequence_numbers: Vec<String>,
    pieces: VecDeque<Piece>,
    discard: Option<(Piece, Discarded)>,
}

impl Batch {
    /// A batch of the records with these sequence numbers, in the stream's order.
    pub(crate) fn new(rules: ErrorRules, sequence_numbers: Vec<String>) -> Self {
        let mut pieces = VecDeque::new();
        if !sequence_numbers.is_empty() {
            let records = 0..sequence_numbers.len();
            pieces.push_back(Piece {
                records,
                invocations: 0,
                retries: 0,
                refusals: 0,
            });
        }
        Self {
            rules,
            sequence_numbers,
            pieces,
            discard: None,
        }
    }

    /// What is to be done next. `age` tells how old the record at a position is.
    pub(crate) fn next(&mut self, age: impl Fn(usize) -> Duration) -> Step {
        if let Some((piece, why)) = self.discard.take() {
            return Step::Discard {
                records: piece.records,
                why,
                invocations: piece.invocations,
            };
        }
        let Some(piece) = self.pieces.front_mut() else {
            return Step::Done;
        };
        if let Some(limit) = self.rules.age {
            let old = piece
                .records
                .clone()
                .take_while(|record| age(*record) > limit)
                .count();
            if old > 0 {
                let end = piece.records.start + old;
                let step = Step::Discard {
                    records: piece.records.start..end,
                    why: Discarded::Age,
                    invocations: piece.invocations,
                };
                piece.records.start = end;
                if piece.records.is_empty() {
                    self.pieces.pop_front();
                }
                return step;
            }
        }
        Step::Invoke(piece.records.clone())
    }

    /// The invocation that [`next`](Self::next) asked for ended so.
    pub(crate) fn ended(&mut self, outcome: &Outcome) -> Meaning {
        let Some(piece) = self.pieces.pop_front() else {
            return Meaning::Succeeded;
        };
        match outcome {
            Outcome::Refused => {
                let piece = Piece {
                    refusals: piece.refusals + 1,
                    ..piece
                };
                let times = piece.refusals;
                self.pieces.push_front(piece);
                Meaning::Again { times }
            }
            Outcome::Error => self.failed_whole(piece),
            Outcome::Answered(answer) => match self.first_failure(answer, &piece.records) {
                Failure::None => Meaning::Succeeded,
                Failure::Whole => self.failed_whole(piece),
                Failure::From(record) => {
                    // What came before it is done; a new batch starts with it.
                    self.pieces.push_front(Piece {
                        records: record..piece.records.end,
                        invocations: 1,
                        retries: 0,
                        refusals: 0,
                    });
                    match self.rules.whole {
                        Whole::Kept => self.retried(),
                        // The batch was cut there, and cutting costs no retry.
                        Whole::Bisected => Meaning::Again { times: 1 },
                    }
                }
            },
        }
    }

    fn failed_whole(&mut self, piece: Piece) -> Meaning {
        let Piece {
            records,
            invocations,
            retries,
            ..
        } = piece;
        let invocations = invocations + 1;
        if self.rules.whole == Whole::Bisected && records.len() > 1 {
            let middle = records.start + records.len().div_ceil(2);
            for records in [middle..records.end, records.start..middle] {
                self.pieces.push_front(Piece {
                    records,
                    invocations,
                    retries,
                    refusals: 0,
                });
            }
            return Meaning::Again { times: retries + 1 };
        }
        self.pieces.push_front(Piece {
            records,
            invocations,
            retries,
            refusals: 0,
        });
        self.retried()
    }

    /// Counts a retry of the first piece, or gives it up.
    fn retried(&mut self) -> Meaning {
        let Some(mut piece) = self.pieces.pop_front() else {
            return Meaning::Succeeded;
        };
        if self
            .rules
            .retries
            .is_some_and(|limit| piece.retries >= limit)
        {
            self.discard = Some((piece, Discarded::Retries));
            return Meaning::GivenUp;
        }
        piece.retries += 1;
        let times = piece.retries;
        self.pieces.push_front(piece);
        Meaning::Again { times }
    }

    /// The first of these records that the answer names.
    fn first_failure(&self, answer: &Value, records: &Range<usize>) -> Failure {
        if self.rules.answers == Answers::Ignored {
            return Failure::None;
        }
        let failures = match answer.get("batchItemFailures") {
            Some(Value::Array(failures)) => failures,
            None | Some(Value::Null) => return Failure::None,
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
                return Failure::Whole;
            }
        };
        let mut first = None;
        for failure in failures {
            let named = failure.get("itemIdentifier").and_then(Value::as_str);
            let position = named.and_then(|named| {
                records.clone().find(|record| {
                    self.sequence_numbers
                        .get(*record)
                        .is_some_and(|number| number == named)
                })
            });
            // Empty, missing or unknown: nothing is known about any record.
            let Some(position) = position else {
                return Failure::Whole;
            };
            first = Some(first.map_or(position, |first: usize| first.min(position)));
        }
        match first {
            None => Failure::None,
            Some(first) if first == records.start => Failure::Whole,
            Some(first) => Failure::From(first),
        }
    }
}

/// Which records of an invocation failed.
enum Failure {
    None,
    Whole,
    From(usize),
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
