//! Calls about deployments: reading them, stopping them, letting them go on, answering hooks.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    config::Platform,
    deployment::{Deployment, Halt, HookResult, Status},
    events::group_arn,
    wire::{application_name, compact, deployment_id, no_deployment, page, parse, time},
};
use crate::{
    api::{ApiError, Call, Caller},
    envelope::Place,
};

/// The most deployments of one `BatchGetDeployments`. Source: CodeDeploy API.
const BATCH_MAX: usize = 25;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    deployment_id: Option<String>,
    auto_rollback_enabled: Option<bool>,
    deployment_wait_type: Option<WaitType>,
}

/// What `ContinueDeployment` ends the waiting for.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum WaitType {
    ReadyWait,
    TerminationWait,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedMany {
    #[serde(default)]
    deployment_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    application_name: Option<String>,
    deployment_group_name: Option<String>,
    #[serde(default)]
    include_only_statuses: Vec<String>,
    create_time_range: Option<Range>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Range {
    start: Option<f64>,
    end: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HookAnswer {
    deployment_id: Option<String>,
    lifecycle_event_hook_execution_id: Option<String>,
    status: Option<String>,
}

impl Range {
    fn has(&self, created: Timestamp) -> bool {
        let start = self
            .start
            .and_then(time)
            .is_none_or(|start| start <= created);
        let end = self.end.and_then(time).is_none_or(|end| created <= end);
        start && end
    }
}

impl CodeDeploy {
    pub(super) async fn get_deployment(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Named = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        let place = call.caller.place();
        self.allow_on_group(&call.caller, &call.operation, &id)
            .await?;
        Ok(json!({ "deploymentInfo": self.state().deployment(&place, &id)?.to_json() }))
    }

    pub(super) async fn batch_get_deployments(&self, call: &Call) -> Result<Value, ApiError> {
        let input: NamedMany = parse(&call.body)?;
        let place = call.caller.place();
        if input.deployment_ids.len() > BATCH_MAX {
            let message = format!("The maximum number of deployments is {BATCH_MAX}");
            return Err(ApiError::client("BatchLimitExceededException", message));
        }
        for id in &input.deployment_ids {
            self.allow_on_group(&call.caller, &call.operation, id)
                .await?;
        }
        let state = self.state();
        let found = input
            .deployment_ids
            .iter()
            .map(|id| state.deployment(&place, id));
        let told: Result<Vec<Value>, ApiError> = found
            .map(|deployment| deployment.map(Deployment::to_json))
            .collect();
        Ok(json!({ "deploymentsInfo": told? }))
    }

    pub(super) async fn list_deployments(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Listing = parse(&call.body)?;
        let place = call.caller.place();
        let statuses = input.include_only_statuses.iter().map(|name| status(name));
        let statuses: Vec<Option<Status>> = statuses.collect::<Result<_, _>>()?;
        let group = input.deployment_group_name;
        let application = match (input.application_name, &group) {
            (None, None) => None,
            (name, _) => Some(application_name(name)?),
        };
        let arn = match (&application, &group) {
            (Some(application), Some(group)) => group_arn(&place, application, group),
            (Some(application), None) => group_arn(&place, application, "*"),
            (None, _) => "*".to_owned(),
        };
        self.allow(&call.caller, "ListDeployments", &arn).await?;
        let state = self.state();
        if let Some(application) = &application {
            state.application(&place, application)?;
            group
                .as_ref()
                .map(|group| state.group(&place, application, group))
                .transpose()?;
        }
        let mut found: Vec<&Deployment> = state
            .deployments
            .values()
            .filter(|deployment| deployment.order.place == place)
            .filter(|found| {
                application
                    .as_ref()
                    .is_none_or(|a| *a == found.order.application)
            })
            .filter(|found| {
                group
                    .as_ref()
                    .is_none_or(|group| *group == found.order.group)
            })
            .filter(|found| statuses.is_empty() || statuses.contains(&Some(found.status)))
            .filter(|found| {
                input
                    .create_time_range
                    .as_ref()
                    .is_none_or(|r| r.has(found.created))
            })
            .collect();
        found.sort_by_key(|deployment| std::cmp::Reverse(deployment.number));
        let ids = found
            .into_iter()
            .map(|deployment| deployment.order.id.clone())
            .collect();
        let (ids, next) = page(ids, input.next_token.as_deref())?;
        Ok(compact(json!({ "deployments": ids, "nextToken": next })))
    }

    pub(super) async fn stop_deployment(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Named = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow(&call.caller, "StopDeployment", "*").await?;
        let mut state = self.state();
        let deployment = state.deployment_mut(&call.caller.place(), &id)?;
        check_live(deployment)?;
        let halt = Halt::Request {
            roll_back: input.auto_rollback_enabled,
        };
        // The first reason to stop counts.
        deployment.halt.send_if_modified(|asked| match asked {
            Some(_) => false,
            None => {
                *asked = Some(halt.clone());
                true
            }
        });
        let message = "No more lifecycle events will be scheduled for this deployment.";
        Ok(json!({ "status": "Pending", "statusMessage": message }))
    }

    pub(super) async fn continue_deployment(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Named = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow(&call.caller, "ContinueDeployment", "*").await?;
        let mut state = self.state();
        let deployment = state.deployment_mut(&call.caller.place(), &id)?;
        check_live(deployment)?;
        check_ecs(deployment)?;
        let not_ready = |message: &str| {
            Err(ApiError::client(
                "DeploymentIsNotInReadyStateException",
                message,
            ))
        };
        match (
            input.deployment_wait_type.unwrap_or(WaitType::ReadyWait),
            deployment.status,
        ) {
            (WaitType::ReadyWait, Status::Ready) => {
                deployment
                    .proceed
                    .send_modify(|proceed| proceed.traffic = true);
            }
            (WaitType::TerminationWait, _) if deployment.proceed.borrow().traffic_moved => {
                deployment
                    .proceed
                    .send_modify(|proceed| proceed.termination = true);
            }
            (WaitType::ReadyWait, _) => return not_ready("The deployment is not ready"),
            (WaitType::TerminationWait, _) => {
                return not_ready("The deployment does not wait to terminate anything");
            }
        }
        Ok(json!({}))
    }

    pub(super) async fn put_hook_status(&self, call: &Call) -> Result<Value, ApiError> {
        let input: HookAnswer = parse(&call.body)?;
        let id = deployment_id(input.deployment_id)?;
        self.allow(&call.caller, "PutLifecycleEventHookExecutionStatus", "*")
            .await?;
        let result = match input.status.as_deref() {
            Some("Succeeded") => HookResult::Succeeded,
            Some("Failed") => HookResult::Failed,
            other => {
                let message = format!("Invalid status {}", other.unwrap_or_default());
                let code = "InvalidLifecycleEventHookExecutionStatusException";
                return Err(ApiError::client(code, message));
            }
        };
        let mut state = self.state();
        let deployment = state.deployment_mut(&call.caller.place(), &id)?;
        check_ecs(deployment)?;
        let execution = input.lifecycle_event_hook_execution_id.unwrap_or_default();
        match deployment
            .hook
            .take_if(|(waiting, _)| *waiting == execution)
        {
            Some((_, answer)) => {
                answer.send_replace(Some(result));
                deployment.answered_hooks.push(execution.clone());
                Ok(json!({ "lifecycleEventHookExecutionId": execution }))
            }
            None if deployment.answered_hooks.contains(&execution) => Err(ApiError::client(
                "LifecycleEventAlreadyCompletedException",
                "Lifecycle event has already completed",
            )),
            None => Err(ApiError::client(
                "InvalidLifecycleEventHookExecutionIdException",
                format!("Invalid execution ID {execution}"),
            )),
        }
    }

    /// Asks for a permission on the group of a deployment.
    pub(super) async fn allow_on_group(
        &self,
        caller: &Caller,
        action: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let place: Place = caller.place();
        let arn = {
            let state = self.state();
            let order = &state
                .deployment(&place, id)
                .map_err(|_| no_deployment(id))?
                .order;
            group_arn(&place, &order.application, &order.group)
        };
        self.allow(caller, action, &arn).await
    }
}

fn check_live(deployment: &Deployment) -> Result<(), ApiError> {
    if deployment.status.is_over() {
        let id = &deployment.order.id;
        let message = format!("The deployment {id} has already completed");
        return Err(ApiError::client(
            "DeploymentAlreadyCompletedException",
            message,
        ));
    }
    Ok(())
}

fn check_ecs(deployment: &Deployment) -> Result<(), ApiError> {
    match deployment.order.platform {
        Platform::Ecs => Ok(()),
        Platform::Server => Err(ApiError::client(
            "UnsupportedActionForDeploymentTypeException",
            "The action is not supported for in-place deployments",
        )),
    }
}

/// A status as callers name it; `None` for the one that never occurs here.
fn status(name: &str) -> Result<Option<Status>, ApiError> {
    if name == "Baking" {
        return Ok(None);
    }
    let parsed = serde_json::from_value(Value::String(name.to_owned()));
    parsed.map(Some).map_err(|_| {
        let message = format!("Invalid deployment status {name}");
        ApiError::client("InvalidDeploymentStatusException", message)
    })
}
