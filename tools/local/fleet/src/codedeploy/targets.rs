//! Calls about the targets of a deployment.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    config::Platform,
    deployment::Deployment,
    target::{TargetKind, TargetStatus},
    wire::{compact, deployment_id, page, parse, required},
};
use crate::api::{ApiError, Call};

/// The most targets of one `BatchGetDeploymentTargets`. Source: CodeDeploy API.
const BATCH_MAX: usize = 25;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    deployment_id: Option<String>,
    target_id: Option<String>,
    target_ids: Option<Vec<String>>,
    instance_id: Option<String>,
    #[serde(default)]
    instance_ids: Vec<String>,
    #[serde(default)]
    target_filters: Filters,
    #[serde(default)]
    instance_status_filter: Vec<TargetStatus>,
    next_token: Option<String>,
}

#[derive(Default, Deserialize)]
struct Filters {
    #[serde(rename = "TargetStatus", default)]
    status: Vec<TargetStatus>,
}

impl CodeDeploy {
    pub(super) async fn list_targets(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Input = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow(&call.caller, "ListDeploymentTargets", "*")
            .await?;
        let state = self.state();
        let deployment = state.deployment(&call.caller.place(), &id)?;
        let ids = target_ids(deployment, &input.target_filters.status);
        let (ids, next) = page(ids, input.next_token.as_deref())?;
        Ok(compact(json!({ "targetIds": ids, "nextToken": next })))
    }

    pub(super) async fn list_instances(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Input = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow_on_group(&call.caller, &call.operation, &id)
            .await?;
        let state = self.state();
        let deployment = state.deployment(&call.caller.place(), &id)?;
        if deployment.order.platform == Platform::Ecs {
            let message = "The deployment has targets, not instances";
            return Err(ApiError::client("InvalidComputePlatformException", message));
        }
        let ids = target_ids(deployment, &input.instance_status_filter);
        let (ids, next) = page(ids, input.next_token.as_deref())?;
        Ok(compact(json!({ "instancesList": ids, "nextToken": next })))
    }

    /// The older form of `GetDeploymentTarget`.
    pub(super) async fn get_instance(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Input = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow_on_group(&call.caller, &call.operation, &id)
            .await?;
        let code = "InstanceIdRequiredException";
        let instance = required(input.instance_id, code, "Instance ID")?;
        let state = self.state();
        let deployment = state.deployment(&call.caller.place(), &id)?;
        Ok(json!({ "instanceSummary": summary(deployment, &instance)? }))
    }

    /// The older form of `BatchGetDeploymentTargets`.
    pub(super) async fn batch_get_instances(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Input = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow_on_group(&call.caller, &call.operation, &id)
            .await?;
        let state = self.state();
        let deployment = state.deployment(&call.caller.place(), &id)?;
        let told: Result<Vec<Value>, ApiError> = input
            .instance_ids
            .iter()
            .map(|instance| summary(deployment, instance))
            .collect();
        Ok(json!({ "instancesSummary": told? }))
    }

    pub(super) async fn get_target(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Input = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow(&call.caller, "GetDeploymentTarget", "*").await?;
        let code = "DeploymentTargetIdRequiredException";
        let target = required(input.target_id, code, "Target ID")?;
        let state = self.state();
        let deployment = state.deployment(&call.caller.place(), &id)?;
        Ok(json!({ "deploymentTarget": told(deployment, &target)? }))
    }

    pub(super) async fn batch_get_targets(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Input = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow(&call.caller, "BatchGetDeploymentTargets", "*")
            .await?;
        let state = self.state();
        let deployment = state.deployment(&call.caller.place(), &id)?;
        let wanted = input
            .target_ids
            .unwrap_or_else(|| target_ids(deployment, &[]));
        if wanted.len() > BATCH_MAX {
            let message = format!("The maximum number of targets is {BATCH_MAX}");
            return Err(ApiError::client(
                "DeploymentTargetListSizeExceededException",
                message,
            ));
        }
        let told: Result<Vec<Value>, ApiError> = wanted
            .iter()
            .map(|target| told(deployment, target))
            .collect();
        Ok(json!({ "deploymentTargets": told? }))
    }
}

fn target_ids(deployment: &Deployment, statuses: &[TargetStatus]) -> Vec<String> {
    deployment
        .targets
        .iter()
        .filter(|target| statuses.is_empty() || statuses.contains(&target.status))
        .map(|target| target.id.clone())
        .collect()
}

fn told(deployment: &Deployment, target: &str) -> Result<Value, ApiError> {
    let found = deployment.target(target).ok_or_else(|| {
        let message = format!("The target {target} could not be found");
        ApiError::client("DeploymentTargetDoesNotExistException", message)
    })?;
    Ok(found.to_json(&deployment.order.id))
}

/// An instance of a deployment as the older calls tell it.
fn summary(deployment: &Deployment, instance: &str) -> Result<Value, ApiError> {
    let found = deployment
        .target(instance)
        .filter(|found| found.kind == TargetKind::Instance);
    let found = found.ok_or_else(|| {
        let message = format!("The instance {instance} could not be found in the deployment");
        ApiError::client("InstanceDoesNotExistException", message)
    })?;
    Ok(found.to_summary(&deployment.order.id))
}
