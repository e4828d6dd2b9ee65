//! Bad releases: how each is noticed, and what runs afterwards.

use super::*;

fn breaker() -> Value {
    json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": true } })
}

/// A rollback is a new `ecs-svc/` deployment whose completion is told too.
fn assert_rolled_back(world: &World, cause: &str) {
    let events = world.deployment_events();
    let [.., begun, failed, back, completed] = events.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(begun.0, "SERVICE_DEPLOYMENT_IN_PROGRESS");
    assert_eq!(
        (failed.0.as_str(), &failed.1),
        ("SERVICE_DEPLOYMENT_FAILED", &begun.1)
    );
    assert_eq!(failed.2, cause);
    assert_eq!(back.0, "SERVICE_DEPLOYMENT_IN_PROGRESS");
    assert_ne!(back.1, begun.1);
    assert!(
        back.2.contains("rolling back to deploymentId ecs-svc/"),
        "{}",
        back.2
    );
    assert_eq!(
        (completed.0.as_str(), &completed.1),
        ("SERVICE_DEPLOYMENT_COMPLETED", &back.1)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_do_not_start_trip_the_breaker_and_nobody_notices() {
    let world = World::new().await;
    let first = world.serve(json!({ "version": "1" }), 2, breaker()).await;
    let load = Load::start(&world.tagged("local:url").await, 5);
    world
        .deploy(json!({ "version": "2", "crash": "on-start" }))
        .await;
    let deployment = world.ends("ROLLBACK_SUCCESSFUL").await;
    let (_, failed) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
    assert_rolled_back(
        &world,
        "ECS deployment circuit breaker: task failed to start.",
    );
    let breaker = &deployment["deploymentCircuitBreaker"];
    assert_eq!(breaker["status"], "TRIGGERED");
    assert_eq!(breaker["threshold"], 3);
    assert!(breaker["failureCount"].as_u64().unwrap() >= 3);
    let because =
        "Service deployment rolled back because the circuit breaker threshold was exceeded.";
    assert_eq!(deployment["rollback"]["reason"], because);
    assert_eq!(
        deployment["rollback"]["serviceRevisionArn"],
        deployment["sourceServiceRevisions"][0]["arn"]
    );
    assert_ne!(
        deployment["targetServiceRevision"]["arn"],
        deployment["rollback"]["serviceRevisionArn"]
    );
    let service = world.service().await;
    assert_eq!(service["taskDefinition"], json!(first));
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    let stopped = json!({ "cluster": CLUSTER, "desiredStatus": "STOPPED" });
    let stopped = world.call("ListTasks", stopped).await["taskArns"].clone();
    let tasks = world
        .call(
            "DescribeTasks",
            json!({ "cluster": CLUSTER, "tasks": stopped }),
        )
        .await;
    let task = &tasks["tasks"][0];
    assert_eq!(task["stopCode"], "EssentialContainerExited");
    assert_eq!(task["containers"][0]["exitCode"], 1);
}

#[tokio::test]
async fn tasks_that_are_not_healthy_trip_the_breaker_too() {
    let world = World::new().await;
    let first = world.serve(json!({ "version": "1" }), 1, breaker()).await;
    world.deploy(json!({ "version": "2", "health": 500 })).await;
    world.ends("ROLLBACK_SUCCESSFUL").await;
    assert_eq!(world.service().await["taskDefinition"], json!(first));
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_says_so() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 1, breaker()).await;
    let image = format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/web:never-pushed");
    let definition = world.register(&image).await;
    world.update(json!({ "taskDefinition": definition })).await;
    world.ends("ROLLBACK_SUCCESSFUL").await;
    let events = world.events();
    let stopped = events
        .iter()
        .find(|one| one["detail"]["stopCode"] == "TaskFailedToStart")
        .unwrap();
    let reason = stopped["detail"]["stoppedReason"].as_str().unwrap();
    assert!(reason.starts_with("CannotPullContainerError: "), "{reason}");
    assert!(reason.contains("never-pushed"), "{reason}");
}

#[tokio::test]
async fn a_first_deployment_has_nothing_to_roll_back_to() {
    let world = World::new().await;
    let definition = world
        .release(json!({ "version": "1", "crash": "on-start" }))
        .await;
    world.create(&definition, 1, breaker()).await;
    let deployment = world.ends("ROLLBACK_FAILED").await;
    assert_eq!(
        deployment["statusReason"],
        "No rollback candidate was found to run the rollback."
    );
    assert_eq!(
        world.service().await["deployments"][0]["rolloutState"],
        "FAILED"
    );
}

#[tokio::test]
async fn without_rollback_a_failed_deployment_stops_where_it_is() {
    let world = World::new().await;
    let only = json!({ "deploymentCircuitBreaker": { "enable": true, "rollback": false } });
    world.serve(json!({ "version": "1" }), 1, only).await;
    let bad = world
        .deploy(json!({ "version": "2", "crash": "on-start" }))
        .await;
    let deployment = world.ends("STOPPED").await;
    assert!(deployment.get("rollback").is_none());
    let service = world.service().await;
    assert_eq!(service["taskDefinition"], json!(bad));
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "1"
    );
    world.deploy(json!({ "version": "3" })).await;
    world.ends("SUCCESSFUL").await;
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "3"
    );
}

#[tokio::test]
async fn a_deployment_that_is_stopped_rolls_back_although_nothing_is_configured() {
    let world = World::new().await;
    let first = world.serve(json!({ "version": "1" }), 2, json!({})).await;
    world.deploy(json!({ "version": "2", "health": 500 })).await;
    let deployment = world.ends("IN_PROGRESS").await;
    let arn = json!({ "serviceDeploymentArn": deployment["serviceDeploymentArn"] });
    world.call("StopServiceDeployment", arn.clone()).await;
    let deployment = world.ends("ROLLBACK_SUCCESSFUL").await;
    assert_eq!(
        deployment["rollback"]["serviceRevisionArn"],
        deployment["sourceServiceRevisions"][0]["arn"]
    );
    assert_eq!(world.service().await["taskDefinition"], json!(first));
    let (error, _) = world.error("StopServiceDeployment", arn).await;
    assert_eq!(error, "ConflictException");
    let unknown = json!({ "serviceDeploymentArn": "arn:aws:ecs:eu-west-1:1:service-deployment/x" });
    let (error, _) = world.error("StopServiceDeployment", unknown).await;
    assert_eq!(error, "ServiceDeploymentNotFoundException");
}

fn alarmed() -> Value {
    json!({ "alarms": { "alarmNames": ["errors"], "enable": true, "rollback": true },
            "bakeTimeInMinutes": 2 })
}

#[tokio::test]
async fn an_alarm_that_fires_while_baking_rolls_back() {
    let world = World::new().await;
    world.aws.set_alarm("errors", "OK");
    let first = world.serve(json!({ "version": "1" }), 1, alarmed()).await;
    world
        .deploy(json!({ "version": "2", "error_rate": 1.0 }))
        .await;
    let end = Instant::now() + PATIENCE;
    while world.deployment().await["lifecycleStage"] != "BAKE_TIME" {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(get(&world.tagged("local:url").await).await.0, 500);
    world.aws.set_alarm("errors", "ALARM");
    let deployment = world.ends("ROLLBACK_SUCCESSFUL").await;
    assert_eq!(deployment["alarms"]["status"], "TRIGGERED");
    assert_eq!(
        deployment["alarms"]["triggeredAlarmNames"],
        json!(["errors"])
    );
    assert_rolled_back(&world, "ECS deployment failed: alarm(s) detected.");
    assert_eq!(world.service().await["taskDefinition"], json!(first));
    assert_eq!(get(&world.tagged("local:url").await).await.0, 200);
}

#[tokio::test]
async fn an_alarm_that_fires_already_is_ignored_for_the_whole_deployment() {
    let world = World::new().await;
    world.aws.set_alarm("errors", "ALARM");
    world.serve(json!({ "version": "1" }), 1, alarmed()).await;
    let deployment = world.deployment().await;
    assert_eq!(deployment["alarms"]["status"], "DISABLED");
}

#[tokio::test]
async fn alarm_changes_are_told_but_not_the_first_sight() {
    let world = World::new().await;
    world.aws.set_alarm("errors", "OK");
    tokio::time::sleep(Pace::test().alarm_poll * 5).await;
    world.aws.set_alarm("errors", "ALARM");
    let end = Instant::now() + PATIENCE;
    let of_alarms = || {
        let events = world.events().into_iter();
        let told = events.filter(|one| one["detail-type"] == "CloudWatch Alarm State Change");
        told.collect::<Vec<_>>()
    };
    while of_alarms().is_empty() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Pace::test().alarm_poll * 3).await;
    let [event] = of_alarms().try_into().unwrap();
    assert_eq!(event["source"], "aws.cloudwatch");
    assert_eq!(
        event["resources"],
        json!([format!(
            "arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:errors"
        )])
    );
    let detail = &event["detail"];
    assert_eq!(detail["alarmName"], "errors");
    assert_eq!(detail["previousState"]["value"], "OK");
    assert_eq!(detail["state"]["value"], "ALARM");
    assert_eq!(detail["state"]["timestamp"], "2023-11-14T22:13:20.000+0000");
    assert!(detail["state"].get("reasonData").is_none());
    let metric = &detail["configuration"]["metrics"][0]["metricStat"]["metric"];
    assert_eq!(metric["dimensions"], json!({ "LoadBalancer": "shop/web" }));
}

#[tokio::test]
async fn a_task_that_dies_later_is_replaced_and_fails_no_deployment() {
    let world = World::new().await;
    world
        .serve(
            json!({ "version": "1", "crash": "after-start" }),
            1,
            breaker(),
        )
        .await;
    let listed = world.call("ListTasks", json!({ "cluster": CLUSTER })).await["taskArns"].clone();
    world
        .becomes(|service| service["runningCount"] == 0 || service["pendingCount"] == 1)
        .await;
    world.becomes(|service| service["runningCount"] == 1).await;
    let now = world.call("ListTasks", json!({ "cluster": CLUSTER })).await["taskArns"].clone();
    assert_ne!(listed, now);
    assert_eq!(world.deployment().await["status"], "SUCCESSFUL");
}

#[tokio::test]
async fn an_alarm_that_appears_in_alarm_has_changed_since_it_was_made() {
    let world = World::new().await;
    tokio::time::sleep(Pace::test().alarm_poll * 5).await;
    world.aws.set_alarm("new", "ALARM");
    let end = Instant::now() + PATIENCE;
    let told = || {
        let events = world.events().into_iter();
        events
            .filter(|one| one["detail"]["alarmName"] == "new")
            .collect::<Vec<_>>()
    };
    while told().is_empty() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        told()[0]["detail"]["previousState"]["value"],
        "INSUFFICIENT_DATA"
    );
    assert_eq!(told()[0]["detail"]["state"]["value"], "ALARM");
}
