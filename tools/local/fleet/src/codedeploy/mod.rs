//! CodeDeploy's control plane: its real JSON protocol over applications, groups and deployments,
//! and what it controls: instances on which the bundles' own scripts really run, and ECS services
//! between whose task sets it moves traffic. Signatures are checked elsewhere.
//!
//! A bundle's `app.json` says what its server does ([`crate::plane::App`]); its scripts find the
//! agent's variables and `PORT`, where that server listens on loopback. An instance's file system
//! is a folder of its own.
//!
//! A call lands in [`CodeDeploy::handle`]; `CreateDeployment` starts a task that carries the
//! deployment out (`deploy`, or `blue_green` on ECS) and enters what happens (`progress`). Two
//! operations are ours, in EC2's place: `LocalLaunchInstances` and `LocalTerminateInstances`; a
//! third, `LocalDescribeInstances`, tells where instances serve.

mod agent;
mod applications;
mod appspec;
mod blue_green;
mod bundle;
mod config;
mod create;
mod deploy;
mod deployment;
mod deployments;
mod events;
mod functions;
mod group;
mod groups;
mod hooks;
mod instance;
mod machines;
mod on_premises;
mod progress;
mod revision;
mod revisions;
mod rollback;
mod rollout;
mod settings;
mod state;
mod tags;
mod target;
mod targets;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use serde_json::Value;
use tokio::task::JoinSet;

use self::state::State;
use crate::{
    api::{ApiError, Call, Caller, Reply},
    ecs::Ecs,
    world::World,
};

/// CodeDeploy's control plane.
pub(crate) struct CodeDeploy {
    world: Arc<World>,
    ecs: Arc<Ecs>,
    state: Mutex<State>,
    tasks: Mutex<JoinSet<()>>,
    me: Weak<Self>,
}

impl CodeDeploy {
    /// An empty control plane.
    pub(crate) fn start(world: Arc<World>, ecs: Arc<Ecs>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            world,
            ecs,
            state: Mutex::default(),
            tasks: Mutex::default(),
            me: Weak::clone(me),
        })
    }

    /// Carries out one call.
    pub(crate) async fn handle(&self, call: Call) -> Reply {
        Reply::from_result(self.answer(&call).await)
    }

    async fn answer(&self, call: &Call) -> Result<Value, ApiError> {
        match call.operation.as_str() {
            "AddTagsToOnPremisesInstances" => self.add_tags_on_premises(call).await,
            "BatchGetApplicationRevisions" => self.batch_get_revisions(call).await,
            "BatchGetApplications" => self.batch_get_applications(call).await,
            "BatchGetDeploymentGroups" => self.batch_get_groups(call).await,
            "BatchGetDeploymentInstances" => self.batch_get_instances(call).await,
            "BatchGetDeploymentTargets" => self.batch_get_targets(call).await,
            "BatchGetDeployments" => self.batch_get_deployments(call).await,
            "BatchGetOnPremisesInstances" => self.batch_get_on_premises(call).await,
            "ContinueDeployment" => self.continue_deployment(call).await,
            "CreateApplication" => self.create_application(call).await,
            "CreateDeployment" => self.create_deployment(call).await,
            "CreateDeploymentConfig" => self.create_config(call).await,
            "CreateDeploymentGroup" => self.create_group(call).await,
            "DeleteDeploymentGroup" => self.delete_group(call).await,
            "DeregisterOnPremisesInstance" => self.deregister_on_premises(call).await,
            "GetApplication" => self.get_application(call).await,
            "GetApplicationRevision" => self.get_revision(call).await,
            "GetDeployment" => self.get_deployment(call).await,
            "GetDeploymentConfig" => self.get_config(call).await,
            "GetDeploymentGroup" => self.get_group(call).await,
            "GetDeploymentInstance" => self.get_instance(call).await,
            "GetDeploymentTarget" => self.get_target(call).await,
            "GetOnPremisesInstance" => self.get_on_premises(call).await,
            "ListApplicationRevisions" => self.list_revisions(call).await,
            "ListApplications" => self.list_applications(call).await,
            "ListDeploymentConfigs" => self.list_configs(call).await,
            "ListDeploymentGroups" => self.list_groups(call).await,
            "ListDeploymentInstances" => self.list_instances(call).await,
            "ListDeploymentTargets" => self.list_targets(call).await,
            "ListDeployments" => self.list_deployments(call).await,
            "ListOnPremisesInstances" => self.list_on_premises(call).await,
            "ListTagsForResource" => self.list_tags(call).await,
            "LocalDescribeInstances" => self.describe_instances(call).await,
            "LocalLaunchInstances" => self.launch_instances(call).await,
            "LocalTerminateInstances" => self.terminate_instances(call).await,
            "PutLifecycleEventHookExecutionStatus" => self.put_hook_status(call).await,
            "RegisterApplicationRevision" => self.register_revision(call).await,
            "RegisterOnPremisesInstance" => self.register_on_premises(call).await,
            "RemoveTagsFromOnPremisesInstances" => self.remove_tags_on_premises(call).await,
            "StopDeployment" => self.stop_deployment(call).await,
            "TagResource" => self.tag_resource(call).await,
            "UntagResource" => self.untag_resource(call).await,
            "UpdateDeploymentGroup" => self.update_group(call).await,
            unknown => Err(ApiError::client(
                "UnknownOperationException",
                format!("{unknown} is not an operation of CodeDeploy that exists here"),
            )),
        }
    }

    /// Stops every deployment, instance and balancer.
    pub(crate) async fn shutdown(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks());
        tasks.shutdown().await;
        let state = std::mem::take(&mut *self.state());
        for known in state.machines.into_values() {
            known.machine.stop(self.world.pace.stop_grace).await;
        }
        let groups = state
            .applications
            .into_values()
            .flat_map(|application| application.groups);
        for balancer in groups.filter_map(|(_, group)| group.balancer) {
            balancer.stop().await;
        }
    }

    /// Refuses as AWS does when the caller may not do `action` (without `codedeploy:`).
    async fn allow(&self, caller: &Caller, action: &str, resource: &str) -> Result<(), ApiError> {
        self.world
            .authorise(caller, &format!("codedeploy:{action}"), resource)
            .await
    }

    /// Begins to carry out a deployment.
    fn launch(&self, id: String) {
        let Some(me) = self.me.upgrade() else { return };
        let mut tasks = self.tasks();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(me.carry_out(id));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
