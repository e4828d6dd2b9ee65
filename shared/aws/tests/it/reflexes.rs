//! What targets do by themselves on alarms, as ECS and CodeDeploy tell it.

use domain::config::{Target, TaskBase};
use domain::peril::Reflexes;
use engine::{Platform as _, PlatformError};
use serde_json::{Value, json};

use crate::support::server::Server;
use crate::support::{self, place};

fn reflexes(alarms: &[&str], goes_back: bool) -> Reflexes {
    let alarms = alarms.iter().map(|name| (*name).to_owned()).collect();
    Reflexes { alarms, goes_back }
}

#[tokio::test]
async fn a_service_acts_on_the_alarms_of_its_deployment_configuration() {
    let server = Server::start().await;
    let platform = support::platform(&server.endpoint);
    let target = Target::Ecs {
        cluster: "shop".into(),
        service: "web".into(),
        containers: vec!["web".into()],
        base: TaskBase::Running,
    };
    for (alarms, expected) in [
        (Value::Null, reflexes(&[], false)),
        (
            json!({ "enable": false, "rollback": true, "alarmNames": ["cpu"] }),
            reflexes(&[], false),
        ),
        (
            json!({ "enable": true, "rollback": false, "alarmNames": ["cpu"] }),
            reflexes(&["cpu"], false),
        ),
        (
            json!({ "enable": true, "rollback": true, "alarmNames": ["cpu", "5xx"] }),
            reflexes(&["cpu", "5xx"], true),
        ),
    ] {
        let service = json!({
            "serviceName": "web", "status": "ACTIVE", "taskDefinition": "web:7",
            "deploymentConfiguration": { "alarms": alarms },
        });
        server.says("DescribeServices", json!({ "services": [service] }));
        let seen = platform.reflexes(&place(), &target).await;
        assert_eq!(seen.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_group_acts_on_its_alarms_and_goes_back_only_when_it_says_so() {
    let server = Server::start().await;
    let platform = support::platform(&server.endpoint);
    let target = Target::CodeDeploy {
        application: "web".into(),
        group: "production".into(),
    };
    let says = |enabled: bool, auto: Value| {
        let group = json!({
            "applicationName": "web", "deploymentGroupName": "production",
            "computePlatform": "Server",
            "alarmConfiguration": { "enabled": enabled, "alarms": [{ "name": "cpu" }] },
            "autoRollbackConfiguration": auto,
        });
        server.says(
            "GetDeploymentGroup",
            json!({ "deploymentGroupInfo": group }),
        );
    };
    let on = |event: &str| json!({ "enabled": true, "events": [event] });
    for (enabled, auto, expected) in [
        (false, on("DEPLOYMENT_STOP_ON_ALARM"), reflexes(&[], true)),
        (
            true,
            on("DEPLOYMENT_STOP_ON_ALARM"),
            reflexes(&["cpu"], true),
        ),
        (true, on("DEPLOYMENT_FAILURE"), reflexes(&["cpu"], false)),
        (true, json!({ "enabled": false }), reflexes(&["cpu"], false)),
    ] {
        says(enabled, auto);
        let seen = platform.reflexes(&place(), &target).await;
        assert_eq!(seen.unwrap(), expected);
    }
    let code = "DeploymentGroupDoesNotExistException";
    server.refuses("GetDeploymentGroup", code, "No Deployment Group found");
    let gone = platform.reflexes(&place(), &target).await;
    assert!(matches!(gone, Err(PlatformError::Terminal(_))), "{gone:?}");
}
