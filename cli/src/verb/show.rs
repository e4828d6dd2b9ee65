//! `lastgood show`: one release, where it is and what happened to it.

use clap::Args;
use domain::pipeline::Stage;
use domain::scan::Scan;
use domain::{Pipeline, Release, ReleaseNumber, ServiceName, StageName};
use engine::Ledger;
use serde::Serialize;

use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;
use crate::table::Look;
use crate::times::Times;
use crate::verb::history::{EntryView, sentences};
use crate::words;

/// Show one release: what it is, where it is, and what happened to it
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lastgood show web 17")]
pub(crate) struct Show {
    /// The service
    service: ServiceName,
    /// The release's number
    release: ReleaseNumber,
}

/// A release with its way so far.
#[derive(Debug, Serialize)]
struct ReleaseView {
    service: ServiceName,
    release: Release,
    label: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<Scan>,
    stages: Vec<StandView>,
    entries: Vec<EntryView>,
}

/// How a release stands on a stage.
#[derive(Debug, Serialize)]
struct StandView {
    stage: StageName,
    stands: &'static str,
}

impl Show {
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
        let Self {
            service,
            release: number,
        } = self;
        let pipeline = book::pipeline(ledger, service).await?;
        let release = book::release(ledger, &pipeline, *number).await?;
        let mut entries = Vec::new();
        book::about_release(ledger, service, pipeline.seq, *number, |sealed| {
            entries.push(EntryView::of(service, sealed, times));
        })
        .await?;
        let view = ReleaseView {
            service: service.clone(),
            label: release.label(),
            scan: pipeline.scans.get(number).cloned(),
            stages: stands(&pipeline, *number),
            release,
            entries,
        };
        Ok(Report::new(&view, view.text(times, look)))
    }
}

impl ReleaseView {
    fn text(&self, times: &Times, look: Look) -> String {
        let mut lines = vec![format!(
            "{} release {}",
            self.service,
            words::release(&self.release)
        )];
        let mut field = |name: &str, value: Option<String>| {
            lines.extend(value.map(|value| format!("  {name:<12} {value}")));
        };
        let build = &self.release.build;
        field("artefact", Some(self.release.artefact.id().to_string()));
        field("recorded", Some(times.at_and_ago(self.release.recorded_at)));
        field("commit", build.commit.clone());
        field("author", build.author.clone());
        field(
            "committed",
            build.committed_at.map(|at| times.at_and_ago(at)),
        );
        field("branch", build.branch.clone());
        let number = build
            .build_number
            .map(|number| format!(" #{number}"))
            .unwrap_or_default();
        field(
            "build",
            build.job.as_ref().map(|job| format!("{job}{number}")),
        );
        field("build page", build.build_url.clone());
        field("repository", build.repository.clone());
        field(
            "irreversible",
            build
                .irreversible
                .then(|| "yes: going back would not bring the old state back".to_owned()),
        );
        field("scan", self.scan.as_ref().map(words::scanned));
        if let Some(Scan::Complete(findings)) = &self.scan {
            for finding in &findings.worst {
                field("", Some(finding.to_string()));
            }
        }
        for stand in &self.stages {
            lines.push(format!("  {:<12} {}", stand.stage.as_str(), stand.stands));
        }
        lines.push(String::new());
        lines.push(sentences(&self.entries, times, look));
        lines.join("\n")
    }
}

fn stands(pipeline: &Pipeline, number: ReleaseNumber) -> Vec<StandView> {
    let stages = pipeline.config.iter().flat_map(|config| &config.stages);
    stages
        .map(|stage| StandView {
            stage: stage.name.clone(),
            stands: pipeline
                .stages
                .get(&stage.name)
                .map_or("is not there", |s| stand(s, number)),
        })
        .collect()
}

/// How a release stands on a stage, in words.
pub(crate) fn stand(stage: &Stage, number: ReleaseNumber) -> &'static str {
    let runs = stage.runs == Some(number);
    if stage
        .active
        .as_ref()
        .is_some_and(|active| active.offer.release == number)
    {
        "is being deployed"
    } else if stage.waiting.iter().any(|offer| offer.release == number) {
        "waits"
    } else if stage.last_good() == Some(number) && runs {
        "runs, and is last good"
    } else if runs {
        "runs, and is not good"
    } else if stage.last_good() == Some(number) {
        "is last good"
    } else if stage.quarantined.contains(&number) {
        "was rolled back"
    } else if stage.good.contains(&number) {
        "was good"
    } else {
        "is not there"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOOK, Story, web};

    #[tokio::test]
    async fn a_release_with_its_way() {
        let story = Story::told().await;
        let mut texts = Vec::new();
        for number in 1..=3 {
            let show = Show {
                service: web(),
                release: ReleaseNumber(number),
            };
            texts.push(
                show.told(&story.ledger, &story.times(), LOOK)
                    .await
                    .unwrap()
                    .text,
            );
        }
        insta::assert_snapshot!(texts.join("\n\n=====\n\n"));
    }

    #[tokio::test]
    async fn a_release_that_is_none_is_said() {
        let story = Story::told().await;
        let show = Show {
            service: web(),
            release: ReleaseNumber(9),
        };
        let failure = show
            .told(&story.ledger, &story.times(), LOOK)
            .await
            .unwrap_err();
        assert_eq!(failure.message, "web has no release 9");
        assert_eq!(failure.hint.as_deref(), Some("its newest is 3"));
    }
}
