//! Going back by itself: a new deployment of what the group deployed last with success.
//!
//! Source: CodeDeploy user guide, "Redeploy and roll back a deployment"; the messages are those
//! that `GetDeployment` really answers with.

use super::{
    CodeDeploy,
    config::Platform,
    deployment::{Creator, Deployment, Order, RollbackInfo, Status},
    events::Told,
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

/// The deployment that goes back, if there is something to go back to.
fn prepare(state: &mut State, failed: &Order, id: &str) -> Option<Deployment> {
    let number = state.next_number();
    let good = state.group_of(failed)?.last_successful.clone()?;
    let config = match failed.platform {
        Platform::Server => failed.config.clone(),
        Platform::Ecs => ECS_ROLLBACK_CONFIG.to_owned(),
    };
    // What was done about existing files then is done again.
    let file_exists = state.deployments.get(&good.deployment)?.order.file_exists;
    let order = Order {
        id: id.to_owned(),
        revision: good.revision.clone(),
        creator: Creator::Rollback,
        config,
        file_exists,
        update_outdated_only: false,
        // The alarm that stopped the deployment would stop its rollback too.
        alarms: None,
        ..failed.clone()
    };
    let stopped = state.deployments.get(&failed.id)?;
    let mut rollback = Deployment::new(order, number);
    rollback.status = Status::Queued;
    rollback.previous = Some(good.revision);
    rollback.load_balancer_info = stopped.load_balancer_info.clone();
    rollback.blue_green = stopped.blue_green.clone();
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

fn set(state: &mut State, order: &Order, info: RollbackInfo) {
    if let Some(deployment) = state.deployments.get_mut(&order.id) {
        deployment.rollback = Some(info);
    }
}
