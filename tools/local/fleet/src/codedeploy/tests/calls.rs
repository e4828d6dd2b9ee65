//! The protocol: names of errors, permissions, lists, limits, shapes of events.

use serde_json::{Value, json};

use super::world::{ACCOUNT, Local, REGION, appspec, bundle, revision};

#[tokio::test]
async fn a_group_has_one_active_deployment() {
    let local = Local::with_instances(1).await;
    let spec = appspec(&[("ValidateService", "wait.sh")]);
    let files = [("appspec.yml", spec.as_str()), ("wait.sh", "sleep 15\n")];
    local.aws.put("slow.zip", bundle("slow", &files));
    let id = local.deploy("slow.zip", Some("1"), json!({})).await;
    let input = json!({
        "applicationName": "app", "deploymentGroupName": "web",
        "revision": revision("slow.zip", Some("1")),
    });
    let error = local
        .call("CreateDeployment", input.clone())
        .await
        .unwrap_err();
    let expected = format!(
        "DeploymentLimitExceededException: \"The Deployment Group 'web' already has an active \
         Deployment '{id}'\""
    );
    assert_eq!(error, expected);
    local
        .ok("StopDeployment", json!({ "deploymentId": id }))
        .await;
    local.end(&id).await;
    local.ok("CreateDeployment", input).await;
    local.fleet.shutdown().await;
}

async fn expect(local: &Local, cases: &[(&str, Value, &str)]) {
    for (operation, input, code) in cases {
        let error = local.call(operation, input.clone()).await.unwrap_err();
        assert_eq!(error.split(':').next(), Some(*code), "{operation} {input}");
    }
}

#[tokio::test]
async fn what_cannot_be_deployed_is_refused_by_its_name() {
    let local = Local::with_instances(1).await;
    let create = |changes: Value| {
        let mut input = json!({
            "applicationName": "app",
            "deploymentGroupName": "web",
            "revision": revision("1.zip", None),
        });
        input
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        input
    };
    let content = json!({ "revisionType": "AppSpecContent", "appSpecContent": { "content": "x" } });
    let alarms: Vec<Value> = (0..11).map(|n| json!({ "name": n.to_string() })).collect();
    let cases = [
        (
            json!({ "applicationName": "no" }),
            "ApplicationDoesNotExistException",
        ),
        (
            json!({ "applicationName": null }),
            "ApplicationNameRequiredException",
        ),
        (
            json!({ "deploymentGroupName": "no" }),
            "DeploymentGroupDoesNotExistException",
        ),
        (
            json!({ "deploymentConfigName": "no" }),
            "DeploymentConfigDoesNotExistException",
        ),
        (
            json!({ "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce" }),
            "InvalidDeploymentConfigNameException",
        ),
        (json!({ "revision": null }), "RevisionRequiredException"),
        (json!({ "revision": content }), "InvalidRevisionException"),
        (
            json!({ "description": "x".repeat(257) }),
            "DescriptionTooLongException",
        ),
        (
            json!({ "overrideAlarmConfiguration": { "alarms": alarms } }),
            "AlarmsLimitExceededException",
        ),
    ];
    let cases = cases.map(|(changes, code)| ("CreateDeployment", create(changes), code));
    expect(&local, &cases).await;
    assert_eq!(
        local.ok("ListDeployments", json!({})).await["deployments"],
        json!([])
    );
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_its_name() {
    let local = Local::with_instances(1).await;
    let none = json!({ "deploymentId": "d-NONE" });
    let info = local.release("1", &[]).await;
    let done = json!({ "deploymentId": info["deploymentId"], "status": "Succeeded" });
    let cases = [
        (
            "GetDeployment",
            none.clone(),
            "DeploymentDoesNotExistException",
        ),
        ("GetDeployment", json!({}), "DeploymentIdRequiredException"),
        (
            "GetDeployment",
            json!({ "deploymentId": "7" }),
            "InvalidDeploymentIdException",
        ),
        (
            "StopDeployment",
            none.clone(),
            "DeploymentDoesNotExistException",
        ),
        (
            "ListDeploymentTargets",
            none,
            "DeploymentDoesNotExistException",
        ),
        (
            "ContinueDeployment",
            done.clone(),
            "DeploymentAlreadyCompletedException",
        ),
        (
            "PutLifecycleEventHookExecutionStatus",
            done,
            "UnsupportedActionForDeploymentTypeException",
        ),
        (
            "CreateApplication",
            json!({ "applicationName": "app" }),
            "ApplicationAlreadyExistsException",
        ),
        (
            "ListDeployments",
            json!({ "includeOnlyStatuses": ["Gone"] }),
            "InvalidDeploymentStatusException",
        ),
        ("MakeTea", json!({}), "UnknownOperationException"),
    ];
    expect(&local, &cases).await;
}

#[tokio::test]
async fn callers_need_the_permission_on_that_very_resource() {
    let local = Local::with_instances(1).await;
    local.aws.put("1.zip", bundle("1", &[]));
    local.permissions.asked.lock().unwrap().clear();
    let despite = json!({ "overrideAlarmConfiguration": { "enabled": false } });
    let id = local.deploy("1.zip", None, despite).await;
    local.end(&id).await;
    let asked = local.permissions.asked.lock().unwrap().clone();
    let base = "arn:aws:codedeploy:eu-west-1:111122223333";
    for (action, resource) in [
        ("codedeploy:CreateDeployment", "deploymentgroup:app/web"),
        (
            "codedeploy:GetDeploymentConfig",
            "deploymentconfig:CodeDeployDefault.OneAtATime",
        ),
        ("codedeploy:RegisterApplicationRevision", "application:app"),
        (
            "codedeploy:UpdateDeploymentGroup",
            "deploymentgroup:app/web",
        ),
        ("codedeploy:GetDeployment", "deploymentgroup:app/web"),
    ] {
        assert!(
            asked.contains(&(action.into(), format!("{base}:{resource}"))),
            "{action}"
        );
    }
    local.permissions.deny("codedeploy:StopDeployment");
    let error = local
        .call("StopDeployment", json!({ "deploymentId": id }))
        .await
        .unwrap_err();
    assert!(error.starts_with("AccessDeniedException"), "{error}");
}

#[tokio::test]
async fn lists_are_newest_first_and_can_be_narrowed() {
    let local = Local::with_instances(1).await;
    let mut made = Vec::new();
    for version in ["1", "2", "3"] {
        made.insert(0, local.release(version, &[]).await);
    }
    let ids: Vec<_> = made
        .iter()
        .map(|info| info["deploymentId"].clone())
        .collect();
    let list = async |input: Value| local.ok("ListDeployments", input).await["deployments"].clone();
    let group = json!({ "applicationName": "app", "deploymentGroupName": "web" });
    assert_eq!(list(group.clone()).await, json!(ids));
    assert_eq!(
        list(json!({ "includeOnlyStatuses": ["Failed"] })).await,
        json!([])
    );
    let middle = made[1]["createTime"].as_f64().unwrap();
    let since =
        json!({ "createTimeRange": { "start": middle }, "includeOnlyStatuses": ["Succeeded"] });
    assert_eq!(list(since).await, json!(ids[..2]));
    let until = json!({ "createTimeRange": { "start": null, "end": middle } });
    assert_eq!(list(until).await, json!(ids[1..]));
    let batch = local
        .ok("BatchGetDeployments", json!({ "deploymentIds": ids }))
        .await;
    assert_eq!(batch["deploymentsInfo"], json!(made));
    let told = local.ok("GetDeploymentGroup", group).await["deploymentGroupInfo"].clone();
    assert_eq!(told["lastSuccessfulDeployment"]["deploymentId"], ids[0]);
    assert_eq!(told["targetRevision"], made[0]["revision"]);
}

#[tokio::test]
async fn events_have_the_shape_of_awss() {
    let local = Local::with_instances(1).await;
    let info = local.release("1", &[]).await;
    let events = local.told();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| {
            (
                event["detail-type"].as_str().unwrap(),
                event["detail"]["state"].as_str(),
            )
        })
        .collect();
    let deployment = "CodeDeploy Deployment State-change Notification";
    let instance = "CodeDeploy Instance State-change Notification";
    let expected = [
        (deployment, Some("START")),
        (instance, Some("START")),
        (instance, Some("SUCCESS")),
        (deployment, Some("SUCCESS")),
    ];
    assert_eq!(kinds, expected);
    let group = local.ok(
        "GetDeploymentGroup",
        json!({
            "applicationName": "app", "deploymentGroupName": "web",
        }),
    );
    let group = group.await["deploymentGroupInfo"]["deploymentGroupId"].clone();
    assert_eq!(
        events[0]["detail"],
        json!({
            "region": "eu-west-1",
            "deploymentId": info["deploymentId"],
            "instanceGroupId": group,
            "deploymentGroup": "web",
            "state": "START",
            "application": "app",
        })
    );
    let base = "arn:aws:codedeploy:eu-west-1:111122223333";
    let arns = [
        format!("{base}:application:app"),
        format!("{base}:deploymentgroup:app/web"),
    ];
    assert_eq!(events[0]["resources"], json!(arns));
    let id = events[1]["detail"]["instanceId"].as_str().unwrap();
    let instance = format!("arn:aws:ec2:eu-west-1:111122223333:instance/{id}");
    assert_eq!(events[1]["resources"], json!([instance, arns[1], arns[0]]));
}

#[tokio::test]
async fn a_group_is_told_as_it_was_made_and_changed() {
    let local = Local::start().await;
    local
        .ok("CreateApplication", json!({ "applicationName": "app" }))
        .await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    local
        .group(json!({ "tags": [{ "Key": "local:port", "Value": port }] }))
        .await;
    assert_eq!(local.url().await, format!("http://127.0.0.1:{port}"));
    // A second group behind the same load balancer is told apart in CloudWatch.
    local
        .group(json!({ "deploymentGroupName": "canary" }))
        .await;
    for (group, balancer) in [("web", "web"), ("canary", "app/canary")] {
        let arn = format!("arn:aws:codedeploy:{REGION}:{ACCOUNT}:deploymentgroup:app/{group}");
        let told = local
            .ok("ListTagsForResource", json!({ "ResourceArn": arn }))
            .await;
        let expected = json!({ "Key": "local:balancer", "Value": balancer });
        assert!(
            told["Tags"].as_array().unwrap().contains(&expected),
            "{told}"
        );
    }
    let canary = json!({ "applicationName": "app", "deploymentGroupName": "canary" });
    local.ok("DeleteDeploymentGroup", canary).await;
    let named = json!({ "applicationName": "app", "deploymentGroupName": "web" });
    let told = local.ok("GetDeploymentGroup", named.clone()).await["deploymentGroupInfo"].clone();
    assert_eq!(
        told["alarmConfiguration"]["alarms"],
        json!([{ "name": "errors" }])
    );
    assert_eq!(
        told["deploymentStyle"]["deploymentOption"],
        "WITH_TRAFFIC_CONTROL"
    );
    assert_eq!(told["computePlatform"], "Server");
    let update = json!({
        "applicationName": "app", "currentDeploymentGroupName": "web",
        "deploymentConfigName": "CodeDeployDefault.AllAtOnce",
    });
    local.ok("UpdateDeploymentGroup", update).await;
    let changed = local.ok("GetDeploymentGroup", named).await["deploymentGroupInfo"].clone();
    assert_eq!(
        changed["deploymentConfigName"],
        "CodeDeployDefault.AllAtOnce"
    );
    assert_eq!(changed["ec2TagFilters"], told["ec2TagFilters"]);
    let many = json!({ "applicationName": "app", "deploymentGroupNames": ["web"] });
    let many = local.ok("BatchGetDeploymentGroups", many).await;
    assert_eq!(many["deploymentGroupsInfo"], json!([changed]));
    local
        .ok(
            "DeleteDeploymentGroup",
            json!({
                "applicationName": "app", "deploymentGroupName": "web",
            }),
        )
        .await;
    let groups = local
        .ok("ListDeploymentGroups", json!({ "applicationName": "app" }))
        .await;
    assert_eq!(groups["deploymentGroups"], json!([]));
}

#[tokio::test]
async fn revisions_are_remembered_with_who_uses_them() {
    let local = Local::with_instances(1).await;
    let info = local.release("1", &[]).await;
    let other = revision("a/other.zip", Some("9"));
    let register = json!({ "applicationName": "app", "revision": other, "description": "later" });
    local.ok("RegisterApplicationRevision", register).await;
    let list = async |mut input: Value| {
        input["applicationName"] = json!("app");
        local.ok("ListApplicationRevisions", input).await["revisions"].clone()
    };
    assert_eq!(list(json!({})).await, json!([info["revision"], other]));
    assert_eq!(
        list(json!({ "sortOrder": "descending" })).await,
        json!([other, info["revision"]])
    );
    assert_eq!(
        list(json!({ "deployed": "include" })).await,
        json!([info["revision"]])
    );
    assert_eq!(
        list(json!({ "s3Bucket": "bundles", "s3KeyPrefix": "a/" })).await,
        json!([other])
    );
    let get = json!({ "applicationName": "app", "revision": info["revision"] });
    let told = local.ok("GetApplicationRevision", get).await;
    assert_eq!(told["revisionInfo"]["deploymentGroups"], json!(["web"]));
    let batch = json!({ "applicationName": "app", "revisions": [other] });
    let told = local.ok("BatchGetApplicationRevisions", batch).await;
    assert_eq!(
        told["revisions"][0]["genericRevisionInfo"]["description"],
        "later"
    );
}

#[tokio::test]
async fn the_older_calls_about_instances_tell_the_same() {
    let local = Local::with_instances(1).await;
    let id = local.release("1", &[]).await["deploymentId"].clone();
    let ids = local
        .ok("ListDeploymentInstances", json!({ "deploymentId": id }))
        .await;
    let instance = &ids["instancesList"][0];
    let one = json!({ "deploymentId": id, "instanceId": instance });
    let one = local.ok("GetDeploymentInstance", one).await["instanceSummary"].clone();
    assert_eq!(one["status"], "Succeeded");
    assert!(
        one["instanceId"]
            .as_str()
            .unwrap()
            .ends_with(instance.as_str().unwrap())
    );
    let many = json!({ "deploymentId": id, "instanceIds": [instance] });
    let many = local.ok("BatchGetDeploymentInstances", many).await;
    assert_eq!(many["instancesSummary"], json!([one]));
    let failed = json!({ "deploymentId": id, "instanceStatusFilter": ["Failed"] });
    let failed = local.ok("ListDeploymentInstances", failed).await;
    assert_eq!(failed["instancesList"], json!([]));
}
