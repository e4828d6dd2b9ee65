//! ECS as a server plays it: what is registered, what is asked, and what its statuses come to.

mod survey;
mod world;

use domain::artefact::Content;
use domain::config::{Target, TaskBase};
use domain::entry::{AlarmsAtStart, Order};
use domain::fact::{Answer, Progress, Running};
use engine::{Platform, PlatformError};
use serde_json::json;

use self::world::{
    DIGEST, World, definition, deployment, described, image, order, stop_order, target,
};
use crate::support::word;

#[tokio::test]
async fn fields_newer_than_the_sdk_survive() {
    let world = World::start().await;
    world.updates_to(8);
    let begun = world.platform.deploy(&order()).await.unwrap();
    let Answer::Begun { platform_id, .. } = begun else {
        panic!("{begun:?}")
    };
    assert_eq!(
        platform_id, "ecs-svc/2",
        "the list does not show the deployment yet"
    );
    let registered = world.asked("RegisterTaskDefinition");
    let expected = json!({
        "family": "web",
        "requiresCompatibilities": ["FARGATE"],
        "fieldOfNextYear": { "kept": [1, 2.5, null] },
        "containerDefinitions": [
            {
                "name": "web", "fieldNobodyKnows": "kept", "cpu": 256,
                "image": format!("111122223333.dkr.ecr.ap-south-1.amazonaws.com/shop/web@{DIGEST}"),
            },
            { "name": "proxy", "image": "proxy:1" },
        ],
        "tags": [
            { "key": "lastgood:deployment", "value": "web/42" },
            { "key": "lastgood:release", "value": "web:17" },
            { "key": "lastgood:stage", "value": "dev" },
            { "key": "team", "value": "shop" },
        ],
    });
    assert_eq!(registered, [expected]);
    let updated = json!({ "cluster": "shop", "service": "web", "taskDefinition": definition(8) });
    assert_eq!(
        world.asked("UpdateService"),
        [updated],
        "and no desired count"
    );
}

#[tokio::test]
async fn a_repeated_order_finds_what_it_began() {
    let world = World::start().await;
    world.service(8, 2);
    world.definitions(&[(7, None), (8, Some("web/42"))]);
    world.deployments(&[("ours", 8, "IN_PROGRESS"), ("old", 7, "SUCCESSFUL")]);
    let begun = world.platform.deploy(&order()).await.unwrap();
    assert!(
        matches!(begun, Answer::Begun { platform_id, .. } if platform_id == deployment("ours"))
    );
    assert!(world.asked("RegisterTaskDefinition").is_empty());
    assert!(world.asked("UpdateService").is_empty());
}

#[tokio::test]
async fn a_repeated_order_does_not_begin_again_what_was_undone() {
    let world = World::start().await;
    world.definitions(&[(7, None), (8, Some("web/42"))]);
    world.deployments(&[("ours", 8, "ROLLBACK_SUCCESSFUL"), ("old", 7, "SUCCESSFUL")]);
    let begun = world.platform.deploy(&order()).await.unwrap();
    assert!(matches!(begun, Answer::Begun { .. }));
    assert!(world.asked("UpdateService").is_empty());
}

#[tokio::test]
async fn a_revision_that_was_registered_is_used() {
    let world = World::start().await;
    world.definitions(&[(7, None), (8, Some("web/42")), (9, Some("web/421"))]);
    world.updates_to(8);
    world.platform.deploy(&order()).await.unwrap();
    assert!(world.asked("RegisterTaskDefinition").is_empty());
    assert_eq!(
        world.asked("UpdateService")[0]["taskDefinition"],
        definition(8)
    );
}

#[tokio::test]
async fn somebody_elses_deployment_is_not_pushed_aside() {
    let world = World::start().await;
    world.definitions(&[(6, None), (7, None)]);
    world.deployments(&[("theirs", 7, "IN_PROGRESS"), ("old", 6, "SUCCESSFUL")]);
    let answer = world.platform.deploy(&order()).await.unwrap();
    assert_eq!(
        answer,
        Answer::Occupied {
            by: deployment("theirs")
        }
    );
    assert!(world.asked("RegisterTaskDefinition").is_empty());
}

#[tokio::test]
async fn our_own_given_up_deployment_is_replaced() {
    let world = World::start().await;
    world.definitions(&[(6, None), (7, Some("web/30"))]);
    world.deployments(&[("stuck", 7, "IN_PROGRESS"), ("old", 6, "SUCCESSFUL")]);
    world.updates_to(8);
    assert!(matches!(
        world.platform.deploy(&order()).await.unwrap(),
        Answer::Begun { .. }
    ));
    world.deployments(&[
        ("stuck", 7, "ROLLBACK_IN_PROGRESS"),
        ("old", 6, "SUCCESSFUL"),
    ]);
    let answer = world.platform.deploy(&order()).await.unwrap();
    assert_eq!(
        answer,
        Answer::Occupied {
            by: deployment("stuck")
        },
        "but never a rollback"
    );
}

#[tokio::test]
async fn what_can_never_work_says_why() {
    let world = World::start().await;
    let mut wrong = order();
    wrong.target = Target::Ecs {
        cluster: "shop".into(),
        service: "web".into(),
        containers: vec!["app".into()],
        base: TaskBase::Running,
    };
    let refused = world.platform.deploy(&wrong).await.unwrap_err();
    assert!(matches!(&refused, PlatformError::Terminal(why) if why.contains("no container app")));
    world.server.says(
        "DescribeServices",
        json!({ "services": [], "failures": [{ "reason": "MISSING" }] }),
    );
    let refused = world.platform.deploy(&order()).await.unwrap_err();
    assert!(matches!(&refused, PlatformError::Terminal(why) if why.contains("no service web")));
    world.server.refuses(
        "DescribeServices",
        "AccessDeniedException",
        "not authorized",
    );
    let refused = world.platform.deploy(&order()).await.unwrap_err();
    let PlatformError::Terminal(why) = refused else {
        panic!("{refused}")
    };
    assert_eq!(
        why,
        "ecs:DescribeServices: AccessDeniedException: not authorized"
    );
}

#[tokio::test]
async fn statuses_are_what_the_attempt_came_to() {
    let world = World::start().await;
    world.definitions(&[(7, None), (8, Some("web/42"))]);
    world.tasks(&[DIGEST, DIGEST]);
    let described = json!({
        "statusReason": "Service deployment rolled back because the circuit breaker threshold was exceeded.",
    });
    world.server.says(
        "DescribeServiceDeployments",
        json!({ "serviceDeployments": [described] }),
    );
    for (status, expected) in [
        ("PENDING", "underway"),
        ("IN_PROGRESS", "underway"),
        ("STOP_REQUESTED", "underway"),
        ("SUCCESSFUL", "succeeded"),
        ("ROLLBACK_REQUESTED", "undoing"),
        ("ROLLBACK_IN_PROGRESS", "undoing"),
        ("ROLLBACK_SUCCESSFUL", "undone"),
        ("ROLLBACK_FAILED", "failed"),
        ("STOPPED", "failed"),
    ] {
        world.deployments(&[("ours", 8, status), ("old", 7, "SUCCESSFUL")]);
        let (progress, running) = world.observed().await;
        if let Progress::Failed { why, .. }
        | Progress::Undoing { why, .. }
        | Progress::Undone { why, .. } = &progress
        {
            assert!(why.contains("circuit breaker"), "{why}");
        }
        assert_eq!(word(&progress), expected, "{status}");
        assert_eq!(running, Running::All(Content(DIGEST.into())));
    }
}

#[tokio::test]
async fn a_service_scaled_to_nothing_proves_nothing() {
    let world = World::start().await;
    world.service(8, 0);
    world.definitions(&[(7, None), (8, Some("web/42"))]);
    world.deployments(&[("ours", 8, "SUCCESSFUL")]);
    let (progress, running) = world.observed().await;
    assert!(matches!(progress, Progress::Succeeded { .. }));
    assert_eq!(running, Running::Nothing);
}

#[tokio::test]
async fn somebody_elses_success_is_not_ours() {
    let world = World::start().await;
    world.tasks(&["sha256:theirs", DIGEST]);
    let (progress, running) = world.observed().await;
    assert_eq!(progress, Progress::NotFound);
    assert!(matches!(running, Running::Mixed(both) if both.len() == 2));
}

#[tokio::test]
async fn a_deployment_the_list_does_not_show_yet_is_underway() {
    let world = World::start().await;
    world.service(8, 2);
    world.definitions(&[(7, None), (8, Some("web/42"))]);
    world.tasks(&["sha256:old"]);
    let (progress, _) = world.observed().await;
    assert!(
        matches!(progress, Progress::Underway { platform_id, .. } if platform_id == "ecs-svc/1")
    );
    let stopped = world.platform.stop(&stop_order(Some("ecs-svc/1"))).await;
    assert!(
        matches!(stopped, Err(PlatformError::Transient(_))),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn a_stop_asks_for_the_revision_before() {
    let world = World::start().await;
    world.definitions(&[(7, None), (8, Some("web/42"))]);
    world.deployments(&[("ours", 8, "IN_PROGRESS"), ("old", 7, "SUCCESSFUL")]);
    world.server.says("StopServiceDeployment", json!({}));
    assert_eq!(
        world.platform.stop(&stop_order(None)).await.unwrap(),
        Answer::Stopping
    );
    let asked = json!({ "serviceDeploymentArn": deployment("ours"), "stopType": "ROLLBACK" });
    assert_eq!(world.asked("StopServiceDeployment"), [asked]);
    world
        .server
        .refuses("StopServiceDeployment", "ConflictException", "it is over");
    let named = stop_order(Some(&deployment("ours")));
    assert_eq!(world.platform.stop(&named).await.unwrap(), Answer::Stopping);
}

#[tokio::test]
async fn a_stop_finds_the_try_that_won() {
    let world = World::start().await;
    world.definitions(&[(7, None), (8, Some("web/42")), (9, Some("web/42"))]);
    let raced = [
        ("won", 9, "IN_PROGRESS"),
        ("lost", 8, "STOPPED"),
        ("old", 7, "SUCCESSFUL"),
    ];
    world.deployments(&raced);
    world.server.says("StopServiceDeployment", json!({}));
    let named = stop_order(Some(&deployment("lost")));
    assert_eq!(world.platform.stop(&named).await.unwrap(), Answer::Stopping);
    let asked = &world.asked("StopServiceDeployment")[0];
    assert_eq!(asked["serviceDeploymentArn"], deployment("won"));
}

#[tokio::test]
async fn what_is_over_or_never_began_is_not_stopped() {
    let world = World::start().await;
    assert_eq!(
        world.platform.stop(&stop_order(None)).await.unwrap(),
        Answer::NeverBegun
    );
    world.definitions(&[(7, None), (8, Some("web/42"))]);
    for status in ["SUCCESSFUL", "ROLLBACK_IN_PROGRESS", "ROLLBACK_SUCCESSFUL"] {
        world.deployments(&[("ours", 8, status)]);
        assert_eq!(
            world.platform.stop(&stop_order(None)).await.unwrap(),
            Answer::Stopping
        );
    }
    assert!(world.asked("StopServiceDeployment").is_empty());
}

#[tokio::test]
async fn the_way_back_is_the_definition_the_release_ran_with() {
    let world = World::start().await;
    world.updates_to(8);
    world.server.says(
        "ListTaskDefinitions",
        json!({ "taskDefinitionArns": [definition(7), definition(6), definition(5)] }),
    );
    world.server.on("DescribeTaskDefinition", |input| {
        let asked = input["taskDefinition"].as_str().unwrap();
        let mut answer = described(asked, None);
        if asked == definition(5) {
            answer["tags"] = json!([
                { "key": "lastgood:release", "value": "web:17" },
                { "key": "lastgood:stage", "value": "dev" },
            ]);
            answer["taskDefinition"]["cpu"] = "512".into();
        }
        Ok(answer)
    });
    let back = Order {
        alarms: AlarmsAtStart::PassOver,
        ..order()
    };
    world.platform.deploy(&back).await.unwrap();
    assert_eq!(world.asked("RegisterTaskDefinition")[0]["cpu"], "512");
}

#[tokio::test]
async fn what_runs_is_taken_over_only_when_all_tasks_agree() {
    let world = World::start().await;
    let stage = domain::config::StageConfig {
        target: target(),
        ..engine::memory::contract::config(&"web".parse().unwrap(), "a")
            .stages
            .remove(0)
    };
    world.tasks(&[DIGEST, "sha256:other"]);
    assert_eq!(world.platform.find_running(&stage).await.unwrap(), None);
    let container = json!({
        "name": "web", "imageDigest": DIGEST,
        "image": "111122223333.dkr.ecr.ap-south-1.amazonaws.com/shop/web:1.2",
    });
    let task = json!({ "lastStatus": "RUNNING", "containers": [container] });
    world
        .server
        .says("DescribeTasks", json!({ "tasks": [task, task] }));
    assert_eq!(
        world.platform.find_running(&stage).await.unwrap(),
        Some(image())
    );
}
