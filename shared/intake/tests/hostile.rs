//! Whatever bytes come, decoding answers: it neither panics nor takes for granted what is not
//! there.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::sync::LazyLock;

use common::{FUNCTIONS, decode, files, samples};
use proptest::prelude::*;
use serde_json::Value;

/// All samples, the good and the bad.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folders = FUNCTIONS.iter().flat_map(|function| {
        [
            samples().join(function),
            samples().join("refused").join(function),
        ]
    });
    folders
        .flat_map(|folder| files(&folder))
        .map(|file| std::fs::read(file).unwrap())
        .collect()
});

fn every_function_answers(bytes: &[u8]) {
    for function in FUNCTIONS {
        decode(function, bytes);
    }
}

/// What may stand where something else is expected.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        Just(Value::Array(Vec::new())),
        Just(Value::Object(serde_json::Map::new())),
        Just(serde_json::json!([[[{"S": {"S": []}}]]])),
        Just(Value::from("\u{0}\u{ffff}\u{1f4a5}".repeat(2000))),
    ]
}

/// Goes down the tree as `way` says and puts `odd` where it ends, or takes away what was there.
fn spoil(value: &mut Value, way: &[prop::sample::Index], odd: Option<&Value>) {
    let [first, rest @ ..] = way else {
        *value = odd.cloned().unwrap_or(Value::Null);
        return;
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields
                .keys()
                .nth(first.index(fields.len()))
                .cloned()
                .unwrap();
            match (rest, odd) {
                ([], None) => drop(fields.remove(&key)),
                _ => spoil(&mut fields[&key], rest, odd),
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let at = first.index(items.len());
            spoil(items.get_mut(at).unwrap(), rest, odd);
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => *value = odd.cloned().unwrap_or(Value::Null),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        every_function_answers(&bytes);
    }

    #[test]
    fn a_sample_with_other_bytes_in_it_is_answered(
        sample in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut bytes = SAMPLES[sample.index(SAMPLES.len())].clone();
        for (at, byte) in edits {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        every_function_answers(&bytes);
        bytes.truncate(end.index(bytes.len() + 1));
        every_function_answers(&bytes);
    }

    #[test]
    fn a_sample_with_something_odd_in_it_is_answered(
        sample in any::<prop::sample::Index>(),
        way in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        odd in prop::option::of(odd_value()),
    ) {
        let Ok(mut event) = serde_json::from_slice::<Value>(&SAMPLES[sample.index(SAMPLES.len())])
        else {
            return Ok(());
        };
        spoil(&mut event, &way, odd.as_ref());
        every_function_answers(event.to_string().as_bytes());
    }
}

#[test]
fn every_function_answers_to_every_sample() {
    for sample in SAMPLES.iter() {
        every_function_answers(sample);
    }
}
