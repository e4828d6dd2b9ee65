//! Going back by itself: a new deployment of what the group deployed last with success.
//!
//! Source: CodeDeploy user guide, "Redeploy and roll back a deployment"; the messages are those
//! that `GetDeployment` really answers with.

use super::{
    CodeDeploy,
    appspec::EcsSpec,
    config::Platform,
    deployment::{Creator, Deployment, Order, RollbackInfo, Status, TaskSets},
    events::Told,
    revision::{Content, Revision},
    state::State,
};

/// How a rollback on ECS moves traffic, whatever the deployment's own configuration is.
const ECS_ROLLBACK_CONFIG: &str = "CodeDeployDefault.ECSAllAtOnce";

impl CodeDeploy {
    /// Makes the rollback of a deployment that has just ended badly, and answers with its id. A
    /// rollback is not rolled back, and without a success in the past there is nothing to go to.
    pub(super) fn roll_back(&self, state: &mut State, failed: &Order) -> Option<String> {
        if failed.creator == Creator::Rollback {
            return None;
        }
        let id = state.new_id();
        let Some(rollback) = prepare(state, failed, &id) else {
            let message = format!(
                "Deployment {} terminated. No automatic rollback is triggered, because the \
                 deployment group has no successful deployment to roll back to.",
                failed.id
            );
            set(
                state,
                failed,
                RollbackInfo {
                    rollback_message: Some(message),
                    ..RollbackInfo::default()
                },
            );
            return None;
        };
        let message = format!(
            "Deployment {} terminated. Automatic rollback is triggered with a DeploymentId {id}.",
            failed.id
        );
        set(
            state,
            failed,
            RollbackInfo {
                rollback_deployment_id: Some(id.clone()),
                rollback_message: Some(message),
                ..RollbackInfo::default()
            },
        );
        self.tell_deployment(&rollback.order, Told::Queued);
        state.add(rollback);
        Some(id)
    }
}

/// The deployment that goes back, if there is something to go back to: what the group deployed
/// last with success, on ECS at least what served before.
fn prepare(state: &mut State, failed: &Order, id: &str) -> Option<Deployment> {
    let number = state.next_number();
    let good = state.group_of(failed)?.last_successful.clone();
    let stopped = state.deployments.get(&failed.id)?;
    let original = stopped
        .task_sets
        .as_ref()
        .and_then(|sets| served_before(failed, sets));
    let revision = good
        .as_ref()
        .map(|good| good.revision.clone())
        .or(original)?;
    let config = match failed.platform {
        Platform::Server => failed.config.clone(),
        Platform::Ecs => ECS_ROLLBACK_CONFIG.to_owned(),
    };
    // What was done about existing files then is done again.
    let then = good.and_then(|good| state.deployments.get(&good.deployment));
    let file_exists = then.map_or(failed.file_exists, |then| then.order.file_exists);
    let order = Order {
        id: id.to_owned(),
        revision: revision.clone(),
        creator: Creator::Rollback,
        config,
        file_exists,
        update_outdated_only: false,
        // The alarm that stopped the deployment would stop its rollback too.
        alarms: None,
        ..failed.clone()
    };
    let mut rollback = Deployment::new(order, number);
    rollback.status = Status::Queued;
    rollback.previous = Some(revision);
    rollback.load_balancer_info = stopped.load_balancer_info.clone();
    rollback.blue_green = stopped.blue_green.clone();
    rollback.task_sets = stopped.task_sets.clone();
    rollback.rollback = Some(RollbackInfo {
        rollback_triggering_deployment_id: Some(failed.id.clone()),
        rollback_message: Some(format!(
            "Deployment {id} is triggered to roll back deployment {}.",
            failed.id
        )),
        ..RollbackInfo::default()
    });
    Some(rollback)
}

/// On ECS: the revision that deploys what served before the deployment.
fn served_before(failed: &Order, sets: &TaskSets) -> Option<Revision> {
    match &failed.revision {
        Revision::AppSpec(Content { content, .. }) => {
            let content = EcsSpec::with_task_definition(content, &sets.original_definition)?;
            Some(Revision::AppSpec(content))
        }
        Revision::S3(_) => None,
    }
}

fn set(state: &mut State, order: &Order, info: RollbackInfo) {
    if let Some(deployment) = state.deployments.get_mut(&order.id) {
        deployment.rollback = Some(info);
    }
}
