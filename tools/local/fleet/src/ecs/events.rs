//! The events that ECS sends, in AWS's shapes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    arn,
    state::{Phase, Service, Task},
};
use crate::{
    envelope::{Kind, millis, seconds},
    world::World,
};

const DEPLOYMENT: Kind = Kind {
    source: "aws.ecs",
    detail_type: "ECS Deployment State Change",
};
const SERVICE: Kind = Kind {
    source: "aws.ecs",
    detail_type: "ECS Service Action",
};
const TASK: Kind = Kind {
    source: "aws.ecs",
    detail_type: "ECS Task State Change",
};

/// What happened to a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeploymentEvent {
    /// It, or a rollback, began.
    InProgress,
    /// The service is steady under it.
    Completed,
    /// The circuit breaker, an alarm or a hook failed it.
    Failed,
}

/// Tells what happened to an `ecs-svc/` deployment, and why.
pub(super) fn deployment(
    world: &World,
    service: &Service,
    rollout: &str,
    event: DeploymentEvent,
    reason: &str,
) {
    let (kind, name) = match event {
        DeploymentEvent::InProgress => ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
        DeploymentEvent::Completed => ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
        DeploymentEvent::Failed => ("ERROR", "SERVICE_DEPLOYMENT_FAILED"),
    };
    let detail = json!({
        "eventType": kind,
        "eventName": name,
        "deploymentId": rollout,
        "updatedAt": seconds(Timestamp::now()),
        "reason": reason,
    });
    world.emit(&service.place, DEPLOYMENT, &[&service.arn], detail);
}

/// Something to know about a service as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServiceAction {
    /// As many tasks as desired run and are healthy.
    SteadyState,
    /// Tasks fail to start again and again.
    TaskStartImpaired,
}

/// Tells something about a service as a whole.
pub(super) fn service(world: &World, service: &Service, action: ServiceAction) {
    let (kind, name) = match action {
        ServiceAction::SteadyState => ("INFO", "SERVICE_STEADY_STATE"),
        ServiceAction::TaskStartImpaired => ("WARN", "SERVICE_TASK_START_IMPAIRED"),
    };
    let detail = json!({
        "eventType": kind,
        "eventName": name,
        "clusterArn": service.cluster,
        "createdAt": millis(Timestamp::now()),
    });
    world.emit(&service.place, SERVICE, &[&service.arn], detail);
}

/// Moves a task on and tells it: every change has a higher version.
pub(super) fn task_changed(world: &World, task: &mut Task, phase: Phase) {
    task.phase = phase;
    task.version += 1;
    task.updated_at = Timestamp::now();
    world.emit(&task.place, TASK, &[&task.arn], task_detail(task));
}

fn task_detail(task: &Task) -> Value {
    let desired = if task.is_wanted() {
        "RUNNING"
    } else {
        "STOPPED"
    };
    let detail = json!({
        "attachments": [],
        "attributes": [{ "name": "ecs.cpu-architecture", "value": "x86_64" }],
        "availabilityZone": format!("{}a", task.place.region),
        "clusterArn": task.cluster,
        "connectivity": "CONNECTED",
        "containers": task.containers.iter().map(|one| container(task, one)).collect::<Vec<_>>(),
        "createdAt": millis(task.created_at),
        "desiredStatus": desired,
        "enableExecuteCommand": false,
        "group": format!("service:{}", arn::last(&task.service)),
        "launchType": "FARGATE",
        "lastStatus": task.phase.name(),
        "overrides": { "containerOverrides": [] },
        "platformVersion": "1.4.0",
        "startedBy": task.started_by,
        "taskArn": task.arn,
        "taskDefinitionArn": task.definition,
        "updatedAt": millis(task.updated_at),
        "version": task.version,
    });
    let mut detail = detail.as_object().cloned().unwrap_or_default();
    let times = [
        ("pullStartedAt", task.pull_started_at),
        ("pullStoppedAt", task.pull_stopped_at),
        ("startedAt", task.started_at),
        ("stoppingAt", task.stopping_at),
        ("stoppedAt", task.stopped_at),
    ];
    for (name, time) in times {
        if let Some(time) = time {
            detail.insert(name.to_owned(), json!(millis(time)));
        }
    }
    if let Some(stop) = &task.stop {
        detail.insert("stopCode".to_owned(), json!(stop.code));
        detail.insert("stoppedReason".to_owned(), json!(stop.reason));
    }
    Value::Object(detail)
}

/// A container as events and `DescribeTasks` show it.
pub(super) fn container(task: &Task, container: &super::state::Container) -> Value {
    let mut view = Map::new();
    let status = match container.exit_code {
        Some(_) => "STOPPED",
        None if task.phase >= Phase::Deprovisioning => "STOPPED",
        None if task.phase >= Phase::Running => "RUNNING",
        None => "PENDING",
    };
    let mut put = |name: &str, value: Value| view.insert(name.to_owned(), value);
    put(
        "containerArn",
        json!(arn::container(&task.arn, &container.id)),
    );
    put("taskArn", json!(task.arn));
    put("name", json!(container.name));
    put("image", json!(container.image));
    if let Some(digest) = &container.digest {
        put("imageDigest", json!(digest));
    }
    put(
        "runtimeId",
        json!(format!("{}-{}", arn::last(&task.arn), container.name)),
    );
    put("lastStatus", json!(status));
    if let Some(code) = container.exit_code {
        put("exitCode", json!(code));
    }
    if let Some(reason) = &container.reason {
        put("reason", json!(reason));
    }
    put("networkInterfaces", json!([]));
    put("cpu", json!("0"));
    Value::Object(view)
}
