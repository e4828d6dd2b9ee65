//! Calls about instances: our own stand-in for EC2, and on-premises instances as CodeDeploy knows
//! them. Registering an on-premises instance makes the machine, with an agent on it.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    instance::{Machine, MachineKind},
    state::{Known, State},
    tags::set_tags,
    wire::{Tag, TagFilter, compact, page, parse, required},
};
use crate::{
    api::{ApiError, Call},
    envelope::Place,
};

/// The most instances of one launch.
const LAUNCH_MAX: usize = 50;

#[derive(Deserialize)]
struct Launch {
    #[serde(default)]
    tags: Vec<Tag>,
    count: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Terminate {
    instance_ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnPremises {
    instance_name: Option<String>,
    iam_session_arn: Option<String>,
    iam_user_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tagging {
    #[serde(default)]
    instance_names: Vec<String>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    #[serde(default)]
    tag_filters: Vec<TagFilter>,
    next_token: Option<String>,
}

impl CodeDeploy {
    /// `LocalLaunchInstances {tags: [{Key, Value}], count}` → `{instanceIds}`. Asks for
    /// `ec2:RunInstances`.
    pub(super) async fn launch_instances(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Launch = parse(&call.body)?;
        let place = call.caller.place();
        let arn = format!("arn:aws:ec2:{}:{}:instance/*", place.region, place.account);
        self.world
            .authorise(&call.caller, "ec2:RunInstances", &arn)
            .await?;
        let count = input.count.unwrap_or(1);
        if count == 0 || count > LAUNCH_MAX {
            let message = format!("count must be 1 to {LAUNCH_MAX}");
            return Err(ApiError::client("InvalidInputException", message));
        }
        let mut ids = Vec::new();
        for _ in 0..count {
            let id = Machine::new_ec2_id();
            self.add_machine(&place, MachineKind::Ec2, id.clone(), input.tags.clone())?;
            ids.push(id);
        }
        Ok(json!({ "instanceIds": ids }))
    }

    /// `LocalTerminateInstances {instanceIds}`. Asks for `ec2:TerminateInstances`.
    pub(super) async fn terminate_instances(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Terminate = parse(&call.body)?;
        let Place { account, region } = call.caller.place();
        for id in &input.instance_ids {
            let arn = format!("arn:aws:ec2:{region}:{account}:instance/{id}");
            self.world
                .authorise(&call.caller, "ec2:TerminateInstances", &arn)
                .await?;
        }
        for id in &input.instance_ids {
            let machine = self.take_machine(&call.caller.place(), MachineKind::Ec2, id);
            let machine = machine.ok_or_else(|| no_instance(id))?;
            self.retire(&machine).await;
        }
        Ok(json!({ "instanceIds": input.instance_ids }))
    }

    /// `LocalDescribeInstances {}` → `{instances: [{instanceId, kind, tags, urls}]}`, with the
    /// address of what each deployment group runs there. Asks for `ec2:DescribeInstances`.
    pub(super) async fn describe_instances(&self, call: &Call) -> Result<Value, ApiError> {
        self.world
            .authorise(&call.caller, "ec2:DescribeInstances", "*")
            .await?;
        let place = call.caller.place();
        let known: Vec<(Arc<Machine>, Vec<Tag>)> = {
            let state = self.state();
            let here = state.machines.iter().filter(|((at, _), _)| *at == place);
            here.map(|(_, known)| (Arc::clone(&known.machine), known.tags.clone()))
                .collect()
        };
        let mut told = Vec::new();
        for (machine, tags) in known {
            // An instance that is being deployed to tells no addresses.
            let urls: Vec<String> = match machine.rooms.try_lock() {
                Ok(rooms) => {
                    let servers = rooms.values().filter_map(|room| room.server.as_ref());
                    servers
                        .map(|server| format!("http://{}", server.addr()))
                        .collect()
                }
                Err(_) => Vec::new(),
            };
            let kind = match machine.kind {
                MachineKind::Ec2 => "EC2",
                MachineKind::OnPremises => "OnPremises",
            };
            let tags = json!(tags);
            told.push(json!({
                "instanceId": machine.id, "kind": kind, "tags": tags, "urls": urls,
            }));
        }
        Ok(json!({ "instances": told }))
    }

    pub(super) async fn register_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let input: OnPremises = parse(&call.body)?;
        let name = instance_name(input.instance_name)?;
        let place = call.caller.place();
        let arn = instance_arn(&place, &name);
        self.allow(&call.caller, "RegisterOnPremisesInstance", &arn)
            .await?;
        match (input.iam_session_arn, input.iam_user_arn) {
            (Some(_), None) | (None, Some(_)) => {}
            (None, None) => {
                let message = "Either an IAM user ARN or an IAM session ARN is required";
                return Err(ApiError::client("IamArnRequiredException", message));
            }
            (Some(_), Some(_)) => {
                let message = "Only one of IAM user ARN and IAM session ARN can be given";
                return Err(ApiError::client(
                    "MultipleIamArnsProvidedException",
                    message,
                ));
            }
        }
        self.add_machine(&place, MachineKind::OnPremises, name, Vec::new())?;
        Ok(json!({}))
    }

    pub(super) async fn deregister_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let input: OnPremises = parse(&call.body)?;
        let name = instance_name(input.instance_name)?;
        let place = call.caller.place();
        let arn = instance_arn(&place, &name);
        self.allow(&call.caller, "DeregisterOnPremisesInstance", &arn)
            .await?;
        // As on AWS it is no error to deregister what is not registered.
        if let Some(machine) = self.take_machine(&place, MachineKind::OnPremises, &name) {
            self.retire(&machine).await;
        }
        Ok(json!({}))
    }

    pub(super) async fn add_tags_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Tagging = parse(&call.body)?;
        let place = call.caller.place();
        for name in &input.instance_names {
            let arn = instance_arn(&place, name);
            self.allow(&call.caller, "AddTagsToOnPremisesInstances", &arn)
                .await?;
        }
        let mut state = self.state();
        for name in &input.instance_names {
            on_premises(&mut state, &place, name).map(|known| {
                set_tags(&mut known.tags, input.tags.clone());
            })?;
        }
        Ok(json!({}))
    }

    pub(super) async fn list_on_premises(&self, call: &Call) -> Result<Value, ApiError> {
        let input: Listing = parse(&call.body)?;
        self.allow(&call.caller, "ListOnPremisesInstances", "*")
            .await?;
        let place = call.caller.place();
        let state = self.state();
        let names = state
            .machines
            .iter()
            .filter(|((at, _), known)| {
                let wanted = input
                    .tag_filters
                    .iter()
                    .all(|filter| filter.matches(&known.tags));
                *at == place && known.machine.kind == MachineKind::OnPremises && wanted
            })
            .map(|((_, name), _)| name.clone())
            .collect();
        let (names, next) = page(names, input.next_token.as_deref())?;
        Ok(compact(
            json!({ "instanceNames": names, "nextToken": next }),
        ))
    }

    fn add_machine(
        &self,
        place: &Place,
        kind: MachineKind,
        id: String,
        tags: Vec<Tag>,
    ) -> Result<(), ApiError> {
        let mut state = self.state();
        let key = (place.clone(), id.clone());
        if state.machines.contains_key(&key) {
            let message = format!("The instance name {id} is already registered");
            return Err(ApiError::client(
                "InstanceNameAlreadyRegisteredException",
                message,
            ));
        }
        let machine = Machine::new(place, kind, id)
            .map_err(|error| ApiError::server(format!("an instance could not start: {error}")))?;
        let standing = std::collections::BTreeMap::new();
        state.machines.insert(
            key,
            Known {
                machine: Arc::new(machine),
                tags,
                standing,
            },
        );
        Ok(())
    }

    fn take_machine(&self, place: &Place, kind: MachineKind, id: &str) -> Option<Arc<Machine>> {
        let mut state = self.state();
        let key = (place.clone(), id.to_owned());
        let known = state
            .machines
            .get(&key)
            .filter(|known| known.machine.kind == kind)?;
        let machine = Arc::clone(&known.machine);
        state.machines.remove(&key);
        Some(machine)
    }

    /// Takes an instance out of every load balancer and stops it.
    async fn retire(&self, machine: &Machine) {
        let balancers: Vec<_> = {
            let state = self.state();
            let groups = state
                .applications
                .values()
                .flat_map(|of| of.groups.values());
            groups
                .filter_map(|group| Some((group.id.clone(), group.balancer.clone()?)))
                .collect()
        };
        let pace = self.world.pace;
        let rooms = machine.rooms.lock().await;
        for (id, balancer) in balancers {
            if let Some(server) = rooms.get(&id).and_then(|room| room.server.as_ref()) {
                let group = crate::plane::DEFAULT_GROUP;
                balancer.deregister(group, server.addr(), pace.drain).await;
            }
        }
        drop(rooms);
        machine.stop(pace.stop_grace).await;
    }
}

fn instance_name(name: Option<String>) -> Result<String, ApiError> {
    required(name, "InstanceNameRequiredException", "Instance name")
}

/// The ARN that permissions on an on-premises instance name.
fn instance_arn(place: &Place, name: &str) -> String {
    format!(
        "arn:aws:codedeploy:{}:{}:instance:{name}",
        place.region, place.account
    )
}

fn no_instance(id: &str) -> ApiError {
    let message = format!("The instance {id} could not be found");
    ApiError::client("InstanceDoesNotExistException", message)
}

fn on_premises<'a>(
    state: &'a mut State,
    place: &Place,
    name: &str,
) -> Result<&'a mut Known, ApiError> {
    let known = state.machines.get_mut(&(place.clone(), name.to_owned()));
    known
        .filter(|known| known.machine.kind == MachineKind::OnPremises)
        .ok_or_else(|| {
            let message = format!("The on-premises instance {name} is not registered");
            ApiError::client("InstanceNotRegisteredException", message)
        })
}
