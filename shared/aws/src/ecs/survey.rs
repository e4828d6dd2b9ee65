//! An ECS service as it is configured, and what an order would make of its task definition.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{DeploymentControllerType, Service, ServiceField};
use domain::SignedDuration;
use domain::config::Target;
use domain::entry::Order;
use domain::peril::Reflexes;
use engine::PlatformError;

use super::{Wanted, base, definition, describe, image, running_definition};
use crate::survey::{Controller, DefinitionChange, SeenService, Unseen};

/// A service with its containers.
pub(crate) async fn service(
    client: &Client,
    cluster: &str,
    name: &str,
) -> Result<SeenService, Unseen> {
    let missing = || {
        Unseen::Missing(format!(
            "there is no service {name} in the cluster {cluster}"
        ))
    };
    let answer = client
        .describe_services()
        .cluster(cluster)
        .services(name)
        .include(ServiceField::Tags)
        .send()
        .await
        .map_err(|error| {
            let absent = ["ClusterNotFoundException"];
            match Unseen::of("ecs:DescribeServices", &absent, &error) {
                Unseen::Missing(_) => Unseen::Missing(format!("there is no cluster {cluster}")),
                unseen @ (Unseen::Forbidden(_) | Unseen::Unclear(_)) => unseen,
            }
        })?;
    let service = answer.services().first().ok_or_else(missing)?;
    if service.status() == Some("INACTIVE") {
        return Err(missing());
    }
    let running = running_definition(service)?;
    let seen = definition::describe(client, running).await?;
    Ok(SeenService {
        containers: seen.images(),
        own_addresses: seen.own_addresses(),
        ..configured(service, running)
    })
}

/// What ECS itself does on alarms (`DeploymentAlarms`: "rollback" is whether it goes back).
pub(crate) async fn reflexes(client: &Client, target: &Target) -> Result<Reflexes, PlatformError> {
    let Some(wanted) = Wanted::of(target) else {
        return Ok(Reflexes::default());
    };
    let service = describe(client, &wanted).await?;
    let configuration = service.deployment_configuration();
    let alarms = configuration.and_then(|it| it.alarms());
    let alarms = alarms.filter(|alarms| alarms.enable());
    Ok(alarms.map_or_else(Reflexes::default, |alarms| Reflexes {
        alarms: alarms.alarm_names().to_vec(),
        goes_back: alarms.rollback(),
    }))
}

fn configured(service: &Service, running: &str) -> SeenService {
    let controller = service.deployment_controller().map(|it| it.r#type());
    let configuration = service.deployment_configuration();
    let alarms = configuration.and_then(|it| it.alarms());
    let alarms = alarms.filter(|alarms| alarms.enable());
    let bake = configuration.and_then(|it| it.bake_time_in_minutes());
    SeenService {
        controller: match controller {
            None | Some(DeploymentControllerType::Ecs) => Controller::Ecs,
            Some(DeploymentControllerType::CodeDeploy) => Controller::CodeDeploy,
            Some(other) => Controller::Other(other.as_str().to_owned()),
        },
        desired: u32::try_from(service.desired_count()).unwrap_or_default(),
        definition: short(running),
        containers: Vec::new(),
        doors: service
            .load_balancers()
            .iter()
            .filter_map(|door| {
                let port = door.container_port()?.try_into().ok()?;
                Some((door.container_name()?.to_owned(), port))
            })
            .collect(),
        target_groups: service
            .load_balancers()
            .iter()
            .flat_map(|door| {
                let other = door.advanced_configuration();
                let other = other.and_then(|it| it.alternate_target_group_arn());
                [door.target_group_arn(), other]
            })
            .flatten()
            .map(str::to_owned)
            .collect(),
        own_addresses: false,
        alarms: alarms
            .map(|it| it.alarm_names().to_vec())
            .unwrap_or_default(),
        bake: SignedDuration::from_mins(bake.unwrap_or_default().into()),
    }
}

/// `family:revision` of an ARN.
fn short(arn: &str) -> String {
    arn.rsplit_once('/')
        .map_or(arn, |(_, name)| name)
        .to_owned()
}

/// What an order would register, beside what runs.
pub(crate) async fn preview(
    client: &Client,
    order: &Order,
) -> Result<Option<DefinitionChange>, PlatformError> {
    let Some(wanted) = Wanted::of(&order.target) else {
        return Ok(None);
    };
    let service = describe(client, &wanted).await?;
    let running = running_definition(&service)?;
    let before = definition::describe(client, running).await?;
    let base = base(client, &wanted, &service, order).await?;
    let after = base
        .after(&image(order)?, wanted.containers)
        .map_err(PlatformError::Terminal)?;
    Ok(Some(DefinitionChange {
        running: short(running),
        base: short(&base.arn),
        before: before.unmarked(),
        after,
    }))
}
