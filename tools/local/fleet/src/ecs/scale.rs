//! What every kind of deployment needs: starting and stopping tasks of a rollout, knowing how many
//! are well, and counting those that fail.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    arn, events,
    state::{Container, Phase, RolloutState, State, Stop, Task},
    worker::Step,
};
use crate::plane::Health;

/// The pause before the next start doubles with every failure, up to this many times.
const BACKOFF_DOUBLINGS_MAX: u32 = 4;

/// After so many failures in a row a service without a deployment in progress tells that its tasks
/// do not start.
const IMPAIRED_FAILURES: u32 = 3;

/// How the tasks of a rollout are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Census {
    /// On their way to running, or running and not healthy.
    pub(super) unready: u32,
    /// Running and healthy.
    pub(super) healthy: u32,
    /// Asked to stop and not stopped yet.
    pub(super) stopping: u32,
}

impl Census {
    /// Tasks that nothing has asked to stop.
    pub(super) fn wanted(self) -> u32 {
        self.unready + self.healthy
    }

    /// Two rollouts seen as one.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            unready: self.unready + other.unready,
            healthy: self.healthy + other.healthy,
            stopping: self.stopping + other.stopping,
        }
    }

    /// Whether there is no task at all.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl State {
    /// How the tasks of a rollout are.
    pub(super) fn census(&self, rollout: &str) -> Census {
        let mut census = Census::default();
        for task in self.tasks_of(rollout).filter(|task| task.is_alive()) {
            match (task.is_wanted(), task.healthy) {
                (false, _) => census.stopping += 1,
                (true, true) => census.healthy += 1,
                (true, false) => census.unready += 1,
            }
        }
        census
    }

    /// Brings a rollout to as many tasks as wanted: those that are not ready are stopped first.
    pub(super) fn scale(&mut self, step: &mut Step<'_>, rollout: &str, wanted: u32) {
        if let Some(rollout) = self.service_mut(step).and_then(|s| s.rollout_mut(rollout)) {
            rollout.wanted = wanted;
        }
        let has = self.census(rollout).wanted();
        match has < wanted {
            true => self.launch(step, rollout, wanted - has),
            false => self.retire(step, rollout, has - wanted),
        }
    }

    /// Starts tasks of a rollout, unless it failed or has to wait after failures.
    pub(super) fn launch(&mut self, step: &mut Step<'_>, rollout: &str, count: u32) {
        let Some(service) = self.service_mut(step) else {
            return;
        };
        let Some(found) = service.rollout(rollout) else {
            return;
        };
        let waits = found
            .launch_after
            .is_some_and(|after| Instant::now() < after);
        if count == 0 || waits || found.state == RolloutState::Failed {
            return;
        }
        for _ in 0..count {
            if let Some(task) = self.new_task(step.service, rollout) {
                step.start(&task.arn);
                self.tasks
                    .insert(task.arn.clone(), step.told(task, Phase::Provisioning));
            }
        }
        if let Some(service) = self.service_mut(step) {
            service.steady = false;
            service.note(format!(
                "has started {count} tasks: (deployment {rollout})."
            ));
        }
    }

    /// Asks tasks of a rollout to stop, those that are not ready first.
    pub(super) fn retire(&mut self, step: &mut Step<'_>, rollout: &str, count: u32) {
        let reason = format!("Scaling activity initiated by (deployment {rollout})");
        let mut candidates: Vec<(bool, Timestamp, String)> = self
            .tasks_of(rollout)
            .filter(|task| task.is_alive() && task.is_wanted())
            .map(|task| (task.healthy, task.created_at, task.arn.clone()))
            .collect();
        candidates.sort();
        for (_, _, arn) in candidates.into_iter().take(count as usize) {
            if let Some(task) = self.tasks.get_mut(&arn) {
                let reason = reason.clone();
                task.ask_to_stop(Stop {
                    code: "ServiceSchedulerInitiated",
                    reason,
                });
            }
            if let Some(service) = self.service_mut(step) {
                service.steady = false;
            }
        }
    }

    /// A task of a rollout, not started yet.
    fn new_task(&self, service: &str, rollout: &str) -> Option<Task> {
        let service = self.services.get(service)?;
        let rollout = service.rollout(rollout)?;
        let images = &self.revisions.get(&rollout.revision)?.images;
        let now = Timestamp::now();
        let containers = images.iter().map(|image| Container {
            id: crate::envelope::uuid(),
            name: image.container.clone(),
            image: image.image.clone(),
            digest: image.digest.clone(),
            server: None,
            exit_code: None,
            reason: None,
        });
        Some(Task {
            arn: arn::task(&service.place, &service.cluster, &arn::task_id()),
            place: service.place.clone(),
            cluster: service.cluster.clone(),
            service: service.arn.clone(),
            rollout: rollout.id.clone(),
            started_by: rollout.id.clone(),
            group: rollout.group.clone(),
            definition: rollout.definition.clone(),
            revision: rollout.revision.clone(),
            phase: Phase::Provisioning,
            containers: containers.collect(),
            addr: None,
            healthy: false,
            ever_healthy: false,
            version: 0,
            created_at: now,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            grace_until: None,
            stopping_at: None,
            stopped_at: None,
            updated_at: now,
            stop: None,
            asked: std::sync::Arc::default(),
        })
    }

    /// Takes over what the balancer thinks of the tasks: the first health of a task forgives
    /// earlier failures, an unhealthy one is replaced once its grace period is over.
    pub(super) fn look_at_health(&mut self, step: &Step<'_>) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let balancer = service.balancer.clone();
        let (mut recovered, mut failed) = (Vec::new(), Vec::new());
        let tasks = self
            .tasks
            .values_mut()
            .filter(|task| task.service == step.service);
        for task in tasks.filter(|task| task.phase == Phase::Running && task.is_wanted()) {
            let health = task.addr.and_then(|addr| balancer.health(addr));
            task.healthy = health == Some(Health::Healthy);
            if task.healthy && !task.ever_healthy {
                task.ever_healthy = true;
                recovered.push(task.rollout.clone());
            }
            let forgiven = task.grace_until.is_some_and(|until| Instant::now() < until);
            if health == Some(Health::Unhealthy) && !forgiven {
                let group = format!("(target-group {})", balancer.name());
                let reason = format!("Task failed ELB health checks in {group}");
                task.ask_to_stop(Stop {
                    code: "ServiceSchedulerInitiated",
                    reason,
                });
                failed.push(task.rollout.clone());
            }
        }
        for rollout in recovered {
            self.count_recovery(step.service, &rollout);
        }
        for rollout in failed {
            self.count_failure(step, &rollout);
        }
    }

    /// A task became healthy: the failures before it are forgiven, where that is configured.
    fn count_recovery(&mut self, service: &str, rollout: &str) {
        let Some(service) = self.services.get_mut(service) else {
            return;
        };
        let Some(found) = service.rollouts.iter_mut().find(|one| one.id == rollout) else {
            return;
        };
        found.launch_after = None;
        if service
            .configuration
            .breaker
            .is_none_or(|breaker| breaker.forgives)
        {
            found.failures = 0;
        }
    }

    /// A task failed before it was ever healthy, or became unhealthy.
    pub(super) fn count_failure(&mut self, step: &Step<'_>, rollout: &str) {
        let Some(service) = self.services.get_mut(step.service) else {
            return;
        };
        let idle = service.current.is_none();
        let Some(found) = service.rollout_mut(rollout) else {
            return;
        };
        found.failed_tasks += 1;
        found.failures += 1;
        found.updated_at = Timestamp::now();
        let failures = found.failures;
        let doublings = failures.min(BACKOFF_DOUBLINGS_MAX);
        let pause: Duration = step.world.pace.provision * 2_u32.pow(doublings);
        found.launch_after = Some(Instant::now() + pause);
        if idle && failures == IMPAIRED_FAILURES {
            service.note("is unable to consistently start tasks successfully.".to_owned());
            events::service(
                step.world,
                service,
                events::ServiceAction::TaskStartImpaired,
            );
        }
    }
}
