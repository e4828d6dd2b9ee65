//! Deploying to instances: order of instances and events, scripts, versions, traffic.

use std::collections::BTreeSet;

use serde_json::json;

use super::world::{Load, Local, appspec, bundle};

fn only(version: &str) -> BTreeSet<String> {
    BTreeSet::from([version.to_owned()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_time_behind_a_load_balancer_loses_no_request() {
    let local = Local::with_instances(3).await;
    assert_eq!(local.release("1", &[]).await["status"], "Succeeded");
    let load = Load::start(&local.url().await, 4);
    for version in ["2", "3"] {
        let slow = json!({ "version": version, "latency_ms": 3, "start_ms": 20 }).to_string();
        let info = local.release(version, &[("app.json", &slow)]).await;
        assert_eq!(info["status"], "Succeeded", "{info:#}");
        assert_eq!(info["deploymentOverview"]["Succeeded"], 3);
    }
    let seen = load.end().await;
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [200], "{seen:?}");
    assert_eq!(local.versions().await, only("3"));
    local.fleet.shutdown().await;
}

#[tokio::test]
async fn all_lifecycle_events_happen_in_order_and_scripts_find_the_server() {
    let local = Local::with_instances(1).await;
    let check = "set -e\ntest -n \"$PORT\"\ntest \"$APPLICATION_NAME $DEPLOYMENT_GROUP_NAME\" = \
                 \"app web\"\ntest -f srv/page.html\necho \"$LIFECYCLE_EVENT\" >> order\n";
    let hooks = ["ApplicationStart", "ValidateService", "AfterAllowTraffic"];
    let hooks = hooks.map(|event| (event, "check.sh"));
    let spec = format!(
        "{}files:\n  - source: page.html\n    destination: /srv\n",
        appspec(&hooks)
    );
    let files = [
        ("appspec.yml", spec.as_str()),
        ("check.sh", check),
        ("page.html", "hello"),
    ];
    let info = local.release("1", &files).await;
    let id = info["deploymentId"].as_str().unwrap();
    assert_eq!(
        info["status"],
        "Succeeded",
        "{:?}",
        local.failures_of(id).await
    );
    let target = local
        .ok("ListDeploymentTargets", json!({ "deploymentId": id }))
        .await;
    let events = local
        .events_of(id, target["targetIds"][0].as_str().unwrap())
        .await;
    let names = [
        "BeforeBlockTraffic",
        "BlockTraffic",
        "AfterBlockTraffic",
        "ApplicationStop",
        "DownloadBundle",
        "BeforeInstall",
        "Install",
        "AfterInstall",
        "ApplicationStart",
        "ValidateService",
        "BeforeAllowTraffic",
        "AllowTraffic",
        "AfterAllowTraffic",
    ];
    assert_eq!(events, names.map(|name| format!("{name}: Succeeded")));
}

#[tokio::test]
async fn a_pinned_version_is_deployed_and_without_one_the_newest() {
    let local = Local::with_instances(1).await;
    local.aws.put("web.zip", bundle("1", &[]));
    local.aws.put("web.zip", bundle("2", &[]));
    let pinned = local.deploy("web.zip", Some("1"), json!({})).await;
    assert_eq!(local.end(&pinned).await["status"], "Succeeded");
    assert_eq!(local.versions().await, only("1"));
    let newest = local.deploy("web.zip", None, json!({})).await;
    let info = local.end(&newest).await;
    assert_eq!(local.versions().await, only("2"));
    assert_eq!(info["revision"]["s3Location"].get("version"), None);
    assert_eq!(info["previousRevision"]["s3Location"]["version"], "1");
}

#[tokio::test]
async fn application_stop_is_the_old_revisions_and_can_be_overlooked() {
    let local = Local::with_instances(1).await;
    let hooks = appspec(&[("ApplicationStop", "stop.sh")]);
    let broken = [
        ("appspec.yml", hooks.as_str()),
        ("stop.sh", "echo cannot >&2; exit 7\n"),
    ];
    assert_eq!(local.release("1", &broken).await["status"], "Succeeded");
    let info = local.release("2", &[]).await;
    assert_eq!(info["status"], "Failed");
    assert_eq!(info["errorInformation"]["code"], "HEALTH_CONSTRAINTS");
    let failures = local
        .failures_of(info["deploymentId"].as_str().unwrap())
        .await;
    assert_eq!(failures[0]["errorCode"], "ScriptFailed");
    assert_eq!(failures[0]["scriptName"], "stop.sh");
    assert!(
        failures[0]["logTail"]
            .as_str()
            .unwrap()
            .contains("[stderr]cannot")
    );
    // Its rollback fails for the same reason, and is not rolled back itself.
    let rollback = local.rollback_of(&info).await;
    assert_eq!(
        (&rollback["status"], &rollback["creator"]),
        (&json!("Failed"), &json!("codeDeployRollback"))
    );
    assert_eq!(rollback["rollbackInfo"].get("rollbackDeploymentId"), None);
    let overlook = json!({ "ignoreApplicationStopFailures": true });
    let id = local.deploy("2.zip", Some("1"), overlook).await;
    assert_eq!(local.end(&id).await["status"], "Succeeded");
    assert_eq!(local.versions().await, only("2"));
}

#[tokio::test]
async fn on_premises_instances_are_deployed_to_by_their_tags() {
    let local = Local::start().await;
    local
        .ok("CreateApplication", json!({ "applicationName": "app" }))
        .await;
    let filters = json!([{ "Key": "site", "Value": "pune", "Type": "KEY_AND_VALUE" }]);
    local
        .group(json!({ "onPremisesInstanceTagFilters": filters }))
        .await;
    let name = json!({ "instanceName": "rack-7" });
    assert!(
        local
            .call("RegisterOnPremisesInstance", name)
            .await
            .unwrap_err()
            .starts_with("IamArn")
    );
    let session = json!({ "instanceName": "rack-7", "iamSessionArn": "arn:aws:sts::1:x" });
    local.ok("RegisterOnPremisesInstance", session).await;
    let tags = json!({ "instanceNames": ["rack-7"], "tags": [{ "Key": "site", "Value": "pune" }] });
    local.ok("AddTagsToOnPremisesInstances", tags).await;
    let info = local.release("1", &[]).await;
    assert_eq!(info["status"], "Succeeded", "{info:#}");
    let id = info["deploymentId"].clone();
    let told = local
        .ok("BatchGetDeploymentTargets", json!({ "deploymentId": id }))
        .await;
    let target = &told["deploymentTargets"][0]["instanceTarget"];
    assert_eq!(target["targetId"], "rack-7");
    assert_eq!(
        target["targetArn"],
        "arn:aws:codedeploy:eu-west-1:111122223333:instance/rack-7"
    );
    assert_eq!(local.versions().await, only("1"));
    let named = json!({ "instanceName": "rack-7" });
    let info = local.ok("GetOnPremisesInstance", named.clone()).await["instanceInfo"].clone();
    assert_eq!(info["iamSessionArn"], "arn:aws:sts::1:x");
    assert_eq!(info["tags"], json!([{ "Key": "site", "Value": "pune" }]));
    let many = json!({ "instanceNames": ["rack-7", "rack-8"] });
    let many = local.ok("BatchGetOnPremisesInstances", many).await;
    assert_eq!(many["instanceInfos"], json!([info]));
    let gone = json!({ "instanceNames": ["rack-7"], "tags": [{ "Key": "site" }] });
    local.ok("RemoveTagsFromOnPremisesInstances", gone).await;
    let filter = json!({ "tagFilters": [{ "Key": "site", "Type": "KEY_ONLY" }] });
    let left = local.ok("ListOnPremisesInstances", filter).await;
    assert_eq!(left["instanceNames"], json!([]));
    local
        .ok(
            "DeregisterOnPremisesInstance",
            json!({ "instanceName": "rack-7" }),
        )
        .await;
    assert_eq!(local.versions().await, only("503"));
}

#[tokio::test]
async fn without_instances_or_bundle_nothing_is_deployed() {
    let local = Local::start().await;
    local
        .ok("CreateApplication", json!({ "applicationName": "app" }))
        .await;
    local.group(json!({})).await;
    let info = local.release("1", &[]).await;
    assert_eq!(info["status"], "Failed");
    assert_eq!(info["errorInformation"]["code"], "NO_INSTANCES");
    local.launch(1).await;
    local.aws.delete("1.zip");
    let id = local.deploy("1.zip", Some("1"), json!({})).await;
    let info = local.end(&id).await;
    assert_eq!(info["errorInformation"]["code"], "REVISION_MISSING");
    assert_eq!(info["deploymentOverview"]["Skipped"], 1);
    // Nothing has ever succeeded, so there is nothing to go back to.
    assert_eq!(info["rollbackInfo"].get("rollbackDeploymentId"), None);
}

#[tokio::test]
async fn a_bundle_that_cannot_be_used_fails_on_the_instance() {
    let local = Local::with_instances(1).await;
    let odd = [
        (b"no archive".to_vec(), "not a valid zip"),
        (
            bundle("1", &[("appspec.yml", "version: 9.9\nos: linux\n")]),
            "invalid version value",
        ),
        (
            bundle("1", &[("app.json", "{\"eror_rate\":1}")]),
            "app.json",
        ),
    ];
    for (bytes, expected) in odd {
        local.aws.put("web.zip", bytes);
        let id = local.deploy("web.zip", None, json!({})).await;
        assert_eq!(local.end(&id).await["status"], "Failed");
        let failures = local.failures_of(&id).await;
        assert_eq!(failures[0]["errorCode"], "UnknownError");
        let message = failures[0]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn an_instance_that_never_becomes_healthy_fails_and_stays_out() {
    let local = Local::with_instances(2).await;
    local.release("1", &[]).await;
    let ill = json!({ "version": "2", "health": 500 }).to_string();
    let info = local.release("2", &[("app.json", &ill)]).await;
    assert_eq!(info["errorInformation"]["code"], "HEALTH_CONSTRAINTS");
    assert_eq!(info["deploymentOverview"]["Failed"], 1);
    assert_eq!(info["deploymentOverview"]["Skipped"], 1);
    assert_eq!(local.rollback_of(&info).await["status"], "Succeeded");
    assert_eq!(local.versions().await, only("1"));
}
