//! Durations as people write them: `10s`, `5m`, `1h30m`, `7d`. A day is 24 hours. What each
//! duration is for, and how long it may be, is not here.

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no duration")]
pub(super) struct NoDuration(pub(super) String);

/// Reads a duration. Months and years are refused: their length depends on when they begin; parts
/// of a second too: nothing is timed by them, and [`words`] does not write them.
pub(super) fn parse(text: &str) -> Result<SignedDuration, NoDuration> {
    text.trim()
        .parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .filter(|duration| duration.subsec_nanos() == 0)
        .ok_or_else(|| NoDuration(text.to_owned()))
}

/// Writes a duration the way people write it: the largest units that fit, without zeros.
pub(super) fn words(duration: SignedDuration) -> String {
    const UNITS: [(i64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = duration.as_secs();
    let mut text = String::new();
    for (seconds, unit) in UNITS {
        if left >= seconds {
            text.push_str(&format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}
