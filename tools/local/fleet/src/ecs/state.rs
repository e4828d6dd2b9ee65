//! Everything ECS's control plane remembers: one plain struct behind one lock. What changes it
//! lives in the modules named after what happens.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::{sync::Notify, time::Instant};

use super::{
    configuration::{Configuration, OnFailure},
    input::Tags,
    stage::Stage,
};
use crate::{
    api::ApiError,
    envelope::Place,
    plane::{Balancer, Server},
};

/// The most events that are kept of a service, as on AWS.
const EVENTS_MAX: usize = 100;

/// Everything ECS remembers, by ARN.
#[derive(Default)]
pub(super) struct State {
    pub(super) clusters: BTreeMap<String, Cluster>,
    /// Task definitions; revision `n` is at `n - 1`.
    pub(super) families: BTreeMap<(Place, String), Vec<Definition>>,
    pub(super) services: BTreeMap<String, Service>,
    pub(super) revisions: BTreeMap<String, Revision>,
    pub(super) deployments: BTreeMap<String, ServiceDeployment>,
    pub(super) tasks: BTreeMap<String, Task>,
}

/// A cluster.
pub(super) struct Cluster {
    pub(super) arn: String,
    pub(super) settings: Value,
    pub(super) tags: Tags,
}

/// A revision of a task definition.
pub(super) struct Definition {
    pub(super) arn: String,
    pub(super) revision: usize,
    /// The request, unknown fields and all, without its tags.
    pub(super) raw: Map<String, Value>,
    pub(super) tags: Tags,
    pub(super) registered_at: Timestamp,
    pub(super) registered_by: String,
    pub(super) deregistered_at: Option<Timestamp>,
}

/// Who decides about a service's deployments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Controller {
    /// ECS itself.
    Ecs,
    /// CodeDeploy, by task sets.
    CodeDeploy,
}

/// A service.
pub(super) struct Service {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) cluster: String,
    pub(super) place: Place,
    pub(super) controller: Controller,
    pub(super) desired: u32,
    /// The other fields it was created or updated with, as given.
    pub(super) settings: Map<String, Value>,
    pub(super) configuration: Configuration,
    pub(super) created_at: Timestamp,
    pub(super) created_by: String,
    pub(super) tags: Tags,
    /// Newest first.
    pub(super) events: VecDeque<ServiceEvent>,
    /// Its `ecs-svc/` deployments, newest first.
    pub(super) rollouts: Vec<Rollout>,
    /// What the last completed deployment left.
    pub(super) stable: Option<Stable>,
    /// The service deployment in progress.
    pub(super) current: Option<String>,
    pub(super) balancer: Arc<Balancer>,
    /// Whether it has told that it is steady since something last changed.
    pub(super) steady: bool,
}

/// One line of a service's events.
pub(super) struct ServiceEvent {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) message: String,
}

/// What a completed deployment left: what a rollback returns to.
#[derive(Debug, Clone)]
pub(super) struct Stable {
    pub(super) revision: String,
    pub(super) rollout: String,
}

/// How far an `ecs-svc/` deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RolloutState {
    InProgress,
    Completed,
    Failed,
}

/// One `ecs-svc/` deployment: a set of tasks of one revision.
pub(super) struct Rollout {
    /// `ecs-svc/` and nineteen digits.
    pub(super) id: String,
    pub(super) revision: String,
    /// The ARN of its task definition.
    pub(super) definition: String,
    /// The balancer's target group of its tasks.
    pub(super) group: String,
    pub(super) state: RolloutState,
    pub(super) reason: String,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    /// Tasks that failed in all.
    pub(super) failed_tasks: u32,
    /// Tasks that failed since one was last healthy.
    pub(super) failures: u32,
    /// After failures no task is started before this.
    pub(super) launch_after: Option<Instant>,
    /// How many tasks it was last asked to have.
    pub(super) wanted: u32,
}

/// A service revision: what a deployment brings.
pub(super) struct Revision {
    pub(super) arn: String,
    pub(super) service: String,
    pub(super) definition: String,
    pub(super) created_at: Timestamp,
    pub(super) images: Vec<ContainerImage>,
}

/// A container's image; the digest is resolved when it is first pulled and then kept.
#[derive(Debug, Clone)]
pub(super) struct ContainerImage {
    pub(super) container: String,
    pub(super) image: String,
    pub(super) digest: Option<String>,
}

/// The status of a service deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    InProgress,
    StopRequested,
    Stopped,
    RollbackRequested,
    RollbackInProgress,
    RollbackSuccessful,
    RollbackFailed,
    Successful,
}

impl Status {
    /// AWS's name of it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::InProgress => "IN_PROGRESS",
            Self::StopRequested => "STOP_REQUESTED",
            Self::Stopped => "STOPPED",
            Self::RollbackRequested => "ROLLBACK_REQUESTED",
            Self::RollbackInProgress => "ROLLBACK_IN_PROGRESS",
            Self::RollbackSuccessful => "ROLLBACK_SUCCESSFUL",
            Self::RollbackFailed => "ROLLBACK_FAILED",
            Self::Successful => "SUCCESSFUL",
        }
    }

    /// Whether nothing comes after it.
    pub(super) fn is_terminal(self) -> bool {
        match self {
            Self::Stopped | Self::RollbackSuccessful | Self::RollbackFailed | Self::Successful => {
                true
            }
            Self::Pending
            | Self::InProgress
            | Self::StopRequested
            | Self::RollbackRequested
            | Self::RollbackInProgress => false,
        }
    }
}

/// A service deployment: the attempt to bring one revision, with its rollback if there is one.
pub(super) struct ServiceDeployment {
    pub(super) arn: String,
    pub(super) service: String,
    pub(super) cluster: String,
    pub(super) status: Status,
    pub(super) status_reason: Option<String>,
    pub(super) created_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) updated_at: Timestamp,
    pub(super) sources: Vec<Share>,
    pub(super) target: Share,
    /// The rollout that carries it out now.
    pub(super) rollout: String,
    /// The service's configuration when it began.
    pub(super) configuration: Configuration,
    pub(super) rollback: Option<Rollback>,
    /// Failed tasks as the circuit breaker counts them.
    pub(super) breaker_failures: u32,
    pub(super) breaker_threshold: u32,
    pub(super) breaker_tripped: bool,
    pub(super) alarms: AlarmWatch,
    pub(super) bake_until: Option<Instant>,
    pub(super) traffic: Option<Traffic>,
}

/// A revision's part in a service deployment.
#[derive(Debug, Clone)]
pub(super) struct Share {
    pub(super) revision: String,
    pub(super) requested: u32,
    pub(super) running: u32,
    pub(super) pending: u32,
    pub(super) production_weight: Option<f64>,
    pub(super) test_weight: Option<f64>,
}

/// A rollback that was begun.
pub(super) struct Rollback {
    pub(super) reason: String,
    pub(super) started_at: Timestamp,
    /// The revision that comes back; none when there is none.
    pub(super) revision: Option<String>,
}

/// What a deployment knows of its alarms.
pub(super) enum AlarmWatch {
    /// It has none.
    Disabled,
    /// They have not been looked at yet.
    Unchecked,
    /// One was firing at the start: they are ignored for the whole deployment.
    Ignored,
    /// They are looked at.
    Watching,
    /// These fired.
    Triggered(Vec<String>),
}

/// How far a deployment that shifts traffic is.
pub(super) struct Traffic {
    pub(super) stage: Stage,
    /// The step of shifting.
    pub(super) step: usize,
    /// Whether what the stage does on entry is done.
    pub(super) entered: bool,
    pub(super) hooks: HookRun,
    /// When the pause of this stage is over.
    pub(super) until: Option<Instant>,
    /// The rollout whose tasks the traffic comes from; none in a first deployment.
    pub(super) blue: Option<String>,
    /// The rollout whose tasks the traffic goes to.
    pub(super) green: String,
    /// On the way back: the stage at which the deployment turned.
    pub(super) reached: Option<Stage>,
}

/// What the hooks of a stage have answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HookRun {
    /// They have not been asked.
    Unasked,
    /// They are being asked; the number tells this asking from an earlier one.
    Asked(u64),
    /// All agreed.
    Passed,
    /// One did not, for this reason.
    Failed(String),
}

/// The part of a task's life it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Provisioning,
    Pending,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
}

impl Phase {
    /// AWS's name of it (`lastStatus`).
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// A task.
pub(super) struct Task {
    pub(super) arn: String,
    pub(super) place: Place,
    pub(super) cluster: String,
    pub(super) service: String,
    /// The rollout it belongs to.
    pub(super) rollout: String,
    /// What started it, which a rollback that adopts it does not change.
    pub(super) started_by: String,
    pub(super) group: String,
    pub(super) definition: String,
    pub(super) revision: String,
    pub(super) phase: Phase,
    pub(super) containers: Vec<Container>,
    /// Where its balancer reaches it.
    pub(super) addr: Option<SocketAddr>,
    pub(super) healthy: bool,
    pub(super) ever_healthy: bool,
    /// Counts every change that is told.
    pub(super) version: u64,
    pub(super) created_at: Timestamp,
    pub(super) pull_started_at: Option<Timestamp>,
    pub(super) pull_stopped_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    /// Unhealthy targets are forgiven until then.
    pub(super) grace_until: Option<Instant>,
    pub(super) stopping_at: Option<Timestamp>,
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) updated_at: Timestamp,
    pub(super) stop: Option<Stop>,
    /// Wakes what runs it when it is asked to stop.
    pub(super) asked: Arc<Notify>,
}

impl Task {
    /// Whether it is to run: nothing has asked it to stop.
    pub(super) fn is_wanted(&self) -> bool {
        self.stop.is_none()
    }

    /// Whether it is not over yet.
    pub(super) fn is_alive(&self) -> bool {
        self.phase != Phase::Stopped
    }
}

/// A container of a task.
pub(super) struct Container {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) digest: Option<String>,
    pub(super) server: Option<Arc<Server>>,
    pub(super) exit_code: Option<i32>,
    pub(super) reason: Option<String>,
}

/// Why a task stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    /// AWS's `stopCode`.
    pub(super) code: &'static str,
    /// AWS's `stoppedReason`.
    pub(super) reason: String,
}

impl Service {
    /// The rollout that the service is to become.
    pub(super) fn primary(&self) -> Option<&Rollout> {
        self.rollouts.first()
    }

    /// The rollout of this id.
    pub(super) fn rollout(&self, id: &str) -> Option<&Rollout> {
        self.rollouts.iter().find(|rollout| rollout.id == id)
    }

    /// The rollout of this id, to change.
    pub(super) fn rollout_mut(&mut self, id: &str) -> Option<&mut Rollout> {
        self.rollouts.iter_mut().find(|rollout| rollout.id == id)
    }

    /// Writes a line into the service's events.
    pub(super) fn note(&mut self, message: String) {
        let message = format!("(service {}) {message}", self.name);
        let id = crate::envelope::uuid();
        self.events.push_front(ServiceEvent {
            id,
            at: Timestamp::now(),
            message,
        });
        self.events.truncate(EVENTS_MAX);
    }
}

impl State {
    /// A service that exists.
    pub(super) fn service(&mut self, arn: &str) -> Result<&mut Service, ApiError> {
        self.services
            .get_mut(arn)
            .ok_or_else(|| ApiError::client("ServiceNotFoundException", "Service not found."))
    }

    /// Refuses when a cluster does not exist.
    pub(super) fn cluster(&self, arn: &str) -> Result<&Cluster, ApiError> {
        self.clusters
            .get(arn)
            .ok_or_else(|| ApiError::client("ClusterNotFoundException", "Cluster not found."))
    }

    /// The tasks of a rollout, dead ones too.
    pub(super) fn tasks_of(&self, rollout: &str) -> impl Iterator<Item = &Task> {
        self.tasks
            .values()
            .filter(move |task| task.rollout == rollout)
    }

    /// How many tasks of a rollout run, and how many are on their way there.
    pub(super) fn counts(&self, rollout: &str) -> (u32, u32) {
        let count = |wanted: fn(&Task) -> bool| {
            u32::try_from(self.tasks_of(rollout).filter(|task| wanted(task)).count())
                .unwrap_or(u32::MAX)
        };
        let running = count(|task| task.phase == Phase::Running);
        let pending = count(|task| task.phase < Phase::Running && task.is_wanted());
        (running, pending)
    }

    /// A revision's part in a deployment, as it is now.
    pub(super) fn share(&self, rollout: &Rollout) -> Share {
        let (running, pending) = self.counts(&rollout.id);
        Share {
            revision: rollout.revision.clone(),
            requested: rollout.wanted,
            running,
            pending,
            production_weight: None,
            test_weight: None,
        }
    }
}

impl OnFailure {
    /// Whether the last completed revision comes back.
    pub(super) fn rolls_back(self) -> bool {
        self == Self::RollBack
    }
}
