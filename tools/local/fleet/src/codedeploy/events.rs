//! What CodeDeploy tells EventBridge: deployments and instances that change state. The events say
//! no reason, no revision and no creator, as on AWS.

use serde_json::json;

use super::{CodeDeploy, deployment::Order};
use crate::envelope::{Kind, Place};

const DEPLOYMENT: Kind = Kind {
    source: "aws.codedeploy",
    detail_type: "CodeDeploy Deployment State-change Notification",
};

const INSTANCE: Kind = Kind {
    source: "aws.codedeploy",
    detail_type: "CodeDeploy Instance State-change Notification",
};

/// A state as events tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It began.
    Start,
    /// It waits for another to end.
    Queued,
    /// It waits for somebody.
    Ready,
    /// It ended well.
    Success,
    /// It ended badly.
    Failure,
    /// It was stopped.
    Stop,
}

impl Told {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Queued => "QUEUED",
            Self::Ready => "READY",
            Self::Success => "SUCCESS",
            Self::Failure => "FAILURE",
            Self::Stop => "STOP",
        }
    }
}

/// The ARN of an application.
pub(super) fn application_arn(place: &Place, application: &str) -> String {
    let Place { account, region } = place;
    format!("arn:aws:codedeploy:{region}:{account}:application:{application}")
}

/// The ARN of a deployment group.
pub(super) fn group_arn(place: &Place, application: &str, group: &str) -> String {
    let Place { account, region } = place;
    format!("arn:aws:codedeploy:{region}:{account}:deploymentgroup:{application}/{group}")
}

impl CodeDeploy {
    /// Tells that a deployment changed state.
    pub(super) fn tell_deployment(&self, order: &Order, state: Told) {
        let application = application_arn(&order.place, &order.application);
        let group = group_arn(&order.place, &order.application, &order.group);
        let detail = json!({
            "region": order.place.region,
            "deploymentId": order.id,
            "instanceGroupId": order.group_id,
            "deploymentGroup": order.group,
            "state": state.name(),
            "application": order.application,
        });
        self.world
            .emit(&order.place, DEPLOYMENT, &[&application, &group], detail);
    }

    /// Tells that an instance changed state.
    pub(super) fn tell_instance(&self, order: &Order, arn: &str, id: &str, state: Told) {
        let application = application_arn(&order.place, &order.application);
        let group = group_arn(&order.place, &order.application, &order.group);
        let detail = json!({
            "instanceId": id,
            "region": order.place.region,
            "state": state.name(),
            "application": order.application,
            "deploymentId": order.id,
            "instanceGroupId": order.group_id,
            "deploymentGroup": order.group,
        });
        self.world
            .emit(&order.place, INSTANCE, &[arn, &group, &application], detail);
    }
}
