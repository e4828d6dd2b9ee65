//! What people hear: which entries are told, how loudly, and in which words. How it travels is the
//! announcer's business.

use jiff::Timestamp;
use serde::Serialize;

use crate::entry::Entry;
use crate::name::{EntryId, ReleaseNumber, ServiceName, StageName};

mod drift;
pub mod read_on;
#[cfg(test)]
mod tests;
mod told;

pub use read_on::ReadOn;

/// Longest subject, in characters: SNS takes fewer than 100, ASCII only.
pub const SUBJECT_LENGTH_MAX: usize = 99;
/// The format announcements are written in for machines. Raised when an older reader could misread
/// a newer announcement; a new field does not.
pub const ANNOUNCEMENT_FORMAT: u32 = 1;

/// One thing people hear. Written as JSON it is what machines get: `announcement.schema.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(title = "Lastgood announcement")
)]
pub struct Announcement {
    /// The format of this object: 1. A reader may rely on what it knows of it; fields may be added.
    pub format: u32,
    /// The entry that is announced, such as `web/42`: a repeat has the same.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub id: EntryId,
    /// When it was decided, as RFC 3339 has it.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub at: Timestamp,
    /// What kind, to filter on: `approval`, `succeeded`, `rolling-back` …
    pub kind: &'static str,
    /// How loud, to filter on.
    pub severity: Severity,
    /// The service.
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub service: ServiceName,
    /// The stage, when it is about one.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub stage: Option<StageName>,
    /// The release, when it is about one.
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub release: Option<ReleaseNumber>,
    /// One line of ASCII with all of the above, fewer than 100 characters.
    pub subject: String,
    /// What happened, as a fragment that follows the release: `is good`.
    pub headline: String,
    /// More of it, in the words of the platform or of a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Why the ledger decided so.
    pub why: String,
    /// What to do now, when a person has to: mostly a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The whole in sentences, as an e-mail says it.
    pub text: String,
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody has to do something, in their own time.
    Attention,
    /// Something is wrong.
    Alert,
    /// Somebody has to do something now.
    Urgent,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Attention => "attention",
            Self::Alert => "alert",
            Self::Urgent => "urgent",
        }
    }
}

impl Announcement {
    /// The same with its detail cut to a number of bytes, and where to read on in its place; itself
    /// when the detail is not longer than that.
    #[must_use]
    pub fn shortened(&self, bytes_max: usize, read_on: &str) -> Self {
        let Some(detail) = self.detail.as_deref().filter(|long| long.len() > bytes_max) else {
            return self.clone();
        };
        let mut short = Self {
            detail: Some(format!("{} … {read_on}", cut(detail, bytes_max))),
            ..self.clone()
        };
        short.text = short.sentences();
        short
    }

    /// Where the whole of it can be read, as a command.
    #[must_use]
    pub fn record(&self) -> String {
        format!("lastgood history {}", self.service)
    }

    fn sentences(&self) -> String {
        let line = |before: &str, line: &Option<String>| {
            line.as_ref()
                .map(|line| format!("\n{before}{line}"))
                .unwrap_or_default()
        };
        let (detail, next) = (line("", &self.detail), line("Next: ", &self.next));
        format!("{}{detail}\nWhy: {}.{next}", self.subject, self.why)
    }
}

/// What an entry says to people; `None` when it is not told.
#[must_use]
pub fn announcement(service: &ServiceName, entry: &Entry) -> Option<Announcement> {
    let told = told::told(service, &entry.what)?;
    let at_stage = told
        .stage
        .as_ref()
        .map(|stage| format!(" {stage}"))
        .unwrap_or_default();
    let number = told
        .release
        .map(|release| format!(" release {release}"))
        .unwrap_or_default();
    let subject: String = format!("{service}{at_stage}{number}: {}", told.headline)
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .take(SUBJECT_LENGTH_MAX)
        .collect();
    let mut announcement = Announcement {
        format: ANNOUNCEMENT_FORMAT,
        id: EntryId {
            service: service.clone(),
            seq: entry.seq,
        },
        at: entry.at,
        kind: told.kind,
        severity: told.severity,
        service: service.clone(),
        stage: told.stage,
        release: told.release,
        subject,
        headline: told.headline,
        detail: told.detail,
        why: entry.why.to_string(),
        next: told.next,
        text: String::new(),
    };
    announcement.text = announcement.sentences();
    Some(announcement)
}

/// The beginning of a text, at most so many bytes long and never half a character.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
