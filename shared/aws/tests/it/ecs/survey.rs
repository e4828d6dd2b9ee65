//! What is seen of an ECS service, and what an order would make of its task definition.

use aws::survey::{Controller, Unseen};
use domain::SignedDuration;
use serde_json::json;

use super::world::{DIGEST, World, definition, order};
use crate::support::place;

#[tokio::test]
async fn a_preview_shows_what_would_be_registered_and_registers_nothing() {
    let world = World::start().await;
    let change = world.platform.preview(&order()).await.unwrap().unwrap();
    assert_eq!((&*change.running, &*change.base), ("web:7", "web:7"));
    let image = format!("111122223333.dkr.ecr.ap-south-1.amazonaws.com/shop/web@{DIGEST}");
    let mut expected = change.before.clone();
    expected["containerDefinitions"][0]["image"] = image.into();
    assert_eq!(change.after, expected, "the image, and nothing else");
    assert_eq!(
        change.before["fieldOfNextYear"]["kept"],
        json!([1, 2.5, null])
    );
    assert!(world.asked("RegisterTaskDefinition").is_empty());
    assert!(world.asked("UpdateService").is_empty());
}

#[tokio::test]
async fn a_service_is_seen_with_what_ecs_itself_watches() {
    let world = World::start().await;
    let service = json!({
        "serviceName": "web", "status": "ACTIVE", "desiredCount": 3,
        "taskDefinition": definition(7),
        "deploymentController": { "type": "CODE_DEPLOY" },
        "deploymentConfiguration": {
            "alarms": { "enable": true, "rollback": true, "alarmNames": ["web-5xx"] },
            "bakeTimeInMinutes": 10,
        },
        "loadBalancers": [{
            "containerName": "web", "containerPort": 8080, "targetGroupArn": "arn:blue",
            "advancedConfiguration": { "alternateTargetGroupArn": "arn:green" },
        }],
    });
    world
        .server
        .says("DescribeServices", json!({ "services": [service] }));
    let seen = world
        .platform
        .survey_service(&place(), "shop", "web")
        .await
        .unwrap();
    assert_eq!(seen.controller, Controller::CodeDeploy);
    assert_eq!((seen.desired, &*seen.definition), (3, "web:7"));
    assert_eq!(seen.alarms, ["web-5xx"]);
    assert_eq!(seen.doors, [("web".to_owned(), 8080)]);
    assert_eq!(seen.target_groups, ["arn:blue", "arn:green"]);
    assert_eq!(seen.bake, SignedDuration::from_mins(10));
    assert_eq!(
        seen.containers[1],
        ("proxy".to_owned(), "proxy:1".to_owned())
    );
}

#[tokio::test]
async fn what_is_not_there_and_what_may_not_be_seen_are_told_apart() {
    let world = World::start().await;
    world
        .server
        .says("DescribeServices", json!({ "services": [] }));
    let ask = || async { world.platform.survey_service(&place(), "shop", "web").await };
    assert_eq!(
        ask().await,
        Err(Unseen::Missing(
            "there is no service web in the cluster shop".to_owned()
        ))
    );
    world.server.on("DescribeServices", |_| {
        Err(("ClusterNotFoundException", "Cluster not found."))
    });
    assert!(matches!(ask().await, Err(Unseen::Missing(_))));
    world.server.on("DescribeServices", |_| {
        Err(("AccessDeniedException", "not authorized to perform"))
    });
    assert!(matches!(ask().await, Err(Unseen::Forbidden(_))));
}
