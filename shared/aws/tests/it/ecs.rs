//! ECS as a server plays it: what is registered, what is asked, and what its statuses come to.

use aws::AwsPlatform;
use domain::artefact::Content;
use domain::config::{Target, TaskBase};
use domain::entry::{AlarmsAtStart, Order, StopOrder};
use domain::fact::{Answer, Progress, Running};
use domain::{Artefact, EntryId, ReleaseNumber};
use engine::{Platform, PlatformError};
use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::{self, place, word};

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const CREATED: f64 = 1_795_435_200.5;

fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:ecs:ap-south-1:111122223333:{kind}/{name}")
}

fn definition(revision: u32) -> String {
    arn("task-definition", &format!("web:{revision}"))
}

fn deployment(name: &str) -> String {
    arn("service-deployment", &format!("shop/web/{name}"))
}

fn target() -> Target {
    Target::Ecs {
        cluster: "shop".into(),
        service: "web".into(),
        containers: vec!["web".into()],
        base: TaskBase::Running,
    }
}

fn attempt() -> EntryId {
    "web/42".parse().unwrap()
}

fn image() -> Artefact {
    Artefact::Image {
        account: support::account(),
        region: support::region(),
        repository: "shop/web".into(),
        digest: DIGEST.into(),
        tag: Some("1.2".into()),
    }
}

fn order() -> Order {
    Order {
        attempt: attempt(),
        stage: "dev".parse().unwrap(),
        place: place(),
        target: target(),
        release: ReleaseNumber(17),
        artefact: image(),
        alarms: AlarmsAtStart::Hold,
    }
}

fn stop_order(platform_id: Option<&str>) -> StopOrder {
    StopOrder {
        attempt: attempt(),
        stage: "dev".parse().unwrap(),
        place: place(),
        target: target(),
        platform_id: platform_id.map(ToOwned::to_owned),
    }
}

/// A service at revision 7, whose definition has fields that nobody knows.
struct World {
    server: Server,
    platform: AwsPlatform,
}

impl World {
    async fn start() -> Self {
        let server = Server::start().await;
        let platform = support::platform(&server.endpoint);
        let world = Self { server, platform };
        world.service(7, 2);
        world.definitions(&[(7, None)]);
        world.deployments(&[("old", 7, "SUCCESSFUL")]);
        world
    }

    fn service(&self, revision: u32, desired: u32) {
        let service = json!({
            "serviceName": "web", "status": "ACTIVE", "desiredCount": desired, "runningCount": desired,
            "taskDefinition": definition(revision),
            "deployments": [{
                "id": "ecs-svc/1", "status": "PRIMARY", "taskDefinition": definition(revision),
                "createdAt": CREATED,
            }],
        });
        self.server
            .says("DescribeServices", json!({ "services": [service] }));
    }

    /// Revisions with the attempts they are marked with.
    fn definitions(&self, revisions: &[(u32, Option<&'static str>)]) {
        let mut arns: Vec<String> = revisions
            .iter()
            .map(|(number, _)| definition(*number))
            .collect();
        arns.reverse();
        self.server
            .says("ListTaskDefinitions", json!({ "taskDefinitionArns": arns }));
        let marks: Vec<(String, Option<&str>)> = revisions
            .iter()
            .map(|(number, mark)| (definition(*number), *mark))
            .collect();
        self.server.on("DescribeTaskDefinition", move |input| {
            let asked = input["taskDefinition"].as_str().unwrap();
            let (arn, mark) = marks
                .iter()
                .find(|(arn, _)| arn == asked)
                .ok_or(("ClientException", "Unable to describe task definition."))?;
            Ok(described(arn, *mark))
        });
        self.server.says(
            "RegisterTaskDefinition",
            json!({ "taskDefinition": { "taskDefinitionArn": definition(8) } }),
        );
    }

    /// Service deployments, newest first.
    fn deployments(&self, newest_first: &[(&'static str, u32, &'static str)]) {
        let count = newest_first.len();
        let briefs: Vec<Value> = newest_first
            .iter()
            .enumerate()
            .map(|(at, (name, revision, status))| {
                json!({
                    "serviceDeploymentArn": deployment(name), "status": status,
                    "createdAt": CREATED - at as f64,
                    "targetServiceRevisionArn": arn("service-revision", &format!("r{revision}")),
                })
            })
            .collect();
        let revisions: Vec<Value> = newest_first
            .iter()
            .map(|(_, revision, _)| {
                json!({
                    "serviceRevisionArn": arn("service-revision", &format!("r{revision}")),
                    "taskDefinition": definition(*revision),
                })
            })
            .collect();
        assert_eq!(briefs.len(), count);
        self.server.says(
            "ListServiceDeployments",
            json!({ "serviceDeployments": briefs }),
        );
        self.server.says(
            "DescribeServiceRevisions",
            json!({ "serviceRevisions": revisions }),
        );
    }

    fn updates_to(&self, revision: u32) {
        let service = json!({
            "serviceName": "web",
            "deployments": [{
                "id": "ecs-svc/2", "status": "PRIMARY", "taskDefinition": definition(revision),
                "createdAt": CREATED,
            }],
        });
        self.server
            .says("UpdateService", json!({ "service": service }));
    }

    fn tasks(&self, digests: &[&str]) {
        let arns: Vec<String> = (0..digests.len())
            .map(|number| arn("task", &format!("shop/{number}")))
            .collect();
        self.server.says("ListTasks", json!({ "taskArns": arns }));
        let tasks: Vec<Value> = digests
            .iter()
            .map(|digest| {
                json!({
                    "lastStatus": "RUNNING",
                    "containers": [
                        { "name": "proxy", "image": "proxy:1", "imageDigest": "sha256:proxy" },
                        { "name": "web", "image": format!("repo@{digest}") },
                    ],
                })
            })
            .collect();
        self.server.says("DescribeTasks", json!({ "tasks": tasks }));
    }

    fn asked(&self, operation: &str) -> Vec<Value> {
        self.server.asked(operation)
    }

    async fn observed(&self) -> (Progress, Running) {
        self.platform
            .observe(&place(), &target(), &attempt(), &image())
            .await
            .unwrap()
    }
}

fn described(arn: &str, mark: Option<&str>) -> Value {
    let mut tags = vec![json!({ "key": "team", "value": "shop" })];
    tags.extend(mark.map(|mark| json!({ "key": "lastgood:deployment", "value": mark })));
    tags.extend(mark.map(|_| json!({ "key": "lastgood:stage", "value": "dev" })));
    json!({
        "taskDefinition": {
            "taskDefinitionArn": arn, "family": "web", "revision": 7, "status": "ACTIVE",
            "registeredAt": CREATED, "registeredBy": "arn:aws:iam::111122223333:user/alice",
            "compatibilities": ["EC2", "FARGATE"], "requiresCompatibilities": ["FARGATE"],
            "fieldOfNextYear": { "kept": [1, 2.5, null] },
            "containerDefinitions": [
                { "name": "web", "image": "old", "fieldNobodyKnows": "kept", "cpu": 256 },
                { "name": "proxy", "image": "proxy:1" },
            ],
        },
        "tags": tags,
    })
}

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
