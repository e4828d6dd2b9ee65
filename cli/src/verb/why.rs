//! `lastgood why`: the reasons the ledger recorded, and what would have to happen next. What comes
//! next is asked of the rules themselves ([`domain::decide::ahead()`]), never guessed here.

use clap::Args;
use domain::entry::What;
use domain::pipeline::Stage;
use domain::{Pipeline, ReleaseNumber, ServiceName, StageName};
use engine::Ledger;
use serde::Serialize;

use crate::about;
use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;
use crate::steps::{Step, Steps};
use crate::table::Look;
use crate::times::Times;
use crate::usual;
use crate::verb::history::{EntryView, sentences};
use crate::verb::show::stand;
use crate::words;

/// Tell why a release is on a stage or not, and what would have to happen next
#[derive(Debug, Args)]
#[command(
    after_help = "Without a release it is about what the stage does now, else about the newest that waits there,
else about the newest of all.

Examples:
  lastgood why web production
  lastgood why web production 17 --output json"
)]
pub(crate) struct Why {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// The release's number
    release: Option<ReleaseNumber>,
}

/// Why a release stands as it does on a stage.
#[derive(Debug, Serialize)]
struct WhyView {
    service: ServiceName,
    stage: StageName,
    release: ReleaseNumber,
    label: Option<String>,
    stands: &'static str,
    /// What brought it there, the oldest first.
    entries: Vec<EntryView>,
    /// What would have to happen, in order; empty when nothing has to.
    next: Vec<Step>,
}

impl Why {
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
        let Self { service, stage, .. } = self;
        let pipeline = book::pipeline(ledger, service).await?;
        let (_, state) = book::stage(&pipeline, stage)?;
        let Some(number) = self.release.or_else(|| asked_about(&pipeline, state)) else {
            return Err(Failure::usage(format!("{service} has no release yet")));
        };
        let release = book::release(ledger, &pipeline, number).await?;
        let newest = ledger
            .newest_entries(service, usual::ENTRIES)
            .await
            .map_err(book::failure)?;
        let steps = Steps {
            pipeline: &pipeline,
            release: &release,
            history: &newest,
            times,
        };
        let next = steps.to(stage).map_err(|illegal| {
            Failure::failed("the ledger contradicts itself")
                .because(illegal)
                .hint(format!("lastgood verify {service} tells where"))
        })?;
        let on_the_way = |what: &What| {
            let at = about::stage_of(what);
            let is_step = |at: &StageName| next.iter().any(|step| step.stage == *at);
            at.is_none_or(|at| at == stage || is_step(at))
        };
        let mut entries = Vec::new();
        book::about_release(ledger, service, pipeline.seq, number, |sealed| {
            if on_the_way(&sealed.entry.what) {
                entries.push(EntryView::of(service, sealed, times));
            }
        })
        .await?;
        entries.reverse();
        let view = WhyView {
            service: service.clone(),
            stage: stage.clone(),
            release: number,
            label: release.label(),
            stands: stand(state, number),
            entries,
            next,
        };
        Ok(Report::new(&view, view.text(times, look)))
    }
}

/// What the question is about when no release is named.
fn asked_about(pipeline: &Pipeline, stage: &Stage) -> Option<ReleaseNumber> {
    let active = stage.active.as_ref().map(|active| active.offer.release);
    let waiting = || stage.waiting.last().map(|offer| offer.release);
    let newest = || (pipeline.last_release > 0).then_some(ReleaseNumber(pipeline.last_release));
    active.or_else(waiting).or_else(newest)
}

impl WhyView {
    fn text(&self, times: &Times, look: Look) -> String {
        let release = words::numbered(self.release, self.label.as_deref());
        let head = format!(
            "{} {}: release {release} {}",
            self.service, self.stage, self.stands
        );
        let mut lines = vec![look.paint.bold(&head), String::new()];
        lines.push(sentences(&self.entries, times, look));
        lines.push(String::new());
        if self.next.is_empty() {
            lines.push("nothing has to happen".to_owned());
            return lines.join("\n");
        }
        lines.push(look.paint.bold("what has to happen next"));
        for (at, step) in self.next.iter().enumerate() {
            let place = if step.stage == self.stage {
                String::new()
            } else {
                format!("on {}: ", step.stage)
            };
            lines.push(format!("  {}. {place}{}", at + 1, step.what));
            let typed = step.typed.as_ref();
            lines.extend(typed.map(|typed| format!("     {}", look.paint.cyan(typed))));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use domain::fact::Request;

    use super::*;
    use crate::failure::Exit;
    use crate::testing::{LOOK, Story, production, web};

    async fn why(story: &Story, stage: &str, release: Option<u64>) -> Report {
        let why = Why {
            service: web(),
            stage: stage.parse().unwrap(),
            release: release.map(ReleaseNumber),
        };
        why.told(&story.ledger, &story.times(), LOOK).await.unwrap()
    }

    #[tokio::test]
    async fn a_release_that_waits_says_for_what_and_what_to_type() {
        let story = Story::told().await;
        let freeze = Request::Freeze {
            stage: Some(production()),
            reason: "the sale".into(),
            until: None,
        };
        story.ask("alice", freeze).await;
        let report = why(&story, "production", None).await;
        insta::assert_snapshot!(report.text);
        assert_eq!(report.data["release"], 3);
        let typed: Vec<_> = report.data["next"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["typed"].as_str())
            .collect();
        let approve = Some("lastgood approve web production 3");
        assert_eq!(typed, [approve, Some("lastgood thaw web production"), None]);
    }

    #[tokio::test]
    async fn a_release_that_was_rolled_back_says_what_happened() {
        let story = Story::told().await;
        insta::assert_snapshot!(why(&story, "production", Some(2)).await.text);
    }

    #[tokio::test]
    async fn a_release_that_runs_needs_nothing() {
        let story = Story::told().await;
        let report = why(&story, "production", Some(1)).await;
        assert_eq!(report.data["next"], serde_json::json!([]));
        assert!(
            report.text.ends_with("nothing has to happen"),
            "{}",
            report.text
        );
    }

    #[tokio::test]
    async fn what_is_not_good_before_is_told_from_there_on() {
        let story = Story::told().await;
        story.arrives("1.6.0").await;
        story.begins("dev").await;
        insta::assert_snapshot!(why(&story, "production", Some(4)).await.text);
    }

    #[tokio::test]
    async fn without_a_release_it_is_about_what_the_stage_does() {
        let story = Story::told().await;
        assert_eq!(why(&story, "production", None).await.data["release"], 3);
        let approve = Request::Approve {
            stage: production(),
            release: ReleaseNumber(3),
            reason: None,
        };
        story.ask("bob", approve).await;
        let report = why(&story, "production", None).await;
        assert_eq!(report.data["stands"], "is being deployed");
        let wrong = Why {
            service: web(),
            stage: production(),
            release: Some(ReleaseNumber(9)),
        };
        let failure = wrong.told(&story.ledger, &story.times(), LOOK).await;
        assert_eq!(failure.unwrap_err().exit, Exit::Usage);
    }
}
