//! Services as `DescribeServices` shows them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    input::tag_list,
    state::{Controller, Rollout, RolloutState, Service, State},
};
use crate::{envelope::epoch, plane::Listener};

impl Service {
    /// As AWS shows it, with its tags.
    pub(super) fn view(&self, state: &State) -> Value {
        let (running, pending) = self.rollouts.iter().fold((0, 0), |sum, rollout| {
            let counts = state.counts(&rollout.id);
            (sum.0 + counts.0, sum.1 + counts.1)
        });
        let mut view = Map::new();
        let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
        put("serviceArn", json!(self.arn));
        put("serviceName", json!(self.name));
        put("clusterArn", json!(self.cluster));
        put("status", json!("ACTIVE"));
        put("desiredCount", json!(self.desired));
        put("runningCount", json!(running));
        put("pendingCount", json!(pending));
        for (name, default) in defaults() {
            put(name, default);
        }
        for (name, value) in &self.settings {
            put(name, value.clone());
        }
        put(
            "taskDefinition",
            json!(self.primary().map(|rollout| &rollout.definition)),
        );
        put("deploymentConfiguration", json!(self.configuration.raw));
        put(
            "deploymentController",
            json!({ "type": self.controller_name() }),
        );
        put("createdAt", json!(epoch(self.created_at)));
        put("createdBy", json!(self.created_by));
        put("tags", tag_list(&self.tags));
        put("events", self.events_view());
        match self.controller {
            Controller::Ecs => {
                put("deployments", self.rollouts_view(state));
                put("currentServiceDeployment", json!(self.current));
                put("currentServiceRevisions", self.revisions_view(state));
            }
            Controller::CodeDeploy => {
                put("deployments", json!([]));
                put("taskSets", self.task_sets_view(state));
            }
        }
        view.retain(|_, value| !value.is_null());
        Value::Object(view)
    }

    fn controller_name(&self) -> &'static str {
        match self.controller {
            Controller::Ecs => "ECS",
            Controller::CodeDeploy => "CODE_DEPLOY",
        }
    }

    fn events_view(&self) -> Value {
        let events = self.events.iter().map(|event| {
            json!({ "id": event.id, "createdAt": epoch(event.at), "message": event.message })
        });
        events.collect()
    }

    fn rollouts_view(&self, state: &State) -> Value {
        let views = self.rollouts.iter().enumerate().map(|(at, rollout)| {
            let mut view = self.rollout_view(state, at, rollout);
            let fields = json!({
                "desiredCount": rollout.wanted,
                "failedTasks": rollout.failed_tasks,
                "rolloutState": match rollout.state {
                    RolloutState::InProgress => "IN_PROGRESS",
                    RolloutState::Completed => "COMPLETED",
                    RolloutState::Failed => "FAILED",
                },
                "rolloutStateReason": rollout.reason,
            });
            view.extend(fields.as_object().cloned().unwrap_or_default());
            Value::Object(view)
        });
        views.collect()
    }

    /// What a deployment and a task set have in common.
    fn rollout_view(&self, state: &State, at: usize, rollout: &Rollout) -> Map<String, Value> {
        let (running, pending) = state.counts(&rollout.id);
        let mut view = Map::new();
        let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
        put("id", json!(rollout.id));
        put("status", json!(if at == 0 { "PRIMARY" } else { "ACTIVE" }));
        put("taskDefinition", json!(rollout.definition));
        put("pendingCount", json!(pending));
        put("runningCount", json!(running));
        put("createdAt", json!(epoch(rollout.created_at)));
        put("updatedAt", json!(epoch(rollout.updated_at)));
        for name in ["launchType", "platformVersion", "networkConfiguration"] {
            if let Some(value) = self.settings.get(name) {
                put(name, value.clone());
            }
        }
        view
    }

    fn task_sets_view(&self, state: &State) -> Value {
        let weights: BTreeMap<String, f64> = self
            .balancer
            .weights(Listener::Production)
            .into_iter()
            .collect();
        let views = self.rollouts.iter().enumerate().map(|(at, rollout)| {
            let mut view = self.rollout_view(state, at, rollout);
            let healthy = state
                .tasks_of(&rollout.id)
                .filter(|task| task.healthy)
                .count();
            let steady = healthy == rollout.wanted as usize;
            let fields = json!({
                "taskSetArn": super::arn::of_service(
                    &self.arn,
                    "task-set",
                    super::arn::last(&rollout.id),
                ),
                "serviceArn": self.arn,
                "clusterArn": self.cluster,
                "startedBy": "CODE_DEPLOY",
                "computedDesiredCount": rollout.wanted,
                "scale": { "value": 100.0, "unit": "PERCENT" },
                "stabilityStatus": if steady { "STEADY_STATE" } else { "STABILIZING" },
                "trafficWeight": weights.get(&rollout.group).copied().unwrap_or(0.0),
            });
            view.extend(fields.as_object().cloned().unwrap_or_default());
            Value::Object(view)
        });
        views.collect()
    }

    fn revisions_view(&self, state: &State) -> Value {
        let stable = self.stable.as_ref().map(|stable| &stable.revision);
        let shown = self.rollouts.iter().filter(|rollout| {
            Some(&rollout.revision) == stable || state.counts(&rollout.id) != (0, 0)
        });
        let views = shown.map(|rollout| {
            let share = state.share(rollout);
            json!({
                "arn": share.revision,
                "requestedTaskCount": share.requested,
                "runningTaskCount": share.running,
                "pendingTaskCount": share.pending,
            })
        });
        views.collect()
    }
}

/// What AWS shows of a service that does not say otherwise.
fn defaults() -> [(&'static str, Value); 9] {
    [
        ("loadBalancers", json!([])),
        ("serviceRegistries", json!([])),
        ("placementConstraints", json!([])),
        ("placementStrategy", json!([])),
        ("schedulingStrategy", json!("REPLICA")),
        ("enableECSManagedTags", json!(false)),
        ("propagateTags", json!("NONE")),
        ("enableExecuteCommand", json!(false)),
        ("availabilityZoneRebalancing", json!("DISABLED")),
    ]
}
