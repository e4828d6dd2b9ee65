//! Good releases: nobody notices, and everything is told.

use super::*;

/// The order of what is told, tasks aside.
fn told(world: &World) -> Vec<String> {
    let events = world.events().into_iter();
    let events = events.filter(|one| one["detail-type"] != "ECS Task State Change");
    events
        .map(|one| one["detail"]["eventName"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_release_rolls_out_under_load_without_a_failed_request() {
    let world = World::new().await;
    let first = world
        .serve(json!({ "version": "1", "latency_ms": 3 }), 3, json!({}))
        .await;
    let url = world.tagged("local:url").await;
    assert_eq!(get(&url).await.1["version"], "1");
    let load = Load::start(&url, 20);
    for version in ["2", "3", "4"] {
        let app = json!({ "version": version, "latency_ms": 3, "start_ms": 30 });
        let second = world.deploy(app).await;
        assert_ne!(first, second);
        world.ends("SUCCESSFUL").await;
        assert_eq!(get(&url).await.1["version"], version);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (sent, failed) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
    assert!(sent > 200, "only {sent} requests");
    let service = world.becomes(|service| service["runningCount"] == 3).await;
    assert_eq!(service["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(service["deployments"][0]["rolloutState"], "COMPLETED");
    tokio::time::sleep(Pace::test().metric_interval * 3).await;
    assert!(world.aws.metric("RequestCount") >= sent);
    assert_eq!(world.aws.metric("HTTPCode_Target_5XX_Count"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_for_more_tasks_old_ones_are_replaced_one_by_one() {
    let world = World::new().await;
    let narrow = json!({ "minimumHealthyPercent": 50, "maximumPercent": 100 });
    world.serve(json!({ "version": "1" }), 2, narrow).await;
    let load = Load::start(&world.tagged("local:url").await, 5);
    world.deploy(json!({ "version": "2" })).await;
    world.ends("SUCCESSFUL").await;
    let (_, failed) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
}

#[tokio::test]
async fn what_happens_is_told_in_order() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 1, json!({})).await;
    world.deploy(json!({ "version": "2" })).await;
    let deployment = world.ends("SUCCESSFUL").await;
    let one = [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_STEADY_STATE",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ];
    assert_eq!(told(&world), [one, one].concat());
    let events = world.deployment_events();
    let id = world.service().await["deployments"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(id.starts_with("ecs-svc/") && id.len() == 27, "{id}");
    assert_eq!(events[2].1, id);
    assert_eq!(events[2].2, format!("ECS deployment {id} in progress."));
    assert_eq!(events[3].2, format!("ECS deployment {id} completed."));
    let all = world.events();
    let completed = all
        .iter()
        .find(|one| one["detail"]["deploymentId"] == id.as_str())
        .unwrap();
    assert_eq!(completed["source"], "aws.ecs");
    assert_eq!(completed["account"], ACCOUNT);
    assert_eq!(completed["resources"], json!([deployment["serviceArn"]]));
    let tasks = all.iter().filter(|one| {
        one["detail-type"] == "ECS Task State Change" && one["detail"]["startedBy"] == id.as_str()
    });
    let seen: Vec<_> = tasks
        .map(|one| {
            (
                one["detail"]["version"].as_u64().unwrap(),
                one["detail"]["lastStatus"].clone(),
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, json!("PROVISIONING")),
            (2, json!("PENDING")),
            (3, json!("RUNNING"))
        ]
    );
}

#[tokio::test]
async fn a_deployment_is_described_with_what_it_replaced_and_what_really_runs() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 2, json!({})).await;
    let before = world.deployment().await;
    let second = world.deploy(json!({ "version": "2" })).await;
    let after = world.ends("SUCCESSFUL").await;
    assert_eq!(
        after["sourceServiceRevisions"][0]["arn"],
        before["targetServiceRevision"]["arn"]
    );
    assert_eq!(after["targetServiceRevision"]["requestedTaskCount"], 2);
    assert_eq!(after["targetServiceRevision"]["runningTaskCount"], 2);
    let revision = after["targetServiceRevision"]["arn"].clone();
    let input = json!({ "serviceRevisionArns": [revision] });
    let revision =
        world.call("DescribeServiceRevisions", input).await["serviceRevisions"][0].clone();
    assert_eq!(revision["taskDefinition"], json!(second));
    assert_eq!(
        revision["containerImages"][0]["imageDigest"],
        json!(world.aws.digest("2"))
    );
    let listed = world
        .call(
            "ListTasks",
            json!({ "cluster": CLUSTER, "serviceName": "web" }),
        )
        .await;
    let input = json!({ "cluster": CLUSTER, "tasks": listed["taskArns"] });
    for task in world.call("DescribeTasks", input).await["tasks"]
        .as_array()
        .unwrap()
    {
        assert_eq!(task["taskDefinitionArn"], json!(second));
        assert_eq!(task["lastStatus"], "RUNNING");
        assert_eq!(
            task["containers"][0]["imageDigest"],
            json!(world.aws.digest("2"))
        );
    }
    let only =
        json!({ "cluster": CLUSTER, "service": "web", "status": ["IN_PROGRESS", "PENDING"] });
    let none = world.call("ListServiceDeployments", only).await;
    assert_eq!(none["serviceDeployments"], json!([]));
}

#[tokio::test]
async fn a_tag_that_moves_does_not_change_what_a_revision_runs() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 1, json!({})).await;
    let digest = world.aws.digest("1");
    world.aws.push("web", "1", &json!({ "version": "moved" }));
    world.update(json!({ "desiredCount": 3 })).await;
    world.becomes(|service| service["runningCount"] == 3).await;
    let listed = world.call("ListTasks", json!({ "cluster": CLUSTER })).await;
    let input = json!({ "cluster": CLUSTER, "tasks": listed["taskArns"] });
    for task in world.call("DescribeTasks", input).await["tasks"]
        .as_array()
        .unwrap()
    {
        assert_eq!(task["containers"][0]["imageDigest"], json!(digest));
    }
}

#[tokio::test]
async fn a_desired_count_starts_no_deployment_and_a_deployment_changes_no_desired_count() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 1, json!({})).await;
    let before = world.deployment().await["serviceDeploymentArn"].clone();
    world.update(json!({ "desiredCount": 4 })).await;
    world.becomes(|service| service["runningCount"] == 4).await;
    assert_eq!(world.deployment().await["serviceDeploymentArn"], before);
    world.deploy(json!({ "version": "2" })).await;
    world.update(json!({ "desiredCount": 2 })).await;
    let after = world.ends("SUCCESSFUL").await;
    assert_ne!(after["serviceDeploymentArn"], before);
    let service = world.becomes(|service| service["runningCount"] == 2).await;
    assert_eq!(service["desiredCount"], 2);
    world.update(json!({ "forceNewDeployment": true })).await;
    let forced = world.ends("SUCCESSFUL").await;
    assert_ne!(
        forced["serviceDeploymentArn"],
        after["serviceDeploymentArn"]
    );
}

#[tokio::test]
async fn a_service_that_wants_no_tasks_deploys_without_any() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 0, json!({})).await;
    world
        .deploy(json!({ "version": "2", "crash": "on-start" }))
        .await;
    let deployment = world.ends("SUCCESSFUL").await;
    assert_eq!(deployment["targetServiceRevision"]["runningTaskCount"], 0);
    assert_eq!(world.service().await["runningCount"], 0);
}

#[tokio::test]
async fn a_newer_deployment_supersedes_the_one_in_progress() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 2, json!({})).await;
    world.deploy(json!({ "version": "2", "health": 500 })).await;
    let second = world.ends("IN_PROGRESS").await;
    world
        .becomes(|service| service["deployments"][0]["pendingCount"] == 2)
        .await;
    let third = world.deploy(json!({ "version": "3" })).await;
    world.ends("SUCCESSFUL").await;
    let end = Instant::now() + PATIENCE;
    while world.described(&second["serviceDeploymentArn"]).await["status"] != "STOPPED" {
        assert!(
            Instant::now() < end,
            "{}",
            world.described(&second["serviceDeploymentArn"]).await
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let service = world.service().await;
    assert_eq!(service["taskDefinition"], json!(third));
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "3"
    );
}

#[tokio::test]
async fn too_many_unfinished_deployments_are_refused() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 1, json!({})).await;
    let definition = world.release(json!({ "version": "2" })).await;
    let input = json!({
        "cluster": CLUSTER, "service": "web", "taskDefinition": definition,
        "forceNewDeployment": true,
    });
    let mut refused = None;
    for _ in 0..6 {
        let (status, answer) = world.answer("UpdateService", input.clone()).await;
        if status == 400 {
            refused = Some(answer);
        }
    }
    let message = refused.unwrap()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("5 active deployments exist"),
        "{message}"
    );
    world.ends("SUCCESSFUL").await;
}

#[tokio::test]
async fn a_strategy_that_changes_meanwhile_counts_from_the_next_deployment() {
    let world = World::new().await;
    world.serve(json!({ "version": "1" }), 1, json!({})).await;
    world.deploy(json!({ "version": "2" })).await;
    let shifting = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0 });
    world
        .update(json!({ "deploymentConfiguration": shifting }))
        .await;
    assert!(
        world
            .ends("SUCCESSFUL")
            .await
            .get("lifecycleStage")
            .is_none()
    );
    world.deploy(json!({ "version": "3" })).await;
    assert_eq!(world.ends("SUCCESSFUL").await["lifecycleStage"], "CLEAN_UP");
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "3"
    );
    world
        .update(json!({ "deploymentConfiguration": { "strategy": "ROLLING" } }))
        .await;
    world.deploy(json!({ "version": "4" })).await;
    world.ends("SUCCESSFUL").await;
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "4"
    );
    let clusters = world.call("ListClusters", json!({})).await;
    assert_eq!(clusters["clusterArns"].as_array().unwrap().len(), 1);
}
