//! Calls about deployment groups. A group for instances gets its front door here: a load balancer
//! on the port that its tag `local:port` says, else on a free one. Its tag `local:url` tells where,
//! `local:balancer` the name by which CloudWatch knows it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    config::Platform,
    events::group_arn,
    group::Group,
    settings::{Settings, StyleType},
    state::State,
    tags::set_tags,
    wire::{Tag, application_name, compact, group_name, page, parse, required},
};
use crate::{
    api::{ApiError, Call},
    envelope::Place,
    plane::{Balancer, HealthCheck},
};

/// The tag that asks for a port.
const PORT_TAG: &str = "local:port";

/// The tag that tells where the front door is.
const URL_TAG: &str = "local:url";

/// The tag that tells the name of the load balancer in CloudWatch.
const BALANCER_TAG: &str = "local:balancer";

/// The most alarms of a deployment group. Source: CodeDeploy API, `AlarmsLimitExceededException`.
const ALARMS_MAX: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateGroup {
    application_name: Option<String>,
    deployment_group_name: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    #[serde(flatten)]
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateGroup {
    application_name: Option<String>,
    current_deployment_group_name: Option<String>,
    new_deployment_group_name: Option<String>,
    #[serde(flatten)]
    settings: Settings,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    application_name: Option<String>,
    deployment_group_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedMany {
    application_name: Option<String>,
    #[serde(default)]
    deployment_group_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    application_name: Option<String>,
    next_token: Option<String>,
}

impl CodeDeploy {
    pub(super) async fn create_group(&self, call: &Call) -> Result<Value, ApiError> {
        let input: CreateGroup = parse(&call.body)?;
        let application = application_name(input.application_name)?;
        let name = group_name(input.deployment_group_name)?;
        let place = call.caller.place();
        let arn = group_arn(&place, &application, &name);
        self.allow(&call.caller, "CreateDeploymentGroup", &arn)
            .await?;
        let role = input.settings.service_role_arn.clone();
        let role = required(role, "RoleRequiredException", "Service role ARN")?;
        self.world
            .authorise(&call.caller, "iam:PassRole", &role)
            .await?;
        let mut state = self.state();
        check(&state, &place, &application, &input.settings)?;
        let platform = state.application(&place, &application)?.platform;
        if state.group(&place, &application, &name).is_ok() {
            let message = format!("A deployment group with the name {name} already exists");
            return Err(ApiError::client(
                "DeploymentGroupAlreadyExistsException",
                message,
            ));
        }
        let mut tags = input.tags;
        let balancer = match platform {
            Platform::Server => {
                let own = format!("{application}/{name}");
                let names = input
                    .settings
                    .load_balancer()
                    .into_iter()
                    .chain([own.as_str()]);
                Some(self.open_door(&place, names, &mut tags)?)
            }
            Platform::Ecs => None,
        };
        let group = Group::new(name.clone(), input.settings, tags, balancer);
        let id = group.id.clone();
        state
            .application_mut(&place, &application)?
            .groups
            .insert(name, group);
        Ok(json!({ "deploymentGroupId": id }))
    }

    /// Starts a group's load balancer and tells its address in the group's tags. It gets the first
    /// of these names that no other load balancer has: CloudWatch tells them apart by it.
    fn open_door<'a>(
        &self,
        place: &Place,
        mut names: impl Iterator<Item = &'a str>,
        tags: &mut Vec<Tag>,
    ) -> Result<Arc<Balancer>, ApiError> {
        let invalid = |message: String| ApiError::client("InvalidInputException", message);
        let others = self.world.balancers();
        let taken = |name: &str| {
            others
                .iter()
                .any(|(at, one)| at == place && one.name() == name)
        };
        let free = names.find(|name| !taken(name));
        let name = free.ok_or_else(|| invalid("the load balancer's name is taken".to_owned()))?;
        let asked = tags.iter().find(|tag| tag.key == PORT_TAG);
        let port = asked.map(|tag| tag.value.parse::<u16>()).transpose();
        let port = port.map_err(|_| invalid(format!("{PORT_TAG} is not a port")))?;
        let check = HealthCheck::every(self.world.pace.health_interval);
        let balancer = Balancer::start(name, port, check);
        let balancer = balancer.map_err(|error| invalid(error.to_string()))?;
        self.world.report(place, &balancer);
        let tag = |key: &str, value: String| Tag {
            key: key.to_owned(),
            value,
        };
        let url = tag(URL_TAG, format!("http://{}", balancer.addr()));
        set_tags(tags, vec![url, tag(BALANCER_TAG, name.to_owned())]);
        Ok(balancer)
    }

    pub(super) async fn update_group(&self, call: &Call) -> Result<Value, ApiError> {
        let input: UpdateGroup = parse(&call.body)?;
        let application = application_name(input.application_name)?;
        let name = group_name(input.current_deployment_group_name)?;
        let place = call.caller.place();
        let arn = group_arn(&place, &application, &name);
        self.allow(&call.caller, "UpdateDeploymentGroup", &arn)
            .await?;
        if let Some(role) = &input.settings.service_role_arn {
            self.world
                .authorise(&call.caller, "iam:PassRole", role)
                .await?;
        }
        let mut state = self.state();
        let mut settings = state.group(&place, &application, &name)?.settings.clone();
        settings.update(input.settings);
        check(&state, &place, &application, &settings)?;
        state.group_mut(&place, &application, &name)?.settings = settings;
        if let Some(new) = input.new_deployment_group_name.filter(|new| *new != name) {
            rename(&mut state, &place, &application, &name, new)?;
        }
        Ok(json!({ "hooksNotCleanedUp": [] }))
    }

    pub(super) async fn delete_group(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, application, name) = self.named(call).await?;
        let group = {
            let mut state = self.state();
            let busy = state.group(&place, &application, &name).ok();
            let busy = busy.and_then(|group| state.active(&group.id));
            if let Some(active) = busy {
                return Err(limit_exceeded(&name, &active.order.id));
            }
            state
                .application_mut(&place, &application)?
                .groups
                .remove(&name)
        };
        if let Some(balancer) = group.and_then(|group| group.balancer) {
            balancer.stop().await;
        }
        Ok(json!({ "hooksNotCleanedUp": [] }))
    }

    pub(super) async fn get_group(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, application, name) = self.named(call).await?;
        let state = self.state();
        let told = state
            .group(&place, &application, &name)?
            .to_json(state.application(&place, &application)?);
        Ok(json!({ "deploymentGroupInfo": told }))
    }

    pub(super) async fn batch_get_groups(&self, call: &Call) -> Result<Value, ApiError> {
        let input: NamedMany = parse(&call.body)?;
        let application = application_name(input.application_name)?;
        let place = call.caller.place();
        for name in &input.deployment_group_names {
            let arn = group_arn(&place, &application, name);
            self.allow(&call.caller, "BatchGetDeploymentGroups", &arn)
                .await?;
        }
        let state = self.state();
        let of = state.application(&place, &application)?;
        let found = input
            .deployment_group_names
            .iter()
            .filter_map(|name| of.groups.get(name));
        let told: Vec<_> = found.map(|group| group.to_json(of)).collect();
        Ok(json!({ "deploymentGroupsInfo": told }))
    }

    pub(super) async fn list_groups(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Listing = parse(&call.body)?;
        let application = application_name(input.application_name)?;
        let place = call.caller.place();
        let arn = group_arn(&place, &application, "*");
        self.allow(&call.caller, "ListDeploymentGroups", &arn)
            .await?;
        let state = self.state();
        let names = state
            .application(&place, &application)?
            .groups
            .keys()
            .cloned()
            .collect();
        let (names, next) = page(names, input.next_token.as_deref())?;
        let told = json!({
            "applicationName": application,
            "deploymentGroups": names,
            "nextToken": next,
        });
        Ok(compact(told))
    }

    /// The group that a call names, if the caller may.
    async fn named(&self, call: &Call) -> Result<(Place, String, String), ApiError> {
        let input: Named = parse(&call.body)?;
        let application = application_name(input.application_name)?;
        let name = group_name(input.deployment_group_name)?;
        let place = call.caller.place();
        let arn = group_arn(&place, &application, &name);
        self.allow(&call.caller, &call.operation, &arn).await?;
        Ok((place, application, name))
    }
}

/// A group deploys already. The id of that deployment is told in the text only, as on AWS.
pub(super) fn limit_exceeded(group: &str, deployment: &str) -> ApiError {
    ApiError::client(
        "DeploymentLimitExceededException",
        format!("The Deployment Group '{group}' already has an active Deployment '{deployment}'"),
    )
}

/// Refuses alarms that are too many.
pub(super) fn check_alarms(alarms: usize) -> Result<(), ApiError> {
    if alarms > ALARMS_MAX {
        let message = format!("The maximum number of alarms ({ALARMS_MAX}) was exceeded");
        return Err(ApiError::client("AlarmsLimitExceededException", message));
    }
    Ok(())
}

/// Refuses settings that cannot be.
fn check(
    state: &State,
    place: &Place,
    application: &str,
    settings: &Settings,
) -> Result<(), ApiError> {
    let platform = state.application(place, application)?.platform;
    check_alarms(
        settings
            .alarm_configuration
            .as_ref()
            .map_or(0, |alarms| alarms.alarms.len()),
    )?;
    if let Some(config) = &settings.deployment_config_name {
        check_platform(state, place, config, platform)?;
    }
    let blue_green = settings.style(platform).deployment_type == Some(StyleType::BlueGreen);
    let services = settings.ecs_services.as_ref().map_or(0, Vec::len);
    match (platform, blue_green, services) {
        (Platform::Server, false, 0) | (Platform::Ecs, true, 1) => Ok(()),
        (Platform::Server, true, _) => Err(ApiError::client(
            "InvalidDeploymentStyleException",
            "Instances are deployed to in place here",
        )),
        (Platform::Ecs, false, _) => Err(ApiError::client(
            "InvalidDeploymentStyleException",
            "For ECS deployment group, deploymentType must be BLUE_GREEN",
        )),
        (Platform::Ecs, true, _) => Err(ApiError::client(
            "InvalidECSServiceException",
            "For ECS deployment group, exactly one ECS service must be specified",
        )),
        (Platform::Server, false, _) => Err(ApiError::client(
            "InvalidInputException",
            "ECS services are for ECS deployment groups only",
        )),
    }
}

/// Refuses a configuration that does not exist or is for another platform.
pub(super) fn check_platform(
    state: &State,
    place: &Place,
    config: &str,
    platform: Platform,
) -> Result<(), ApiError> {
    match state.config(place, config)?.platform() == platform {
        true => Ok(()),
        false => Err(ApiError::client(
            "InvalidDeploymentConfigNameException",
            format!("{config} is not for this compute platform"),
        )),
    }
}

fn rename(
    state: &mut State,
    place: &Place,
    application: &str,
    old: &str,
    new: String,
) -> Result<(), ApiError> {
    let groups = &mut state.application_mut(place, application)?.groups;
    if groups.contains_key(&new) {
        let message = format!("A deployment group with the name {new} already exists");
        return Err(ApiError::client(
            "DeploymentGroupAlreadyExistsException",
            message,
        ));
    }
    if let Some(mut group) = groups.remove(old) {
        group.name.clone_from(&new);
        groups.insert(new, group);
    }
    Ok(())
}
