//! Deploying to an ECS service: hooks that are functions, traffic step by step, going back.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{AlarmState, Local, get};
use crate::api::Api;

const SERVICE: &str = "arn:aws:ecs:eu-west-1:111122223333:service/main/web";

/// A fleet with an ECS service of version 1 that CodeDeploy controls, and the group `web` for it.
async fn with_service(config: &str, options: Value) -> Local {
    let local = Local::start().await;
    ecs(&local, "CreateCluster", json!({ "clusterName": "main" })).await;
    let definition = define(&local, "1").await;
    let input = json!({
        "cluster": "main", "serviceName": "web", "taskDefinition": definition, "desiredCount": 2,
        "deploymentController": { "type": "CODE_DEPLOY" },
    });
    ecs(&local, "CreateService", input).await;
    let platform = json!({ "applicationName": "app", "computePlatform": "ECS" });
    local.ok("CreateApplication", platform).await;
    let pair = json!({
        "targetGroups": [{ "name": "blue" }, { "name": "green" }],
        "prodTrafficRoute": { "listenerArns": ["x"] },
        "testTrafficRoute": { "listenerArns": ["y"] },
    });
    local
        .group(json!({
            "deploymentConfigName": config,
            "ec2TagFilters": null,
            "ecsServices": [{ "serviceName": "web", "clusterName": "main" }],
            "loadBalancerInfo": { "targetGroupPairInfoList": [pair] },
            "blueGreenDeploymentConfiguration": options,
        }))
        .await;
    eventually(&local, async || versions(&local).await == ["1"]).await;
    local
}

async fn eventually(local: &Local, met: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if met().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {:?}", versions(local).await);
}

async fn ecs(local: &Local, operation: &str, input: Value) -> Value {
    local.request(Api::Ecs, operation, input).await.unwrap()
}

/// Registers a task definition that runs this version.
async fn define(local: &Local, version: &str) -> String {
    let app = json!({ "version": version }).to_string();
    let container = json!({
        "name": "web", "image": format!("web:{version}"), "essential": true,
        "portMappings": [{ "containerPort": 8080 }],
        "environment": [{ "name": "APP", "value": app }],
    });
    let input = json!({ "family": "web", "containerDefinitions": [container] });
    let told = ecs(local, "RegisterTaskDefinition", input).await;
    told["taskDefinition"]["taskDefinitionArn"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Begins to deploy a task definition, with these hooks.
async fn deploy(local: &Local, definition: &str, hooks: &[(&str, &str)]) -> String {
    let hooks: Vec<Value> = hooks
        .iter()
        .map(|(event, name)| json!({ *event: name }))
        .collect();
    let content = json!({
        "version": 0.0,
        "Resources": [{ "TargetService": { "Type": "AWS::ECS::Service", "Properties": {
            "TaskDefinition": definition,
            "LoadBalancerInfo": { "ContainerName": "web", "ContainerPort": 8080 },
        } } }],
        "Hooks": hooks,
    });
    let content = json!({ "content": content.to_string() });
    let revision = json!({ "revisionType": "AppSpecContent", "appSpecContent": content });
    local
        .deploy("unused", None, json!({ "revision": revision }))
        .await
}

async fn versions(local: &Local) -> Vec<String> {
    let tags = ecs(
        local,
        "ListTagsForResource",
        json!({ "resourceArn": SERVICE }),
    )
    .await;
    let tags = tags["tags"].as_array().unwrap().clone();
    let url = tags.iter().find(|tag| tag["key"] == "local:url").unwrap()["value"].clone();
    let mut versions = Vec::new();
    for _ in 0..40 {
        let (status, body) = get(url.as_str().unwrap()).await;
        let body: Value = serde_json::from_str(&body).unwrap_or_default();
        let version = body["version"]
            .as_str()
            .map_or(status.to_string(), str::to_owned);
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    versions.sort();
    versions
}

/// Waits until a function was asked about this deployment, and answers for it.
async fn answer(local: &Local, function: &str, id: &str, status: &str) -> Value {
    let asked = async || -> Option<Value> {
        let invoked = local.aws.invoked.lock().unwrap();
        let mine =
            |(name, payload): &&(String, Value)| name == function && payload["DeploymentId"] == id;
        invoked
            .iter()
            .find(mine)
            .map(|(_, payload)| payload.clone())
    };
    eventually(local, async || asked().await.is_some()).await;
    let payload = asked().await.unwrap();
    assert_eq!(payload.as_object().unwrap().len(), 2, "{payload}");
    let input = json!({
        "deploymentId": id,
        "lifecycleEventHookExecutionId": payload["LifecycleEventHookExecutionId"],
        "status": status,
    });
    local
        .ok("PutLifecycleEventHookExecutionStatus", input.clone())
        .await;
    input
}

async fn target(local: &Local, id: &str) -> Value {
    let input = json!({ "deploymentId": id, "targetId": "main:web" });
    local.ok("GetDeploymentTarget", input).await["deploymentTarget"]["ecsTarget"].clone()
}

fn statuses(target: &Value) -> Vec<(&str, &str)> {
    let events = target["lifecycleEvents"].as_array().unwrap();
    let pair = |event| {
        let event: &Value = event;
        (
            event["lifecycleEventName"].as_str().unwrap(),
            event["status"].as_str().unwrap(),
        )
    };
    events.iter().map(pair).collect()
}

async fn definition_of_service(local: &Local) -> Value {
    let input = json!({ "cluster": "main", "services": ["web"] });
    let told = ecs(local, "DescribeServices", input).await;
    told["services"][0]["taskSets"][0]["taskDefinition"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_moves_traffic_in_steps_and_asks_its_hooks() {
    let config = "CodeDeployDefault.ECSCanary10Percent5Minutes";
    let local = with_service(config, json!({})).await;
    let two = define(&local, "2").await;
    let hooks = [
        ("AfterAllowTestTraffic", "smoke"),
        ("AfterAllowTraffic", "look"),
    ];
    let id = deploy(&local, &two, &hooks).await;
    let answered = answer(&local, "smoke", &id, "Succeeded").await;
    let again = local
        .call("PutLifecycleEventHookExecutionStatus", answered)
        .await
        .unwrap_err();
    assert!(
        again.starts_with("LifecycleEventAlreadyCompletedException"),
        "{again}"
    );
    eventually(&local, async || versions(&local).await == ["1", "2"]).await;
    let sets = target(&local, &id).await["taskSetsInfo"].clone();
    assert_eq!(
        (&sets[0]["trafficWeight"], &sets[1]["trafficWeight"]),
        (&json!(90), &json!(10))
    );
    assert_eq!(sets[1]["targetGroup"]["name"], "green");
    answer(&local, "look", &id, "Succeeded").await;
    let info = local.end(&id).await;
    assert_eq!(info["status"], "Succeeded", "{info:#}");
    assert_eq!(versions(&local).await, ["2"]);
    let target = target(&local, &id).await;
    assert_eq!(target["targetArn"], SERVICE);
    let names = [
        "BeforeInstall",
        "Install",
        "AfterInstall",
        "AllowTestTraffic",
        "AfterAllowTestTraffic",
        "BeforeAllowTraffic",
        "AllowTraffic",
        "AfterAllowTraffic",
    ];
    assert_eq!(statuses(&target), names.map(|name| (name, "Succeeded")));
    assert_eq!(definition_of_service(&local).await, two);
    local.fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_says_no_fails_the_deployment_and_traffic_stays() {
    let local = with_service("CodeDeployDefault.ECSAllAtOnce", json!({})).await;
    let one = definition_of_service(&local).await;
    let two = define(&local, "2").await;
    let id = deploy(&local, &two, &[("BeforeAllowTraffic", "check")]).await;
    let foreign = json!({
        "deploymentId": id, "lifecycleEventHookExecutionId": "x", "status": "Succeeded",
    });
    let refused = local
        .call("PutLifecycleEventHookExecutionStatus", foreign)
        .await
        .unwrap_err();
    assert!(
        refused.starts_with("InvalidLifecycleEventHookExecutionIdException"),
        "{refused}"
    );
    answer(&local, "check", &id, "Failed").await;
    let failed = local.end(&id).await;
    assert_eq!(failed["status"], "Failed");
    assert_eq!(failed["errorInformation"]["code"], "HOOK_EXECUTION_FAILURE");
    let told = target(&local, &id).await;
    assert!(
        statuses(&told).contains(&("BeforeAllowTraffic", "Failed")),
        "{told:#}"
    );
    assert!(
        statuses(&told).contains(&("AllowTraffic", "Skipped")),
        "{told:#}"
    );
    let rollback = local.rollback_of(&failed).await;
    assert_eq!(rollback["status"], "Succeeded", "{rollback:#}");
    assert_eq!(rollback["creator"], "codeDeployRollback");
    let content = rollback["revision"]["appSpecContent"]["content"]
        .as_str()
        .unwrap();
    assert!(content.contains(one.as_str().unwrap()), "{content}");
    assert_eq!(versions(&local).await, ["1"]);
    assert_eq!(definition_of_service(&local).await, one);
    // What was left is no hindrance to the next one.
    let id = deploy(&local, &two, &[]).await;
    assert_eq!(local.end(&id).await["status"], "Succeeded");
    assert_eq!(versions(&local).await, ["2"]);
    local.fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_half_way_takes_the_traffic_back() {
    let config = "CodeDeployDefault.ECSCanary10Percent15Minutes";
    let local = with_service(config, json!({})).await;
    let two = define(&local, "2").await;
    let id = deploy(&local, &two, &[]).await;
    eventually(&local, async || versions(&local).await == ["1", "2"]).await;
    local.aws.alarm("errors", AlarmState::Alarm);
    let stopped = local.end(&id).await;
    assert_eq!(stopped["status"], "Stopped");
    assert_eq!(stopped["errorInformation"]["code"], "ALARM_ACTIVE");
    assert!(statuses(&target(&local, &id).await).contains(&("AllowTraffic", "Failed")));
    let rollback = local.rollback_of(&stopped).await;
    assert_eq!(
        rollback["deploymentConfigName"],
        "CodeDeployDefault.ECSAllAtOnce"
    );
    assert_eq!(versions(&local).await, ["1"]);
    local.fleet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traffic_waits_for_somebody_when_the_group_says_so() {
    let ready = json!({ "actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 60 });
    let terminate = json!({ "action": "TERMINATE", "terminationWaitTimeInMinutes": 60 });
    let options = json!({
        "deploymentReadyOption": ready,
        "terminateBlueInstancesOnDeploymentSuccess": terminate,
    });
    let local = with_service("CodeDeployDefault.ECSAllAtOnce", options).await;
    let two = define(&local, "2").await;
    let id = deploy(&local, &two, &[]).await;
    let proceed = json!({ "deploymentId": id, "deploymentWaitType": "READY_WAIT" });
    let early = local
        .call("ContinueDeployment", proceed.clone())
        .await
        .unwrap_err();
    assert!(
        early.starts_with("DeploymentIsNotInReadyStateException"),
        "{early}"
    );
    local.until(&id, |info| info["status"] == "Ready").await;
    assert_eq!(versions(&local).await, ["1"]);
    local.ok("ContinueDeployment", proceed).await;
    eventually(&local, async || versions(&local).await == ["2"]).await;
    local
        .until(&id, |info| {
            info["instanceTerminationWaitTimeStarted"] == true
        })
        .await;
    assert_eq!(local.info(&id).await["status"], "InProgress");
    let terminate = json!({ "deploymentId": id, "deploymentWaitType": "TERMINATION_WAIT" });
    local.ok("ContinueDeployment", terminate).await;
    assert_eq!(local.end(&id).await["status"], "Succeeded");
    let states: Vec<Value> = local
        .told()
        .iter()
        .map(|e| e["detail"]["state"].clone())
        .collect();
    assert_eq!(states, ["START", "READY", "SUCCESS"]);
    local.fleet.shutdown().await;
}
