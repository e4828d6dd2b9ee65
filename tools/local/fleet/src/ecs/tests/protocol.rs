//! What callers send and get, apart from deployments.

use super::*;

#[tokio::test]
async fn fields_that_nobody_knows_survive() {
    let world = World::new().await;
    let input = json!({
        "family": "future",
        "quantumMode": { "enabled": true, "qubits": [1, 2] },
        "containerDefinitions": [
            { "name": "app", "image": "x", "entangledWith": "sidecar", "cpu": 128 },
        ],
        "tags": [{ "key": "lastgood:release", "value": "web#17" }],
    });
    let registered = world.call("RegisterTaskDefinition", input).await;
    let arn = registered["taskDefinition"]["taskDefinitionArn"].clone();
    assert_eq!(
        arn,
        "arn:aws:ecs:eu-west-1:111122223333:task-definition/future:1"
    );
    for name in [json!("future"), json!("future:1"), arn] {
        let input = json!({ "taskDefinition": name, "include": ["TAGS"] });
        let answer = world.call("DescribeTaskDefinition", input).await;
        let definition = &answer["taskDefinition"];
        assert_eq!(
            definition["quantumMode"],
            json!({ "enabled": true, "qubits": [1, 2] })
        );
        assert_eq!(
            definition["containerDefinitions"][0]["entangledWith"],
            "sidecar"
        );
        assert_eq!(definition["containerDefinitions"][0]["cpu"], 128);
        assert_eq!(definition["revision"], 1);
        assert_eq!(definition["status"], "ACTIVE");
        assert_eq!(answer["tags"][0]["value"], "web#17");
    }
    let untagged = world
        .call(
            "DescribeTaskDefinition",
            json!({ "taskDefinition": "future" }),
        )
        .await;
    assert!(untagged.get("tags").is_none());
}

#[tokio::test]
async fn every_registration_is_a_new_revision() {
    let world = World::new().await;
    let first = world.register("x").await;
    let second = world.register("x").await;
    assert_eq!(
        (first.as_str().ends_with("web:1"), second.ends_with("web:2")),
        (true, true)
    );
    world
        .call(
            "DeregisterTaskDefinition",
            json!({ "taskDefinition": second }),
        )
        .await;
    let newest = world
        .call("DescribeTaskDefinition", json!({ "taskDefinition": "web" }))
        .await;
    assert_eq!(newest["taskDefinition"]["revision"], 1);
    let listed = world
        .call("ListTaskDefinitions", json!({ "familyPrefix": "web" }))
        .await;
    assert_eq!(listed["taskDefinitionArns"], json!([first]));
    let input = json!({ "cluster": CLUSTER, "serviceName": "web", "taskDefinition": second });
    assert_eq!(
        world.error("CreateService", input).await.0,
        "ClientException"
    );
}

#[tokio::test]
async fn who_lacks_the_permission_is_refused_as_on_aws() {
    let world = World::refusing(vec!["ecs:UpdateService", "iam:PassRole"]).await;
    world.serve(json!({ "version": "1" }), 0, json!({})).await;
    let input = json!({ "cluster": CLUSTER, "service": "web", "desiredCount": 1 });
    let (error, message) = world.error("UpdateService", input).await;
    assert_eq!(error, "AccessDeniedException");
    assert_eq!(
        message,
        "User: arn:aws:iam::111122223333:user/tester is not authorized to perform: \
         ecs:UpdateService on resource: arn:aws:ecs:eu-west-1:111122223333:service/shop/web \
         because no identity-based policy allows the ecs:UpdateService action"
    );
    let input = json!({
        "family": "web",
        "taskRoleArn": "arn:aws:iam::111122223333:role/task",
        "containerDefinitions": [{ "name": "app", "image": "x" }],
    });
    let (error, message) = world.error("RegisterTaskDefinition", input).await;
    assert_eq!(error, "AccessDeniedException");
    assert!(message.contains("iam:PassRole on resource: arn:aws:iam::111122223333:role/task"));
}

#[tokio::test]
async fn what_does_not_exist_is_named_as_on_aws() {
    let world = World::new().await;
    let definition = world.register("x").await;
    let table = [
        (
            "UpdateService",
            json!({ "cluster": CLUSTER, "service": "no" }),
            "ServiceNotFoundException",
        ),
        (
            "UpdateService",
            json!({ "cluster": "no", "service": "no" }),
            "ClusterNotFoundException",
        ),
        (
            "ListServices",
            json!({ "cluster": "no" }),
            "ClusterNotFoundException",
        ),
        (
            "DescribeTaskDefinition",
            json!({ "taskDefinition": "no" }),
            "ClientException",
        ),
        (
            "RegisterTaskDefinition",
            json!({ "family": "x" }),
            "ClientException",
        ),
        (
            "CreateService",
            json!({ "taskDefinition": definition }),
            "InvalidParameterException",
        ),
        (
            "DescribeServices",
            json!({ "services": "web" }),
            "InvalidParameterException",
        ),
        ("Dance", json!({}), "UnknownOperationException"),
    ];
    for (operation, input, error) in table {
        assert_eq!(
            world.error(operation, input.clone()).await.0,
            error,
            "{operation} {input}"
        );
    }
    let input = json!({ "cluster": CLUSTER, "services": ["no"] });
    let answer = world.call("DescribeServices", input).await;
    assert_eq!(answer["failures"][0]["reason"], "MISSING");
}

#[tokio::test]
async fn codedeploy_alone_deploys_to_what_it_controls() {
    let world = World::new().await;
    let first = world.release(json!({ "version": "1" })).await;
    let second = world.release(json!({ "version": "2" })).await;
    let input = json!({
        "cluster": CLUSTER, "serviceName": "web", "taskDefinition": first, "desiredCount": 1,
        "deploymentController": { "type": "CODE_DEPLOY" },
    });
    world.call("CreateService", input).await;
    let service = world
        .becomes(|one| one["taskSets"][0]["stabilityStatus"] == "STEADY_STATE")
        .await;
    assert_eq!(service["deployments"], json!([]));
    assert_eq!(service["taskDefinition"], json!(first));
    assert_eq!(
        get(&world.tagged("local:url").await).await.1["version"],
        "1"
    );
    for change in [
        json!({ "taskDefinition": second }),
        json!({ "forceNewDeployment": true }),
    ] {
        let mut input = json!({ "cluster": CLUSTER, "service": "web" });
        input
            .as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let (error, message) = world.error("UpdateService", input).await;
        assert_eq!(error, "InvalidParameterException");
        assert!(
            message.contains("CODE_DEPLOY deployment controller"),
            "{message}"
        );
    }
    world.update(json!({ "desiredCount": 2 })).await;
    world.becomes(|service| service["runningCount"] == 2).await;
}

#[tokio::test]
async fn a_service_has_the_front_door_that_its_tag_asks_for() {
    let world = World::new().await;
    let definition = world
        .release(json!({ "version": "1", "body": "hello" }))
        .await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let input = json!({
        "cluster": CLUSTER, "serviceName": "web", "taskDefinition": definition, "desiredCount": 1,
        "tags": [{ "key": "local:port", "value": port.to_string() }],
    });
    let (error, message) = world.error("CreateService", input.clone()).await;
    assert_eq!(error, "InvalidParameterException");
    assert!(message.contains(&port.to_string()), "{message}");
    drop(free);
    world.call("CreateService", input).await;
    world.ends("SUCCESSFUL").await;
    let url = format!("http://127.0.0.1:{port}");
    assert_eq!(world.tagged("local:url").await, url);
    let (status, body) = get(&url).await;
    assert_eq!((status, &body["body"]), (200, &json!("hello")));
    assert_eq!(get(&format!("{url}/health")).await.0, 200);
    world.fleet.shutdown().await;
    assert!(
        tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn tags_come_and_go() {
    let world = World::new().await;
    let arn = world.register("x").await;
    let tag = json!({ "resourceArn": arn, "tags": [{ "key": "a", "value": "1" }] });
    world.call("TagResource", tag).await;
    let listed = world
        .call("ListTagsForResource", json!({ "resourceArn": arn }))
        .await;
    assert_eq!(listed["tags"], json!([{ "key": "a", "value": "1" }]));
    world
        .call(
            "UntagResource",
            json!({ "resourceArn": arn, "tagKeys": ["a"] }),
        )
        .await;
    let listed = world
        .call("ListTagsForResource", json!({ "resourceArn": arn }))
        .await;
    assert_eq!(listed["tags"], json!([]));
}

#[tokio::test]
async fn long_lists_come_in_pages() {
    let world = World::new().await;
    for _ in 0..3 {
        world.register("x").await;
    }
    let page = world
        .call("ListTaskDefinitions", json!({ "maxResults": 2 }))
        .await;
    assert_eq!(page["taskDefinitionArns"].as_array().unwrap().len(), 2);
    let rest = json!({ "maxResults": 2, "nextToken": page["nextToken"] });
    let rest = world.call("ListTaskDefinitions", rest).await;
    assert_eq!(rest["taskDefinitionArns"].as_array().unwrap().len(), 1);
    assert!(rest.get("nextToken").is_none());
}
