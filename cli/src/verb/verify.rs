//! `lastgood verify`: recomputing the chain and the snapshot from the stored entries.

use clap::Args;
use domain::apply::apply;
use domain::chain::{Hash, Sealed};
use domain::{Pipeline, ServiceName};
use engine::{Ledger, LedgerError, Mention};
use serde::Serialize;
use serde_json::Value;

use crate::book;
use crate::failure::{Exit, Failure};
use crate::screen::Report;
use crate::session::Session;

/// Recompute the chain and the snapshot from the entries
#[derive(Debug, Args)]
#[command(
    after_help = "Each entry holds the hash of the one before it; folding them all must give the snapshot that
decisions are made on. The head's hash, kept elsewhere, shows later that no entry was changed since.

Example:
  lastgood verify web"
)]
pub(crate) struct Verify {
    /// The service [default: all]
    service: Option<ServiceName>,
}

/// What was found about one service.
#[derive(Debug, Serialize)]
struct Verified {
    service: ServiceName,
    entries: u64,
    head: Hash,
    /// What is wrong; none when all is as it should be.
    problem: Option<String>,
}

impl Verify {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let services = match self.service {
            Some(service) => {
                let pipeline = book::pipeline(&ledger, &service).await?;
                vec![pipeline.service.clone()]
            }
            None => ledger.services().await.map_err(book::failure)?,
        };
        verified(&ledger, &services).await
    }
}

async fn verified(ledger: &impl Ledger, services: &[ServiceName]) -> Result<Report, Failure> {
    let mut all = Vec::new();
    for service in services {
        all.push(one(ledger, service).await?);
    }
    let texts: Vec<String> = all.iter().map(Verified::text).collect();
    let sound = all.iter().all(|verified| verified.problem.is_none());
    let exit = if sound { Exit::Done } else { Exit::Failed };
    Ok(Report::new(&all, texts.join("\n")).ending(exit))
}

impl Verified {
    fn text(&self) -> String {
        let Self {
            service,
            entries,
            head,
            problem,
        } = self;
        match problem {
            None => format!("{service}: {entries} entries, sound; head {head}"),
            Some(problem) => format!("{service}: NOT SOUND: {problem}"),
        }
    }
}

async fn one(ledger: &impl Ledger, service: &ServiceName) -> Result<Verified, Failure> {
    let snapshot = match ledger.load(service, &Mention::Nothing).await {
        Ok(loaded) => loaded.pipeline,
        Err(LedgerError::Corrupt(words)) => {
            let (service, head) = (service.clone(), Hash::ZERO);
            return Ok(Verified {
                service,
                entries: 0,
                head,
                problem: Some(words),
            });
        }
        Err(error) => return Err(book::failure(error)),
    };
    let mut fold = Fold::new(service.clone());
    while fold.problem.is_none() && fold.folded.seq < snapshot.seq {
        // What was written after the snapshot was read is not its business.
        match ledger
            .entries(service, fold.folded.seq + 1, book::PAGE)
            .await
        {
            Ok(page) => fold.page(&page, snapshot.seq),
            Err(LedgerError::Corrupt(words)) => fold.problem = Some(words),
            Err(error) => return Err(book::failure(error)),
        }
    }
    let problem = fold.problem.or_else(|| differs(&fold.folded, &snapshot));
    Ok(Verified {
        service: service.clone(),
        entries: fold.folded.seq,
        head: fold.folded.head.clone(),
        problem,
    })
}

/// Folding entries, until one does not follow.
struct Fold {
    folded: Pipeline,
    problem: Option<String>,
}

impl Fold {
    fn new(service: ServiceName) -> Self {
        Self {
            folded: Pipeline::new(service),
            problem: None,
        }
    }

    fn page(&mut self, page: &[Sealed], last: u64) {
        let next = self.folded.seq + 1;
        let fresh: Vec<&Sealed> = page
            .iter()
            .filter(|sealed| (next..=last).contains(&sealed.entry.seq))
            .collect();
        if fresh.is_empty() {
            self.problem = Some(format!("entry {next} is missing"));
        }
        for sealed in fresh {
            if let Err(problem) = self.entry(sealed) {
                self.problem = Some(problem);
                return;
            }
        }
    }

    /// The chain is recomputed from the very bytes that are stored.
    fn entry(&mut self, sealed: &Sealed) -> Result<(), String> {
        let seq = self.folded.seq + 1;
        let read = Sealed::follow(&sealed.stored, seq, &self.folded.head)
            .map_err(|error| error.to_string())?;
        apply(&mut self.folded, &read).map_err(|error| error.to_string())
    }
}

/// Where the snapshot is not what its entries give.
fn differs(folded: &Pipeline, snapshot: &Pipeline) -> Option<String> {
    if folded == snapshot {
        return None;
    }
    let json = |pipeline: &Pipeline| serde_json::to_value(pipeline).unwrap_or(Value::Null);
    let mut paths = Vec::new();
    collect(&json(folded), &json(snapshot), "", &mut paths);
    Some(format!(
        "the snapshot is not what its entries give, at {}",
        paths.join(", ")
    ))
}

fn collect(folded: &Value, snapshot: &Value, path: &str, paths: &mut Vec<String>) {
    if let (Value::Object(one), Value::Object(other)) = (folded, snapshot) {
        let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let field =
                |of: &serde_json::Map<String, Value>| of.get(name).cloned().unwrap_or(Value::Null);
            collect(&field(one), &field(other), &format!("{path}/{name}"), paths);
        }
    } else if folded != snapshot {
        paths.push(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Said, Story, web};

    async fn told(said: &Said) -> (Exit, String) {
        let report = verified(said, &[web()]).await.unwrap();
        (report.exit, report.text)
    }

    #[tokio::test]
    async fn a_true_ledger_is_sound() {
        let story = Story::told().await;
        let report = verified(&story.ledger, &[web()]).await.unwrap();
        let (seq, head) = (
            story.pipeline().await.seq,
            story.pipeline().await.head.clone(),
        );
        assert_eq!(report.exit, Exit::Done);
        assert_eq!(
            report.text,
            format!("web: {seq} entries, sound; head {head}")
        );
        assert_eq!(
            told(&Said::by(&story).await).await,
            (Exit::Done, report.text)
        );
    }

    #[tokio::test]
    async fn an_altered_entry_is_found_at_the_one_that_follows() {
        let mut said = Said::by(&Story::told().await).await;
        let altered = &mut said.entries[6];
        assert!(altered.stored.contains("2026-11-23T12:"));
        altered.stored = altered
            .stored
            .replacen("2026-11-23T12:", "2026-11-23T13:", 1);
        let (exit, text) = told(&said).await;
        assert_eq!(exit, Exit::Failed);
        assert_eq!(
            text,
            "web: NOT SOUND: entry 8 does not follow entry 7: one of them was changed"
        );
    }

    #[tokio::test]
    async fn a_missing_entry_is_found() {
        let mut said = Said::by(&Story::told().await).await;
        said.entries.remove(9);
        let (exit, text) = told(&said).await;
        assert_eq!(
            (exit, &*text),
            (
                Exit::Failed,
                "web: NOT SOUND: entry 10 is missing: 11 stands in its place"
            )
        );
        let mut said = Said::by(&Story::told().await).await;
        let last = said.entries.pop().unwrap().entry.seq;
        assert_eq!(
            told(&said).await.1,
            format!("web: NOT SOUND: entry {last} is missing")
        );
    }

    #[tokio::test]
    async fn an_altered_snapshot_is_found() {
        let mut said = Said::by(&Story::told().await).await;
        let production = said
            .pipeline
            .stages
            .get_mut(&crate::testing::production())
            .unwrap();
        production.quarantined.clear();
        let (exit, text) = told(&said).await;
        assert_eq!(exit, Exit::Failed);
        assert_eq!(
            text,
            "web: NOT SOUND: the snapshot is not what its entries give, at /stages/production/quarantined"
        );
    }

    #[tokio::test]
    async fn the_last_entry_cannot_be_altered_either() {
        let mut said = Said::by(&Story::told().await).await;
        let last = said.entries.last_mut().unwrap();
        last.stored = last.stored.replacen("2026-11-23T12:", "2026-11-23T11:", 1);
        let (exit, text) = told(&said).await;
        assert_eq!(exit, Exit::Failed);
        assert!(text.contains("/head"), "{text}");
    }
}
