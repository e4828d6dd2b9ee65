//! Deployments that shift traffic, and the hooks that are asked on the way.

use super::*;

const HOOK: &str = "arn:aws:lambda:eu-west-1:111122223333:function:check";

fn blue_green(stages: &[&str]) -> Value {
    json!({
        "strategy": "BLUE_GREEN",
        "bakeTimeInMinutes": 1,
        "lifecycleHooks": [{
            "hookTargetArn": HOOK,
            "roleArn": "arn:aws:iam::111122223333:role/hooks",
            "lifecycleStages": stages,
        }],
    })
}

/// The stages that the hook was asked at, since the first deployment.
fn asked(world: &World) -> Vec<String> {
    let calls = world.aws.calls().into_iter();
    let calls = calls.filter(|(_, payload)| payload["hookDetails"]["first"].is_null());
    calls
        .map(|(_, payload)| payload["lifecycleStage"].as_str().unwrap().to_owned())
        .collect()
}

/// A service whose first deployment asked no hook.
async fn served(world: &World, configuration: Value) -> String {
    let plain = json!({ "strategy": "BLUE_GREEN", "bakeTimeInMinutes": 0 });
    let first = world.serve(json!({ "version": "1" }), 2, plain).await;
    world
        .update(json!({ "deploymentConfiguration": configuration }))
        .await;
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blue_green_asks_its_hooks_and_loses_no_request() {
    let world = World::new().await;
    let stages = [
        "PRE_SCALE_UP",
        "POST_TEST_TRAFFIC_SHIFT",
        "PRE_PRODUCTION_TRAFFIC_SHIFT",
        "PRODUCTION_TRAFFIC_SHIFT",
        "POST_PRODUCTION_TRAFFIC_SHIFT",
    ];
    served(&world, blue_green(&stages)).await;
    world
        .aws
        .answers(HOOK, &[json!({ "hookStatus": "SUCCEEDED" })]);
    let url = world.tagged("local:url").await;
    let load = Load::start(&url, 5);
    world.deploy(json!({ "version": "2" })).await;
    let deployment = world.ends("SUCCESSFUL").await;
    let (_, failed) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(get(&url).await.1["version"], "2");
    assert_eq!(asked(&world), stages);
    let calls = world.aws.calls();
    let (_, payload) = &calls[3];
    assert_eq!(payload["resourceArn"], deployment["serviceDeploymentArn"]);
    let details = &payload["executionDetails"];
    let green = deployment["targetServiceRevision"]["arn"].as_str().unwrap();
    let blue = deployment["sourceServiceRevisions"][0]["arn"]
        .as_str()
        .unwrap();
    assert_eq!(details["targetServiceRevisionArn"], green);
    assert_eq!(
        details["productionTrafficWeights"],
        json!({ green: 100, blue: 0 })
    );
    assert_eq!(
        calls[2].1["executionDetails"]["productionTrafficWeights"],
        json!({ green: 0, blue: 100 })
    );
    assert_eq!(
        calls[0].1["executionDetails"]["testTrafficWeights"],
        json!({})
    );
    assert_eq!(deployment["lifecycleStage"], "CLEAN_UP");
}

#[tokio::test]
async fn test_traffic_sees_the_new_release_before_anybody_else() {
    let world = World::new().await;
    served(&world, blue_green(&["POST_TEST_TRAFFIC_SHIFT"])).await;
    let waiting =
        json!({ "hookStatus": "IN_PROGRESS", "callBackDelay": 1, "hookDetails": { "n": 1 } });
    world.aws.answers(HOOK, &[waiting]);
    world.deploy(json!({ "version": "2" })).await;
    let end = Instant::now() + PATIENCE;
    while asked(&world).len() < 3 {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(
        get(&world.tagged("local:test-url").await).await.1["version"],
        "2"
    );
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "1"
    );
    let calls = world.aws.calls();
    assert_eq!(calls[0].1["executionId"], calls[1].1["executionId"]);
    assert_eq!(calls[1].1["hookDetails"], json!({ "n": 1 }));
    world
        .aws
        .answers(HOOK, &[json!({ "hookStatus": "SUCCEEDED" })]);
    world.ends("SUCCESSFUL").await;
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "2"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_that_says_no_after_the_shift_brings_the_old_release_back() {
    let world = World::new().await;
    let first = served(
        &world,
        blue_green(&["PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"]),
    )
    .await;
    let yes = json!({ "hookStatus": "SUCCEEDED" });
    world
        .aws
        .answers(HOOK, &[yes.clone(), json!({ "hookStatus": "FAILED" }), yes]);
    let url = world.tagged("local:url").await;
    let load = Load::start(&url, 5);
    world.deploy(json!({ "version": "2" })).await;
    let deployment = world.ends("ROLLBACK_SUCCESSFUL").await;
    let (_, failed) = load.end().await;
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(get(&url).await.1["version"], "1");
    assert_eq!(
        deployment["statusReason"],
        format!(
            "Service deployment rolled back because POST_PRODUCTION_TRAFFIC_SHIFT lifecycle \
             hook(s) failed. Lifecycle hook target {HOOK} returned FAILED status."
        )
    );
    let back = world.aws.calls().pop().unwrap().1;
    assert_eq!(back["lifecycleStage"], "PRODUCTION_TRAFFIC_SHIFT");
    let green = deployment["targetServiceRevision"]["arn"].as_str().unwrap();
    let blue = deployment["rollback"]["serviceRevisionArn"]
        .as_str()
        .unwrap();
    let weights = &back["executionDetails"]["productionTrafficWeights"];
    assert_eq!(weights, &json!({ green: 0, blue: 100 }));
    let service = world.service().await;
    assert_eq!(service["taskDefinition"], json!(first));
    assert_eq!(service["runningCount"], 2);
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_no() {
    let world = World::new().await;
    served(&world, blue_green(&["PRE_SCALE_UP"])).await;
    world.aws.answers(HOOK, &[json!({ "status": "fine" })]);
    world.deploy(json!({ "version": "2" })).await;
    let deployment = world.ends("ROLLBACK_SUCCESSFUL").await;
    let reason = deployment["statusReason"].as_str().unwrap();
    assert!(
        reason.contains("PRE_SCALE_UP lifecycle hook(s) failed."),
        "{reason}"
    );
    assert!(reason.contains("HookStatus must not be null."), "{reason}");
    world.deploy(json!({ "version": "3" })).await;
    world.ends("ROLLBACK_SUCCESSFUL").await;
}

#[tokio::test]
async fn a_canary_gets_its_share_first() {
    let world = World::new().await;
    let canary = json!({
        "strategy": "CANARY",
        "bakeTimeInMinutes": 0,
        "canaryConfiguration": { "canaryPercent": 20.0, "canaryBakeTimeInMinutes": 600 },
    });
    served(&world, canary).await;
    world.deploy(json!({ "version": "2" })).await;
    let end = Instant::now() + PATIENCE;
    while world.deployment().await["lifecycleStage"] != "PRODUCTION_TRAFFIC_SHIFT" {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let url = world.tagged("local:url").await;
    let mut new = 0;
    for _ in 0..50 {
        new += u32::from(get(&url).await.1["version"] == "2");
    }
    assert_eq!(new, 10);
    let deployment = world.deployment().await;
    assert_eq!(
        deployment["targetServiceRevision"]["requestedProductionTrafficWeight"],
        20.0
    );
    let arn = json!({ "serviceDeploymentArn": deployment["serviceDeploymentArn"] });
    world.call("StopServiceDeployment", arn).await;
    world.ends("ROLLBACK_SUCCESSFUL").await;
    assert_eq!(get(&url).await.1["version"], "1");
}
