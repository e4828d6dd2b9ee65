//! `lastgood wait`: what a pipeline calls after it pushed an image. It finds the release and
//! follows it to its end; nothing is drawn, and nothing but the ledger is asked.

use std::time::Duration;

use clap::{ArgGroup, Args};
use domain::{Artefact, Pipeline, Release, ReleaseNumber, ServiceName, SignedDuration, StageName};
use engine::Ledger;
use serde::Serialize;

use crate::book;
use crate::failure::Failure;
use crate::follow::{self, Goal};
use crate::screen::Report;
use crate::session::Session;
use crate::verb::freeze::duration;
use crate::verb::publish::recorded;
use crate::words;

/// Wait until a release is good on a stage, or will not get there
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).args(["release", "version"]))]
#[command(
    after_help = "Ends at once with 5 when the release waits for a person: nobody has to sit and wait for that.

Examples:
  lastgood wait shop --version 1.4.2 --until test
  lastgood wait web --release 17 --until production --timeout 2h"
)]
pub(crate) struct Wait {
    /// The service
    service: ServiceName,
    /// The release's number
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    release: Option<ReleaseNumber>,
    /// What people call it: its version, or the tag of its image; the newest one that is called so
    #[arg(long, value_name = "TEXT")]
    version: Option<String>,
    /// The stage
    #[arg(long, value_name = "STAGE")]
    until: StageName,
    /// How long to wait, such as 90s, 30m or 2h
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "15m")]
    timeout: SignedDuration,
}

/// What scripts read.
#[derive(Debug, Serialize)]
struct Waited {
    service: ServiceName,
    release: Option<ReleaseNumber>,
    outcome: &'static str,
}

fn number(text: &str) -> Result<ReleaseNumber, String> {
    let number = text.parse().map(ReleaseNumber);
    number.map_err(|_| "write a number, such as 17".to_owned())
}

impl Wait {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let limit = Duration::try_from(self.timeout).unwrap_or(Duration::MAX);
        let mut found = self.release;
        let waited = tokio::time::timeout(limit, self.followed(session, &mut found)).await;
        waited.unwrap_or_else(|_| {
            let (service, until) = (&self.service, &self.until);
            Err(Failure::unobserved(match found {
                Some(release) => {
                    format!(
                        "release {release} did not get to {until} within {:#}",
                        self.timeout
                    )
                }
                None => format!(
                    "no such release of {service} came within {:#}",
                    self.timeout
                ),
            })
            .hint(format!(
                "lastgood history {service} tells what happens; --timeout waits longer"
            )))
        })
    }

    async fn followed(
        &self,
        session: &Session,
        found: &mut Option<ReleaseNumber>,
    ) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let service = &self.service;
        let release = self.find(&ledger).await?;
        *found = Some(release);
        let goal = Goal {
            service,
            release,
            until: &self.until,
        };
        let from = recorded(&ledger, service, release).await?;
        let end = goal
            .reached(&ledger, from, |entry| {
                session
                    .screen
                    .say(&words::what(&entry.what, &session.times));
            })
            .await?;
        let text = format!(
            "{service} release {release}: {}",
            follow::told(&end, &session.times)
        );
        let waited = Waited {
            service: service.clone(),
            release: Some(release),
            outcome: end.exit.word(),
        };
        Ok(Report::new(&waited, text).ending(end.exit))
    }

    /// The release; the event of a push may be on its way still.
    async fn find(&self, ledger: &impl Ledger) -> Result<ReleaseNumber, Failure> {
        loop {
            let pipeline = book::pipeline(ledger, &self.service).await?;
            book::stage(&pipeline, &self.until)?;
            if let Some(number) = self.release {
                return Ok(book::release(ledger, &pipeline, number).await?.number);
            }
            let version = self.version.as_deref().unwrap_or_default();
            if let Some(found) = called(&pipeline, version) {
                return Ok(found);
            }
            follow::pause().await;
        }
    }
}

/// The newest release that people call so.
fn called(pipeline: &Pipeline, version: &str) -> Option<ReleaseNumber> {
    let is = |release: &Release| {
        let tag = match &release.artefact {
            Artefact::Image { tag, .. } | Artefact::Oci { tag, .. } => tag.as_deref(),
            Artefact::Object { .. } => None,
        };
        release.build.version.as_deref() == Some(version) || tag == Some(version)
    };
    let mut newest_first = pipeline.releases.values().rev();
    newest_first
        .find(|release| is(release))
        .map(|release| release.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Story, web};

    #[tokio::test]
    async fn a_release_is_found_by_what_people_call_it() {
        let story = Story::told().await;
        let pipeline = story.pipeline().await;
        let newest = pipeline.releases.values().next_back().unwrap();
        let version = newest.build.version.clone().unwrap();
        assert_eq!(called(&pipeline, &version), Some(newest.number));
        assert_eq!(called(&pipeline, "never built"), None);
    }

    #[tokio::test]
    async fn a_mistyped_release_is_not_waited_for() {
        let story = Story::told().await;
        let wait = |release| Wait {
            service: web(),
            release: Some(ReleaseNumber(release)),
            version: None,
            until: "dev".parse().unwrap(),
            timeout: SignedDuration::from_secs(1),
        };
        assert_eq!(wait(1).find(&story.ledger).await.unwrap(), ReleaseNumber(1));
        let failure = wait(99).find(&story.ledger).await.unwrap_err();
        assert_eq!(failure.message, "web has no release 99");
    }
}
