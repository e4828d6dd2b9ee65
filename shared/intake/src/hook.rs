//! How CodeDeploy and ECS call a lifecycle hook, and what ECS wants to hear. Whether a hook lets a
//! deployment go on is decided elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{EVENT_BYTES_MAX, Refusal, read};

/// Longest id or ARN in a call, in bytes. CodeDeploy's execution ids are long: encrypted and
/// base64.
const ID_BYTES_MAX: usize = 4096;

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub enum HookCall {
    /// By CodeDeploy, for an ECS deployment group. It does not say at which lifecycle event.
    CodeDeploy(CodeDeployHook),
    /// By ECS itself.
    Ecs(EcsHook),
}

/// CodeDeploy's call; answered by `PutLifecycleEventHookExecutionStatus` within an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeDeployHook {
    /// `d-…`.
    pub deployment: String,
    /// What the answer has to name.
    pub execution: String,
}

/// ECS's call; answered by what the function returns.
#[derive(Debug, Clone, PartialEq)]
pub struct EcsHook {
    /// The same again when ECS calls again after [`HookStatus::InProgress`].
    pub execution: String,
    /// Where the deployment is.
    pub stage: LifecycleStage,
    /// The ARN of the service deployment.
    pub deployment_arn: String,
    /// The ARN of the service.
    pub service_arn: String,
    /// The ARN of the revision that is being deployed, also while that is undone.
    pub target_revision: String,
    /// Percent of the test traffic by revision. Fractions occur (canary steps of 0.1 %).
    pub test_weights: BTreeMap<String, f64>,
    /// Percent of the production traffic by revision.
    pub production_weights: BTreeMap<String, f64>,
    /// What the service's hook is configured with, and what earlier answers added.
    pub details: Map<String, Value>,
}

/// A stage of ECS's own, at which a hook can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LifecycleStage {
    /// Several revisions were active when the deployment began.
    ReconcileService,
    /// Nothing of the new revision runs.
    PreScaleUp,
    /// The new revision runs and has no traffic.
    PostScaleUp,
    /// Test traffic moves, forward or back.
    TestTrafficShift,
    /// Test traffic has moved.
    PostTestTrafficShift,
    /// Production traffic is about to move; before every step of a canary.
    PreProductionTrafficShift,
    /// Production traffic moves, forward or back; at every step of a canary.
    ProductionTrafficShift,
    /// Production traffic has moved.
    PostProductionTrafficShift,
    /// One that ECS did not have when this was written.
    Other(String),
}

/// Which way the traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the new revision, or not at all.
    Forward,
    /// Away from it: the deployment is being undone. A hook must not stand in the way.
    Back,
}

impl EcsHook {
    /// Which way the traffic moves. A rollback has no stage of its own: ECS calls the two shift
    /// stages again, the target is still the new revision, and its weight is 0 (ECS developer
    /// guide, "Lifecycle hooks during rollback"). At any other stage a weight of 0 only means "not
    /// yet".
    #[must_use]
    pub fn direction(&self) -> Direction {
        let production = self.production_weights.get(&self.target_revision);
        let weight = match self.stage {
            LifecycleStage::ProductionTrafficShift => production,
            LifecycleStage::TestTrafficShift => {
                self.test_weights.get(&self.target_revision).or(production)
            }
            LifecycleStage::ReconcileService
            | LifecycleStage::PreScaleUp
            | LifecycleStage::PostScaleUp
            | LifecycleStage::PostTestTrafficShift
            | LifecycleStage::PreProductionTrafficShift
            | LifecycleStage::PostProductionTrafficShift
            | LifecycleStage::Other(_) => None,
        };
        if weight.is_some_and(|percent| *percent <= 0.0) {
            Direction::Back
        } else {
            Direction::Forward
        }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Wire {
    #[serde(rename = "DeploymentId")]
    deployment_id: Option<String>,
    #[serde(rename = "LifecycleEventHookExecutionId")]
    hook_execution_id: Option<String>,
    #[serde(rename = "executionId")]
    execution_id: Option<String>,
    #[serde(rename = "lifecycleStage")]
    lifecycle_stage: Option<String>,
    #[serde(rename = "resourceArn")]
    resource_arn: Option<String>,
    #[serde(rename = "executionDetails")]
    execution_details: Option<ExecutionDetails>,
    #[serde(rename = "hookDetails")]
    hook_details: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct ExecutionDetails {
    service_arn: Option<String>,
    target_service_revision_arn: Option<String>,
    test_traffic_weights: Option<BTreeMap<String, f64>>,
    production_traffic_weights: Option<BTreeMap<String, f64>>,
}

/// Decodes a call.
///
/// # Errors
/// When neither CodeDeploy nor ECS calls so.
pub fn decode(bytes: &[u8]) -> Result<HookCall, Refusal> {
    read::limit(bytes, "the event", EVENT_BYTES_MAX)?;
    let expected = "CodeDeploy's or ECS's lifecycle hooks";
    let wire: Wire = read::event(bytes, expected)?;
    match (wire.deployment_id.is_some(), wire.execution_id.is_some()) {
        (true, false) => codedeploy(wire).map(HookCall::CodeDeploy),
        (false, true) => ecs(wire).map(HookCall::Ecs),
        (true, true) => Err(Refusal::foreign(expected, "it has both their ids")),
        (false, false) => Err(Refusal::foreign(expected, "it has neither's id")),
    }
}

fn id(text: Option<String>, path: &str) -> Result<String, Refusal> {
    read::filled(text, path, ID_BYTES_MAX)
}

fn codedeploy(wire: Wire) -> Result<CodeDeployHook, Refusal> {
    Ok(CodeDeployHook {
        deployment: id(wire.deployment_id, "DeploymentId")?,
        execution: id(wire.hook_execution_id, "LifecycleEventHookExecutionId")?,
    })
}

fn ecs(wire: Wire) -> Result<EcsHook, Refusal> {
    let Some(details) = wire.execution_details else {
        return Err(Refusal::malformed("executionDetails", "it is missing"));
    };
    Ok(EcsHook {
        execution: id(wire.execution_id, "executionId")?,
        stage: LifecycleStage::of(id(wire.lifecycle_stage, "lifecycleStage")?),
        deployment_arn: id(wire.resource_arn, "resourceArn")?,
        service_arn: id(details.service_arn, "executionDetails.serviceArn")?,
        target_revision: id(
            details.target_service_revision_arn,
            "executionDetails.targetServiceRevisionArn",
        )?,
        test_weights: details.test_traffic_weights.unwrap_or_default(),
        production_weights: details.production_traffic_weights.unwrap_or_default(),
        details: wire.hook_details.unwrap_or_default(),
    })
}

impl LifecycleStage {
    fn of(name: String) -> Self {
        match name.as_str() {
            "RECONCILE_SERVICE" => Self::ReconcileService,
            "PRE_SCALE_UP" => Self::PreScaleUp,
            "POST_SCALE_UP" => Self::PostScaleUp,
            "TEST_TRAFFIC_SHIFT" => Self::TestTrafficShift,
            "POST_TEST_TRAFFIC_SHIFT" => Self::PostTestTrafficShift,
            "PRE_PRODUCTION_TRAFFIC_SHIFT" => Self::PreProductionTrafficShift,
            "PRODUCTION_TRAFFIC_SHIFT" => Self::ProductionTrafficShift,
            "POST_PRODUCTION_TRAFFIC_SHIFT" => Self::PostProductionTrafficShift,
            _ => Self::Other(name),
        }
    }
}

/// What ECS is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HookStatus {
    /// Go on.
    Succeeded,
    /// Roll back.
    Failed,
    /// Ask again.
    InProgress,
}

/// What the function returns to ECS. Anything else, an error above all, makes ECS roll back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HookAnswer {
    /// Go on, roll back, or ask again.
    pub hook_status: HookStatus,
    /// When to ask again, in seconds; ECS takes 30 when it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_back_delay: Option<u32>,
}

impl HookAnswer {
    /// Go on.
    pub const SUCCEEDED: Self = Self {
        hook_status: HookStatus::Succeeded,
        call_back_delay: None,
    };
    /// Roll back.
    pub const FAILED: Self = Self {
        hook_status: HookStatus::Failed,
        call_back_delay: None,
    };

    /// Ask again in so many seconds.
    #[must_use]
    pub fn again_in(seconds: u32) -> Self {
        Self {
            hook_status: HookStatus::InProgress,
            call_back_delay: Some(seconds),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecs_is_answered_in_its_own_words() {
        let json = |answer| serde_json::to_string(&answer).unwrap();
        assert_eq!(json(HookAnswer::SUCCEEDED), r#"{"hookStatus":"SUCCEEDED"}"#);
        assert_eq!(json(HookAnswer::FAILED), r#"{"hookStatus":"FAILED"}"#);
        assert_eq!(
            json(HookAnswer::again_in(60)),
            r#"{"hookStatus":"IN_PROGRESS","callBackDelay":60}"#
        );
    }

    fn hook(stage: &str, test: Option<f64>, production: Option<f64>) -> EcsHook {
        let weights = |percent: Option<f64>| {
            percent
                .map(|percent| ("green".to_owned(), percent))
                .into_iter()
                .collect()
        };
        EcsHook {
            execution: "e".into(),
            stage: LifecycleStage::of(stage.to_owned()),
            deployment_arn: "d".into(),
            service_arn: "s".into(),
            target_revision: "green".into(),
            test_weights: weights(test),
            production_weights: weights(production),
            details: Map::new(),
        }
    }

    #[test]
    fn a_weight_of_nothing_means_back_only_while_traffic_is_shifted() {
        for (stage, test, production, expected) in [
            ("PRODUCTION_TRAFFIC_SHIFT", None, Some(0.0), Direction::Back),
            (
                "PRODUCTION_TRAFFIC_SHIFT",
                None,
                Some(0.1),
                Direction::Forward,
            ),
            ("PRODUCTION_TRAFFIC_SHIFT", None, None, Direction::Forward),
            (
                "PRE_PRODUCTION_TRAFFIC_SHIFT",
                None,
                Some(0.0),
                Direction::Forward,
            ),
            (
                "TEST_TRAFFIC_SHIFT",
                Some(100.0),
                Some(0.0),
                Direction::Forward,
            ),
            ("TEST_TRAFFIC_SHIFT", Some(0.0), None, Direction::Back),
            ("TEST_TRAFFIC_SHIFT", None, Some(0.0), Direction::Back),
            ("POST_SCALE_UP", None, None, Direction::Forward),
            ("A_NEW_STAGE", Some(0.0), Some(0.0), Direction::Forward),
        ] {
            let direction = hook(stage, test, production).direction();
            assert_eq!(direction, expected, "{stage} {test:?} {production:?}");
        }
    }
}
