//! What every run of the tests does: each target reads what it should and a number of inputs that
//! nobody should send, the same ones each time. `LASTGOOD_FUZZ_ROUNDS` asks for more of them.

use fastrand::Rng;
use fuzz::shake::{rounds, shake};
use fuzz::{TARGETS, Target};

/// Inputs made for each target.
const ROUNDS: usize = 300;

#[test]
fn whatever_comes_it_is_read_or_refused_and_no_law_is_broken() {
    for target in TARGETS {
        if let Err(broken) = shake(target, rounds(ROUNDS), Rng::with_seed(0)) {
            let kept = broken
                .keep()
                .map_or_else(|error| error.to_string(), |path| path.display().to_string());
            panic!("{}: {}\nthe input: {kept}", broken.target, broken.words);
        }
    }
}

/// What a reader with a mistake is found by; the mistake sits where a plain text does not reach.
const SEED: &str = r#"{"body":"{\"ask\":{\"do\":\"approve\",\"release\":17}}"}"#;

#[test]
fn a_reader_that_trips_over_a_rare_value_in_a_text_of_json_is_found() {
    let planted = Target {
        name: "planted",
        read: |bytes| {
            let event: Option<serde_json::Value> = serde_json::from_slice(bytes).ok();
            let body = event.as_ref().and_then(|event| event.get("body")?.as_str());
            let request: Option<serde_json::Value> =
                body.and_then(|body| serde_json::from_str(body).ok());
            let release = request
                .as_ref()
                .and_then(|request| request.pointer("/ask/release"));
            assert_ne!(release.and_then(serde_json::Value::as_u64), Some(u64::MAX));
        },
        seeds: || vec![SEED.into()],
    };
    let broken = shake(&planted, 20 * ROUNDS, Rng::with_seed(0)).unwrap_err();
    assert!(String::from_utf8_lossy(&broken.input).contains("18446744073709551615"));
}

#[test]
fn a_reader_that_cuts_a_letter_in_two_is_found() {
    let planted = Target {
        name: "planted",
        read: |bytes| {
            if let Ok(text) = std::str::from_utf8(bytes) {
                let _ = &text[..text.len().min(9)];
            }
        },
        seeds: || vec![SEED.into()],
    };
    assert!(shake(&planted, 20 * ROUNDS, Rng::with_seed(0)).is_err());
}
