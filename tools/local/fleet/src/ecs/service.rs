//! Services: creating, updating, describing, listing. What a change of a service sets in motion
//! lives in `begin`.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Ecs, arn,
    configuration::Configuration,
    input::{Input, Tags, invalid},
    state::{Controller, Service, State},
};
use crate::{
    api::{ApiError, Caller},
    envelope::Place,
    plane::{Balancer, HealthCheck},
};

/// The tag that asks for a port of the service's front door.
const PORT_TAG: &str = "local:port";
/// The tag that tells where the service's front door is.
const URL_TAG: &str = "local:url";
/// The tag that tells where test traffic goes in.
const TEST_URL_TAG: &str = "local:test-url";
/// The tag that tells the name of the service's balancer in CloudWatch.
const BALANCER_TAG: &str = "local:balancer";

/// Fields of a request that are kept elsewhere than in a service's settings.
const TYPED: [&str; 11] = [
    "cluster",
    "service",
    "serviceName",
    "taskDefinition",
    "desiredCount",
    "deploymentConfiguration",
    "deploymentController",
    "forceNewDeployment",
    "clientToken",
    "tags",
    "role",
];

/// Fields whose change starts a deployment (UpdateService's documentation).
const DEPLOYING: [&str; 8] = [
    "capacityProviderStrategy",
    "loadBalancers",
    "networkConfiguration",
    "platformVersion",
    "serviceConnectConfiguration",
    "serviceRegistries",
    "volumeConfigurations",
    "vpcLatticeConfigurations",
];

impl Ecs {
    /// `CreateService`: starts the service's balancer and its first deployment.
    pub(super) async fn create_service(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let cluster = arn::cluster(&place, input.text("cluster")?);
        let name = input.required("serviceName")?;
        let arn = arn::service(&place, &cluster, name);
        self.world
            .authorise(caller, "ecs:CreateService", &arn)
            .await?;
        let mut tags = input.tags()?;
        let mut state = self.state();
        state.cluster(&cluster)?;
        if state.services.contains_key(&arn) {
            return Err(invalid("Creation of service was not idempotent."));
        }
        let given = input.required("taskDefinition")?;
        let definition = state.usable_definition(&place, given)?.arn.clone();
        let configuration = Configuration::parse(input.object("deploymentConfiguration")?)?;
        let balancer = self.front_door(&place, &cluster, name, &mut tags)?;
        let service = Service {
            arn: arn.clone(),
            name: name.to_owned(),
            cluster,
            controller: controller(input)?,
            desired: input.number("desiredCount")?.unwrap_or(0),
            settings: settings(input),
            configuration,
            created_at: Timestamp::now(),
            created_by: caller.arn.clone(),
            tags,
            events: VecDeque::new(),
            rollouts: Vec::new(),
            stable: None,
            current: None,
            balancer,
            steady: false,
            place,
        };
        state.services.insert(arn.clone(), service);
        state.begin(&self.world, &arn, &definition)?;
        Ok(json!({ "service": state.service_view(&arn)? }))
    }

    /// The balancer of a new service, on the port that its tags ask for; they tell where it is.
    fn front_door(
        &self,
        place: &Place,
        cluster: &str,
        name: &str,
        tags: &mut Tags,
    ) -> Result<Arc<Balancer>, ApiError> {
        let port = tags.get(PORT_TAG).map(|port| {
            port.parse::<u16>()
                .map_err(|_| invalid(format!("{PORT_TAG} {port} is not a port.")))
        });
        let label = format!("{}/{name}", arn::last(cluster));
        let check = HealthCheck::every(self.world.pace.health_interval);
        let balancer = Balancer::start(&label, port.transpose()?, check)
            .map_err(|error| invalid(format!("Service {name} gets no front door: {error}.")))?;
        tags.insert(URL_TAG.to_owned(), format!("http://{}", balancer.addr()));
        tags.insert(
            TEST_URL_TAG.to_owned(),
            format!("http://{}", balancer.test_addr()),
        );
        tags.insert(BALANCER_TAG.to_owned(), label);
        self.world.report(place, &balancer);
        Ok(balancer)
    }

    /// `UpdateService`: a changed task definition (or network, load balancer …) and
    /// `forceNewDeployment` start a deployment; a desired count alone does not.
    pub(super) async fn update_service(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let cluster = arn::cluster(&place, input.text("cluster")?);
        let arn = arn::service(&place, &cluster, input.required("service")?);
        self.world
            .authorise(caller, "ecs:UpdateService", &arn)
            .await?;
        let mut state = self.state();
        state.cluster(&cluster)?;
        let definition = match input.text("taskDefinition")? {
            Some(given) => Some(state.usable_definition(&place, given)?.arn.clone()),
            None => None,
        };
        let service = state.service(&arn)?;
        let current = service.primary().map(|rollout| rollout.definition.clone());
        let changed = settings(input);
        let deploys = DEPLOYING.iter().any(|name| {
            let given = changed.get(*name);
            given.is_some_and(|value| service.settings.get(*name) != Some(value))
        });
        let forced = input.flag("forceNewDeployment")?;
        let controlled = service.controller == Controller::CodeDeploy;
        let trigger = match &definition {
            Some(new) if controlled || Some(new) != current.as_ref() => Some(Trigger::Definition),
            _ if forced => Some(Trigger::Force),
            _ => deploys.then_some(Trigger::Settings),
        };
        match trigger {
            Some(trigger) if controlled => return Err(trigger.refused()),
            Some(_) => service.has_room()?,
            None => {}
        }
        let configuration = match input.object("deploymentConfiguration")? {
            Some(given) => Some(service.configuration.merged(given)?),
            None => None,
        };
        let desired = input.number("desiredCount")?;
        if let Some(configuration) = configuration {
            service.configuration = configuration;
        }
        if let Some(desired) = desired {
            service.desired = desired;
            service.steady = false;
        }
        service.settings.extend(changed);
        if let Some(next) = definition.or(current).filter(|_| trigger.is_some()) {
            state.begin(&self.world, &arn, &next)?;
        }
        Ok(json!({ "service": state.service_view(&arn)? }))
    }

    /// `DescribeServices`; those that do not exist are told as failures.
    pub(super) async fn describe_services(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let place = caller.place();
        let cluster = arn::cluster(&place, input.text("cluster")?);
        let given = input.texts("services")?;
        if given.is_empty() {
            return Err(invalid("Services cannot be empty."));
        }
        let arns = given
            .iter()
            .map(|given| arn::service(&place, &cluster, given));
        let arns: Vec<String> = arns.collect();
        for arn in &arns {
            self.world
                .authorise(caller, "ecs:DescribeServices", arn)
                .await?;
        }
        let wants_tags = input.texts("include")?.iter().any(|what| what == "TAGS");
        let mut state = self.state();
        state.cluster(&cluster)?;
        let (mut services, mut failures) = (Vec::new(), Vec::new());
        for arn in &arns {
            match state.services.contains_key(arn) {
                false => failures.push(super::missing(arn)),
                true => {
                    let mut view = state.service_view(arn)?;
                    if let (false, Some(fields)) = (wants_tags, view.as_object_mut()) {
                        fields.remove("tags");
                    }
                    services.push(view);
                }
            }
        }
        Ok(json!({ "services": services, "failures": failures }))
    }

    /// `ListServices` of a cluster.
    pub(super) async fn list_services(
        &self,
        caller: &Caller,
        input: Input<'_>,
    ) -> Result<Value, ApiError> {
        let cluster = arn::cluster(&caller.place(), input.text("cluster")?);
        self.world
            .authorise(caller, "ecs:ListServices", "*")
            .await?;
        let state = self.state();
        state.cluster(&cluster)?;
        let of_cluster = state
            .services
            .values()
            .filter(|service| service.cluster == cluster);
        let arns: Vec<&str> = of_cluster.map(|service| service.arn.as_str()).collect();
        super::paged("serviceArns", &arns, input, 10)
    }
}

fn controller(input: Input<'_>) -> Result<Controller, ApiError> {
    let Some(given) = input.object("deploymentController")? else {
        return Ok(Controller::Ecs);
    };
    match given.required("type")? {
        "ECS" => Ok(Controller::Ecs),
        "CODE_DEPLOY" => Ok(Controller::CodeDeploy),
        other => Err(ApiError::client(
            "UnsupportedFeatureException",
            format!("Deployment controller {other} is not supported here."),
        )),
    }
}

/// The fields of a request that are kept as given.
fn settings(input: Input<'_>) -> Map<String, Value> {
    let kept = input
        .0
        .iter()
        .filter(|(name, value)| !TYPED.contains(&name.as_str()) && !value.is_null());
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// What of an update starts a deployment.
#[derive(Debug, Clone, Copy)]
enum Trigger {
    Definition,
    Force,
    Settings,
}

impl Trigger {
    /// What AWS says when CodeDeploy controls the service's deployments.
    fn refused(self) -> ApiError {
        let what = match self {
            Self::Definition => "Unable to update task definition on",
            Self::Force => "Cannot force a new deployment on",
            Self::Settings => "Unable to update network parameters on",
        };
        invalid(format!(
            "{what} services with a CODE_DEPLOY deployment controller. Use AWS CodeDeploy to \
             trigger a new deployment."
        ))
    }
}

impl State {
    /// A service as AWS shows it.
    pub(super) fn service_view(&mut self, arn: &str) -> Result<Value, ApiError> {
        self.service(arn)?;
        let service = self.services.get(arn);
        service
            .map(|service| service.view(self))
            .ok_or_else(|| ApiError::client("ServiceNotFoundException", "Service not found."))
    }
}
