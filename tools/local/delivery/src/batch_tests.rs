//! Batches: what is invoked in which order for which answers.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use serde_json::{Value, json};

use super::*;

const RULES: ErrorRules = ErrorRules {
    retries: Some(2),
    age: None,
    whole: Whole::Kept,
    answers: Answers::ItemFailures,
};

fn young(_: usize) -> Duration {
    Duration::ZERO
}

/// Plays a batch of records "0", "1" … against a function; says what happened, in order.
fn play(rules: ErrorRules, count: usize, function: impl Fn(&Range<usize>) -> Outcome) -> String {
    let mut batch = Batch::new(rules, (0..count).map(|record| record.to_string()).collect());
    let mut said = Vec::new();
    for _ in 0..1_000 {
        match batch.next(young) {
            Step::Invoke(records) => {
                batch.ended(&function(&records));
                said.push(format!("{}-{}", records.start, records.end - 1));
            }
            Step::Discard {
                records,
                why,
                invocations,
            } => said.push(format!(
                "discard {}-{} {} after {invocations}",
                records.start,
                records.end - 1,
                why.as_str()
            )),
            Step::Done => return said.join(", "),
        }
    }
    panic!("the batch never ends: {said:?}");
}

fn failures(identifiers: Value) -> Outcome {
    let list: Vec<Value> = identifiers
        .as_array()
        .unwrap()
        .iter()
        .map(|identifier| json!({ "itemIdentifier": identifier }))
        .collect();
    Outcome::Answered(json!({ "batchItemFailures": list }))
}

/// Fails whole when the poison record is among the records.
fn poison(record: usize) -> impl Fn(&Range<usize>) -> Outcome {
    move |records| {
        if records.contains(&record) {
            Outcome::Error
        } else {
            Outcome::Answered(Value::Null)
        }
    }
}

/// Reports the poison record when it is among the records.
fn reported(record: usize) -> impl Fn(&Range<usize>) -> Outcome {
    move |records| {
        if records.contains(&record) {
            failures(json!([record.to_string()]))
        } else {
            failures(json!([]))
        }
    }
}

#[test]
fn a_batch_that_succeeds_is_invoked_once() {
    for answer in [
        json!(null),
        json!({}),
        json!({ "batchItemFailures": [] }),
        json!("fine"),
    ] {
        let outcome = Outcome::Answered(answer);
        assert_eq!(play(RULES, 3, |_| outcome.clone()), "0-2");
    }
    let outcome = Outcome::Answered(json!({ "batchItemFailures": null }));
    assert_eq!(play(RULES, 3, |_| outcome.clone()), "0-2");
    assert_eq!(play(RULES, 0, |_| Outcome::Error), "");
}

#[test]
fn an_error_retries_the_whole_batch_and_then_discards_it() {
    assert_eq!(
        play(RULES, 3, |_| Outcome::Error),
        "0-2, 0-2, 0-2, discard 0-2 RetryAttemptsExhausted after 3"
    );
    let rules = ErrorRules {
        retries: Some(0),
        ..RULES
    };
    assert_eq!(
        play(rules, 1, |_| Outcome::Error),
        "0-0, discard 0-0 RetryAttemptsExhausted after 1"
    );
}

#[test]
fn bisecting_finds_the_poison_record_and_costs_no_retry() {
    let rules = ErrorRules {
        whole: Whole::Bisected,
        ..RULES
    };
    assert_eq!(
        play(rules.clone(), 4, poison(2)),
        "0-3, 0-1, 2-3, 2-2, 2-2, 2-2, discard 2-2 RetryAttemptsExhausted after 5, 3-3"
    );
    let rules = ErrorRules {
        retries: Some(0),
        ..rules
    };
    assert_eq!(
        play(rules, 3, poison(0)),
        "0-2, 0-1, 0-0, discard 0-0 RetryAttemptsExhausted after 3, 1-1, 2-2"
    );
}

#[test]
fn a_reported_failure_restarts_at_the_lowest_sequence_number() {
    let once = |records: &Range<usize>| {
        if records.start == 0 {
            failures(json!(["3", "1"]))
        } else {
            failures(json!([]))
        }
    };
    assert_eq!(play(RULES, 4, once), "0-3, 1-3");
}

#[test]
fn a_reported_failure_that_stays_is_discarded_with_all_that_follows() {
    assert_eq!(
        play(RULES, 4, reported(1)),
        "0-3, 1-3, 1-3, discard 1-3 RetryAttemptsExhausted after 3"
    );
}

#[test]
fn with_bisecting_a_reported_failure_that_stays_is_discarded_alone() {
    let rules = ErrorRules {
        whole: Whole::Bisected,
        ..RULES
    };
    assert_eq!(
        play(rules, 4, reported(1)),
        "0-3, 1-3, 1-2, 1-1, 1-1, 1-1, discard 1-1 RetryAttemptsExhausted after 6, 2-2, 3-3"
    );
}

#[test]
fn an_identifier_that_names_nothing_fails_the_whole_batch() {
    for identifiers in [
        json!([""]),
        json!([null]),
        json!(["nonesuch"]),
        json!(["1", ""]),
    ] {
        assert_eq!(
            play(
                ErrorRules {
                    retries: Some(1),
                    ..RULES
                },
                2,
                |_| failures(identifiers.clone())
            ),
            "0-1, 0-1, discard 0-1 RetryAttemptsExhausted after 2",
            "{identifiers}"
        );
    }
    let misnamed = json!({ "batchItemFailures": [{ "item": "1" }] });
    assert_eq!(
        play(
            ErrorRules {
                retries: Some(0),
                ..RULES
            },
            2,
            |_| Outcome::Answered(misnamed.clone())
        ),
        "0-1, discard 0-1 RetryAttemptsExhausted after 1"
    );
    let no_list = json!({ "batchItemFailures": "1" });
    assert_eq!(
        play(
            ErrorRules {
                retries: Some(0),
                ..RULES
            },
            2,
            |_| Outcome::Answered(no_list.clone())
        ),
        "0-1, discard 0-1 RetryAttemptsExhausted after 1"
    );
}

#[test]
fn without_the_response_type_the_answer_is_ignored() {
    let rules = ErrorRules {
        answers: Answers::Ignored,
        ..RULES
    };
    assert_eq!(play(rules, 2, |_| failures(json!(["0"]))), "0-1");
}

#[test]
fn a_record_of_an_earlier_piece_is_unknown_to_a_later_one() {
    let rules = ErrorRules {
        retries: Some(0),
        ..RULES
    };
    let function = |records: &Range<usize>| match records.start {
        0 => failures(json!(["1"])),
        _ => failures(json!(["0"])),
    };
    // The poison record is given up at once: it has been tried, and there are no retries.
    assert_eq!(
        play(rules, 2, function),
        "0-1, discard 1-1 RetryAttemptsExhausted after 1"
    );
}

#[test]
fn being_refused_costs_no_retry() {
    let mut batch = Batch::new(
        ErrorRules {
            retries: Some(0),
            ..RULES
        },
        vec!["0".to_owned()],
    );
    for times in 1..5 {
        assert_eq!(batch.next(young), Step::Invoke(0..1));
        assert_eq!(batch.ended(&Outcome::Refused), Meaning::Again { times });
    }
    assert_eq!(batch.next(young), Step::Invoke(0..1));
    assert_eq!(batch.ended(&Outcome::Error), Meaning::GivenUp);
}

#[test]
fn without_a_limit_retries_go_on() {
    let mut batch = Batch::new(
        ErrorRules {
            retries: None,
            ..RULES
        },
        vec!["0".to_owned()],
    );
    for times in 1..500 {
        assert_eq!(batch.next(young), Step::Invoke(0..1));
        assert_eq!(batch.ended(&Outcome::Error), Meaning::Again { times });
    }
}

#[test]
fn records_that_are_too_old_are_discarded_before_they_are_invoked() {
    let ages: BTreeMap<usize, Duration> = [(0, 90), (1, 70), (2, 10)]
        .map(|(record, age)| (record, Duration::from_secs(age)))
        .into();
    let rules = ErrorRules {
        age: Some(Duration::from_mins(1)),
        ..RULES
    };
    let mut batch = Batch::new(rules.clone(), vec!["0".into(), "1".into(), "2".into()]);
    let step = batch.next(|record| ages[&record]);
    assert_eq!(
        step,
        Step::Discard {
            records: 0..2,
            why: Discarded::Age,
            invocations: 0
        }
    );
    assert_eq!(batch.next(|record| ages[&record]), Step::Invoke(2..3));
    assert_eq!(
        batch.ended(&Outcome::Answered(Value::Null)),
        Meaning::Succeeded
    );
    assert_eq!(batch.next(young), Step::Done);

    let mut batch = Batch::new(rules, vec!["0".into()]);
    assert_eq!(batch.next(young), Step::Invoke(0..1));
    assert_eq!(batch.ended(&Outcome::Error), Meaning::Again { times: 1 });
    let step = batch.next(|_| Duration::from_mins(2));
    assert_eq!(
        step,
        Step::Discard {
            records: 0..1,
            why: Discarded::Age,
            invocations: 1
        }
    );
    assert_eq!(batch.next(young), Step::Done);
}

#[test]
fn every_record_succeeds_or_is_discarded_exactly_once_and_in_order() {
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let count = random.usize(1..12);
        let rules = ErrorRules {
            retries: Some(random.u32(0..4)),
            age: None,
            whole: if random.bool() {
                Whole::Bisected
            } else {
                Whole::Kept
            },
            answers: Answers::ItemFailures,
        };
        let numbers = (0..count).map(|record| record.to_string()).collect();
        let mut batch = Batch::new(rules, numbers);
        let mut settled = 0;
        loop {
            match batch.next(young) {
                Step::Invoke(records) => {
                    assert_eq!(records.start, settled, "seed {seed}: out of order");
                    let (outcome, done) = match random.u8(0..4) {
                        0 => (Outcome::Error, records.start),
                        1 => {
                            let failed = random.usize(records.clone());
                            (failures(json!([failed.to_string()])), failed)
                        }
                        _ => (Outcome::Answered(json!({})), records.end),
                    };
                    batch.ended(&outcome);
                    settled = done;
                }
                Step::Discard { records, .. } => {
                    assert_eq!(
                        records.start, settled,
                        "seed {seed}: discarded out of order"
                    );
                    settled = records.end;
                }
                Step::Done => break,
            }
        }
        assert_eq!(settled, count, "seed {seed}");
    }
}
