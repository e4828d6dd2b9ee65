//! ECS's events through EventBridge: a deployment moved on. Neither cluster nor revision nor the
//! difference between a rollout and its undoing is in them, so each is only a reason to look.

use domain::Hint;
use domain::hint::Input;
use serde::Deserialize;

use crate::envelope::Envelope;
use crate::{Decoded, Ignored, Refusal, read};

/// EventBridge's name for ECS.
pub(crate) const SOURCE: &str = "aws.ecs";
/// The kind that tells of deployments. Service actions repeat without news ("steady state"), and
/// tasks come and go without any deployment.
const DEPLOYMENT_CHANGE: &str = "ECS Deployment State Change";
/// Longest deployment id, in bytes; they look like `ecs-svc/5038252746496072911`.
const DEPLOYMENT_BYTES_MAX: usize = 128;
/// Longest service ARN, in bytes: cluster and service have at most 255 characters each.
const ARN_BYTES_MAX: usize = 1024;

/// What is read of it. Neither `eventName` nor `reason` is: IN_PROGRESS is said of rollouts and of
/// rollbacks alike, and COMPLETED too.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    deployment_id: Option<String>,
}

pub(crate) fn decode(envelope: &Envelope<'_>) -> Result<Decoded, Refusal> {
    if envelope.detail_type() != DEPLOYMENT_CHANGE {
        return Ok(Decoded::Ignored(Ignored::other_kind(
            envelope.detail_type(),
        )));
    }
    let detail: Detail = envelope.detail()?;
    let service = envelope
        .resources()
        .iter()
        .find(|arn| is_service(arn))
        .cloned();
    Ok(Decoded::Input(Input::Hint(Hint::EcsDeployment {
        service_arn: read::filled(service, "resources[0]", ARN_BYTES_MAX)?,
        deployment: read::filled(
            detail.deployment_id,
            "detail.deploymentId",
            DEPLOYMENT_BYTES_MAX,
        )?,
    })))
}

fn is_service(arn: &str) -> bool {
    arn.starts_with("arn:") && arn.contains(":ecs:") && arn.contains(":service/")
}
