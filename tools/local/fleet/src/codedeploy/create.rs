//! `CreateDeployment`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    applications::config_arn,
    appspec::{EcsSpec, FileExists},
    config::Platform,
    deployment::{Creator, Deployment, Order},
    events::{application_arn, group_arn},
    groups::{check_alarms, check_platform, limit_exceeded},
    revision::Revision,
    settings::{Alarms, AutoRollback},
    state::State,
    wire::{DESCRIPTION_CHARS_MAX, application_name, group_name, parse},
};
use crate::{
    api::{ApiError, Call},
    envelope::Place,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    application_name: Option<String>,
    deployment_group_name: Option<String>,
    revision: Option<Value>,
    deployment_config_name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    ignore_application_stop_failures: bool,
    auto_rollback_configuration: Option<AutoRollback>,
    #[serde(default)]
    update_outdated_instances_only: bool,
    file_exists_behavior: Option<FileExists>,
    override_alarm_configuration: Option<Alarms>,
}

/// A checked request.
struct Wanted {
    place: Place,
    application: String,
    group: String,
    revision: Revision,
    config: String,
    input: Input,
}

impl CodeDeploy {
    pub(super) async fn create_deployment(&self, call: &Call) -> Result<Value, ApiError> {
        let mut input: Input = parse(&call.body)?;
        let application = application_name(input.application_name.take())?;
        let group = group_name(input.deployment_group_name.take())?;
        let place = call.caller.place();
        let arn = group_arn(&place, &application, &group);
        self.allow(&call.caller, "CreateDeployment", &arn).await?;
        let revision = Revision::parse(input.revision.take())?;
        check_input(&input)?;
        let (config, known) = {
            let state = self.state();
            let of = state.application(&place, &application)?;
            let group = state.group(&place, &application, &group)?;
            let config = input.deployment_config_name.clone();
            let known = of.revisions.iter().any(|known| known.revision == revision);
            (config.unwrap_or_else(|| group.config(of.platform)), known)
        };
        self.allow(
            &call.caller,
            "GetDeploymentConfig",
            &config_arn(&place, &config),
        )
        .await?;
        if !known {
            let application = application_arn(&place, &application);
            self.allow(&call.caller, "RegisterApplicationRevision", &application)
                .await?;
        }
        if input.override_alarm_configuration.is_some() {
            self.allow(&call.caller, "UpdateDeploymentGroup", &arn)
                .await?;
        }
        let id = add(
            &mut self.state(),
            Wanted {
                place,
                application,
                group,
                revision,
                config,
                input,
            },
        )?;
        self.launch(id.clone());
        Ok(json!({ "deploymentId": id }))
    }
}

fn check_input(input: &Input) -> Result<(), ApiError> {
    let chars = input
        .description
        .as_deref()
        .unwrap_or_default()
        .chars()
        .count();
    if chars > DESCRIPTION_CHARS_MAX {
        let message = format!("The description is longer than {DESCRIPTION_CHARS_MAX} characters");
        return Err(ApiError::client("DescriptionTooLongException", message));
    }
    let own = input.override_alarm_configuration.as_ref();
    check_alarms(own.map_or(0, |alarms| alarms.alarms.len()))
}

/// Refuses a revision that this platform cannot deploy.
fn check_revision(platform: Platform, revision: &Revision) -> Result<(), ApiError> {
    let invalid = |message: String| ApiError::client("InvalidRevisionException", message);
    match (platform, revision) {
        (Platform::Server, Revision::S3(_)) => Ok(()),
        (Platform::Ecs, Revision::AppSpec(content)) => EcsSpec::parse(&content.content)
            .map(drop)
            .map_err(|error| invalid(error.to_string())),
        (Platform::Server, Revision::AppSpec(_)) => Err(invalid(
            "AppSpecContent is for ECS and Lambda deployments only".to_owned(),
        )),
        (Platform::Ecs, Revision::S3(_)) => Err(invalid(
            "ECS deployments need AppSpecContent here".to_owned(),
        )),
    }
}

/// Adds the deployment, if its group has none.
fn add(state: &mut State, wanted: Wanted) -> Result<String, ApiError> {
    let Wanted {
        place,
        application,
        group,
        revision,
        config,
        input,
    } = wanted;
    let platform = state.application(&place, &application)?.platform;
    check_revision(platform, &revision)?;
    check_platform(state, &place, &config, platform)?;
    let found = state.group(&place, &application, &group)?;
    if let Some(active) = state.active(&found.id) {
        return Err(limit_exceeded(&group, &active.order.id));
    }
    let settings = &found.settings;
    let own_alarms = input.override_alarm_configuration;
    let order = Order {
        id: state.new_id(),
        group_id: found.id.clone(),
        platform,
        config,
        creator: Creator::User,
        ignore_application_stop_failures: input.ignore_application_stop_failures,
        update_outdated_only: input.update_outdated_instances_only,
        file_exists: input.file_exists_behavior.unwrap_or_default(),
        auto_rollback: input
            .auto_rollback_configuration
            .or_else(|| settings.auto_rollback_configuration.clone()),
        alarms: own_alarms
            .clone()
            .or_else(|| settings.alarm_configuration.clone()),
        style: settings.style(platform),
        revision: revision.clone(),
        place: place.clone(),
        application: application.clone(),
        group,
    };
    let id = order.id.clone();
    let mut deployment = Deployment::new(order, state.next_number());
    deployment.description = input.description;
    deployment.override_alarms = own_alarms;
    deployment.previous = found
        .last_successful
        .as_ref()
        .map(|last| last.revision.clone());
    deployment.load_balancer_info = settings.load_balancer_info.clone();
    let blue_green = settings.blue_green_deployment_configuration.as_ref();
    deployment.blue_green = blue_green.and_then(|told| serde_json::to_value(told).ok());
    state
        .application_mut(&place, &application)?
        .register(&revision, None);
    state.add(deployment);
    Ok(id)
}
