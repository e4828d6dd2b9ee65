//! How a deployment ends: complete, failed, rolled back, superseded. The reasons are AWS's
//! sentences where they are known.

use jiff::Timestamp;

use super::{
    arn,
    events::{self, DeploymentEvent, ServiceAction},
    stage::Stage,
    state::{
        Controller, HookRun, Rollback, Rollout, RolloutState, Service, ServiceDeployment, Stable,
        State, Status, Traffic,
    },
    worker::Step,
};

/// Why a deployment fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cause {
    /// Too many tasks failed.
    Breaker,
    /// These alarms fired.
    Alarms(Vec<String>),
    /// Somebody stopped it.
    Requested,
    /// A lifecycle hook said no.
    Hook(String),
}

impl Cause {
    /// The reason of a service deployment that is rolled back for it.
    fn rollback_reason(&self) -> String {
        let because = match self {
            Self::Breaker => "the circuit breaker threshold was exceeded.".to_owned(),
            Self::Alarms(names) => {
                format!("one or more alarms were triggered: {}.", names.join(", "))
            }
            Self::Requested => "a rollback was requested.".to_owned(),
            Self::Hook(reason) => reason.clone(),
        };
        format!("Service deployment rolled back because {because}")
    }

    /// The reason of the `ecs-svc/` deployment that failed.
    fn failure_reason(&self) -> String {
        match self {
            Self::Breaker => "ECS deployment circuit breaker: task failed to start.".to_owned(),
            Self::Alarms(_) => "ECS deployment failed: alarm(s) detected.".to_owned(),
            Self::Requested => "ECS deployment stopped: rollback requested.".to_owned(),
            Self::Hook(_) => format!("ECS deployment failed: {}", self.rollback_reason()),
        }
    }

    /// The reason of the `ecs-svc/` deployment that brings the old revision back.
    fn return_reason(&self, to: &str) -> String {
        let by = match self {
            Self::Breaker => "ECS deployment circuit breaker",
            Self::Alarms(_) => "ECS deployment alarm detected",
            Self::Requested => "ECS deployment rollback requested",
            Self::Hook(_) => "ECS deployment lifecycle hook failed",
        };
        format!("{by}: rolling back to deploymentId {to}.")
    }

    /// Whether the old revision is to come back.
    fn rolls_back(&self, deployment: &ServiceDeployment) -> bool {
        let configuration = &deployment.configuration;
        match self {
            Self::Breaker => configuration
                .breaker
                .is_some_and(|one| one.on_failure.rolls_back()),
            Self::Alarms(_) => configuration
                .alarms
                .as_ref()
                .is_some_and(|one| one.on_failure.rolls_back()),
            Self::Requested | Self::Hook(_) => true,
        }
    }
}

impl State {
    /// The deployment has done what it was to do; the service is steady.
    pub(super) fn complete(&mut self, step: &Step<'_>, arn: &str) {
        let Some(deployment) = self.deployments.get(arn) else {
            return;
        };
        let rollout = deployment.rollout.clone();
        let shares = self.final_shares(deployment);
        let Some(service) = self.services.get_mut(step.service) else {
            return;
        };
        let Some(deployment) = self.deployments.get_mut(arn) else {
            return;
        };
        let now = Timestamp::now();
        deployment.finished_at = Some(now);
        deployment.updated_at = now;
        (deployment.target, deployment.sources) = shares;
        deployment.status = match deployment.rollback {
            Some(_) => Status::RollbackSuccessful,
            None => Status::Successful,
        };
        service.current = None;
        let reason = format!("ECS deployment {rollout} completed.");
        if let Some(found) = service.rollout_mut(&rollout) {
            found.end(RolloutState::Completed, &reason);
            let revision = found.revision.clone();
            service.stable = Some(Stable {
                revision,
                rollout: rollout.clone(),
            });
        }
        service.rollouts.retain(|one| one.id == rollout);
        service.tell_steady(step);
        service.note(format!("(deployment {rollout}) deployment completed."));
        events::deployment(
            step.world,
            service,
            &rollout,
            DeploymentEvent::Completed,
            &reason,
        );
    }

    /// The numbers that a finished deployment keeps.
    fn final_shares(
        &self,
        deployment: &ServiceDeployment,
    ) -> (super::state::Share, Vec<super::state::Share>) {
        let rollouts = self
            .services
            .get(&deployment.service)
            .map(|service| &service.rollouts);
        let now = |share: &super::state::Share| {
            let mut rollouts = rollouts.into_iter().flatten();
            let found = rollouts.find(|rollout| rollout.revision == share.revision);
            let counted = found.map(|rollout| self.share(rollout));
            super::state::Share {
                production_weight: share.production_weight,
                test_weight: share.test_weight,
                ..counted.unwrap_or_else(|| share.clone())
            }
        };
        (
            now(&deployment.target),
            deployment.sources.iter().map(now).collect(),
        )
    }

    /// The deployment has failed: the last completed revision comes back if that is wanted and
    /// there is one, else everything stays as it is.
    pub(super) fn fail(&mut self, step: &Step<'_>, arn: &str, cause: &Cause) {
        let Some(service) = self.services.get_mut(step.service) else {
            return;
        };
        let Some(deployment) = self.deployments.get_mut(arn) else {
            return;
        };
        let now = Timestamp::now();
        deployment.updated_at = now;
        deployment.bake_until = None;
        deployment.breaker_tripped |= *cause == Cause::Breaker;
        let (rollout, why) = (deployment.rollout.clone(), cause.rollback_reason());
        service.note(format!("(deployment {rollout}) deployment failed: {why}"));
        let reason = cause.failure_reason();
        if let Some(found) = service.rollout_mut(&rollout) {
            found.end(RolloutState::Failed, &reason);
        }
        if *cause != Cause::Requested {
            events::deployment(
                step.world,
                service,
                &rollout,
                DeploymentEvent::Failed,
                &reason,
            );
        }
        if !cause.rolls_back(deployment) {
            deployment.stop(&reason);
            service.current = None;
            return;
        }
        let stable = service.stable.clone();
        deployment.rollback = Some(Rollback {
            reason: why.clone(),
            started_at: now,
            revision: stable.as_ref().map(|stable| stable.revision.clone()),
        });
        let Some(stable) = stable else {
            deployment.status = Status::RollbackFailed;
            deployment.finished_at = Some(now);
            deployment.status_reason =
                Some("No rollback candidate was found to run the rollback.".to_owned());
            service.current = None;
            return;
        };
        deployment.status = Status::RollbackInProgress;
        deployment.status_reason = Some(why);
        self.return_to(step, arn, &stable, cause);
    }

    /// Begins the `ecs-svc/` deployment that brings the last completed revision back. Its tasks
    /// that still run are adopted.
    fn return_to(&mut self, step: &Step<'_>, arn: &str, stable: &Stable, cause: &Cause) {
        let id = format!("ecs-svc/{}", arn::digits());
        let Some(service) = self.services.get_mut(step.service) else {
            return;
        };
        let Some(deployment) = self.deployments.get_mut(arn) else {
            return;
        };
        let definition = self
            .revisions
            .get(&stable.revision)
            .map(|one| one.definition.clone());
        let old = service
            .rollouts
            .iter()
            .find(|rollout| rollout.revision == stable.revision);
        let old = old.map(|rollout| (rollout.id.clone(), rollout.group.clone()));
        let group = match (&old, &deployment.traffic) {
            (Some((_, group)), _) => group.clone(),
            (None, Some(_)) => id.clone(),
            (None, None) => service
                .primary()
                .map_or_else(|| id.clone(), |one| one.group.clone()),
        };
        let reason = cause.return_reason(&stable.rollout);
        let definition = definition.unwrap_or_default();
        let mut rollout = Rollout::new(id.clone(), stable.revision.clone(), definition, group);
        rollout.reason.clone_from(&reason);
        rollout.wanted = service.desired;
        if let Some((old, _)) = &old {
            service.rollouts.retain(|rollout| rollout.id != *old);
            for task in self.tasks.values_mut().filter(|task| task.rollout == *old) {
                task.rollout.clone_from(&id);
            }
        }
        service.rollouts.insert(0, rollout);
        deployment.rollout.clone_from(&id);
        if let Some(traffic) = &mut deployment.traffic {
            traffic.turn_back(id.clone());
        }
        service.steady = false;
        events::deployment(
            step.world,
            service,
            &id,
            DeploymentEvent::InProgress,
            &reason,
        );
    }

    /// Ends what was superseded once its tasks are gone, and forgets rollouts without tasks.
    pub(super) fn tidy(&mut self, step: &Step<'_>) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let busy: Vec<String> = service
            .current
            .iter()
            .filter_map(|arn| self.deployments.get(arn)?.traffic.as_ref())
            .flat_map(|traffic| traffic.blue.iter().chain([&traffic.green]).cloned())
            .collect();
        // CodeDeploy says itself when it needs a task set no longer.
        let needed = |one: &Rollout| {
            busy.contains(&one.id)
                || (service.controller == Controller::CodeDeploy
                    && one.state != RolloutState::Failed)
        };
        let empty: Vec<String> = service
            .rollouts
            .iter()
            .skip(1)
            .filter(|one| !self.has_tasks(&one.id) && !needed(one))
            .map(|one| one.id.clone())
            .collect();
        let superseded = self
            .deployments
            .values_mut()
            .filter(|one| one.service == step.service);
        let superseded = superseded.filter(|one| one.status == Status::StopRequested);
        for deployment in superseded.filter(|one| empty.contains(&one.rollout)) {
            let reason = deployment.status_reason.clone().unwrap_or_default();
            deployment.stop(&reason);
        }
        if let Some(service) = self.service_mut(step) {
            service.rollouts.retain(|one| !empty.contains(&one.id));
        }
    }
}

impl Rollout {
    fn end(&mut self, state: RolloutState, reason: &str) {
        self.state = state;
        self.reason = reason.to_owned();
        self.updated_at = Timestamp::now();
    }
}

impl ServiceDeployment {
    /// It ends where it is.
    fn stop(&mut self, reason: &str) {
        let now = Timestamp::now();
        self.status = Status::Stopped;
        self.status_reason = Some(reason.to_owned());
        self.stopped_at = Some(now);
        self.finished_at = Some(now);
        self.updated_at = now;
    }
}

impl Traffic {
    /// From now on traffic goes back to the old revision's tasks, whose rollout this is now.
    fn turn_back(&mut self, blue: String) {
        self.reached = Some(self.stage);
        self.blue = Some(blue);
        self.stage = Stage::ScaleUp;
        self.entered = false;
        self.hooks = HookRun::Unasked;
        self.until = None;
    }
}

impl Service {
    /// Tells, once, that the service is steady.
    pub(super) fn tell_steady(&mut self, step: &Step<'_>) {
        if !self.steady {
            self.steady = true;
            self.note("has reached a steady state.".to_owned());
            events::service(step.world, self, ServiceAction::SteadyState);
        }
    }
}
