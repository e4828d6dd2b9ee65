//! `lastgood export`: the ledger of a period, for auditors.

use clap::{Args, ValueEnum};
use domain::chain::Sealed;
use domain::{Entry, ReleaseNumber, ServiceName, StageName, Timestamp};
use engine::Ledger;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::about;
use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;
use crate::times::Times;
use crate::words;

/// Write out the ledger of a period, for auditors
#[derive(Debug, Args)]
#[command(
    after_help = "Every entry carries the hash of the one before it: together with lastgood verify that proves that
none was left out. A time is one such as 2026-11-23T18:00:00Z, or a day in your own time zone.

Examples:
  lastgood export --since 2026-10-01 --until 2026-11-01 --format csv > october.csv
  lastgood export web --since 2026-11-23 > web.jsonl"
)]
pub(crate) struct Export {
    /// The service [default: all]
    service: Option<ServiceName>,
    /// From this time or day on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to this time or day, which is left out [default: now]
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What is written: jsonl has the whole entries, csv what a person reads
    #[arg(long, value_enum, default_value = "jsonl", hide_possible_values = true)]
    format: Form,
}

/// How entries are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One JSON document in each line.
    Jsonl,
    /// Comma-separated values, with a head.
    Csv,
}

/// An entry.
#[derive(Debug, Serialize)]
struct Row {
    service: ServiceName,
    /// What was decided, and why, as sentences.
    what: String,
    why: String,
    /// The SHA-256 of the entry as it is stored.
    hash: String,
    entry: Entry,
}

/// What a person reads of an entry.
#[derive(Debug, Serialize)]
struct Line<'a> {
    service: &'a ServiceName,
    entry: u64,
    at: Timestamp,
    who: String,
    stage: Option<&'a StageName>,
    release: Option<ReleaseNumber>,
    what: &'a str,
    why: &'a str,
    hash: &'a str,
    before: String,
}

/// A period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Period {
    since: Timestamp,
    until: Timestamp,
}

impl Export {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let times = &session.times;
        let bound = |text: &Option<String>, otherwise| {
            let text = text.as_deref();
            text.map_or(Ok(otherwise), |text| moment(text, &times.zone))
        };
        let period = Period {
            since: bound(&self.since, Timestamp::UNIX_EPOCH)?,
            until: bound(&self.until, times.now)?,
        };
        if period.since >= period.until {
            return Err(Failure::usage("the period ends before it begins"));
        }
        let ledger = session.ledger().await?;
        let services = match &self.service {
            Some(service) => vec![service.clone()],
            None => ledger.services().await.map_err(book::failure)?,
        };
        let mut rows = Vec::new();
        for service in &services {
            rows.extend(of_service(&ledger, service, period, times).await?);
        }
        let text = match self.format {
            Form::Jsonl => lines(&rows)?,
            Form::Csv => table(&rows)?,
        };
        Ok(Report::new(&rows, text).next(format!(
            "{} entries of {} services",
            rows.len(),
            services.len()
        )))
    }
}

/// A time, or the beginning of a day where the reader is.
fn moment(text: &str, zone: &TimeZone) -> Result<Timestamp, Failure> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // A day alone is its midnight.
    let local = text.parse::<DateTime>();
    let at = local.and_then(|local| local.to_zoned_datetime(zone.clone()));
    at.map(|at| at.timestamp()).map_err(|error| {
        Failure::usage(format!("{text:?} is no time"))
            .because(error)
            .hint("write 2026-11-23, or 2026-11-23T18:00:00Z")
    })
}

async fn of_service(
    ledger: &impl Ledger,
    service: &ServiceName,
    period: Period,
    times: &Times,
) -> Result<Vec<Row>, Failure> {
    let newest = book::pipeline(ledger, service).await?.seq;
    let mut rows = Vec::new();
    // Entries are in the order of their times, so the walk back ends at the period's beginning.
    book::back(ledger, service, newest, |sealed| {
        if sealed.entry.at < period.since {
            return std::ops::ControlFlow::Break(());
        }
        if sealed.entry.at < period.until {
            rows.push(row(service, sealed, times));
        }
        std::ops::ControlFlow::Continue(())
    })
    .await?;
    rows.reverse();
    Ok(rows)
}

fn row(service: &ServiceName, sealed: &Sealed, times: &Times) -> Row {
    let entry = sealed.entry.clone();
    Row {
        service: service.clone(),
        what: words::what(&entry.what, times),
        why: entry.why.to_string(),
        hash: sealed.hash.to_string(),
        entry,
    }
}

fn lines(rows: &[Row]) -> Result<String, Failure> {
    let lines: Result<Vec<String>, _> = rows.iter().map(serde_json::to_string).collect();
    lines
        .map(|lines| lines.join("\n"))
        .map_err(|error| Failure::failed("an entry cannot be written").because(error))
}

fn table(rows: &[Row]) -> Result<String, Failure> {
    let failed = |words: String| Failure::failed("an entry cannot be written").because(words);
    let mut csv = csv::Writer::from_writer(Vec::new());
    for row in rows {
        let Row {
            service,
            what,
            why,
            hash,
            entry,
        } = row;
        csv.serialize(Line {
            service,
            entry: entry.seq,
            at: entry.at,
            who: words::actor(&entry.actor),
            stage: about::stage_of(&entry.what),
            release: about::release_of(&entry.what),
            what,
            why,
            hash,
            before: entry.before.to_string(),
        })
        .map_err(|error| failed(error.to_string()))?;
    }
    let bytes = csv
        .into_inner()
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Story, web};

    async fn exported(since: &str, until: &str) -> Vec<Row> {
        let story = Story::told().await;
        let utc = TimeZone::UTC;
        let period = Period {
            since: moment(since, &utc).unwrap(),
            until: moment(until, &utc).unwrap(),
        };
        of_service(&story.ledger, &web(), period, &story.times())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_period_is_exported_whole_and_nothing_else() {
        let all = exported("2026-11-23", "2026-11-24").await;
        let seqs: Vec<u64> = all.iter().map(|row| row.entry.seq).collect();
        let count = u64::try_from(all.len()).unwrap();
        assert_eq!(seqs, (1..=count).collect::<Vec<_>>());
        let early = exported("2026-11-22", "2026-11-23T12:05:00Z").await;
        let late = exported("2026-11-23T12:05:00Z", "2026-11-25").await;
        assert!(!early.is_empty() && !late.is_empty());
        assert_eq!(early.len() + late.len(), all.len());
        assert!(exported("2026-11-24", "2026-11-25").await.is_empty());
    }

    #[tokio::test]
    async fn each_entry_names_the_hash_of_the_one_before() {
        let all = exported("2026-11-23", "2026-11-24").await;
        for pair in all.windows(2) {
            assert_eq!(pair[1].entry.before.as_str(), pair[0].hash);
        }
    }

    #[tokio::test]
    async fn what_a_person_reads_is_a_table() {
        let some = exported("2026-11-23", "2026-11-23T12:01:00Z").await;
        let text = table(&some).unwrap();
        let hashless: Vec<String> = text
            .lines()
            .map(|line| line.rsplitn(3, ',').nth(2).unwrap().to_owned())
            .collect();
        insta::assert_snapshot!(hashless.join("\n"));
        let first: serde_json::Value =
            serde_json::from_str(lines(&some).unwrap().lines().next().unwrap()).unwrap();
        assert_eq!(first["entry"]["seq"], 1);
    }

    #[test]
    fn a_day_begins_where_the_reader_is() {
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        let at = |text: &str| moment(text, &kolkata).unwrap().to_string();
        assert_eq!(at("2026-11-23"), "2026-11-22T18:30:00Z");
        assert_eq!(at("2026-11-23T06:00"), "2026-11-23T00:30:00Z");
        assert_eq!(at("2026-11-23T06:00:00Z"), "2026-11-23T06:00:00Z");
        assert!(moment("yesterday", &kolkata).is_err());
    }
}
