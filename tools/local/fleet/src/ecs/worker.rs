//! The worker: looks at every service many times a second and does what is needed next. What that
//! is, `rolling`, `traffic` and `outcome` say, under the lock and without waiting; what takes time
//! (tasks, hooks, alarms) is handed on as an effect.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    Ecs,
    configuration::{Hook, Strategy},
    events, hooks, launch,
    outcome::Cause,
    state::{AlarmWatch, Controller, Phase, RolloutState, Service, State, Status, Task},
    watch,
};
use crate::world::World;

/// Stopped tasks that are remembered of a service.
const STOPPED_TASKS_MAX: usize = 50;

/// Something that takes time.
#[derive(Debug)]
pub(super) enum Effect {
    /// Runs a task from its start to its end.
    Task(String),
    /// Watches the alarms of a service deployment.
    Watch(String),
    /// Asks the hooks of a stage.
    Hooks {
        /// The service deployment.
        deployment: String,
        /// Which asking this is.
        ticket: u64,
        /// Whom to ask.
        hooks: Vec<Hook>,
        /// What to tell them.
        payload: Value,
    },
}

/// Who makes the next move of a service.
enum By {
    /// CodeDeploy decides, by task sets.
    TaskSets,
    /// This deployment, which shifts traffic.
    Shifting(String),
    /// The rolling update, in a deployment or between them.
    Rolling,
    /// Nobody: what runs is kept.
    Keeping,
}

/// One look at one service.
pub(super) struct Step<'a> {
    pub(super) world: &'a World,
    /// The service's ARN.
    pub(super) service: &'a str,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Step<'_> {
    /// Has a task run.
    pub(super) fn start(&mut self, task: &str) {
        self.effects.push(Effect::Task(task.to_owned()));
    }

    /// The task after its phase was told.
    pub(super) fn told(&self, mut task: Task, phase: Phase) -> Task {
        events::task_changed(self.world, &mut task, phase);
        task
    }

    /// Writes down that a hook said no where it cannot be heeded any more.
    pub(super) fn note_hook(&self, state: &mut State, reason: &str) {
        if let Some(service) = state.services.get_mut(self.service) {
            service.note(format!("goes on rolling back although {reason}"));
        }
    }
}

/// Works for as long as the control plane lives.
pub(super) async fn run(ecs: Weak<Ecs>, tick: Duration) {
    let mut interval = interval(tick);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(ecs) = ecs.upgrade() else { return };
        for effect in ecs.look() {
            match effect {
                Effect::Task(arn) => tokio::spawn(launch::live(Arc::clone(&ecs), arn)),
                Effect::Watch(arn) => tokio::spawn(watch::watch(Arc::downgrade(&ecs), arn)),
                Effect::Hooks {
                    deployment,
                    ticket,
                    hooks,
                    payload,
                } => tokio::spawn(hooks::ask(
                    Arc::downgrade(&ecs),
                    deployment,
                    ticket,
                    hooks,
                    payload,
                )),
            };
        }
    }
}

impl Ecs {
    /// One look at everything.
    fn look(&self) -> Vec<Effect> {
        let mut state = self.state();
        let services: Vec<String> = state.services.keys().cloned().collect();
        let mut effects = Vec::new();
        for service in &services {
            let mut step = Step {
                world: &self.world,
                service,
                effects: &mut effects,
            };
            state.step(&mut step);
        }
        effects
    }
}

impl State {
    /// The service that a step looks at.
    pub(super) fn service_mut(&mut self, step: &Step<'_>) -> Option<&mut Service> {
        self.services.get_mut(step.service)
    }

    /// The next move of one service.
    fn step(&mut self, step: &mut Step<'_>) {
        self.look_at_health(step);
        self.progress(step);
        match self.next_by(step) {
            By::TaskSets => self.keep_task_sets(step),
            By::Shifting(arn) => self.shift(step, &arn),
            By::Rolling => self.roll(step),
            By::Keeping => self.keep(step),
        }
        self.tidy(step);
        self.settle(step);
        self.forget_tasks(step);
    }

    /// Who makes the next move: the deployment in progress says so, else the configuration.
    fn next_by(&self, step: &Step<'_>) -> By {
        let Some(service) = self.services.get(step.service) else {
            return By::Keeping;
        };
        let current = service
            .current
            .as_ref()
            .and_then(|arn| self.deployments.get(arn));
        let rolls = service.configuration.strategy == Strategy::Rolling;
        match (service.controller, current) {
            (Controller::CodeDeploy, _) => By::TaskSets,
            (Controller::Ecs, Some(one)) if one.traffic.is_some() => By::Shifting(one.arn.clone()),
            (Controller::Ecs, Some(_)) => By::Rolling,
            (Controller::Ecs, None) if rolls => By::Rolling,
            (Controller::Ecs, None) => By::Keeping,
        }
    }

    /// Starts a deployment that was created, and ends one that has a reason to fail.
    fn progress(&mut self, step: &mut Step<'_>) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let Some(arn) = service.current.clone() else {
            return;
        };
        let desired = service.desired;
        let Some(deployment) = self.deployments.get_mut(&arn) else {
            return;
        };
        if deployment.status == Status::Pending {
            let now = Timestamp::now();
            deployment.status = Status::InProgress;
            deployment.started_at = Some(now);
            deployment.updated_at = now;
            if deployment.configuration.alarms.is_some() {
                step.effects.push(Effect::Watch(arn.clone()));
            }
        }
        if let Some(breaker) = deployment.configuration.breaker {
            deployment.breaker_threshold = breaker.threshold.tasks(desired);
        }
        if deployment.status == Status::InProgress {
            let rollout = service.rollout(&deployment.rollout);
            deployment.breaker_failures = rollout.map_or(0, |rollout| rollout.failures);
        }
        let tripped = deployment.configuration.breaker.is_some()
            && deployment.breaker_failures >= deployment.breaker_threshold;
        let cause = match (deployment.status, &deployment.alarms) {
            (Status::RollbackRequested, _) => Cause::Requested,
            (Status::InProgress, AlarmWatch::Triggered(names)) => Cause::Alarms(names.clone()),
            (Status::InProgress, _) if tripped => Cause::Breaker,
            _ => return,
        };
        self.fail(step, &arn, &cause);
    }

    /// Tells when a service is steady again after something other than a deployment.
    fn settle(&mut self, step: &Step<'_>) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let done = |one: &super::state::Rollout| one.state == RolloutState::Completed;
        let Some(primary) = service.primary().filter(|one| done(one)) else {
            return;
        };
        let census = self.census(&primary.id);
        let steady = service.current.is_none()
            && census.healthy == service.desired
            && census.unready + census.stopping == 0;
        if steady && let Some(service) = self.service_mut(step) {
            service.tell_steady(step);
        }
    }

    /// Forgets the oldest stopped tasks.
    fn forget_tasks(&mut self, step: &Step<'_>) {
        let stopped = self
            .tasks
            .values()
            .filter(|task| task.service == step.service && task.phase == Phase::Stopped);
        let mut stopped: Vec<(Timestamp, String)> = stopped
            .map(|task| (task.updated_at, task.arn.clone()))
            .collect();
        if stopped.len() > STOPPED_TASKS_MAX {
            stopped.sort();
            let old = stopped.len() - STOPPED_TASKS_MAX;
            for (_, arn) in stopped.into_iter().take(old) {
                self.tasks.remove(&arn);
            }
        }
    }
}
