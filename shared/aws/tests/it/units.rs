//! Tasks and instances one by one, as a server plays AWS.

use domain::Timestamp;
use domain::artefact::Content;
use domain::config::{Target, TaskBase};
use engine::{Onlooker, PlatformError, UnitState, Units};
use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::{self, place};

const BEGUN: f64 = 1_795_435_200.0;

async fn units(server: &Server, target: &Target) -> Result<Units, PlatformError> {
    let since = Timestamp::from_second(BEGUN as i64).unwrap();
    let platform = support::platform(&server.endpoint);
    let attempt = "web/42".parse().unwrap();
    platform.units(&place(), target, &attempt, since).await
}

fn names(units: &Units) -> Vec<(&str, UnitState, Option<&str>)> {
    let all = units.all.iter();
    all.map(|unit| (&*unit.name, unit.state, unit.words.as_deref()))
        .collect()
}

fn service() -> Target {
    Target::Ecs {
        cluster: "shop".into(),
        service: "web".into(),
        containers: vec!["web".into()],
        base: TaskBase::Running,
    }
}

fn task(name: &str, status: &str, more: Value) -> Value {
    let mut task = json!({
        "taskArn": format!("arn:aws:ecs:ap-south-1:111122223333:task/shop/{name}"),
        "lastStatus": status, "desiredStatus": "RUNNING",
        "containers": [{ "name": "web", "image": "shop/web@sha256:new" }],
    });
    for (name, value) in more.as_object().unwrap() {
        task[name] = value.clone();
    }
    task
}

#[tokio::test]
async fn a_services_tasks_are_told_with_those_that_died_since_it_began() {
    let server = Server::start().await;
    server.says(
        "DescribeServices",
        json!({ "services": [{ "serviceName": "web", "status": "ACTIVE", "desiredCount": 2 }] }),
    );
    server.on("ListTasks", |input| {
        let ids = if input["desiredStatus"] == "STOPPED" {
            vec!["dead", "old", "scaled"]
        } else {
            vec!["one", "two"]
        };
        Ok(json!({ "taskArns": ids }))
    });
    server.on("DescribeTasks", |input| {
        let died = |name, at: f64| {
            let more = json!({
                "desiredStatus": "STOPPED", "stoppedAt": at, "stopCode": "TaskFailedToStart",
                "stoppedReason": "CannotPullContainerError: manifest unknown",
            });
            task(name, "STOPPED", more)
        };
        let scaled = json!({
            "desiredStatus": "STOPPED", "stoppedAt": BEGUN + 9.0,
            "stopCode": "ServiceSchedulerInitiated",
            "stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1)",
        });
        let all = if input["tasks"].as_array().unwrap().contains(&json!("one")) {
            vec![
                task("one", "RUNNING", json!({})),
                task("two", "PENDING", json!({})),
            ]
        } else {
            vec![
                died("dead", BEGUN + 5.0),
                died("old", BEGUN - 5.0),
                task("scaled", "STOPPED", scaled),
            ]
        };
        Ok(json!({ "tasks": all }))
    });
    let units = units(&server, &service()).await.unwrap();
    assert_eq!(units.wanted, 2);
    assert_eq!(
        names(&units),
        [
            (
                "dead",
                UnitState::Died,
                Some("CannotPullContainerError: manifest unknown")
            ),
            ("one", UnitState::Running, None),
            ("two", UnitState::Starting, Some("pending")),
        ]
    );
    assert_eq!(units.all[1].runs, Some(Content("sha256:new".into())));
}

fn group() -> Target {
    Target::CodeDeploy {
        application: "web".into(),
        group: "production".into(),
    }
}

fn deployment(id: &str, version: &str, more: Value) -> Value {
    let mut info = json!({
        "deploymentId": id, "status": "Failed", "createTime": BEGUN, "creator": "user",
        "revision": { "revisionType": "S3", "s3Location": {
            "bucket": "b", "key": "web.zip", "version": version,
        } },
    });
    for (name, value) in more.as_object().unwrap() {
        info[name] = value.clone();
    }
    info
}

#[tokio::test]
async fn instances_that_get_back_what_was_taken_are_told_over_those_that_failed() {
    let server = Server::start().await;
    let ours = json!({
        "description": "lastgood web/42 release 17",
        "rollbackInfo": { "rollbackDeploymentId": "d-BACK" },
    });
    server.says("ListDeployments", json!({ "deployments": ["d-OURS"] }));
    server.says(
        "BatchGetDeployments",
        json!({ "deploymentsInfo": [deployment("d-OURS", "v17", ours)] }),
    );
    let back = deployment("d-BACK", "v16", json!({ "status": "InProgress" }));
    server.says("GetDeployment", json!({ "deploymentInfo": back }));
    server.says(
        "ListDeploymentTargets",
        json!({ "targetIds": ["i-1", "i-2", "i-3"] }),
    );
    server.on("BatchGetDeploymentTargets", |input| {
        let statuses = if input["deploymentId"] == "d-OURS" {
            ["Succeeded", "Failed", "Skipped"]
        } else {
            ["Succeeded", "InProgress", "Pending"]
        };
        let targets = ["i-1", "i-2", "i-3"].iter().zip(statuses);
        let targets: Vec<Value> = targets
            .map(|(id, status)| {
                json!({
                    "deploymentTargetType": "InstanceTarget",
                    "instanceTarget": { "targetId": id, "status": status },
                })
            })
            .collect();
        Ok(json!({ "deploymentTargets": targets }))
    });
    let units = units(&server, &group()).await.unwrap();
    assert_eq!(
        names(&units),
        [
            ("i-1", UnitState::Running, None),
            ("i-2", UnitState::Starting, None),
            ("i-3", UnitState::Waiting, None),
        ]
    );
    let old = Content("b/web.zip@v16".into());
    assert_eq!(units.all[0].runs, Some(old));
}

#[tokio::test]
async fn what_may_not_be_seen_is_never_seen() {
    let server = Server::start().await;
    server.refuses("ListDeployments", "AccessDeniedException", "not authorized");
    let refused = units(&server, &group()).await.unwrap_err();
    assert!(matches!(refused, PlatformError::Terminal(words) if words.contains("AccessDenied")));
}
