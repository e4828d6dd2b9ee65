//! Schedule expressions: `rate(…)`, `cron(…)` and `at(…)`, and when they fire. Pure.
//! Source: EventBridge user guide, "Setting a schedule pattern".

use jiff::{Timestamp, civil, tz::TimeZone};

/// When something fires.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// Every so many minutes.
    Rate {
        /// At least one.
        minutes: u64,
    },
    /// In the minutes that match.
    Cron(Box<Cron>, TimeZone),
    /// Once.
    At(Timestamp),
}

/// The six fields of a cron expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cron {
    minutes: Field,
    hours: Field,
    days: Days,
    months: Field,
    years: Field,
}

/// The values of a field, from its lowest one on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    values: Vec<i16>,
}

/// Days are given by date or by weekday; the other one is `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Days {
    /// Days of the month.
    OfMonth(Field),
    /// `L`
    LastOfMonth,
    /// `15W`: the weekday next to the fifteenth.
    WeekdayNextTo(i16),
    /// Days of the week, Sunday is 1.
    OfWeek(Field),
    /// `6L`: the month's last Friday.
    LastOfWeek(i16),
    /// `6#2`: the month's second Friday.
    NthOfWeek(i16, i16),
}

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Expression {
    /// Reads an expression; nothing if EventBridge would refuse it.
    pub(crate) fn parse(text: &str, zone: Option<&str>) -> Option<Self> {
        let zone = zone
            .filter(|zone| !zone.is_empty())
            .map_or(Some(TimeZone::UTC), |name| TimeZone::get(name).ok())?;
        let (kind, inner) = text.trim().strip_suffix(')')?.split_once('(')?;
        match kind {
            "rate" => rate(inner),
            "cron" => Some(Self::Cron(Box::new(Cron::parse(inner)?), zone)),
            "at" => {
                let at: civil::DateTime = inner.trim().parse().ok()?;
                Some(Self::At(zone.to_timestamp(at).ok()?))
            }
            _ => None,
        }
    }

    /// Whether it fires, when the real clock went from `before` to `now` and this machine's
    /// `minute`-th minute (a tick) began.
    pub(crate) fn fires(&self, minute: u64, before: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Rate { minutes } => minute.is_multiple_of(*minutes),
            Self::At(at) => before < *at && *at <= now,
            Self::Cron(cron, zone) => {
                let minute = |time: Timestamp| time.as_second().div_euclid(60);
                // At most one firing per turn: the machine may have slept.
                minute(before) != minute(now) && cron.matches(zone.to_datetime(now))
            }
        }
    }
}

fn rate(inner: &str) -> Option<Expression> {
    let (count, unit) = inner.trim().split_once(char::is_whitespace)?;
    let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
    let minutes = match unit.trim() {
        "minute" | "minutes" => 1,
        "hour" | "hours" => 60,
        "day" | "days" => 24 * 60,
        _ => return None,
    };
    Some(Expression::Rate {
        minutes: count.checked_mul(minutes)?,
    })
}

impl Cron {
    fn parse(inner: &str) -> Option<Self> {
        let fields: Vec<&str> = inner.split_whitespace().collect();
        let [minutes, hours, dates, months, weekdays, years] = fields.as_slice() else {
            return None;
        };
        let days = match (*dates, *weekdays) {
            ("?", "?") => return None,
            (dates, "?") => Days::of_month(dates)?,
            ("?", weekdays) => Days::of_week(weekdays)?,
            _ => return None,
        };
        Some(Self {
            minutes: Field::parse(minutes, 0, 59, &[])?,
            hours: Field::parse(hours, 0, 23, &[])?,
            days,
            months: Field::parse(months, 1, 12, &MONTHS)?,
            years: Field::parse(years, 1970, 2199, &[])?,
        })
    }

    fn matches(&self, time: civil::DateTime) -> bool {
        self.minutes.has(time.minute().into())
            && self.hours.has(time.hour().into())
            && self.months.has(time.month().into())
            && self.years.has(time.year())
            && self.days.matches(time.date())
    }
}

impl Days {
    fn of_month(text: &str) -> Option<Self> {
        if text == "L" {
            return Some(Self::LastOfMonth);
        }
        if let Some(day) = text.strip_suffix('W') {
            let day = day.parse().ok().filter(|day| (1..=31).contains(day))?;
            return Some(Self::WeekdayNextTo(day));
        }
        Field::parse(text, 1, 31, &[]).map(Self::OfMonth)
    }

    fn of_week(text: &str) -> Option<Self> {
        let one = |text: &str| {
            Field::parse(text, 1, 7, &WEEKDAYS).and_then(|field| match field.values.as_slice() {
                [day] => Some(*day),
                _ => None,
            })
        };
        if text == "L" {
            return Some(Self::OfWeek(Field { values: vec![7] }));
        }
        if let Some(day) = text.strip_suffix('L') {
            return one(day).map(Self::LastOfWeek);
        }
        if let Some((day, nth)) = text.split_once('#') {
            let nth = nth.parse().ok().filter(|nth| (1..=5).contains(nth))?;
            return one(day).map(|day| Self::NthOfWeek(day, nth));
        }
        Field::parse(text, 1, 7, &WEEKDAYS).map(Self::OfWeek)
    }

    fn matches(&self, date: civil::Date) -> bool {
        let day = i16::from(date.day());
        let last = i16::from(date.days_in_month());
        let weekday = i16::from(date.weekday().to_sunday_one_offset());
        match self {
            Self::OfMonth(days) => days.has(day),
            Self::LastOfMonth => day == last,
            Self::WeekdayNextTo(wanted) => nearest_weekday(date, *wanted) == Some(date),
            Self::OfWeek(days) => days.has(weekday),
            Self::LastOfWeek(wanted) => weekday == *wanted && day + 7 > last,
            Self::NthOfWeek(wanted, nth) => weekday == *wanted && (day - 1) / 7 + 1 == *nth,
        }
    }
}

/// The weekday nearest to a day of the month of `date`, in the same month.
fn nearest_weekday(date: civil::Date, day: i16) -> Option<civil::Date> {
    let wanted = civil::Date::new(date.year(), date.month(), day.try_into().ok()?).ok()?;
    let shifted = match wanted.weekday().to_sunday_one_offset() {
        // Sunday: Monday, or the Friday before at the month's end.
        1 if wanted.day() == wanted.days_in_month() => -2,
        1 => 1,
        // Saturday: Friday, or the Monday after at the month's beginning.
        7 if wanted.day() == 1 => 2,
        7 => -1,
        _ => 0,
    };
    wanted.checked_add(jiff::Span::new().days(shifted)).ok()
}

impl Field {
    fn parse(text: &str, low: i16, high: i16, names: &[&str]) -> Option<Self> {
        let number = |text: &str| {
            let upper = text.to_uppercase();
            let named = names.iter().position(|name| *name == upper);
            let number = match named {
                Some(position) => i16::try_from(position).ok()? + low,
                None => text.parse().ok()?,
            };
            (low..=high).contains(&number).then_some(number)
        };
        let mut values = Vec::new();
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (
                    range,
                    Some(step.parse::<usize>().ok().filter(|step| *step > 0)?),
                ),
                None => (part, None),
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (low, high),
                Some((first, last)) => (number(first)?, number(last)?),
                None => (
                    number(range)?,
                    if step.is_some() { high } else { number(range)? },
                ),
            };
            if first > last {
                // FRI-MON goes over the end of the week.
                values.extend((first..=high).chain(low..=last).step_by(step.unwrap_or(1)));
            } else {
                values.extend((first..=last).step_by(step.unwrap_or(1)));
            }
        }
        Some(Self { values })
    }

    fn has(&self, value: i16) -> bool {
        self.values.contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    #[track_caller]
    fn cron(expression: &str, zone: Option<&str>, time: &str, expected: bool) {
        let parsed = Expression::parse(expression, zone).expect(expression);
        let now = at(time);
        let before = now - jiff::SignedDuration::from_mins(1);
        assert_eq!(
            parsed.fires(1, before, now),
            expected,
            "{expression} {time}"
        );
    }

    #[test]
    fn rates_fire_in_minutes_of_this_machine() {
        let now = at("2026-11-23T10:00:00Z");
        let fires = |text: &str, minute: u64| {
            Expression::parse(text, None)
                .unwrap()
                .fires(minute, now, now)
        };
        assert!(fires("rate(1 minute)", 1) && fires("rate(1 minute)", 2));
        assert!(!fires("rate(5 minutes)", 4) && fires("rate(5 minutes)", 5));
        assert!(!fires("rate(1 hour)", 59) && fires("rate(1 hour)", 120));
        for text in [
            "rate(0 minutes)",
            "rate(minute)",
            "rate(1 week)",
            "rate 1",
            "every(1 day)",
        ] {
            assert_eq!(Expression::parse(text, None), None, "{text}");
        }
    }

    #[test]
    fn cron_fires_in_the_minutes_that_match() {
        cron("cron(0 10 * * ? *)", None, "2026-11-23T10:00:20Z", true);
        cron("cron(0 10 * * ? *)", None, "2026-11-23T10:01:20Z", false);
        cron("cron(0/15 * * * ? *)", None, "2026-11-23T10:45:00Z", true);
        cron("cron(0/15 * * * ? *)", None, "2026-11-23T10:46:00Z", false);
        cron(
            "cron(30 10 ? * MON-FRI *)",
            None,
            "2026-11-23T10:30:00Z",
            true,
        );
        cron(
            "cron(30 10 ? * SAT,SUN *)",
            None,
            "2026-11-23T10:30:00Z",
            false,
        );
        cron(
            "cron(30 10 ? NOV FRI-MON 2026)",
            None,
            "2026-11-23T10:30:00Z",
            true,
        );
        cron(
            "cron(30 10 ? * * 2027)",
            None,
            "2026-11-23T10:30:00Z",
            false,
        );
        cron("cron(30 10 L * ? *)", None, "2026-11-30T10:30:00Z", true);
        cron("cron(30 10 ? * 2L *)", None, "2026-11-30T10:30:00Z", true);
        cron("cron(30 10 ? * 2L *)", None, "2026-11-23T10:30:00Z", false);
        cron("cron(30 10 ? * 2#4 *)", None, "2026-11-23T10:30:00Z", true);
        cron("cron(30 10 22W * ? *)", None, "2026-11-23T10:30:00Z", true);
        cron("cron(30 10 1W * ? *)", None, "2026-11-02T10:30:00Z", true);
        cron(
            "cron(0 10 * * ? *)",
            Some("Asia/Kolkata"),
            "2026-11-23T04:30:00Z",
            true,
        );
    }

    #[test]
    fn cron_fires_once_a_minute() {
        let cron = Expression::parse("cron(* * * * ? *)", None).unwrap();
        assert!(!cron.fires(1, at("2026-11-23T10:00:01Z"), at("2026-11-23T10:00:03Z")));
        assert!(cron.fires(2, at("2026-11-23T10:00:59Z"), at("2026-11-23T10:01:01Z")));
    }

    #[test]
    fn one_time_schedules_fire_once() {
        let once = Expression::parse("at(2026-11-23T10:00:00)", Some("Asia/Kolkata")).unwrap();
        assert!(once.fires(1, at("2026-11-23T04:29:59Z"), at("2026-11-23T04:30:00Z")));
        assert!(!once.fires(2, at("2026-11-23T04:30:00Z"), at("2026-11-23T04:30:02Z")));
    }

    #[test]
    fn cron_that_eventbridge_refuses_is_refused() {
        for text in [
            "cron(0 10 * * * *)",
            "cron(0 10 ? * ? *)",
            "cron(0 10 * * ?)",
            "cron(60 10 * * ? *)",
            "cron(0 10 * FOO ? *)",
            "cron(0/0 10 * * ? *)",
            "cron(0 10 ? * 2#6 *)",
        ] {
            assert_eq!(Expression::parse(text, None), None, "{text}");
        }
        assert_eq!(
            Expression::parse("cron(0 10 * * ? *)", Some("Mars/Olympus")),
            None
        );
    }
}
