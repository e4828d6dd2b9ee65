//! Deployment windows: `Mon-Fri 10:00-17:00 Asia/Kolkata`. When one is open is here, what that
//! holds back is in `decide`.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Time, Weekday};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A weekly span of local time in a time zone. Begins before it ends; over midnight, write two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Window {
    days: Vec<Weekday>,
    from: Time,
    to: Time,
    zone: TimeZone,
    zone_name: String,
}

/// Why a text is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Three parts are expected.
    #[error(
        "{0:?} is no window: write days, hours and time zone, as in \"Mon-Fri 10:00-17:00 Asia/Kolkata\""
    )]
    Shape(String),
    /// A day's name.
    #[error("{0:?} is no day: write Mon, Tue, Wed, Thu, Fri, Sat or Sun")]
    Day(String),
    /// A time of day.
    #[error("{0:?} is no time of day: write 09:30")]
    Time(String),
    /// Ends before it begins.
    #[error("the window {0:?} ends before it begins: over midnight, write two")]
    Order(String),
    /// A time zone's name.
    #[error("{0:?} is no time zone: write a name such as Asia/Kolkata or UTC")]
    Zone(String),
}

const DAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Monday),
    ("Tue", Weekday::Tuesday),
    ("Wed", Weekday::Wednesday),
    ("Thu", Weekday::Thursday),
    ("Fri", Weekday::Friday),
    ("Sat", Weekday::Saturday),
    ("Sun", Weekday::Sunday),
];

fn day_index(text: &str) -> Result<usize, WindowError> {
    DAYS.iter()
        .position(|(name, _)| name.eq_ignore_ascii_case(text))
        .ok_or_else(|| WindowError::Day(text.to_owned()))
}

fn days(text: &str) -> Result<Vec<Weekday>, WindowError> {
    let mut found = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day_index(first)?, day_index(last)?);
        loop {
            if let Some(day) = found.get_mut(at) {
                *day = true;
            }
            if at == last {
                break;
            }
            at = (at + 1) % DAYS.len();
        }
    }
    Ok(DAYS
        .iter()
        .zip(found)
        .filter(|(_, on)| *on)
        .map(|((_, day), _)| *day)
        .collect())
}

fn time(text: &str) -> Result<Time, WindowError> {
    let bad = || WindowError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    if hour.len() != 2 || minute.len() != 2 {
        return Err(bad());
    }
    Time::new(
        hour.parse().map_err(|_| bad())?,
        minute.parse().map_err(|_| bad())?,
        0,
        0,
    )
    .map_err(|_| bad())
}

impl FromStr for Window {
    type Err = WindowError;

    fn from_str(text: &str) -> Result<Self, WindowError> {
        let mut parts = text.split_whitespace();
        let (Some(day), Some(hours), Some(zone), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(WindowError::Shape(text.to_owned()));
        };
        let (from, to) = hours
            .split_once('-')
            .ok_or_else(|| WindowError::Shape(text.to_owned()))?;
        // 24:00 is how people write the end of a day.
        let to = if to == "24:00" { Time::MAX } else { time(to)? };
        let window = Self {
            days: days(day)?,
            from: time(from)?,
            to,
            zone: TimeZone::get(zone).map_err(|_| WindowError::Zone(zone.to_owned()))?,
            zone_name: zone.to_owned(),
        };
        if window.from < window.to {
            Ok(window)
        } else {
            Err(WindowError::Order(text.to_owned()))
        }
    }
}

impl Window {
    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let local = now.to_zoned_datetime(self.zone.clone());
        self.days.contains(&local.weekday()) && self.from <= local.time() && local.time() < self.to
    }

    /// When it opens next, after `now`. Daylight saving counts: an opening inside a skipped hour is
    /// at the first moment after it.
    #[must_use]
    pub fn opens_after(&self, now: Timestamp) -> Option<Timestamp> {
        let today = now.to_zoned_datetime(self.zone.clone()).date();
        (0..=7).find_map(|ahead| {
            let date = today.checked_add(i64::from(ahead).days()).ok()?;
            let at = date
                .to_datetime(self.from)
                .to_zoned_datetime(self.zone.clone())
                .ok()?
                .timestamp();
            (self.days.contains(&date.weekday()) && at > now).then_some(at)
        })
    }
}

/// When the first of several windows opens; `None` when one is open now or there are none.
#[must_use]
pub fn opens_at(windows: &[Window], now: Timestamp) -> Option<Timestamp> {
    if windows.iter().any(|window| window.is_open(now)) {
        return None;
    }
    windows
        .iter()
        .filter_map(|window| window.opens_after(now))
        .min()
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = DAYS
            .iter()
            .filter(|(_, day)| self.days.contains(day))
            .map(|(name, _)| *name)
            .collect();
        let end = if self.to == Time::MAX {
            "24:00".to_owned()
        } else {
            format!("{:02}:{:02}", self.to.hour(), self.to.minute())
        };
        write!(
            f,
            "{} {:02}:{:02}-{end} {}",
            names.join(","),
            self.from.hour(),
            self.from.minute(),
            self.zone_name
        )
    }
}

impl TryFrom<String> for Window {
    type Error = WindowError;
    fn try_from(text: String) -> Result<Self, WindowError> {
        text.parse()
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_local_time_in_its_zone() {
        let window: Window = "Mon-Fri 10:00-17:00 Asia/Kolkata".parse().unwrap();
        // 2026-11-23 is a Monday; Kolkata is 5:30 ahead.
        assert!(!window.is_open(at("2026-11-23T04:29:59Z")));
        assert!(window.is_open(at("2026-11-23T04:30:00Z")));
        assert!(window.is_open(at("2026-11-23T11:29:59Z")));
        assert!(!window.is_open(at("2026-11-23T11:30:00Z")));
        assert!(!window.is_open(at("2026-11-22T06:00:00Z")), "Sunday");
        assert_eq!(
            window.opens_after(at("2026-11-27T12:00:00Z")),
            Some(at("2026-11-30T04:30:00Z"))
        );
        assert_eq!(
            window.opens_after(at("2026-11-27T04:30:00Z")),
            Some(at("2026-11-30T04:30:00Z")),
            "it is open, and opens after the weekend"
        );
    }

    #[test]
    fn daylight_saving_counts() {
        let window: Window = "Sun 02:30-06:00 Europe/Berlin".parse().unwrap();
        // On 2026-03-29 the hour from 02:00 to 03:00 does not exist in Berlin.
        assert_eq!(
            window.opens_after(at("2026-03-28T12:00:00Z")),
            Some(at("2026-03-29T01:30:00Z"))
        );
        let winter: Window = "Mon 09:00-10:00 Europe/Berlin".parse().unwrap();
        assert!(winter.is_open(at("2026-11-23T08:00:00Z")));
        assert!(winter.is_open(at("2026-07-06T07:00:00Z")));
    }

    #[test]
    fn days_may_wrap_and_be_listed() {
        let window: Window = "Sat-Mon,Wed 00:00-24:00 UTC".parse().unwrap();
        assert_eq!(window.to_string(), "Mon,Wed,Sat,Sun 00:00-24:00 UTC");
        assert_eq!(window.to_string().parse::<Window>().unwrap(), window);
        let stored = String::from(window.clone());
        assert_eq!(stored, window.to_string(), "so it is stored");
    }

    #[test]
    fn what_is_no_window_says_why() {
        for (bad, why) in [
            ("Mon-Fri", "days, hours and time zone"),
            ("Mo-Fri 10:00-17:00 UTC", "is no day"),
            ("Mon 10-17 UTC", "is no time of day"),
            ("Mon 9:00-17:00 UTC", "is no time of day"),
            ("Mon 10:00-17:0 UTC", "is no time of day"),
            ("Mon 17:00-10:00 UTC", "ends before it begins"),
            ("Mon 10:00-10:00 UTC", "ends before it begins"),
            ("Mon 10:00-17:00 Asia/Calcuttta", "is no time zone"),
        ] {
            let error = bad.parse::<Window>().unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn the_earliest_of_several_counts() {
        let windows: Vec<Window> = ["Tue 10:00-11:00 UTC", "Wed 10:00-11:00 UTC"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(
            opens_at(&windows, at("2026-11-24T12:00:00Z")),
            Some(at("2026-11-25T10:00:00Z"))
        );
        assert_eq!(opens_at(&windows, at("2026-11-24T10:30:00Z")), None);
        assert_eq!(opens_at(&[], at("2026-11-24T10:30:00Z")), None);
    }
}
