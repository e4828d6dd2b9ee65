//! One deployment: what is remembered of it, how its targets fare, and how callers read it.
//! Moving it forward is not done here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{
    appspec::FileExists,
    config::Platform,
    revision::Revision,
    settings::{Alarms, AutoRollback, Style},
    target::{Target, TargetStatus},
    wire::{compact, now},
};
use crate::envelope::{Place, epoch};

/// Where a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Status {
    /// It exists.
    Created,
    /// It waits for the deployment that it rolls back to end.
    Queued,
    /// It is being carried out.
    InProgress,
    /// It waits for `ContinueDeployment`.
    Ready,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// Somebody or an alarm ended it.
    Stopped,
}

impl Status {
    /// Whether it has ended.
    pub(super) fn is_over(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Stopped => true,
            Self::Created | Self::Queued | Self::InProgress | Self::Ready => false,
        }
    }
}

/// Who made a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Creator {
    /// A caller of `CreateDeployment`.
    #[serde(rename = "user")]
    User,
    /// An automatic rollback.
    #[serde(rename = "codeDeployRollback")]
    Rollback,
}

/// Why a deployment ended badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ErrorInformation {
    /// CodeDeploy's name of the reason.
    pub(super) code: &'static str,
    /// A sentence.
    pub(super) message: String,
}

/// How a deployment and its rollback belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RollbackInfo {
    /// On the one that ended badly: the deployment that rolls it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rollback_deployment_id: Option<String>,
    /// On the rollback: the deployment that ended badly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rollback_triggering_deployment_id: Option<String>,
    /// A sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rollback_message: Option<String>,
}

/// Why a deployment is to stop before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Halt {
    /// Somebody called `StopDeployment`.
    Request {
        /// Whether to roll back; `None` leaves it to the configuration.
        roll_back: Option<bool>,
    },
    /// These alarms fire.
    Alarm(Vec<String>),
    /// The alarms cannot be looked at.
    AlarmsUnknown,
    /// Nobody said `ContinueDeployment` in time.
    NotContinued,
}

/// Which deployment of a group, and what it is to do.
#[derive(Debug, Clone)]
pub(super) struct Order {
    /// Its id.
    pub(super) id: String,
    /// Where.
    pub(super) place: Place,
    /// The application.
    pub(super) application: String,
    /// The deployment group's name.
    pub(super) group: String,
    /// The deployment group's id.
    pub(super) group_id: String,
    /// For instances or for ECS.
    pub(super) platform: Platform,
    /// The deployment configuration's name.
    pub(super) config: String,
    /// What to deploy.
    pub(super) revision: Revision,
    /// Who made it.
    pub(super) creator: Creator,
    /// Whether failures of the old revision's scripts are overlooked.
    pub(super) ignore_application_stop_failures: bool,
    /// Whether instances that run the revision already are left alone.
    pub(super) update_outdated_only: bool,
    /// What to do with files that exist already.
    pub(super) file_exists: FileExists,
    /// When to go back by itself.
    pub(super) auto_rollback: Option<AutoRollback>,
    /// Which alarms stop it: its own, else the group's.
    pub(super) alarms: Option<Alarms>,
    /// How it deploys.
    pub(super) style: Style,
}

/// A deployment.
pub(super) struct Deployment {
    /// What it is to do.
    pub(super) order: Order,
    /// How many there were before.
    pub(super) number: u64,
    /// Where it stands.
    pub(super) status: Status,
    /// What was said about it.
    pub(super) description: Option<String>,
    /// The group's last successful revision when it was made.
    pub(super) previous: Option<Revision>,
    /// Its own alarms, when it has some.
    pub(super) override_alarms: Option<Alarms>,
    /// The group's load balancer, as told.
    pub(super) load_balancer_info: Option<Value>,
    /// The group's blue/green configuration, as told.
    pub(super) blue_green: Option<Value>,
    /// Why it ended badly.
    pub(super) error: Option<ErrorInformation>,
    /// Its rollback.
    pub(super) rollback: Option<RollbackInfo>,
    /// When it was made.
    pub(super) created: Timestamp,
    /// When it began.
    pub(super) started: Option<Timestamp>,
    /// When it ended.
    pub(super) completed: Option<Timestamp>,
    /// Its targets in the order of their turns.
    pub(super) targets: Vec<Target>,
    /// Asks it to stop.
    pub(super) halt: watch::Sender<Option<Halt>>,
    /// Says that traffic may move.
    pub(super) proceed: watch::Sender<Proceed>,
    /// The waiting lifecycle hook, by its execution id, and where its answer goes.
    pub(super) hook: Option<(String, watch::Sender<Option<HookResult>>)>,
    /// The execution ids that need no answer any more.
    pub(super) answered_hooks: Vec<String>,
    /// On ECS: the task sets between which traffic moves, once there are two.
    pub(super) task_sets: Option<TaskSets>,
}

/// The task sets of a deployment on ECS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskSets {
    /// The service's ARN.
    pub(super) service: String,
    /// The id of the one that served production before.
    pub(super) original: String,
    /// The id of the new one.
    pub(super) replacement: String,
    /// The ARN of the task definition of the old one.
    pub(super) original_definition: String,
}

/// What `ContinueDeployment` has allowed so far, and what it may allow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Proceed {
    /// Traffic may move.
    pub(super) traffic: bool,
    /// Traffic has moved; the old task set waits to go.
    pub(super) traffic_moved: bool,
    /// The old task set may go.
    pub(super) termination: bool,
}

/// How a hook function judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HookResult {
    /// Go on.
    Succeeded,
    /// Do not.
    Failed,
}

impl Deployment {
    /// A new deployment.
    pub(super) fn new(order: Order, number: u64) -> Self {
        Self {
            order,
            number,
            status: Status::Created,
            description: None,
            previous: None,
            override_alarms: None,
            load_balancer_info: None,
            blue_green: None,
            error: None,
            rollback: None,
            created: now(),
            started: None,
            completed: None,
            targets: Vec::new(),
            halt: watch::Sender::new(None),
            proceed: watch::Sender::new(Proceed::default()),
            hook: None,
            answered_hooks: Vec::new(),
            task_sets: None,
        }
    }

    /// The target of this id.
    pub(super) fn target(&self, id: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.id == id)
    }

    /// The target of this id.
    pub(super) fn target_mut(&mut self, id: &str) -> Option<&mut Target> {
        self.targets.iter_mut().find(|target| target.id == id)
    }

    /// The deployment as callers read it.
    pub(super) fn to_json(&self) -> Value {
        let order = &self.order;
        let time = |at: Option<Timestamp>| at.map(epoch);
        compact(json!({
            "applicationName": order.application,
            "deploymentGroupName": order.group,
            "deploymentConfigName": order.config,
            "deploymentId": order.id,
            "previousRevision": self.previous.as_ref().map(Revision::to_json),
            "revision": order.revision.to_json(),
            "status": self.status,
            "errorInformation": self.error,
            "createTime": epoch(self.created),
            "startTime": time(self.started),
            "completeTime": time(self.completed),
            "deploymentOverview": self.overview(),
            "description": self.description,
            "creator": order.creator,
            "ignoreApplicationStopFailures": order.ignore_application_stop_failures,
            "autoRollbackConfiguration": order.auto_rollback,
            "updateOutdatedInstancesOnly": order.update_outdated_only,
            "rollbackInfo": self.rollback,
            "deploymentStyle": order.style,
            "instanceTerminationWaitTimeStarted": self.proceed.borrow().traffic_moved,
            "blueGreenDeploymentConfiguration": self.blue_green,
            "loadBalancerInfo": self.load_balancer_info,
            "fileExistsBehavior": order.file_exists,
            "deploymentStatusMessages": [],
            "computePlatform": order.platform,
            "overrideAlarmConfiguration": self.override_alarms,
        }))
    }

    /// How many targets stand where.
    fn overview(&self) -> Value {
        let count = |status: TargetStatus| {
            self.targets
                .iter()
                .filter(|target| target.status == status)
                .count()
        };
        json!({
            "Pending": count(TargetStatus::Pending),
            "InProgress": count(TargetStatus::InProgress),
            "Succeeded": count(TargetStatus::Succeeded),
            "Failed": count(TargetStatus::Failed),
            "Skipped": count(TargetStatus::Skipped),
            "Ready": count(TargetStatus::Ready),
        })
    }
}
