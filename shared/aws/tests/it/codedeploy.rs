//! CodeDeploy as a server plays it: what is created, what is found again, and what statuses come
//! to.

use std::sync::atomic::{AtomicU32, Ordering};

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

const CREATED: f64 = 1_795_435_200.5;
/// Long enough ago that no rollback is to come any more.
const ENDED: f64 = 1_000_000_000.0;

fn target() -> Target {
    Target::CodeDeploy {
        application: "web".into(),
        group: "production".into(),
    }
}

fn attempt() -> EntryId {
    "web/42".parse().unwrap()
}

fn object(key: &str) -> Artefact {
    Artefact::Object {
        bucket: "artefacts".into(),
        key: key.into(),
        version: "v17".into(),
        sha256: None,
        bytes: 4096,
    }
}

fn order() -> Order {
    Order {
        attempt: attempt(),
        stage: "production".parse().unwrap(),
        place: place(),
        target: target(),
        release: ReleaseNumber(17),
        artefact: object("web/17.zip"),
        alarms: AlarmsAtStart::Hold,
    }
}

fn deployment(id: &str, version: &str, status: &str, more: Value) -> Value {
    let mut info = json!({
        "deploymentId": id, "status": status, "createTime": CREATED, "completeTime": ENDED,
        "creator": "user", "computePlatform": "Server",
        "revision": {
            "revisionType": "S3",
            "s3Location": { "bucket": "artefacts", "key": "web/17.zip", "version": version },
        },
    });
    for (name, value) in more.as_object().unwrap() {
        info[name] = value.clone();
    }
    info
}

fn ours(status: &str, more: Value) -> Value {
    let mut ours = deployment("d-OURS00001", "v17", status, more);
    ours["description"] = "lastgood web/42 release 17".into();
    ours
}

fn before() -> Value {
    let mut before = deployment("d-BEFORE001", "v16", "Succeeded", json!({}));
    before["createTime"] = (CREATED - 9000.0).into();
    before
}

struct World {
    server: Server,
    platform: AwsPlatform,
}

impl World {
    async fn start() -> Self {
        let server = Server::start().await;
        let platform = support::platform(&server.endpoint);
        let world = Self { server, platform };
        world.deployments(vec![before()]);
        world.instances(|_| vec![("i-1", "Succeeded"), ("i-2", "Succeeded")]);
        world
            .server
            .says("CreateDeployment", json!({ "deploymentId": "d-NEW000001" }));
        world
    }

    fn deployments(&self, infos: Vec<Value>) {
        let ids: Vec<Value> = infos
            .iter()
            .map(|info| info["deploymentId"].clone())
            .collect();
        self.server
            .says("ListDeployments", json!({ "deployments": ids }));
        let all = infos.clone();
        self.server.on("BatchGetDeployments", move |input| {
            let asked = input["deploymentIds"].as_array().unwrap();
            let found: Vec<&Value> = all
                .iter()
                .filter(|info| asked.contains(&info["deploymentId"]))
                .collect();
            Ok(json!({ "deploymentsInfo": found }))
        });
        self.server.on("GetDeployment", move |input| {
            let found = infos
                .iter()
                .find(|info| info["deploymentId"] == input["deploymentId"]);
            let new = deployment("d-NEW000001", "v17", "Created", json!({}));
            Ok(json!({ "deploymentInfo": found.unwrap_or(&new) }))
        });
    }

    fn instances(
        &self,
        of: impl Fn(&str) -> Vec<(&'static str, &'static str)> + Send + Sync + Clone + 'static,
    ) {
        let ids = of.clone();
        self.server.on("ListDeploymentTargets", move |input| {
            let all = ids(input["deploymentId"].as_str().unwrap());
            Ok(json!({ "targetIds": all.iter().map(|(id, _)| id).collect::<Vec<_>>() }))
        });
        self.server.on("BatchGetDeploymentTargets", move |input| {
            let all = of(input["deploymentId"].as_str().unwrap());
            let targets: Vec<Value> = all
                .iter()
                .map(|(id, status)| instance(id, status))
                .collect();
            Ok(json!({ "deploymentTargets": targets }))
        });
    }

    async fn observed(&self) -> (Progress, Running) {
        let artefact = object("web/17.zip");
        self.platform
            .observe(&place(), &target(), &attempt(), &artefact)
            .await
            .unwrap()
    }
}

fn instance(id: &str, status: &str) -> Value {
    let failed = json!([{
        "lifecycleEventName": "ValidateService", "status": "Failed",
        "diagnostics": {
            "errorCode": "ScriptFailed", "scriptName": "check.sh", "message": "exit code 1",
            "logTail": "curl: (22) 500",
        },
    }]);
    let events = if status == "Failed" {
        failed
    } else {
        json!([])
    };
    json!({
        "deploymentTargetType": "InstanceTarget",
        "instanceTarget": { "targetId": id, "status": status, "lifecycleEvents": events },
    })
}

#[tokio::test]
async fn a_deployment_is_created_with_version_and_mark() {
    let world = World::start().await;
    let begun = world.platform.deploy(&order()).await.unwrap();
    assert!(matches!(begun, Answer::Begun { platform_id, .. } if platform_id == "d-NEW000001"));
    let expected = json!({
        "applicationName": "web",
        "deploymentGroupName": "production",
        "description": "lastgood web/42 release 17",
        "revision": {
            "revisionType": "S3",
            "s3Location": {
                "bucket": "artefacts", "key": "web/17.zip", "version": "v17", "bundleType": "zip",
            },
        },
    });
    assert_eq!(world.server.asked("CreateDeployment"), [expected]);
}

#[tokio::test]
async fn the_way_back_passes_over_alarms_and_stop_scripts() {
    let world = World::start().await;
    let back = Order {
        alarms: AlarmsAtStart::PassOver,
        ..order()
    };
    world.platform.deploy(&back).await.unwrap();
    let asked = &world.server.asked("CreateDeployment")[0];
    assert_eq!(asked["overrideAlarmConfiguration"]["enabled"], false);
    assert_eq!(asked["ignoreApplicationStopFailures"], true);
}

#[tokio::test]
async fn a_repeated_order_finds_what_it_began() {
    let world = World::start().await;
    for status in ["Created", "InProgress", "Succeeded", "Failed"] {
        world.deployments(vec![ours(status, json!({})), before()]);
        let begun = world.platform.deploy(&order()).await.unwrap();
        assert!(matches!(begun, Answer::Begun { platform_id, .. } if platform_id == "d-OURS00001"));
    }
    assert!(world.server.asked("CreateDeployment").is_empty());
}

#[tokio::test]
async fn our_own_is_found_far_back() {
    let world = World::start().await;
    let scaling = |number: u32| {
        let id = format!("d-SCALE{number:04}");
        deployment(&id, "v16", "Succeeded", json!({ "creator": "autoscaling" }))
    };
    let mut all: Vec<Value> = (0..60).map(scaling).collect();
    let mut old = ours("InProgress", json!({}));
    old["createTime"] = (CREATED - 100.0).into();
    all.push(old);
    world.deployments(all);
    let (progress, _) = world.observed().await;
    assert!(
        matches!(progress, Progress::Underway { platform_id, .. } if platform_id == "d-OURS00001")
    );
}

#[tokio::test]
async fn a_group_takes_one_at_a_time() {
    let world = World::start().await;
    let theirs = deployment("d-THEIRS001", "v9", "InProgress", json!({}));
    world.deployments(vec![theirs, before()]);
    let occupied = Answer::Occupied {
        by: "d-THEIRS001".into(),
    };
    assert_eq!(world.platform.deploy(&order()).await.unwrap(), occupied);
    assert!(world.server.asked("CreateDeployment").is_empty());
    // And when it came between the look and the call.
    world.deployments(vec![before()]);
    world.server.refuses(
        "CreateDeployment",
        "DeploymentLimitExceededException",
        "The Deployment Group 'production' already has an active Deployment 'd-THEIRS001'",
    );
    assert_eq!(world.platform.deploy(&order()).await.unwrap(), occupied);
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found() {
    let world = World::start().await;
    world.deployments(vec![ours("Created", json!({})), before()]);
    let looks = AtomicU32::new(0);
    world.server.on("ListDeployments", move |_| {
        let seen = looks.fetch_add(1, Ordering::Relaxed) > 0;
        let ids = if seen {
            json!(["d-OURS00001"])
        } else {
            json!([])
        };
        Ok(json!({ "deployments": ids }))
    });
    world.server.refuses(
        "CreateDeployment",
        "DeploymentLimitExceededException",
        "The Deployment Group 'production' already has an active Deployment 'd-OURS00001'",
    );
    let begun = world.platform.deploy(&order()).await.unwrap();
    assert!(matches!(begun, Answer::Begun { platform_id, .. } if platform_id == "d-OURS00001"));
}

#[tokio::test]
async fn errors_are_for_later_or_for_good() {
    let world = World::start().await;
    world.server.refuses(
        "ListDeployments",
        "DeploymentGroupDoesNotExistException",
        "no such group",
    );
    let error = world.platform.deploy(&order()).await.unwrap_err();
    assert!(matches!(error, PlatformError::Terminal(why) if why.contains("no such group")));
    world
        .server
        .refuses("ListDeployments", "ThrottlingException", "Rate exceeded");
    let error = world.platform.deploy(&order()).await.unwrap_err();
    assert!(matches!(error, PlatformError::Transient(why) if why.contains("Rate exceeded")));
    let wrong = Order {
        artefact: object("web/17.rpm"),
        ..order()
    };
    world.deployments(vec![before()]);
    let error = world.platform.deploy(&wrong).await.unwrap_err();
    assert!(matches!(error, PlatformError::Terminal(why) if why.contains("17.rpm")));
}

#[tokio::test]
async fn statuses_are_what_the_attempt_came_to() {
    let world = World::start().await;
    let mut rows = vec![
        (vec![before()], "not found"),
        (vec![ours("Succeeded", json!({})), before()], "succeeded"),
        (vec![ours("Failed", json!({})), before()], "failed"),
        (vec![ours("Stopped", json!({})), before()], "failed"),
    ];
    for status in ["Created", "Queued", "InProgress", "Baking", "Ready"] {
        rows.push((vec![ours(status, json!({})), before()], "underway"));
    }
    for (status, expected) in [
        ("InProgress", "undoing"),
        ("Succeeded", "undone"),
        ("Failed", "failed"),
    ] {
        let undone = ours(
            "Failed",
            json!({ "rollbackInfo": { "rollbackDeploymentId": "d-BACK00001" } }),
        );
        let triggered = json!({
            "creator": "codeDeployRollback", "description": "lastgood web/42 release 17",
            "rollbackInfo": { "rollbackTriggeringDeploymentId": "d-OURS00001" },
        });
        let back = deployment("d-BACK00001", "v16", status, triggered);
        rows.push((vec![back.clone(), undone, before()], expected));
        // CodeDeploy may name it on the one and not on the other.
        rows.push((vec![back, ours("Stopped", json!({})), before()], expected));
    }
    for (infos, expected) in rows {
        world.deployments(infos.clone());
        let (progress, _) = world.observed().await;
        assert_eq!(word(&progress), expected, "{infos:#?}");
    }
}

#[tokio::test]
async fn a_bad_end_waits_for_the_rollback_that_may_come() {
    let world = World::start().await;
    let now = domain::Timestamp::now().as_second();
    let auto = json!({ "autoRollbackConfiguration": { "enabled": true }, "completeTime": now });
    world.deployments(vec![ours("Failed", auto), before()]);
    assert_eq!(word(&world.observed().await.0), "underway");
}

#[tokio::test]
async fn why_it_failed_names_instance_and_script() {
    let world = World::start().await;
    let error = json!({ "errorInformation": { "code": "HEALTH_CONSTRAINTS", "message": "too many failed" } });
    world.deployments(vec![ours("Failed", error), before()]);
    world.instances(|id| {
        let first = if id == "d-OURS00001" {
            "Failed"
        } else {
            "Succeeded"
        };
        vec![
            ("i-1", first),
            (
                "i-2",
                if id == "d-OURS00001" {
                    "Skipped"
                } else {
                    "Succeeded"
                },
            ),
        ]
    });
    let (progress, running) = world.observed().await;
    let Progress::Failed { why, .. } = progress else {
        panic!("{progress:?}")
    };
    assert_eq!(
        why,
        "HEALTH_CONSTRAINTS: too many failed; i-1 failed at ValidateService: ScriptFailed: check.sh: \
         exit code 1: curl: (22) 500"
    );
    // One is unclear, the other still runs what it ran.
    assert_eq!(
        running,
        Running::Mixed(vec![Content("artefacts/web/17.zip@v16".into())])
    );
}

#[tokio::test]
async fn all_instances_run_what_succeeded_on_them() {
    let world = World::start().await;
    world.deployments(vec![ours("Succeeded", json!({})), before()]);
    let (_, running) = world.observed().await;
    assert_eq!(running, Running::All(object("web/17.zip").content()));
}

#[tokio::test]
async fn a_stop_asks_for_the_revision_before() {
    let world = World::start().await;
    let stop = |platform_id: Option<&str>| StopOrder {
        attempt: attempt(),
        stage: "production".parse().unwrap(),
        place: place(),
        target: target(),
        platform_id: platform_id.map(ToOwned::to_owned),
    };
    world
        .server
        .says("StopDeployment", json!({ "status": "Pending" }));
    assert_eq!(
        world.platform.stop(&stop(None)).await.unwrap(),
        Answer::NeverBegun
    );
    world.deployments(vec![ours("InProgress", json!({})), before()]);
    assert_eq!(
        world.platform.stop(&stop(None)).await.unwrap(),
        Answer::Stopping
    );
    let asked = json!({ "deploymentId": "d-OURS00001", "autoRollbackEnabled": true });
    assert_eq!(world.server.asked("StopDeployment"), [asked]);
    world.server.refuses(
        "StopDeployment",
        "DeploymentAlreadyCompletedException",
        "it is over",
    );
    let named = stop(Some("d-OURS00001"));
    assert_eq!(world.platform.stop(&named).await.unwrap(), Answer::Stopping);
}

#[tokio::test]
async fn an_ecs_service_is_deployed_by_an_appspec() {
    let world = World::start().await;
    let definition = |revision: u32| {
        format!("arn:aws:ecs:ap-south-1:111122223333:task-definition/web:{revision}")
    };
    let service = json!({
        "serviceName": "web", "status": "ACTIVE", "desiredCount": 2,
        "deploymentController": { "type": "CODE_DEPLOY" },
        "taskSets": [
            { "status": "ACTIVE", "taskDefinition": definition(3) },
            { "status": "PRIMARY", "taskDefinition": definition(7), "platformVersion": "1.4.0" },
        ],
    });
    world
        .server
        .says("DescribeServices", json!({ "services": [service] }));
    world
        .server
        .says("ListTaskDefinitions", json!({ "taskDefinitionArns": [] }));
    world.server.on("DescribeTaskDefinition", move |input| {
        assert_eq!(
            input["taskDefinition"],
            definition(7),
            "the base is what the primary set runs"
        );
        Ok(json!({ "taskDefinition": {
            "taskDefinitionArn": definition(7), "family": "web",
            "containerDefinitions": [{ "name": "web", "image": "old" }],
        }}))
    });
    let registered = json!({ "taskDefinition": { "taskDefinitionArn": definition(8) } });
    world.server.says("RegisterTaskDefinition", registered);
    let target = Target::CodeDeployEcs {
        application: "web".into(),
        group: "production".into(),
        cluster: "shop".into(),
        service: "web".into(),
        containers: vec!["web".into()],
        base: TaskBase::Running,
        container: "web".into(),
        port: 8080,
        hooks: Vec::new(),
    };
    let artefact = Artefact::Image {
        account: support::account(),
        region: support::region(),
        repository: "web".into(),
        digest: "sha256:1".into(),
        tag: None,
    };
    world
        .platform
        .deploy(&Order {
            target,
            artefact,
            ..order()
        })
        .await
        .unwrap();
    let asked = &world.server.asked("CreateDeployment")[0];
    assert_eq!(asked["revision"]["revisionType"], "AppSpecContent");
    let content = asked["revision"]["appSpecContent"]["content"]
        .as_str()
        .unwrap();
    let spec: Value = serde_json::from_str(content).unwrap();
    let properties = &spec["Resources"][0]["TargetService"]["Properties"];
    assert_eq!(properties["TaskDefinition"], definition(8));
    assert_eq!(properties["PlatformVersion"], "1.4.0");
}
