//! The EventBridge envelope that every event of ours travels in. What is in `detail` is told by
//! the modules that know what happened.

use jiff::Timestamp;
use serde_json::{Value, json};

/// Where an event came from, and of what kind it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// The sender, for example `aws.ecs`.
    pub(crate) source: &'static str,
    /// For example `ECS Deployment State Change`.
    pub(crate) detail_type: &'static str,
}

/// An account and a Region: the place where a resource lives and an event is sent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// Twelve digits.
    pub(crate) account: String,
    /// For example `eu-west-1`.
    pub(crate) region: String,
}

/// A whole envelope.
pub(crate) fn envelope(place: &Place, kind: Kind, resources: &[&str], detail: Value) -> Value {
    json!({
        "version": "0",
        "id": uuid(),
        "detail-type": kind.detail_type,
        "source": kind.source,
        "account": place.account,
        "time": seconds(Timestamp::now()),
        "region": place.region,
        "resources": resources,
        "detail": detail,
    })
}

/// A random UUID (version 4).
pub(crate) fn uuid() -> String {
    let bits = fastrand::u128(..) & !(0xf000_u128 << 64) & !(0xc000_u128 << 48);
    let bits = bits | (0x4000_u128 << 64) | (0x8000_u128 << 48);
    let text = format!("{bits:032x}");
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default().to_owned();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

/// A time as envelopes write it: whole seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as details write it: milliseconds.
pub(crate) fn millis(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A time as AWS's JSON protocol writes it: seconds since 1970 with milliseconds.
pub(crate) fn epoch(time: Timestamp) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds fit a double until 287396"
    )]
    let millis = time.as_millisecond() as f64;
    millis / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_version_4_uuid() {
        let id = uuid();
        assert_eq!(id.len(), 36);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'));
    }

    #[test]
    fn times_are_written_as_aws_writes_them() {
        let time: Timestamp = "2026-11-23T10:11:12.3456Z".parse().unwrap();
        assert_eq!(seconds(time), "2026-11-23T10:11:12Z");
        assert_eq!(millis(time), "2026-11-23T10:11:12.345Z");
        assert_eq!(epoch("1970-01-01T00:00:01.5Z".parse().unwrap()), 1.5);
    }
}
