//! What the ledger says, read as people read it: `lastgood history --output json`, again and again.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use anyhow::Result;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::lastgood::Lastgood;

/// Between two looks. Each is a process of its own.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// As many entries are read; a demo writes fewer.
const ENTRIES_MAX: &str = "500";
/// How many of the last entries explain that something did not come.
const TAIL: usize = 8;

/// One entry, as the command line shows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// `web/42`.
    pub id: String,
    /// When it was decided.
    pub at: Timestamp,
    /// Who or what brought it about, in a word.
    pub actor: String,
    /// The stage it is about.
    pub stage: Option<String>,
    /// The release it is about.
    pub release: Option<u64>,
    /// What, as a sentence.
    pub what: String,
    /// Why, as a sentence.
    pub why: String,
    /// The whole of it.
    pub entry: Value,
}

impl Entry {
    /// What kind it is: `succeeded`, `rolled_back` …
    #[must_use]
    pub fn kind(&self) -> &str {
        match self.entry.get("what") {
            Some(Value::String(kind)) => kind,
            Some(Value::Object(what)) => what.keys().next().map_or("", String::as_str),
            Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) | None => "",
        }
    }

    /// Its number.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.entry.get("seq").and_then(Value::as_u64).unwrap_or(0)
    }

    /// A field of what was decided, by its path: `/release/artefact`.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&Value> {
        self.entry.pointer(&format!("/what/{}{path}", self.kind()))
    }

    /// Whether it is this kind of entry about this release on this stage.
    #[must_use]
    pub fn is(&self, kind: &str, stage: &str, release: u64) -> bool {
        self.kind() == kind && self.stage.as_deref() == Some(stage) && self.release == Some(release)
    }
}

/// The history of one service.
#[derive(Debug, Clone)]
pub struct Ledger {
    lastgood: Lastgood,
    service: String,
    hopeless: &'static [&'static str],
}

impl Ledger {
    /// As `lastgood` shows it.
    #[must_use]
    pub fn new(lastgood: Lastgood, service: &str) -> Self {
        Self {
            lastgood,
            service: service.to_owned(),
            hopeless: &[],
        }
    }

    /// The same; after an entry of one of these kinds nothing is waited for any longer.
    #[must_use]
    pub fn without(self, hopeless: &'static [&'static str]) -> Self {
        Self { hopeless, ..self }
    }

    /// All entries, the oldest first.
    ///
    /// # Errors
    /// When the command line fails.
    pub async fn entries(&self) -> Result<Vec<Entry>> {
        let arguments = ["history", &self.service, "--limit", ENTRIES_MAX];
        let mut entries: Vec<Entry> = self.lastgood.json(&arguments).await?;
        entries.reverse();
        Ok(entries)
    }

    /// Looks until there is such an entry; shows the newest one meanwhile.
    ///
    /// # Errors
    /// When there is none in time; with the last entries that there are.
    pub async fn until(
        &self,
        what: &str,
        longest: Duration,
        mut show: impl FnMut(&Entry),
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Entry> {
        let began = Instant::now();
        loop {
            let entries = self.entries().await?;
            if let Some(found) = entries.iter().find(|entry| wanted(entry)) {
                return Ok(found.clone());
            }
            if let Some(newest) = entries.last() {
                show(newest);
            }
            let hopeless = |entry: &Entry| self.hopeless.contains(&entry.kind());
            if began.elapsed() > longest || entries.iter().any(hopeless) {
                anyhow::bail!(
                    "the ledger of {} did not show within {:.1} s: {what}{}",
                    self.service,
                    began.elapsed().as_secs_f32(),
                    tail(&entries)
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn tail(entries: &[Entry]) -> String {
    let last = entries.len().saturating_sub(TAIL);
    let mut text = "\n  the last entries are:".to_owned();
    for entry in entries.get(last..).unwrap_or_default() {
        let _ = write!(text, "\n    {}: {} ({})", entry.id, entry.what, entry.why);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> Entry {
        serde_json::from_value(json!({
            "id": "shop/9",
            "at": "2026-11-23T10:00:00Z",
            "actor": "aws.ecs",
            "stage": "dev",
            "release": 1,
            "what": "release 1 is good on dev",
            "why": "the bake ended without alarm",
            "hash": "00",
            "entry": { "seq": 9, "what": { "succeeded": { "stage": "dev", "release": 1 } } },
        }))
        .unwrap()
    }

    #[test]
    fn an_entry_is_known_by_kind_stage_and_release() {
        assert!(entry().is("succeeded", "dev", 1));
        assert!(!entry().is("succeeded", "dev", 2));
        assert!(!entry().is("succeeded", "test", 1));
        assert!(!entry().is("failed", "dev", 1));
        assert_eq!(entry().field("/stage"), Some(&json!("dev")));
    }

    #[test]
    fn what_did_not_come_is_explained_by_what_did() {
        let text = tail(&[entry()]);
        assert!(text.ends_with("shop/9: release 1 is good on dev (the bake ended without alarm)"));
    }
}
