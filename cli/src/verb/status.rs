//! `lastgood status`: how things are.

use clap::Args;
use domain::name::UNCLAIMED;
use domain::{Pipeline, ServiceName, StageName};

use crate::board::ServiceView;
use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;
use crate::table::{self, Look};
use crate::times::Times;
use crate::words;

/// Show how things are: all services, or one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lastgood status
  lastgood status web --output json")]
pub(crate) struct Status {
    /// The service [default: all, a row for each]
    service: Option<ServiceName>,
}

impl Status {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let ledger = session.ledger().await?;
        let look = Look::of_stdout(session.screen.out);
        if let Some(service) = self.service {
            let pipeline = book::pipeline(&ledger, &service).await?;
            return one(&pipeline, &session.times, look);
        }
        let services = ledger.services().await.map_err(book::failure)?;
        let pipelines = ledger.pipelines(&services).await.map_err(book::failure)?;
        Ok(all(&pipelines, &session.times, look))
    }
}

/// One service: a row for each stage.
fn one(pipeline: &Pipeline, times: &Times, look: Look) -> Result<Report, Failure> {
    let Some(view) = ServiceView::of(pipeline, times.now) else {
        let service = &pipeline.service;
        return Err(
            Failure::usage(format!("{service} is not configured")).hint(format!(
                "lastgood history {service} shows what is recorded there"
            )),
        );
    };
    let mut table = look.table(&["STAGE", "RUNS", "LAST GOOD", "NOW"]);
    for stage in &view.stages {
        let last_good = stage.last_good.as_ref().map_or_else(
            || "none".to_owned(),
            |good| words::numbered(good.number, good.label.as_deref()),
        );
        let lines = stage.lines(times).join("\n");
        table.add_row([stage.stage.to_string(), stage.runs(times), last_good, lines]);
    }
    let frozen = view.freeze.as_ref().map(|freeze| {
        format!(
            "{} is frozen {}\n",
            view.service,
            words::freeze(freeze, times)
        )
    });
    let text = frozen.unwrap_or_default() + &table::text(&table);
    let next = view
        .stages
        .iter()
        .filter_map(|stage| stage.next(&view.service));
    Ok(next.fold(Report::new(&view, text), Report::next))
}

/// All services: a row for each, a column for each stage.
fn all(pipelines: &[Pipeline], times: &Times, look: Look) -> Report {
    let described = pipelines
        .iter()
        .filter(|pipeline| pipeline.service.as_str() != UNCLAIMED);
    let views: Vec<ServiceView> = described
        .filter_map(|pipeline| ServiceView::of(pipeline, times.now))
        .collect();
    if views.is_empty() {
        return Report::new(&views, "").next("no service is configured: lastgood apply FILE");
    }
    let stages = columns(
        views
            .iter()
            .map(|view| view.stages.iter().map(|s| &s.stage).collect()),
    );
    let heads: Vec<String> = stages
        .iter()
        .map(|stage| stage.as_str().to_uppercase())
        .collect();
    let mut names = vec!["SERVICE"];
    names.extend(heads.iter().map(String::as_str));
    let mut table = look.table(&names);
    for view in &views {
        let mut row = vec![service_cell(view, times)];
        row.extend(stages.iter().map(|name| {
            let stage = view.stages.iter().find(|stage| stage.stage == **name);
            stage.map_or_else(String::new, |stage| {
                format!("{}\n{}", stage.runs(times), stage.lines(times).join("\n"))
            })
        }));
        table.add_row(row);
    }
    let next = views.iter().flat_map(|view| {
        view.stages
            .iter()
            .filter_map(|stage| stage.next(&view.service))
    });
    next.fold(Report::new(&views, table::text(&table)), Report::next)
}

fn service_cell(view: &ServiceView, times: &Times) -> String {
    match &view.freeze {
        Some(freeze) => format!("{}\nfrozen {}", view.service, words::freeze(freeze, times)),
        None => view.service.to_string(),
    }
}

/// The stages of all services, each service's in its own order.
fn columns<'a>(services: impl Iterator<Item = Vec<&'a StageName>>) -> Vec<&'a StageName> {
    let mut columns: Vec<&StageName> = Vec::new();
    for stages in services {
        // A stage that is new goes behind the one it follows.
        let mut at = 0;
        for stage in stages {
            match columns.iter().position(|column| *column == stage) {
                Some(there) => at = there + 1,
                None => {
                    columns.insert(at, stage);
                    at += 1;
                }
            }
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use domain::artefact::Content;
    use domain::drift::ApiCall;
    use domain::fact::{Called, Compared, Request, Running};
    use domain::{Fact, Identity, ReleaseNumber};
    use engine::Clock as _;

    use super::*;
    use crate::testing::{LOOK, Story, production};

    async fn shown(story: &Story) -> String {
        let pipeline = story.pipeline().await;
        let (one, all) = (
            one(&pipeline, &story.times(), LOOK).unwrap(),
            all(&[pipeline], &story.times(), LOOK),
        );
        assert_eq!(one.next, all.next);
        format!("{}\n\n{}\n\n{}", one.text, all.text, one.next.join("\n"))
    }

    #[tokio::test]
    async fn a_service_nothing_was_deployed_of() {
        insta::assert_snapshot!(shown(&Story::begin().await).await);
    }

    #[tokio::test]
    async fn a_release_waits_for_a_person_over_a_good_one() {
        insta::assert_snapshot!(shown(&Story::told().await).await);
    }

    #[tokio::test]
    async fn what_scripts_read() {
        let story = Story::told().await;
        let report = one(&story.pipeline().await, &story.times(), LOOK).unwrap();
        insta::assert_json_snapshot!(report.data);
    }

    #[tokio::test]
    async fn a_rollback_by_a_person_under_a_freeze() {
        let story = Story::told().await;
        let approve = Request::Approve {
            stage: production(),
            release: ReleaseNumber(3),
            reason: None,
        };
        story.ask("bob", approve).await;
        story.begins("production").await;
        let rollback = Request::Rollback {
            stage: production(),
            to: None,
            reason: "it is slow".into(),
        };
        story.ask("bob", rollback).await;
        insta::assert_snapshot!(shown(&story).await);
    }

    /// Somebody put something else on a stage by hand.
    async fn drifts(story: &Story) {
        let stage = production();
        let over = Box::new(story.pipeline().await.stages[&stage].clone());
        let call = ApiCall {
            id: "6afced68".into(),
            at: story.clock.now(),
            action: "codedeploy:CreateDeployment".into(),
            by: Identity("arn:aws:iam::111122223333:user/carol".into()),
            from: "203.0.113.10".into(),
            asked: Some("revision shop-artefacts/hot/fix.zip@v9".into()),
            refused: None,
        };
        let called = Called {
            stage: stage.clone(),
            call,
        };
        story.hear(&Fact::Called(called)).await;
        let running = Running::All(Content("shop-artefacts/hot/fix.zip@v9".into()));
        story
            .hear(&Fact::Compared(Compared {
                stage,
                over,
                running,
            }))
            .await;
    }

    #[tokio::test]
    async fn a_stage_that_drifted_under_a_release_that_waits() {
        let story = Story::told().await;
        drifts(&story).await;
        insta::assert_snapshot!(shown(&story).await);
    }

    #[test]
    fn columns_keep_each_services_order() {
        let view = |stages: &[&str]| -> Vec<StageName> {
            stages.iter().map(|name| name.parse().unwrap()).collect()
        };
        let services = [
            view(&["dev", "production"]),
            view(&["dev", "test", "production"]),
            view(&["demo"]),
        ];
        let names = columns(services.iter().map(|stages| stages.iter().collect()));
        let names: Vec<&str> = names.iter().map(|name| name.as_str()).collect();
        assert_eq!(names, ["demo", "dev", "test", "production"]);
    }
}
