//! Times for people: in their zone, with how long ago. Nothing here asks what time it is.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Tells times.
#[derive(Debug, Clone)]
pub(crate) struct Times {
    /// When the command began.
    pub(crate) now: Timestamp,
    /// The reader's zone.
    pub(crate) zone: TimeZone,
}

impl Times {
    /// `23 Nov 14:05`, with the year when it is another one.
    pub(crate) fn at(&self, at: Timestamp) -> String {
        let there = at.to_zoned_datetime(self.zone.clone());
        let same_year = there.year() == self.now.to_zoned_datetime(self.zone.clone()).year();
        let format = if same_year {
            "%-d %b %H:%M"
        } else {
            "%-d %b %Y %H:%M"
        };
        there.strftime(format).to_string()
    }

    /// `14:05:09`, for what happens while one looks on.
    pub(crate) fn clock(&self) -> String {
        let there = self.now.to_zoned_datetime(self.zone.clone());
        there.strftime("%H:%M:%S").to_string()
    }

    /// `23 Nov 14:05 (3m ago)`.
    pub(crate) fn at_and_ago(&self, at: Timestamp) -> String {
        format!("{} ({})", self.at(at), self.ago(at))
    }

    /// `3m ago`, or `in 3m`.
    pub(crate) fn ago(&self, at: Timestamp) -> String {
        let passed = self.now.duration_since(at);
        if passed.is_negative() {
            format!("in {}", rough(-passed))
        } else if passed < SignedDuration::from_secs(1) {
            "now".to_owned()
        } else {
            format!("{} ago", rough(passed))
        }
    }
}

/// A duration in its largest unit, as one reads it at a glance.
pub(crate) fn rough(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> Times {
        Times {
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            zone: TimeZone::get("Asia/Kolkata").unwrap(),
        }
    }

    #[test]
    fn times_are_in_the_readers_zone_with_their_age() {
        let at = |text: &str| times().at_and_ago(text.parse().unwrap());
        assert_eq!(at("2026-11-23T11:57:30Z"), "23 Nov 17:27 (2m ago)");
        assert_eq!(at("2026-11-23T11:59:59.5Z"), "23 Nov 17:29 (now)");
        assert_eq!(at("2026-11-22T23:00:00Z"), "23 Nov 04:30 (13h ago)");
        assert_eq!(at("2025-11-23T12:00:00Z"), "23 Nov 2025 17:30 (365d ago)");
        assert_eq!(at("2026-11-30T12:00:00Z"), "30 Nov 17:30 (in 7d)");
        assert_eq!(at("2026-11-23T12:00:41Z"), "23 Nov 17:30 (in 41s)");
    }
}
