//! `lastgood services`: what there is, where its artefacts come from and which way they go.

use clap::Args;
use domain::config::{Gate, ServiceConfig, Source};
use domain::name::UNCLAIMED;
use domain::{Pipeline, ReleaseNumber, ServiceName, StageName};
use serde::Serialize;

use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;
use crate::table::{self, Look};
use crate::words;

/// List the services: where their artefacts come from, and their stages
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lastgood services --output jsonl")]
pub(crate) struct Services {}

/// A service, as it is described.
#[derive(Debug, Serialize)]
struct ServiceRow {
    service: ServiceName,
    /// `s3://bucket/prefix`, or a repository with the tags that make releases.
    artefacts: String,
    stages: Vec<StageRow>,
    /// The newest release; none before the first.
    newest: Option<ReleaseNumber>,
    label: Option<String>,
}

#[derive(Debug, Serialize)]
struct StageRow {
    stage: StageName,
    /// What lets a release in: `automatic`, or `approval`.
    gate: &'static str,
}

impl Services {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let look = Look::of_stdout(session.screen.out);
        let services = ledger.services().await.map_err(book::failure)?;
        let pipelines = ledger.pipelines(&services).await.map_err(book::failure)?;
        Ok(listed(&pipelines, look))
    }
}

fn listed(pipelines: &[Pipeline], look: Look) -> Report {
    let described = pipelines
        .iter()
        .filter(|pipeline| pipeline.service.as_str() != UNCLAIMED);
    let rows: Vec<ServiceRow> = described.filter_map(ServiceRow::of).collect();
    if rows.is_empty() {
        return Report::new(&rows, "").next("no service is configured: lastgood apply FILE");
    }
    let mut table = look.table(&["SERVICE", "STAGES", "NEWEST", "ARTEFACTS"]);
    for row in &rows {
        let newest = row
            .newest
            .map(|newest| words::numbered(newest, row.label.as_deref()));
        table.add_row([
            row.service.to_string(),
            row.way(),
            newest.unwrap_or_else(|| "none yet".to_owned()),
            row.artefacts.clone(),
        ]);
    }
    Report::new(&rows, table::text(&table))
}

impl ServiceRow {
    fn of(pipeline: &Pipeline) -> Option<Self> {
        let config = pipeline.config.as_ref()?;
        let newest = (pipeline.last_release > 0).then_some(ReleaseNumber(pipeline.last_release));
        let release = newest.and_then(|newest| pipeline.release(newest));
        Some(Self {
            service: pipeline.service.clone(),
            artefacts: artefacts(config),
            stages: config
                .stages
                .iter()
                .map(|stage| StageRow {
                    stage: stage.name.clone(),
                    gate: match stage.gate {
                        Gate::Automatic => "automatic",
                        Gate::Approval(_) => "approval",
                    },
                })
                .collect(),
            newest,
            label: release.and_then(domain::Release::label),
        })
    }

    /// `dev → test → ⏸ production`: the sign stands where a person is asked.
    fn way(&self) -> String {
        let stages = self.stages.iter().map(|stage| match stage.gate {
            "approval" => format!("⏸ {}", stage.stage),
            _ => stage.stage.to_string(),
        });
        stages.collect::<Vec<_>>().join(" → ")
    }
}

fn artefacts(config: &ServiceConfig) -> String {
    match &config.source {
        Source::S3 { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        Source::Ecr {
            repository, tags, ..
        } => format!("ecr {repository}:{}", tags.join(",")),
        Source::Oci {
            registry,
            repository,
            tags,
        } => format!("{registry}/{repository}:{}", tags.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOOK, Story};

    #[tokio::test]
    async fn services_are_listed_with_their_way() {
        let pipeline = Story::told().await.pipeline().await;
        let report = listed(&[pipeline], LOOK);
        insta::assert_snapshot!(report.text);
        assert_eq!(report.data[0]["stages"][1]["gate"], "approval");
        assert_eq!(report.data[0]["newest"], 3);
    }

    #[test]
    fn where_there_is_none_it_is_said_how_to_make_one() {
        let report = listed(&[], LOOK);
        assert_eq!(report.data, serde_json::json!([]));
        assert!(report.next[0].contains("lastgood apply"));
    }
}
