//! `lastgood history`: what happened, as sentences.

use std::ops::ControlFlow;

use clap::Args;
use domain::chain::Sealed;
use domain::{Entry, EntryId, ReleaseNumber, ServiceName, StageName, Timestamp};
use engine::Ledger;
use serde::Serialize;

use crate::about;
use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;
use crate::table::{self, Look};
use crate::times::Times;
use crate::words;

/// Show what happened, the newest first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lastgood history web --stage production --limit 50
  lastgood history web --output json

What no service claims is recorded as service \"unclaimed\".")]
pub(crate) struct History {
    /// The service
    service: ServiceName,
    /// Only what is about this stage
    #[arg(long, value_name = "STAGE")]
    stage: Option<StageName>,
    /// How many entries at most
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 30)]
    limit: usize,
}

/// An entry for scripts: the sentence people read, and the entry itself.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EntryView {
    id: EntryId,
    at: Timestamp,
    actor: String,
    stage: Option<StageName>,
    release: Option<ReleaseNumber>,
    pub(crate) what: String,
    why: String,
    hash: String,
    entry: Entry,
}

impl EntryView {
    /// How an entry is shown.
    pub(crate) fn of(service: &ServiceName, sealed: &Sealed, times: &Times) -> Self {
        let entry = &sealed.entry;
        Self {
            id: EntryId {
                service: service.clone(),
                seq: entry.seq,
            },
            at: entry.at,
            actor: words::actor(&entry.actor),
            stage: about::stage_of(&entry.what).cloned(),
            release: about::release_of(&entry.what),
            what: words::what(&entry.what, times),
            why: entry.why.to_string(),
            hash: sealed.hash.to_string(),
            entry: entry.clone(),
        }
    }
}

impl History {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let look = Look::of_stdout(session.screen.out);
        self.told(&ledger, &session.times, look).await
    }

    async fn told(
        &self,
        ledger: &impl Ledger,
        times: &Times,
        look: Look,
    ) -> Result<Report, Failure> {
        let pipeline = book::pipeline(ledger, &self.service).await?;
        let mut views = Vec::new();
        book::back(ledger, &self.service, pipeline.seq, |sealed| {
            if views.len() == self.limit {
                return ControlFlow::Break(());
            }
            if self.stage.is_none() || about::stage_of(&sealed.entry.what) == self.stage.as_ref() {
                views.push(EntryView::of(&self.service, sealed, times));
            }
            ControlFlow::Continue(())
        })
        .await?;
        Ok(Report::new(&views, sentences(&views, times, look)))
    }
}

/// Entries as a table of sentences.
pub(crate) fn sentences(views: &[EntryView], times: &Times, look: Look) -> String {
    let mut table = look.table(&["ENTRY", "WHEN", "WHO", "WHAT", "WHY"]);
    for view in views {
        table.add_row([
            table::number(view.id.seq),
            times.at_and_ago(view.at).into(),
            (&view.actor).into(),
            (&view.what).into(),
            (&view.why).into(),
        ]);
    }
    table::text(&table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOOK, Story, production, web};

    fn history(stage: Option<StageName>, limit: usize) -> History {
        History {
            service: web(),
            stage,
            limit,
        }
    }

    #[tokio::test]
    async fn a_history_reads_as_sentences() {
        let story = Story::told().await;
        let report = history(None, 100)
            .told(&story.ledger, &story.times(), LOOK)
            .await
            .unwrap();
        insta::assert_snapshot!(report.text);
    }

    #[tokio::test]
    async fn scripts_get_the_entry_with_its_sentence() {
        let story = Story::told().await;
        let report = history(Some(production()), 2)
            .told(&story.ledger, &story.times(), LOOK)
            .await
            .unwrap();
        insta::assert_json_snapshot!(report.data);
    }

    #[tokio::test]
    async fn a_limit_takes_the_newest_of_the_stage() {
        let story = Story::told().await;
        let all = story.pipeline().await.seq;
        let report = history(None, 3)
            .told(&story.ledger, &story.times(), LOOK)
            .await
            .unwrap();
        let seqs: Vec<u64> = report
            .data
            .as_array()
            .unwrap()
            .iter()
            .map(|view| view["entry"]["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, [all, all - 1, all - 2]);
    }

    #[tokio::test]
    async fn a_service_that_is_none_is_said() {
        let story = Story::begin().await;
        let wrong = History {
            service: "wbe".parse().unwrap(),
            stage: None,
            limit: 3,
        };
        let failure = wrong
            .told(&story.ledger, &story.times(), LOOK)
            .await
            .unwrap_err();
        assert_eq!(failure.message, "there is no service wbe");
        assert_eq!(failure.exit, crate::failure::Exit::Usage);
    }
}
