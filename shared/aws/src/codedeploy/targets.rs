//! The targets of one deployment: instances, with what happened on each.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{
    DeploymentTarget, InstanceTarget, LifecycleErrorCode, LifecycleEventStatus, TargetStatus,
};
use engine::PlatformError;

use crate::errors::{self, cut};

/// Most targets of one call (BatchGetDeploymentTargets).
const PER_CALL: usize = 25;
/// How many failed instances are told about.
const TOLD_MAX: usize = 3;
/// How much of a script's last words is told, in characters.
const LOG_LENGTH_MAX: usize = 200;

/// The instances of a deployment.
pub(super) async fn instances(
    client: &Client,
    deployment: &str,
) -> Result<Vec<InstanceTarget>, PlatformError> {
    let mut ids = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_deployment_targets()
            .deployment_id(deployment)
            .set_next_token(token)
            .send()
            .await
            .map_err(errors::platform("codedeploy:ListDeploymentTargets"))?;
        ids.extend(page.target_ids.unwrap_or_default());
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    let mut instances = Vec::with_capacity(ids.len());
    for some in ids.chunks(PER_CALL) {
        let answer = client
            .batch_get_deployment_targets()
            .deployment_id(deployment)
            .set_target_ids(Some(some.to_vec()))
            .send()
            .await
            .map_err(errors::platform("codedeploy:BatchGetDeploymentTargets"))?;
        let targets = answer.deployment_targets.unwrap_or_default();
        instances.extend(
            targets
                .into_iter()
                .filter_map(|target: DeploymentTarget| target.instance_target),
        );
    }
    Ok(instances)
}

/// What went wrong on instances that failed: event, script and its last words.
pub(super) fn diagnoses(instances: &[InstanceTarget]) -> Vec<String> {
    instances
        .iter()
        .filter(|instance| instance.status() == Some(&TargetStatus::Failed))
        .filter_map(diagnosis)
        .take(TOLD_MAX)
        .collect()
}

fn diagnosis(instance: &InstanceTarget) -> Option<String> {
    Some(cut(&format!("{} {}", name(instance), failure(instance)?)))
}

/// What went wrong on one instance.
pub(super) fn failure(instance: &InstanceTarget) -> Option<String> {
    let failed = instance
        .lifecycle_events()
        .iter()
        .find(|event| event.status() == Some(&LifecycleEventStatus::Failed))?;
    let mut words = format!(
        "failed at {}",
        failed.lifecycle_event_name().unwrap_or("some event")
    );
    if let Some(diagnostics) = failed.diagnostics() {
        let code = diagnostics.error_code().map(LifecycleErrorCode::as_str);
        let parts = [
            code,
            diagnostics.script_name(),
            diagnostics.message(),
            diagnostics.log_tail(),
        ];
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            let part: String = part.trim().chars().take(LOG_LENGTH_MAX).collect();
            words.push_str(": ");
            words.push_str(&part);
        }
    }
    Some(cut(&words))
}

/// An instance's id. An on-premises instance has its name there.
pub(super) fn name(instance: &InstanceTarget) -> &str {
    let id = instance.target_id().unwrap_or("an instance");
    id.rsplit('/').next().unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use aws_sdk_codedeploy::types::{Diagnostics, LifecycleEvent};

    use super::*;

    #[test]
    fn a_failed_instance_says_where_and_why() {
        let failed = LifecycleEvent::builder()
            .lifecycle_event_name("ValidateService")
            .status(LifecycleEventStatus::Failed)
            .diagnostics(
                Diagnostics::builder()
                    .error_code(LifecycleErrorCode::ScriptFailed)
                    .script_name("scripts/check.sh")
                    .log_tail("curl: (22) 500\n")
                    .build(),
            )
            .build();
        let bad = InstanceTarget::builder()
            .target_id("i-1")
            .status(TargetStatus::Failed)
            .lifecycle_events(failed)
            .build();
        let good = InstanceTarget::builder()
            .target_id("i-2")
            .status(TargetStatus::Succeeded)
            .build();
        assert_eq!(
            diagnoses(&[good, bad]),
            ["i-1 failed at ValidateService: ScriptFailed: scripts/check.sh: curl: (22) 500"]
        );
    }
}
