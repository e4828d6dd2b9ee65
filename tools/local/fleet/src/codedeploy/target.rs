//! A target of a deployment (an instance, or an ECS service) with its lifecycle events, and how
//! callers read it. Moving it forward is not done here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{hooks::Diagnostics, wire::compact};
use crate::envelope::epoch;

/// Where a target, or one of its lifecycle events, stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TargetStatus {
    /// Its turn has not come.
    Pending,
    /// It is its turn.
    InProgress,
    /// It ended well.
    Succeeded,
    /// It ended badly.
    Failed,
    /// Its turn will not come.
    Skipped,
    /// It waits for `ContinueDeployment`.
    Ready,
}

/// What a target is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TargetKind {
    /// An EC2 or on-premises instance.
    Instance,
    /// An ECS service, with its task sets as callers read them.
    Ecs {
        /// `taskSetsInfo`.
        task_sets: Value,
    },
}

/// A target of a deployment.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// The instance's id, or `cluster:service`.
    pub(super) id: String,
    /// Its ARN.
    pub(super) arn: String,
    /// What it is.
    pub(super) kind: TargetKind,
    /// Where it stands.
    pub(super) status: TargetStatus,
    /// When that changed.
    pub(super) updated: Timestamp,
    /// Its lifecycle events, in order.
    pub(super) events: Vec<LifecycleEvent>,
}

/// A lifecycle event of a target.
#[derive(Debug, Clone)]
pub(super) struct LifecycleEvent {
    /// Its name.
    pub(super) name: &'static str,
    /// Where it stands.
    pub(super) status: TargetStatus,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
    diagnostics: Option<Diagnostics>,
}

impl Target {
    /// A target whose turn has not come.
    pub(super) fn new(id: String, arn: String, kind: TargetKind, events: &[&'static str]) -> Self {
        let event = |name: &&'static str| LifecycleEvent {
            name,
            status: TargetStatus::Pending,
            started: None,
            ended: None,
            diagnostics: None,
        };
        Self {
            id,
            arn,
            kind,
            status: TargetStatus::Pending,
            updated: Timestamp::now(),
            events: events.iter().map(event).collect(),
        }
    }

    /// It stands elsewhere now.
    pub(super) fn set(&mut self, status: TargetStatus) {
        self.status = status;
        self.updated = Timestamp::now();
    }

    /// A lifecycle event begins.
    pub(super) fn begin(&mut self, name: &str) {
        self.updated = Timestamp::now();
        if let Some(event) = self.events.iter_mut().find(|event| event.name == name) {
            event.status = TargetStatus::InProgress;
            event.started = Some(self.updated);
        }
    }

    /// A lifecycle event ends.
    pub(super) fn end(&mut self, name: &str, result: Result<(), Diagnostics>) {
        self.updated = Timestamp::now();
        if let Some(event) = self.events.iter_mut().find(|event| event.name == name) {
            event.ended = Some(self.updated);
            (event.status, event.diagnostics) = match result {
                Ok(()) => (TargetStatus::Succeeded, Some(Diagnostics::success())),
                Err(diagnostics) => (TargetStatus::Failed, Some(diagnostics)),
            };
        }
    }

    /// It goes no further: what is under way has failed, what has not begun is skipped.
    pub(super) fn break_off(&mut self, status: TargetStatus) {
        self.set(status);
        for event in &mut self.events {
            match event.status {
                TargetStatus::InProgress => {
                    event.status = TargetStatus::Failed;
                    event.ended = Some(self.updated);
                }
                TargetStatus::Pending => event.status = TargetStatus::Skipped,
                TargetStatus::Succeeded
                | TargetStatus::Failed
                | TargetStatus::Skipped
                | TargetStatus::Ready => {}
            }
        }
    }

    /// The target as the older calls about instances tell it.
    pub(super) fn to_summary(&self, deployment: &str) -> Value {
        json!({
            "deploymentId": deployment,
            "instanceId": self.arn,
            "status": self.status,
            "lastUpdatedAt": epoch(self.updated),
            "lifecycleEvents": self.events.iter().map(LifecycleEvent::to_json).collect::<Vec<_>>(),
        })
    }

    /// The target as callers read it.
    pub(super) fn to_json(&self, deployment: &str) -> Value {
        let mut told = json!({
            "deploymentId": deployment,
            "targetId": self.id,
            "targetArn": self.arn,
            "status": self.status,
            "lastUpdatedAt": epoch(self.updated),
            "lifecycleEvents":
                self.events.iter().map(LifecycleEvent::to_json).collect::<Vec<_>>(),
        });
        match &self.kind {
            TargetKind::Instance => {
                json!({ "deploymentTargetType": "InstanceTarget", "instanceTarget": told })
            }
            TargetKind::Ecs { task_sets } => {
                if let Some(fields) = told.as_object_mut() {
                    fields.insert("taskSetsInfo".to_owned(), task_sets.clone());
                }
                json!({ "deploymentTargetType": "ECSTarget", "ecsTarget": told })
            }
        }
    }
}

impl LifecycleEvent {
    fn to_json(&self) -> Value {
        compact(json!({
            "lifecycleEventName": self.name,
            "diagnostics": self.diagnostics,
            "startTime": self.started.map(epoch),
            "endTime": self.ended.map(epoch),
            "status": self.status,
        }))
    }
}
