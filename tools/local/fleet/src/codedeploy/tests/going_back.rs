//! Stopping, alarms, and automatic rollbacks.

use std::time::Duration;

use serde_json::{Value, json};

use super::world::{AlarmState, Local, appspec, bundle};

/// A release whose scripts refuse it.
const BAD: [(&str, &str); 1] = [("check.sh", "echo status 500; exit 1\n")];

fn bad() -> Vec<(&'static str, String)> {
    let spec = appspec(&[("ValidateService", "check.sh")]);
    vec![("appspec.yml", spec), (BAD[0].0, BAD[0].1.to_owned())]
}

async fn release_bad(local: &Local, version: &str) -> Value {
    let files = bad();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    local.release(version, &files).await
}

/// Begins a release whose validation takes long, and waits until it is being validated.
async fn begin_slow(local: &Local) -> String {
    let spec = appspec(&[("ValidateService", "wait.sh")]);
    let files = [("appspec.yml", spec.as_str()), ("wait.sh", "sleep 15\n")];
    local.aws.put("slow.zip", bundle("slow", &files));
    let id = local.deploy("slow.zip", Some("1"), json!({})).await;
    for _ in 0..1000 {
        let targets = local
            .ok("ListDeploymentTargets", json!({ "deploymentId": id }))
            .await;
        if let Some(target) = targets["targetIds"][0].as_str() {
            let events = local.events_of(&id, target).await;
            if events.contains(&"ValidateService: InProgress".to_owned()) {
                return id;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never validated: {:#}", local.info(&id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_validation_fails_the_deployment_and_a_new_one_goes_back() {
    let local = Local::with_instances(3).await;
    let good = local.release("1", &[]).await;
    local.told();
    let failed = release_bad(&local, "2").await;
    assert_eq!(failed["status"], "Failed");
    assert_eq!(failed["creator"], "user");
    assert_eq!(failed["errorInformation"]["code"], "HEALTH_CONSTRAINTS");
    assert_eq!(failed["deploymentOverview"]["Failed"], 1);
    let id = failed["deploymentId"].as_str().unwrap();
    let failures = local.failures_of(id).await;
    assert_eq!(failures[0]["errorCode"], "ScriptFailed");
    assert!(
        failures[0]["logTail"]
            .as_str()
            .unwrap()
            .contains("[stdout]status 500")
    );
    let rollback = local.rollback_of(&failed).await;
    assert_eq!(rollback["status"], "Succeeded", "{rollback:#}");
    assert_eq!(rollback["creator"], "codeDeployRollback");
    assert_eq!(rollback["revision"], good["revision"]);
    assert_ne!(rollback["deploymentId"], failed["deploymentId"]);
    let new = rollback["deploymentId"].as_str().unwrap();
    let info = &rollback["rollbackInfo"];
    assert_eq!(info["rollbackTriggeringDeploymentId"], id);
    let message = format!("Deployment {new} is triggered to roll back deployment {id}.");
    assert_eq!(info["rollbackMessage"], message);
    assert_eq!(local.versions().await, ["1".to_owned()].into());
    let told: Vec<(String, String)> = local
        .told()
        .iter()
        .filter(|event| {
            event["detail-type"]
                .as_str()
                .unwrap()
                .contains("Deployment State")
        })
        .map(|event| {
            (
                event["detail"]["deploymentId"].clone(),
                event["detail"]["state"].clone(),
            )
        })
        .map(|(id, state)| (id.as_str().unwrap().into(), state.as_str().unwrap().into()))
        .collect();
    let expect = [
        (id, "START"),
        (id, "FAILURE"),
        (new, "QUEUED"),
        (new, "START"),
        (new, "SUCCESS"),
    ];
    assert_eq!(
        told,
        expect.map(|(id, state)| (id.to_owned(), state.to_owned()))
    );
}

#[tokio::test]
async fn a_stopped_deployment_is_rolled_back_when_asked_for() {
    let local = Local::with_instances(2).await;
    local.release("1", &[]).await;
    let id = begin_slow(&local).await;
    let stop = json!({ "deploymentId": id, "autoRollbackEnabled": true });
    assert_eq!(
        local.ok("StopDeployment", stop.clone()).await["status"],
        "Pending"
    );
    let stopped = local.end(&id).await;
    assert_eq!(stopped["status"], "Stopped");
    assert_eq!(stopped["errorInformation"]["code"], "MANUAL_STOP");
    let target = local
        .ok("ListDeploymentTargets", json!({ "deploymentId": id }))
        .await;
    let events = local
        .events_of(&id, target["targetIds"][0].as_str().unwrap())
        .await;
    assert!(
        events.contains(&"ValidateService: Failed".to_owned()),
        "{events:?}"
    );
    assert!(
        events.contains(&"AllowTraffic: Skipped".to_owned()),
        "{events:?}"
    );
    let error = local.call("StopDeployment", stop).await.unwrap_err();
    assert!(
        error.starts_with("DeploymentAlreadyCompletedException"),
        "{error}"
    );
    assert_eq!(local.rollback_of(&stopped).await["status"], "Succeeded");
    assert_eq!(local.versions().await, ["1".to_owned()].into());
}

#[tokio::test]
async fn a_stopped_deployment_stays_as_it_is_when_not() {
    let local = Local::with_instances(1).await;
    local.release("1", &[]).await;
    let id = begin_slow(&local).await;
    let stop = json!({ "deploymentId": id, "autoRollbackEnabled": false });
    local.ok("StopDeployment", stop).await;
    assert_eq!(local.end(&id).await.get("rollbackInfo"), None);
    // What was stopped half-way is deployed to again, and first.
    assert_eq!(local.release("2", &[]).await["status"], "Succeeded");
}

#[tokio::test]
async fn an_alarm_stops_a_deployment_and_rolls_it_back() {
    let local = Local::with_instances(2).await;
    local.release("1", &[]).await;
    let id = begin_slow(&local).await;
    local.aws.alarm("errors", AlarmState::Alarm);
    let stopped = local.end(&id).await;
    assert_eq!(stopped["status"], "Stopped");
    let error = &stopped["errorInformation"];
    assert_eq!(error["code"], "ALARM_ACTIVE");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .ends_with("Activated alarms: <errors>")
    );
    // The rollback does not stop on the alarm that still fires.
    assert_eq!(local.rollback_of(&stopped).await["status"], "Succeeded");
    let states: Vec<_> = local
        .told()
        .iter()
        .map(|event| event["detail"]["state"].clone())
        .collect();
    assert!(states.contains(&json!("STOP")), "{states:?}");
}

#[tokio::test]
async fn an_alarm_that_fires_already_blocks_unless_overridden() {
    let local = Local::with_instances(1).await;
    local.aws.alarm("errors", AlarmState::Alarm);
    let blocked = local.release("1", &[]).await;
    assert_eq!(blocked["status"], "Stopped");
    assert_eq!(blocked["errorInformation"]["code"], "ALARM_ACTIVE");
    assert_eq!(local.versions().await, ["503".to_owned()].into());
    let despite = json!({ "overrideAlarmConfiguration": { "enabled": false } });
    let id = local.deploy("1.zip", Some("1"), despite).await;
    let info = local.end(&id).await;
    assert_eq!(info["status"], "Succeeded");
    assert_eq!(info["overrideAlarmConfiguration"]["enabled"], false);
    local.aws.alarm("errors", AlarmState::Ok);
    assert_eq!(local.release("2", &[]).await["status"], "Succeeded");
}

#[tokio::test]
async fn only_the_occasions_asked_for_are_rolled_back() {
    let local = Local::start().await;
    local
        .ok("CreateApplication", json!({ "applicationName": "app" }))
        .await;
    let only = json!({ "enabled": true, "events": ["DEPLOYMENT_STOP_ON_ALARM"] });
    local
        .group(json!({ "autoRollbackConfiguration": only }))
        .await;
    local.launch(1).await;
    local.release("1", &[]).await;
    assert_eq!(release_bad(&local, "2").await.get("rollbackInfo"), None);
    let own = json!({ "enabled": true, "events": ["DEPLOYMENT_FAILURE"] });
    let id = local
        .deploy(
            "2.zip",
            Some("1"),
            json!({ "autoRollbackConfiguration": own }),
        )
        .await;
    let failed = local.end(&id).await;
    assert_eq!(local.rollback_of(&failed).await["status"], "Succeeded");
}
