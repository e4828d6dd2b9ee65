//! Task sets: how CodeDeploy's control plane deploys to a service whose deployments it controls.
//! When traffic goes where is CodeDeploy's decision; the tasks are kept running here.

use super::{
    Ecs,
    state::{Controller, RolloutState, Service, Stable, State},
    worker::Step,
};
use crate::{api::ApiError, envelope::Place, plane::Listener};

/// A service that CodeDeploy controls, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Controlled {
    /// Its ARN.
    pub(crate) arn: String,
    /// The ARN of the task definition that serves production.
    pub(crate) definition: String,
    /// The id of the task set that serves production.
    pub(crate) primary: String,
    /// How many tasks are wanted.
    pub(crate) desired: u32,
}

/// How a task set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskSet {
    /// Tasks that run and are healthy.
    pub(crate) healthy: u32,
    /// Tasks that are wanted.
    pub(crate) desired: u32,
    /// Tasks that failed so far.
    pub(crate) failed: u32,
    /// The reason of the last task that failed, if one did.
    pub(crate) reason: Option<String>,
    /// Whether no task of it is left.
    pub(crate) is_empty: bool,
}

impl Ecs {
    /// The service of a cluster, when CodeDeploy controls it.
    pub(crate) fn controlled(
        &self,
        place: &Place,
        cluster: &str,
        service: &str,
    ) -> Option<Controlled> {
        let cluster = super::arn::cluster(place, Some(cluster));
        let arn = super::arn::service(place, &cluster, service);
        let state = self.state();
        let service = state.services.get(&arn).filter(|one| one.is_controlled())?;
        let primary = service.primary()?;
        Some(Controlled {
            arn: service.arn.clone(),
            definition: primary.definition.clone(),
            primary: primary.id.clone(),
            desired: service.desired,
        })
    }

    /// Starts a replacement task set of a task definition, beside the one in production, and says
    /// its id. It gets no traffic yet.
    ///
    /// # Errors
    /// When the service is not controlled by CodeDeploy, or the task definition cannot be used.
    pub(crate) fn create_task_set(
        &self,
        service: &str,
        definition: &str,
    ) -> Result<String, ApiError> {
        let mut state = self.state();
        let found = state.service(service)?;
        if !found.is_controlled() {
            return Err(super::invalid(
                "The service is not controlled by CODE_DEPLOY.",
            ));
        }
        let (place, primary) = (
            found.place.clone(),
            found.rollouts.first().map(|one| one.id.clone()),
        );
        let definition = state.usable_definition(&place, definition)?.arn.clone();
        state.begin(&self.world, service, &definition)?;
        let found = state.service(service)?;
        // The one in production stays the first until the new one is promoted.
        let id = found
            .rollouts
            .first()
            .map(|one| one.id.clone())
            .unwrap_or_default();
        if let Some(at) = found
            .rollouts
            .iter()
            .position(|one| Some(&one.id) == primary.as_ref())
        {
            let kept = found.rollouts.remove(at);
            found.rollouts.insert(0, kept);
        }
        Ok(id)
    }

    /// How a task set is; `None` when it is gone.
    pub(crate) fn task_set(&self, service: &str, id: &str) -> Option<TaskSet> {
        let state = self.state();
        let rollout = state.services.get(service)?.rollout(id)?;
        let census = state.census(id);
        let failed = state.tasks_of(id).filter(|task| !task.ever_healthy);
        let last = failed
            .filter(|task| task.stop.is_some())
            .max_by_key(|task| task.updated_at);
        Some(TaskSet {
            healthy: census.healthy,
            desired: rollout.wanted,
            failed: rollout.failed_tasks,
            reason: last
                .and_then(|task| task.stop.as_ref())
                .map(|stop| stop.reason.clone()),
            is_empty: census.is_empty(),
        })
    }

    /// Sends a listener's traffic to task sets by weight (any scale).
    pub(crate) fn route(&self, service: &str, listener: Listener, weights: &[(&str, f64)]) {
        let state = self.state();
        let Some(service) = state.services.get(service) else {
            return;
        };
        let groups = weights
            .iter()
            .filter_map(|(id, weight)| Some((service.rollout(id)?.group.as_str(), *weight)));
        service
            .balancer
            .route(listener, &groups.collect::<Vec<_>>());
    }

    /// Makes a task set the one in production: its task definition is the service's from now on.
    pub(crate) fn promote(&self, service: &str, id: &str) {
        let mut state = self.state();
        let Some(service) = state.services.get_mut(service) else {
            return;
        };
        let Some(at) = service.rollouts.iter().position(|one| one.id == id) else {
            return;
        };
        let mut rollout = service.rollouts.remove(at);
        rollout.state = RolloutState::Completed;
        service.stable = Some(Stable {
            revision: rollout.revision.clone(),
            rollout: rollout.id.clone(),
        });
        service.rollouts.insert(0, rollout);
    }

    /// Stops the tasks of a task set; it is gone when they are.
    pub(crate) fn delete_task_set(&self, service: &str, id: &str) {
        let mut state = self.state();
        let service = state.services.get_mut(service);
        if let Some(rollout) = service.and_then(|service| service.rollout_mut(id)) {
            rollout.state = RolloutState::Failed;
            rollout.wanted = 0;
        }
    }
}

impl Service {
    fn is_controlled(&self) -> bool {
        self.controller == Controller::CodeDeploy
    }
}

impl State {
    /// Keeps task sets at the desired count, those that were deleted at none.
    pub(super) fn keep_task_sets(&mut self, step: &mut Step<'_>) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let desired = service.desired;
        let deleted = |state| state == RolloutState::Failed;
        let sets: Vec<(String, bool)> = service
            .rollouts
            .iter()
            .map(|one| (one.id.clone(), deleted(one.state)))
            .collect();
        for (id, deleted) in sets {
            self.scale(step, &id, if deleted { 0 } else { desired });
        }
    }
}
