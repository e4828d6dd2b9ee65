//! One ECS service as a server plays it, and what is ordered there.

use aws::AwsPlatform;
use domain::config::{Target, TaskBase};
use domain::entry::{AlarmsAtStart, Order, StopOrder};
use domain::fact::{Progress, Running};
use domain::{Artefact, EntryId, ReleaseNumber};
use engine::Platform;
use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::{self, place};

pub(super) const DIGEST: &str =
    "sha256:1111111111111111111111111111111111111111111111111111111111111111";
pub(super) const CREATED: f64 = 1_795_435_200.5;

pub(super) fn arn(kind: &str, name: &str) -> String {
    format!("arn:aws:ecs:ap-south-1:111122223333:{kind}/{name}")
}

pub(super) fn definition(revision: u32) -> String {
    arn("task-definition", &format!("web:{revision}"))
}

pub(super) fn deployment(name: &str) -> String {
    arn("service-deployment", &format!("shop/web/{name}"))
}

pub(super) fn target() -> Target {
    Target::Ecs {
        cluster: "shop".into(),
        service: "web".into(),
        containers: vec!["web".into()],
        base: TaskBase::Running,
    }
}

pub(super) fn attempt() -> EntryId {
    "web/42".parse().unwrap()
}

pub(super) fn image() -> Artefact {
    Artefact::Image {
        account: support::account(),
        region: support::region(),
        repository: "shop/web".into(),
        digest: DIGEST.into(),
        tag: Some("1.2".into()),
    }
}

pub(super) fn order() -> Order {
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

pub(super) fn stop_order(platform_id: Option<&str>) -> StopOrder {
    StopOrder {
        attempt: attempt(),
        stage: "dev".parse().unwrap(),
        place: place(),
        target: target(),
        platform_id: platform_id.map(ToOwned::to_owned),
    }
}

/// A service at revision 7, whose definition has fields that nobody knows.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) platform: AwsPlatform,
}

impl World {
    pub(super) async fn start() -> Self {
        let server = Server::start().await;
        let platform = support::platform(&server.endpoint);
        let world = Self { server, platform };
        world.service(7, 2);
        world.definitions(&[(7, None)]);
        world.deployments(&[("old", 7, "SUCCESSFUL")]);
        world
    }

    pub(super) fn service(&self, revision: u32, desired: u32) {
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
    pub(super) fn definitions(&self, revisions: &[(u32, Option<&'static str>)]) {
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
    pub(super) fn deployments(&self, newest_first: &[(&'static str, u32, &'static str)]) {
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

    pub(super) fn updates_to(&self, revision: u32) {
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

    pub(super) fn tasks(&self, digests: &[&str]) {
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

    pub(super) fn asked(&self, operation: &str) -> Vec<Value> {
        self.server.asked(operation)
    }

    pub(super) async fn observed(&self) -> (Progress, Running) {
        self.platform
            .observe(&place(), &target(), &attempt(), &image())
            .await
            .unwrap()
    }
}

pub(super) fn described(arn: &str, mark: Option<&str>) -> Value {
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
