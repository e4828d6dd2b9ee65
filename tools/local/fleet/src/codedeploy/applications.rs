//! Calls about applications and deployment configurations.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    config::{Config, NewConfig, Platform},
    events::application_arn,
    group::Application,
    wire::{Tag, application_name, compact, page, parse, required},
};
use crate::{
    api::{ApiError, Call},
    envelope::Place,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateApplication {
    application_name: Option<String>,
    compute_platform: Option<Platform>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    application_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamedMany {
    #[serde(default)]
    application_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfConfig {
    deployment_config_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    next_token: Option<String>,
}

/// The ARN of a deployment configuration. Those of CodeDeploy itself have the caller's account.
pub(super) fn config_arn(place: &Place, name: &str) -> String {
    let Place { account, region } = place;
    format!("arn:aws:codedeploy:{region}:{account}:deploymentconfig:{name}")
}

impl CodeDeploy {
    pub(super) async fn create_application(&self, call: &Call) -> Result<Value, ApiError> {
        let input: CreateApplication = parse(&call.body)?;
        let name = application_name(input.application_name)?;
        let place = call.caller.place();
        let arn = application_arn(&place, &name);
        self.allow(&call.caller, "CreateApplication", &arn).await?;
        let mut state = self.state();
        let key = (place, name.clone());
        if state.applications.contains_key(&key) {
            return Err(ApiError::client(
                "ApplicationAlreadyExistsException",
                format!("An application with the name {name} already exists"),
            ));
        }
        let platform = input.compute_platform.unwrap_or(Platform::Server);
        let application = Application::new(name, platform, input.tags);
        let id = application.to_json().get("applicationId").cloned();
        state.applications.insert(key, application);
        Ok(json!({ "applicationId": id }))
    }

    pub(super) async fn get_application(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Named = parse(&call.body)?;
        let name = application_name(input.application_name)?;
        let place = call.caller.place();
        let arn = application_arn(&place, &name);
        self.allow(&call.caller, "GetApplication", &arn).await?;
        Ok(json!({ "application": self.state().application(&place, &name)?.to_json() }))
    }

    pub(super) async fn batch_get_applications(&self, call: &Call) -> Result<Value, ApiError> {
        let input: NamedMany = parse(&call.body)?;
        let place = call.caller.place();
        for name in &input.application_names {
            let arn = application_arn(&place, name);
            self.allow(&call.caller, "BatchGetApplications", &arn)
                .await?;
        }
        let state = self.state();
        let found = input
            .application_names
            .iter()
            .map(|name| state.application(&place, name));
        let told: Result<Vec<Value>, ApiError> = found
            .map(|application| application.map(Application::to_json))
            .collect();
        Ok(json!({ "applicationsInfo": told? }))
    }

    pub(super) async fn list_applications(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Listing = parse(&call.body)?;
        self.allow(&call.caller, "ListApplications", "*").await?;
        let place = call.caller.place();
        let state = self.state();
        let here = state.applications.keys().filter(|(at, _)| *at == place);
        let names = here.map(|(_, name)| name.clone()).collect();
        let (names, next) = page(names, input.next_token.as_deref())?;
        Ok(compact(json!({ "applications": names, "nextToken": next })))
    }

    pub(super) async fn create_config(&self, call: &Call) -> Result<Value, ApiError> {
        let input: NewConfig = parse(&call.body)?;
        let place = call.caller.place();
        let arn = config_arn(
            &place,
            input.deployment_config_name.as_deref().unwrap_or_default(),
        );
        self.allow(&call.caller, "CreateDeploymentConfig", &arn)
            .await?;
        let config = Config::create(input)?;
        let mut state = self.state();
        let key = (place, config.name.clone());
        if state.configs.contains_key(&key) {
            return Err(ApiError::client(
                "DeploymentConfigAlreadyExistsException",
                format!(
                    "A deployment configuration with the name {} already exists",
                    config.name
                ),
            ));
        }
        let id = config.id().to_owned();
        state.configs.insert(key, config);
        Ok(json!({ "deploymentConfigId": id }))
    }

    pub(super) async fn get_config(&self, call: &Call) -> Result<Value, ApiError> {
        let input: OfConfig = parse(&call.body)?;
        let code = "DeploymentConfigNameRequiredException";
        let name = required(input.deployment_config_name, code, "Deployment config name")?;
        let place = call.caller.place();
        let arn = config_arn(&place, &name);
        self.allow(&call.caller, "GetDeploymentConfig", &arn)
            .await?;
        Ok(json!({ "deploymentConfigInfo": self.state().config(&place, &name)?.to_json() }))
    }

    pub(super) async fn list_configs(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Listing = parse(&call.body)?;
        self.allow(&call.caller, "ListDeploymentConfigs", "*")
            .await?;
        let place = call.caller.place();
        let state = self.state();
        let own = state
            .configs
            .keys()
            .filter(|(at, _)| *at == place)
            .map(|(_, name)| name.clone());
        let names = Config::built_in_names()
            .map(str::to_owned)
            .chain(own)
            .collect();
        let (names, next) = page(names, input.next_token.as_deref())?;
        Ok(compact(
            json!({ "deploymentConfigsList": names, "nextToken": next }),
        ))
    }
}
