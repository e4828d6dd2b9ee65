//! What Slack signed counts as it was signed, for five minutes, and with any byte of it altered
//! never.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "in a test, a panic is the report"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use domain::question::Choice;
use intake::Refusal;
use intake::slack::{Pressed, SKEW_SECONDS_MAX, SigningSecret, decode};
use serde_json::{Value, json};

const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const SENT_AT: i64 = 1_764_151_260;
const TIMESTAMP: &str = "x-slack-request-timestamp";
const SIGNATURE: &str = "x-slack-signature";

fn sample() -> Value {
    let path = "../../events/button-pressed/approve.json";
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn open(event: &Value, secret: &str, now: i64) -> Result<Pressed, Refusal> {
    let secret = SigningSecret::new(secret).unwrap();
    let now = Timestamp::from_second(now).unwrap();
    decode(event.to_string().as_bytes())?.open(&secret, now)
}

/// A text with one byte altered, in every way that leaves it a text.
fn altered(text: &str, index: usize) -> impl Iterator<Item = String> + '_ {
    (0..8).filter_map(move |bit| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[index] ^= 1 << bit;
        String::from_utf8(bytes).ok()
    })
}

#[test]
fn a_request_altered_in_any_byte_of_its_body_is_refused() {
    let mut event = sample();
    let body = STANDARD.decode(event["body"].as_str().unwrap()).unwrap();
    for index in 0..body.len() {
        for alter in [1 << (index % 8), 0xff] {
            let mut body = body.clone();
            body[index] ^= alter;
            event["body"] = json!(STANDARD.encode(body));
            let opened = open(&event, SECRET, SENT_AT);
            assert_eq!(opened, Err(Refusal::NotSigned), "byte {index} ^ {alter}");
        }
    }
    for shorter in [&body[1..], &body[..body.len() - 1], &[]] {
        event["body"] = json!(STANDARD.encode(shorter));
        assert_eq!(open(&event, SECRET, SENT_AT), Err(Refusal::NotSigned));
    }
}

#[test]
fn a_request_altered_in_any_byte_of_its_signature_or_time_is_refused() {
    for header in [SIGNATURE, TIMESTAMP] {
        let sample = sample();
        let whole = sample["headers"][header].as_str().unwrap();
        for index in 0..whole.len() {
            for other in altered(whole, index) {
                let mut event = sample.clone();
                event["headers"][header] = json!(other);
                let opened = open(&event, SECRET, SENT_AT);
                let refused = matches!(opened, Err(Refusal::NotSigned | Refusal::OutOfTime));
                assert!(refused, "{header} {other}: {opened:?}");
            }
        }
    }
    // The same number, the same digest, written otherwise.
    for (header, alter) in [
        (SIGNATURE, str::to_uppercase as fn(&str) -> String),
        (TIMESTAMP, |time| format!("+{time}")),
        (TIMESTAMP, |time| format!("0{time}")),
    ] {
        let mut event = sample();
        let whole = event["headers"][header].as_str().unwrap();
        event["headers"][header] = json!(alter(whole));
        assert_eq!(open(&event, SECRET, SENT_AT), Err(Refusal::NotSigned));
    }
}

#[test]
fn what_was_recorded_counts_no_more_after_five_minutes() {
    let skew = i64::try_from(SKEW_SECONDS_MAX).unwrap();
    for now in [SENT_AT - skew, SENT_AT, SENT_AT + skew] {
        let pressed = open(&sample(), SECRET, now).unwrap();
        assert_eq!(
            (pressed.user.as_str(), pressed.choice),
            ("U0ALICE", Choice::Approve)
        );
    }
    for now in [SENT_AT - skew - 1, SENT_AT + skew + 1] {
        assert_eq!(open(&sample(), SECRET, now), Err(Refusal::OutOfTime));
    }
    let mut event = sample();
    event["headers"][TIMESTAMP] = json!("now");
    assert_eq!(open(&event, SECRET, 0), Err(Refusal::OutOfTime));
}

#[test]
fn another_apps_secret_opens_nothing() {
    let opened = open(&sample(), "0f1e2d3c4b5a69788796a5b4c3d2e1f1", SENT_AT);
    assert_eq!(opened, Err(Refusal::NotSigned));
}
