//! CodeDeploy's events through EventBridge: a deployment moved on. Neither the reason nor who made
//! the deployment is in them (a rollback is a new deployment like any other), so each is only a
//! reason to look.

use domain::Hint;
use domain::hint::Input;
use serde::Deserialize;

use crate::envelope::Envelope;
use crate::{Decoded, Ignored, Refusal, read};

/// EventBridge's name for CodeDeploy.
pub(crate) const SOURCE: &str = "aws.codedeploy";
/// The kind that tells of deployments; that of single instances is another.
const DEPLOYMENT_CHANGE: &str = "CodeDeploy Deployment State-change Notification";
/// Longest name of an application or a group, in bytes (CodeDeploy: 100 characters).
const NAME_BYTES_MAX: usize = 400;
/// Longest deployment id, in bytes; they look like `d-4L9QHV1RX`.
const DEPLOYMENT_BYTES_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    application: Option<String>,
    deployment_group: Option<String>,
    deployment_id: Option<String>,
}

pub(crate) fn decode(envelope: &Envelope<'_>) -> Result<Decoded, Refusal> {
    if envelope.detail_type() != DEPLOYMENT_CHANGE {
        return Ok(Decoded::Ignored(Ignored::other_kind(
            envelope.detail_type(),
        )));
    }
    let detail: Detail = envelope.detail()?;
    Ok(Decoded::Input(Input::Hint(Hint::CodeDeployDeployment {
        account: envelope.account()?,
        region: envelope.region()?,
        application: read::filled(detail.application, "detail.application", NAME_BYTES_MAX)?,
        group: read::filled(
            detail.deployment_group,
            "detail.deploymentGroup",
            NAME_BYTES_MAX,
        )?,
        deployment: read::filled(
            detail.deployment_id,
            "detail.deploymentId",
            DEPLOYMENT_BYTES_MAX,
        )?,
    })))
}
