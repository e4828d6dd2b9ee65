//! A service's deployments as ECS keeps them for 90 days, and what their statuses mean to an
//! attempt.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{ServiceDeployment, ServiceDeploymentBrief, ServiceDeploymentStatus};
use domain::fact::Progress;
use domain::{EntryId, Timestamp};
use engine::PlatformError;

use super::definition::describe;
use super::{Wanted, own};
use crate::errors::{self, cut};
use crate::time;

/// How many of the newest are looked at. Also the most revisions of one call
/// (DescribeServiceRevisions).
const NEWEST: i32 = 20;

/// One service deployment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Deployment {
    pub(super) arn: String,
    pub(super) status: ServiceDeploymentStatus,
    pub(super) begun_at: Timestamp,
    /// The task definition it brings.
    pub(super) definition: String,
}

impl Deployment {
    /// Whether ECS is still busy with it.
    pub(super) fn is_unfinished(&self) -> bool {
        stage(&self.status) != Stage::Over
    }

    /// Whether ECS is taking it back.
    pub(super) fn is_being_undone(&self) -> bool {
        stage(&self.status) == Stage::Undoing
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Forward,
    Undoing,
    Over,
}

/// An unknown status counts as going forward: a status that ends a deployment would be waited for
/// until the stage's timeout, and one that does not would end it wrongly.
fn stage(status: &ServiceDeploymentStatus) -> Stage {
    match status.as_str() {
        "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => Stage::Undoing,
        "SUCCESSFUL" | "STOPPED" | "ROLLBACK_SUCCESSFUL" | "ROLLBACK_FAILED" => Stage::Over,
        _ => Stage::Forward,
    }
}

/// The newest deployments of a service, newest first.
pub(super) async fn newest(
    client: &Client,
    wanted: &Wanted<'_>,
) -> Result<Vec<Deployment>, PlatformError> {
    let listed = client
        .list_service_deployments()
        .cluster(wanted.cluster)
        .service(wanted.service)
        .max_results(NEWEST)
        .send()
        .await
        .map_err(errors::platform("ecs:ListServiceDeployments"))?;
    let briefs = listed.service_deployments.unwrap_or_default();
    let mut revisions: Vec<String> = briefs
        .iter()
        .filter_map(|brief| brief.target_service_revision_arn.clone())
        .collect();
    revisions.sort();
    revisions.dedup();
    if revisions.is_empty() {
        return Ok(Vec::new());
    }
    let described = client
        .describe_service_revisions()
        .set_service_revision_arns(Some(revisions))
        .send()
        .await
        .map_err(errors::platform("ecs:DescribeServiceRevisions"))?;
    let revisions = described.service_revisions.unwrap_or_default();
    let definition = |brief: &ServiceDeploymentBrief| {
        let target = brief.target_service_revision_arn()?;
        let revision = revisions
            .iter()
            .find(|one| one.service_revision_arn() == Some(target))?;
        revision.task_definition().map(ToOwned::to_owned)
    };
    let mut deployments: Vec<Deployment> = briefs
        .iter()
        .filter_map(|brief| {
            Some(Deployment {
                arn: brief.service_deployment_arn()?.to_owned(),
                status: brief.status()?.clone(),
                begun_at: time::timestamp(brief.created_at().or(brief.started_at())?)?,
                definition: definition(brief)?,
            })
        })
        .collect();
    deployments.sort_by_key(|one| std::cmp::Reverse(one.begun_at));
    Ok(deployments)
}

/// The deployment of an attempt, by the mark on the task definition it brings.
pub(super) async fn of_attempt<'a>(
    client: &Client,
    deployments: &'a [Deployment],
    attempt: &EntryId,
) -> Result<Option<&'a Deployment>, PlatformError> {
    let mut looked_at: Vec<&str> = Vec::new();
    for deployment in deployments {
        let definition = deployment.definition.as_str();
        if looked_at.contains(&definition) {
            continue;
        }
        looked_at.push(definition);
        let described = match describe(client, definition).await {
            // Deleted since: it was some older deployment's.
            Err(PlatformError::Terminal(problem)) => {
                tracing::debug!(definition, problem, "a definition cannot be described");
                continue;
            }
            described => described?,
        };
        if own::is_of(&described, attempt) {
            return Ok(of_definition(deployments, definition));
        }
    }
    Ok(None)
}

/// The deployment that brought a definition: the first one, unless it was stopped and somebody
/// deployed the same definition again.
pub(super) fn of_definition<'a>(
    deployments: &'a [Deployment],
    definition: &str,
) -> Option<&'a Deployment> {
    let mut same = deployments
        .iter()
        .rev()
        .filter(|one| one.definition == definition);
    let newest = deployments.iter().find(|one| one.definition == definition);
    same.find(|one| one.status != ServiceDeploymentStatus::Stopped)
        .or(newest)
}

/// How far a deployment is.
pub(super) async fn progress(
    client: &Client,
    deployment: &Deployment,
) -> Result<Progress, PlatformError> {
    let platform_id = deployment.arn.clone();
    let started_at = deployment.begun_at;
    Ok(match deployment.status.as_str() {
        "SUCCESSFUL" => Progress::Succeeded {
            platform_id,
            started_at,
        },
        "ROLLBACK_REQUESTED" | "ROLLBACK_IN_PROGRESS" => Progress::Undoing {
            why: why(client, deployment).await?,
            platform_id,
        },
        "ROLLBACK_SUCCESSFUL" => Progress::Undone {
            why: why(client, deployment).await?,
            platform_id,
        },
        "ROLLBACK_FAILED" => {
            let why = format!("its rollback failed: {}", why(client, deployment).await?);
            Progress::Failed { why, platform_id }
        }
        "STOPPED" => {
            let why = format!("stopped before its end: {}", why(client, deployment).await?);
            Progress::Failed { why, platform_id }
        }
        _ => Progress::Underway {
            platform_id,
            started_at,
        },
    })
}

/// ECS's words about a deployment that did not go well.
async fn why(client: &Client, deployment: &Deployment) -> Result<String, PlatformError> {
    let described = client
        .describe_service_deployments()
        .service_deployment_arns(&deployment.arn)
        .send()
        .await
        .map_err(errors::platform("ecs:DescribeServiceDeployments"))?;
    let words = described
        .service_deployments()
        .first()
        .map(words)
        .unwrap_or_default();
    Ok(if words.is_empty() {
        "ECS gives no reason".to_owned()
    } else {
        words
    })
}

fn words(deployment: &ServiceDeployment) -> String {
    let mut words: Vec<String> = Vec::new();
    let rollback = deployment.rollback().and_then(|rollback| rollback.reason());
    for reason in [rollback, deployment.status_reason()].into_iter().flatten() {
        if !words.iter().any(|known| known == reason) {
            words.push(reason.to_owned());
        }
    }
    let alarms = deployment
        .alarms()
        .map(|alarms| alarms.triggered_alarm_names());
    if let Some(alarms) = alarms.filter(|alarms| !alarms.is_empty()) {
        words.push(format!("alarms that fired: {}", alarms.join(", ")));
    }
    if let Some(breaker) = deployment.deployment_circuit_breaker()
        && breaker
            .status()
            .is_some_and(|status| status.as_str() == "TRIGGERED")
    {
        words.push(format!(
            "the circuit breaker tripped after {} failed tasks",
            breaker.failure_count()
        ));
    }
    cut(&words.join("; "))
}

#[cfg(test)]
mod tests {
    use aws_sdk_ecs::types::{Rollback, ServiceDeploymentAlarms};

    use super::*;

    fn deployment(arn: &str, status: ServiceDeploymentStatus, definition: &str) -> Deployment {
        Deployment {
            arn: arn.to_owned(),
            status,
            begun_at: Timestamp::UNIX_EPOCH,
            definition: definition.to_owned(),
        }
    }

    #[test]
    fn the_first_deployment_of_a_definition_is_ours() {
        use ServiceDeploymentStatus::{InProgress, Stopped, Successful};
        let newest_first = [
            deployment("forced", InProgress, "web:7"),
            deployment("ours", Successful, "web:7"),
            deployment("before", Successful, "web:6"),
        ];
        assert_eq!(of_definition(&newest_first, "web:7").unwrap().arn, "ours");
        let superseded = [
            deployment("forced", InProgress, "web:7"),
            deployment("ours", Stopped, "web:7"),
        ];
        assert_eq!(of_definition(&superseded, "web:7").unwrap().arn, "forced");
        assert_eq!(
            of_definition(&superseded[1..], "web:7").unwrap().arn,
            "ours"
        );
        assert!(of_definition(&superseded, "web:8").is_none());
    }

    #[test]
    fn the_words_are_those_of_ecs() {
        let deployment = ServiceDeployment::builder()
            .rollback(
                Rollback::builder()
                    .reason("Service deployment rolled back")
                    .build(),
            )
            .status_reason("Service deployment rolled back")
            .alarms(
                ServiceDeploymentAlarms::builder()
                    .triggered_alarm_names("web-5xx")
                    .build(),
            )
            .build();
        assert_eq!(
            words(&deployment),
            "Service deployment rolled back; alarms that fired: web-5xx"
        );
    }

    #[test]
    fn a_status_nobody_knows_ends_nothing() {
        let unknown = ServiceDeploymentStatus::from("SOMETHING_NEW");
        assert!(deployment("d", unknown, "web:7").is_unfinished());
    }
}
