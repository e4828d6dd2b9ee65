//! Everything CodeDeploy remembers, and looking it up. Plain data behind the control plane's lock.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    config::Config,
    deployment::{Deployment, Order},
    group::{Application, Group},
    instance::Machine,
    revision::Revision,
    target::Target,
    wire::{Tag, no_application, no_config, no_deployment, no_group},
};
use crate::{api::ApiError, envelope::Place};

/// Everything CodeDeploy remembers.
#[derive(Default)]
pub(super) struct State {
    /// Applications by place and name.
    pub(super) applications: BTreeMap<(Place, String), Application>,
    /// Deployments by id.
    pub(super) deployments: BTreeMap<String, Deployment>,
    /// Instances by place and id.
    pub(super) machines: BTreeMap<(Place, String), Known>,
    /// Configurations that callers made, by place and name.
    pub(super) configs: BTreeMap<(Place, String), Config>,
}

/// What is known of an instance.
pub(super) struct Known {
    /// The instance.
    pub(super) machine: Arc<Machine>,
    /// Its tags.
    pub(super) tags: Vec<Tag>,
    /// How it stands in the deployment groups it belongs to, by their ids.
    pub(super) standing: BTreeMap<String, Standing>,
    /// As whom its agent calls; only known of on-premises instances.
    pub(super) principal: Option<Principal>,
    /// Since when it is there.
    pub(super) since: Timestamp,
}

/// As whom the agent of an on-premises instance calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principal {
    /// The ARN of a session.
    Session(String),
    /// The ARN of a user.
    User(String),
}

/// How an instance stands in a deployment group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its last deployment succeeded with this revision.
    Well(Revision),
    /// Its last deployment failed.
    Ill,
}

impl State {
    /// The application of this name.
    pub(super) fn application(&self, place: &Place, name: &str) -> Result<&Application, ApiError> {
        let key = (place.clone(), name.to_owned());
        self.applications
            .get(&key)
            .ok_or_else(|| no_application(name))
    }

    /// The application of this name.
    pub(super) fn application_mut(
        &mut self,
        place: &Place,
        name: &str,
    ) -> Result<&mut Application, ApiError> {
        let key = (place.clone(), name.to_owned());
        self.applications
            .get_mut(&key)
            .ok_or_else(|| no_application(name))
    }

    /// The group of this name.
    pub(super) fn group(
        &self,
        place: &Place,
        application: &str,
        name: &str,
    ) -> Result<&Group, ApiError> {
        let application = self.application(place, application)?;
        application.groups.get(name).ok_or_else(|| no_group(name))
    }

    /// The group of this name.
    pub(super) fn group_mut(
        &mut self,
        place: &Place,
        application: &str,
        name: &str,
    ) -> Result<&mut Group, ApiError> {
        let application = self.application_mut(place, application)?;
        application
            .groups
            .get_mut(name)
            .ok_or_else(|| no_group(name))
    }

    /// The group that a deployment is for, unless it was deleted.
    pub(super) fn group_of(&mut self, order: &Order) -> Option<&mut Group> {
        let group = self
            .group_mut(&order.place, &order.application, &order.group)
            .ok()?;
        (group.id == order.group_id).then_some(group)
    }

    /// The deployment of this id, if it is this place's.
    pub(super) fn deployment(&self, place: &Place, id: &str) -> Result<&Deployment, ApiError> {
        let found = self
            .deployments
            .get(id)
            .filter(|found| found.order.place == *place);
        found.ok_or_else(|| no_deployment(id))
    }

    /// The deployment of this id, if it is this place's.
    pub(super) fn deployment_mut(
        &mut self,
        place: &Place,
        id: &str,
    ) -> Result<&mut Deployment, ApiError> {
        let found = self
            .deployments
            .get_mut(id)
            .filter(|found| found.order.place == *place);
        found.ok_or_else(|| no_deployment(id))
    }

    /// A target of a deployment that has not ended.
    pub(super) fn live_target(&mut self, id: &str, target: &str) -> Option<&mut Target> {
        let deployment = self.deployments.get_mut(id)?;
        match deployment.status.is_over() {
            true => None,
            false => deployment.target_mut(target),
        }
    }

    /// The deployment of a group that has not ended. There is at most one.
    pub(super) fn active(&self, group_id: &str) -> Option<&Deployment> {
        self.deployments.values().find(|deployment| {
            deployment.order.group_id == group_id && !deployment.status.is_over()
        })
    }

    /// Remembers a new deployment.
    pub(super) fn add(&mut self, deployment: Deployment) {
        self.deployments
            .insert(deployment.order.id.clone(), deployment);
    }

    /// The number that the next deployment gets.
    pub(super) fn next_number(&self) -> u64 {
        u64::try_from(self.deployments.len()).unwrap_or(u64::MAX)
    }

    /// An id that no deployment has: `d-` and nine capitals or digits.
    pub(super) fn new_id(&self) -> String {
        loop {
            let letter = |_| fastrand::alphanumeric().to_ascii_uppercase();
            let id = format!("d-{}", (0..9).map(letter).collect::<String>());
            if !self.deployments.contains_key(&id) {
                return id;
            }
        }
    }

    /// The configuration of this name.
    pub(super) fn config(&self, place: &Place, name: &str) -> Result<Config, ApiError> {
        let own = self.configs.get(&(place.clone(), name.to_owned())).cloned();
        own.or_else(|| Config::built_in(name))
            .ok_or_else(|| no_config(name))
    }

    /// The instances that belong to a group, with how they stand in it.
    pub(super) fn members(
        &self,
        place: &Place,
        group: &Group,
    ) -> Vec<(Arc<Machine>, Option<Standing>)> {
        let here = self.machines.iter().filter(|((at, _), _)| at == place);
        here.map(|(_, known)| known)
            .filter(|known| known.machine.belongs(&group.settings, &known.tags))
            .map(|known| {
                (
                    Arc::clone(&known.machine),
                    known.standing.get(&group.id).cloned(),
                )
            })
            .collect()
    }
}
