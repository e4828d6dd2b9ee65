//! A deployment group as it is configured.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{
    AutoRollbackEvent, ComputePlatform, DeploymentGroupInfo, RevisionLocation,
};

use crate::survey::{Compute, SeenGroup, Unseen};

/// What CodeDeploy answers when there is no such thing.
const MISSING: [&str; 2] = [
    "ApplicationDoesNotExistException",
    "DeploymentGroupDoesNotExistException",
];

/// A group.
pub(crate) async fn group(
    client: &Client,
    application: &str,
    name: &str,
) -> Result<SeenGroup, Unseen> {
    let answer = client
        .get_deployment_group()
        .application_name(application)
        .deployment_group_name(name)
        .send()
        .await
        .map_err(|error| Unseen::of("codedeploy:GetDeploymentGroup", &MISSING, &error))?;
    let info = answer.deployment_group_info().ok_or_else(|| {
        Unseen::Unclear("codedeploy:GetDeploymentGroup: an empty answer".to_owned())
    })?;
    Ok(seen(info))
}

fn seen(info: &DeploymentGroupInfo) -> SeenGroup {
    let alarms = info.alarm_configuration().filter(|it| it.enabled());
    let names = alarms.map(|it| it.alarms()).unwrap_or_default();
    let auto = info.auto_rollback_configuration().filter(|it| it.enabled());
    let events = auto.map(|it| it.events()).unwrap_or_default();
    let object = info
        .target_revision()
        .and_then(RevisionLocation::s3_location);
    SeenGroup {
        compute: compute(info),
        alarms: names
            .iter()
            .filter_map(|alarm| alarm.name().map(str::to_owned))
            .collect(),
        target_groups: target_groups(info),
        returns_on_alarm: events.contains(&AutoRollbackEvent::DeploymentStopOnAlarm),
        last_object: object.and_then(|it| Some((it.bucket()?.to_owned(), it.key()?.to_owned()))),
    }
}

/// A blue/green deployment shifts between the groups of a pair; on instances there is one group, or
/// none.
fn target_groups(info: &DeploymentGroupInfo) -> Vec<String> {
    let balancers = info.load_balancer_info();
    let pairs = balancers.map(|it| it.target_group_pair_info_list());
    let pairs = pairs.unwrap_or_default().iter();
    let single = balancers.map(|it| it.target_group_info_list());
    let all = pairs
        .flat_map(|pair| pair.target_groups())
        .chain(single.unwrap_or_default());
    all.filter_map(|group| group.name().map(str::to_owned))
        .collect()
}

fn compute(info: &DeploymentGroupInfo) -> Compute {
    match info.compute_platform() {
        None | Some(ComputePlatform::Server) => Compute::Server,
        Some(ComputePlatform::Ecs) => {
            let named = info.ecs_services().first();
            let text = |name: Option<&str>| name.unwrap_or_default().to_owned();
            Compute::Ecs {
                cluster: text(named.and_then(|it| it.cluster_name())),
                service: text(named.and_then(|it| it.service_name())),
            }
        }
        Some(other) => Compute::Other(other.as_str().to_owned()),
    }
}
