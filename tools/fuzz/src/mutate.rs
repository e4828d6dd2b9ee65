//! Makes of an input one that nobody should send. Knows JSON, because most of what is read is JSON,
//! and JSON inside a text of JSON, because requests and stored entries arrive so; everything else
//! is bytes. The same chance gives the same input.

use fastrand::Rng;
use serde_json::{Map, Value};

/// Largest input that is made, in bytes.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;
/// Most changes of one input.
const CHANGES_MAX: usize = 4;
/// How often a piece may be repeated in one change.
const REPEATS_MAX: usize = 40;
/// How deep a value may be wrapped in one change.
const WRAPS_MAX: usize = 200;
/// Longest piece of bytes that is moved, in bytes.
const PIECE_BYTES_MAX: usize = 64;

/// What stands where something else is expected, as text: JSON, YAML, numbers, names, time.
const ODD_PIECES: [&str; 41] = [
    "",
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "null",
    "true",
    "-0",
    "1e999",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "0.1e-400",
    ".5",
    "\u{0}",
    "\u{feff}",
    "\u{202e}",
    "\u{1f4a5}",
    "\u{fffd}",
    "\n",
    "\t",
    "\r\n",
    "--- ",
    "...\n",
    "&a ",
    "*a",
    "<<: ",
    "? ",
    "- ",
    "!!binary ",
    "|\n",
    "%",
    "=?utf-8?Q?",
    "9999-12-31T23:59:59Z",
    "web/0",
];

/// A value where another is expected.
const ODD_VALUES: [&str; 16] = [
    "null",
    "true",
    "0",
    "-1",
    "18446744073709551615",
    "1e308",
    "\"\"",
    "\"*\"",
    "[]",
    "{}",
    "[null]",
    r#"{"":null}"#,
    r#""\u0000""#,
    r#""-9999-01-01T00:00:00Z""#,
    r#""9999-12-30T22:00:00Z""#,
    r#""web/18446744073709551615""#,
];

/// Makes an input of `seed`, with pieces of `other` in it.
#[must_use]
pub fn mutate(seed: &[u8], other: &[u8], chance: &mut Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    // Few changes more often than many: what is broken in four places is refused at the first.
    let changes = chance.usize(1..=CHANGES_MAX);
    for _ in 0..chance.usize(1..=changes) {
        bytes = match serde_json::from_slice::<Value>(&bytes) {
            Ok(mut tree) if chance.u8(..6) != 0 => {
                change_tree(&mut tree, other, chance);
                tree.to_string().into_bytes()
            }
            Ok(_) | Err(_) => change_bytes(bytes, other, chance),
        };
        bytes.truncate(INPUT_BYTES_MAX);
    }
    bytes
}

/// Turns, takes out, doubles, moves or puts in some bytes.
fn change_bytes(mut bytes: Vec<u8>, other: &[u8], chance: &mut Rng) -> Vec<u8> {
    let at = chance.usize(..=bytes.len());
    let piece = piece(&bytes, chance);
    let put_in: Vec<u8> = match chance.u8(..7) {
        0 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.u8(..8);
            }
            return bytes;
        }
        1 => {
            let end = (at + piece.len()).min(bytes.len());
            bytes.drain(at..end);
            return bytes;
        }
        2 => {
            bytes.truncate(at);
            return bytes;
        }
        3 => piece.repeat(chance.usize(1..=REPEATS_MAX)),
        4 => self::piece(other, chance),
        5 => vec![chance.u8(..)],
        _ => pick(&ODD_PIECES, chance).as_bytes().to_vec(),
    };
    bytes.splice(at..at, put_in);
    bytes
}

/// Some bytes out of many.
fn piece(bytes: &[u8], chance: &mut Rng) -> Vec<u8> {
    let from = chance.usize(..=bytes.len());
    let length = chance.usize(..=PIECE_BYTES_MAX);
    bytes.iter().skip(from).take(length).copied().collect()
}

/// Goes down the tree by chance and changes one value.
fn change_tree(value: &mut Value, other: &[u8], chance: &mut Rng) {
    let ends_here = chance.u8(..10) == 0;
    match value {
        Value::Object(fields) if !fields.is_empty() && !ends_here => {
            let at = chance.usize(..fields.len());
            if chance.u8(..12) == 0 {
                change_fields(fields, at, chance);
            } else if let Some((_, inner)) = fields.iter_mut().nth(at) {
                change_tree(inner, other, chance);
            }
        }
        Value::Array(items) if !items.is_empty() && !ends_here => {
            let at = chance.usize(..items.len());
            match (chance.u8(..12), items.get(at).cloned()) {
                (0, _) => drop(items.remove(at)),
                (1, Some(item)) => {
                    let times = chance.usize(1..=REPEATS_MAX);
                    items.extend(std::iter::repeat_n(item, times));
                }
                _ => {
                    if let Some(item) = items.get_mut(at) {
                        change_tree(item, other, chance);
                    }
                }
            }
        }
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(mut inner @ (Value::Object(_) | Value::Array(_))) if chance.u8(..8) != 0 => {
                change_tree(&mut inner, other, chance);
                *text = inner.to_string();
            }
            Ok(_) | Err(_) if chance.bool() => *value = odd_value(value, other, chance),
            Ok(_) | Err(_) => {
                let bytes = change_bytes(text.clone().into_bytes(), other, chance);
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            *value = odd_value(value, other, chance);
        }
    }
}

/// Takes a field out, or gives its value another's name.
fn change_fields(fields: &mut Map<String, Value>, at: usize, chance: &mut Rng) {
    let Some(name) = fields.keys().nth(at).cloned() else {
        return;
    };
    let Some(inner) = fields.shift_remove(&name) else {
        return;
    };
    let names: Vec<String> = fields.keys().cloned().collect();
    match chance.u8(..3) {
        0 => {}
        1 => drop(fields.insert(pick(&ODD_PIECES, chance).to_owned(), inner)),
        _ => {
            let to = names.get(chance.usize(..=names.len())).cloned();
            fields.insert(to.unwrap_or(name), inner);
        }
    }
}

/// What stands in a value's place: something odd, something of another input, the value wrapped
/// deeply, or a long text.
fn odd_value(value: &Value, other: &[u8], chance: &mut Rng) -> Value {
    match chance.u8(..8) {
        0 => {
            let times = chance.usize(1..=WRAPS_MAX);
            (0..times).fold(value.clone(), |inner, _| Value::Array(vec![inner]))
        }
        1 => Value::from(pick(&ODD_PIECES, chance).repeat(chance.usize(1..=REPEATS_MAX))),
        2 => Value::from(chance.u64(..)),
        3 | 4 => serde_json::from_slice(other)
            .ok()
            .and_then(|tree: Value| somewhere(&tree, chance).cloned())
            .unwrap_or(Value::Null),
        _ => serde_json::from_str(pick(&ODD_VALUES, chance)).unwrap_or(Value::Null),
    }
}

/// A value somewhere in a tree.
fn somewhere<'a>(tree: &'a Value, chance: &mut Rng) -> Option<&'a Value> {
    let inner = match tree {
        Value::Object(fields) if !fields.is_empty() => {
            fields.values().nth(chance.usize(..fields.len()))
        }
        Value::Array(items) => items.get(chance.usize(..=items.len())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            None
        }
    };
    match inner {
        Some(inner) if chance.u8(..4) != 0 => somewhere(inner, chance),
        Some(_) | None => Some(tree),
    }
}

fn pick(words: &[&'static str], chance: &mut Rng) -> &'static str {
    chance.choice(words).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = r#"{"Records":[{"body":"{\"id\":\"web/42\",\"list\":[1,2,3]}"}],"n":1}"#;

    fn made(seed: u64) -> Vec<u8> {
        mutate(SEED.as_bytes(), SEED.as_bytes(), &mut Rng::with_seed(seed))
    }

    #[test]
    fn the_same_chance_makes_the_same_input() {
        for seed in 0..50 {
            assert_eq!(made(seed), made(seed));
        }
    }

    #[test]
    fn what_is_inside_a_text_is_reached_and_stays_json() {
        let inner_is_whole_and_changed = |bytes: &Vec<u8>| {
            let tree: Option<Value> = serde_json::from_slice(bytes).ok();
            let body = tree
                .as_ref()
                .and_then(|tree| tree.pointer("/Records/0/body"));
            let inner: Option<Value> = body
                .and_then(Value::as_str)
                .and_then(|text| serde_json::from_str(text).ok());
            inner.is_some_and(|inner| {
                inner.get("id").is_some() && inner.pointer("/list/2") != Some(&Value::from(3))
            })
        };
        let reached = (0..400)
            .map(made)
            .filter(inner_is_whole_and_changed)
            .count();
        assert!(reached > 10, "{reached} of 400");
    }

    #[test]
    fn no_input_is_larger_than_the_largest() {
        let mut bytes = vec![b'['; INPUT_BYTES_MAX];
        for seed in 0..50 {
            bytes = mutate(&bytes, SEED.as_bytes(), &mut Rng::with_seed(seed));
            assert!(bytes.len() <= INPUT_BYTES_MAX);
        }
    }
}
