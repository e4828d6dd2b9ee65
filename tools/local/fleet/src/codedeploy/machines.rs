//! Calls about instances in EC2's place, which are ours, and what all kinds of instances share.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    instance::{Machine, MachineKind},
    state::{Known, Principal},
    wire::{Tag, now, parse},
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
            self.add_machine(
                &place,
                MachineKind::Ec2,
                id.clone(),
                input.tags.clone(),
                None,
            )?;
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

    /// Makes a machine.
    pub(super) fn add_machine(
        &self,
        place: &Place,
        kind: MachineKind,
        id: String,
        tags: Vec<Tag>,
        principal: Option<Principal>,
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
        let known = Known {
            machine: Arc::new(machine),
            tags,
            standing: BTreeMap::new(),
            principal,
            since: now(),
        };
        state.machines.insert(key, known);
        Ok(())
    }

    /// Forgets a machine, which goes on running until it is retired.
    pub(super) fn take_machine(
        &self,
        place: &Place,
        kind: MachineKind,
        id: &str,
    ) -> Option<Arc<Machine>> {
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
    pub(super) async fn retire(&self, machine: &Machine) {
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

fn no_instance(id: &str) -> ApiError {
    let message = format!("The instance {id} could not be found");
    ApiError::client("InstanceDoesNotExistException", message)
}
