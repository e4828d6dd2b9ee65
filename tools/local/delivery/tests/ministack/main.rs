//! The delivery against a real MiniStack. `LASTGOOD_MINISTACK` says where its executable is;
//! without it there is nothing to test against, and the test says so.

mod world;

use std::{path::PathBuf, time::Duration};

use delivery::{Deed, Delivery, Notice, Options, Subject, Unkind};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use world::{ACCOUNT, OTHER_ACCOUNT, REGION, World, arn, eventually, place};

/// AWS's minute, here.
const RETRY_BASE: Duration = Duration::from_millis(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delivery_against_ministack() {
    let Some(executable) = std::env::var_os("LASTGOOD_MINISTACK").map(PathBuf::from) else {
        println!("skipped: LASTGOOD_MINISTACK does not say where MiniStack's executable is");
        return;
    };
    let world = World::start(&executable).await;
    let options = Options {
        endpoint: world.endpoint.clone(),
        accounts: vec![place(ACCOUNT), place(OTHER_ACCOUNT)],
        tick: Duration::from_millis(500),
        unkind: Unkind::kind(),
        retry_base: RETRY_BASE,
    };
    let delivery = Delivery::start(options).await.unwrap();
    let role = world
        .role("functions", &["sqs:SendMessage", "dynamodb:GetRecords"])
        .await;
    events_reach_functions_and_failures_their_destination(&world, &delivery, &role).await;
    without_permission_an_event_is_a_dead_letter(&world, &delivery, &role).await;
    objects_are_announced(&world, &delivery).await;
    streams_are_read_in_order_and_poison_is_discarded(&world, &delivery, &role).await;
    a_slow_function_delays_nobody(&world, &delivery, &role).await;
    schedules_fire_at_every_tick(&world, &delivery, &role).await;
    events_cross_accounts_once(&world, &delivery, &role).await;
    unkind_deliveries_double_and_lose(&world, &delivery).await;
    delivery.shutdown().await;
}

/// Waits for a notice.
async fn notice(
    notices: &mut broadcast::Receiver<Notice>,
    wanted: impl Fn(&Notice) -> bool,
) -> Notice {
    let search = async {
        loop {
            let notice = notices.recv().await.unwrap();
            if wanted(&notice) {
                return notice;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), search)
        .await
        .expect("a notice")
}

fn ecs_event(id: &str, detail: Value) -> Value {
    json!({
        "id": id, "source": "aws.ecs", "detail-type": "ECS Deployment State Change",
        "resources": ["arn:aws:ecs:ap-south-1:111122223333:service/main/web"], "detail": detail
    })
}

async fn events_reach_functions_and_failures_their_destination(
    world: &World,
    delivery: &Delivery,
    role: &str,
) {
    let function = world.function("watcher", role).await;
    let letters = world.queue(ACCOUNT, "watcher-letters").await;
    let config = json!({
        "MaximumRetryAttempts": 1, "DestinationConfig": { "OnFailure": { "Destination": letters } }
    });
    let path = "/2019-09-25/functions/watcher/event-invoke-config";
    world
        .rest("lambda", Method::PUT, path, &config.to_string())
        .await;
    let pattern = json!({ "source": ["aws.ecs", "test.watched"] }).to_string();
    world
        .rule(
            ACCOUNT,
            "watch",
            json!({ "EventPattern": pattern }),
            json!({ "Arn": function }),
        )
        .await;
    world.permit("watcher", "watch").await;
    let adopted = delivery.adopt().await.unwrap();
    assert_eq!(
        (adopted.rules, adopted.schedules, adopted.mappings),
        (1, 0, 0)
    );
    let rules = world.events(ACCOUNT, "ListRules", json!({})).await;
    let watch = rules["Rules"]
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["Name"] == "watch");
    let state = &watch.unwrap()["State"];
    assert_eq!(*state, "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS");

    let mut notices = delivery.subscribe();
    delivery
        .emitter()
        .send(ecs_event("first", json!({ "ok": 1 })))
        .unwrap();
    notice(&mut notices, |notice| {
        matches!(notice, Notice::Delivered { attempt: 1, .. })
    })
    .await;
    world
        .put_event("test.watched", json!({ "custom": true }))
        .await;
    world.put_event("test.unwatched", json!({})).await;
    notice(&mut notices, |notice| {
        matches!(notice, Notice::Delivered { attempt: 1, .. })
    })
    .await;
    let received = world.received("watcher");
    assert_eq!(received.len(), 2, "{received:?}");
    assert_eq!(received[0]["id"], "first");
    assert_eq!(received[0]["account"], ACCOUNT);
    assert_eq!(received[1]["detail"], json!({ "custom": true }));

    let failing = ecs_event("failing", json!({ "fail": true }));
    delivery.emitter().send(failing).unwrap();
    let retried = notice(&mut notices, |notice| {
        matches!(notice, Notice::Retried { .. })
    })
    .await;
    let Notice::Retried {
        attempt: 1,
        reason,
        pause,
        ..
    } = retried
    else {
        panic!("{retried:?}")
    };
    assert_eq!((reason.as_str(), pause), ("told to fail", RETRY_BASE));
    let body = world.message(ACCOUNT, "watcher-letters").await["Body"].clone();
    let record: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    assert_eq!(record["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 2);
    assert_eq!(
        record["requestContext"]["functionArn"],
        format!("{function}:$LATEST")
    );
    assert_eq!(record["requestPayload"]["id"], "failing");
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "told to fail");
    assert_eq!(world.received("watcher").len(), 4);
}

async fn without_permission_an_event_is_a_dead_letter(
    world: &World,
    delivery: &Delivery,
    role: &str,
) {
    let function = world.function("closed", role).await;
    let letters = world.queue(ACCOUNT, "closed-letters").await;
    let rule = json!({ "EventPattern": r#"{"source":["test.closed"]}"# });
    let target = json!({ "Arn": function, "DeadLetterConfig": { "Arn": letters } });
    world.rule(ACCOUNT, "closed", rule, target).await;
    delivery.adopt().await.unwrap();
    world
        .put_event("test.closed", json!({ "lost": false }))
        .await;
    let message = world.message(ACCOUNT, "closed-letters").await;
    let attribute = |name: &str| {
        message["MessageAttributes"][name]["StringValue"]
            .as_str()
            .map(str::to_owned)
    };
    assert_eq!(
        attribute("RULE_ARN"),
        Some(arn("events", ACCOUNT, "rule/closed"))
    );
    assert_eq!(attribute("TARGET_ARN"), Some(function));
    assert_eq!(attribute("ERROR_CODE").as_deref(), Some("NO_PERMISSIONS"));
    assert_eq!(attribute("RETRY_ATTEMPTS").as_deref(), Some("0"));
    assert_eq!(attribute("EXHAUSTED_RETRY_CONDITION"), None);
    let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
    assert_eq!(body["detail"], json!({ "lost": false }));
    assert!(world.received("closed").is_empty());
}

async fn objects_are_announced(world: &World, delivery: &Delivery) {
    let queue = world.queue(ACCOUNT, "objects").await;
    let pattern = json!({
        "source": ["aws.s3"], "detail-type": ["Object Created"],
        "detail": { "object": { "key": [{ "suffix": ".zip" }] } }
    });
    let transformer = json!({
        "InputPathsMap": { "key": "$.detail.object.key" }, "InputTemplate": "{\"key\": <key>}"
    });
    let target = json!({ "Arn": queue, "InputTransformer": transformer });
    let rule = json!({ "EventPattern": pattern.to_string() });
    world.rule(ACCOUNT, "objects", rule, target).await;
    delivery.adopt().await.unwrap();
    let here = format!(
        "<CreateBucketConfiguration><LocationConstraint>{REGION}</LocationConstraint>\
         </CreateBucketConfiguration>"
    );
    world.rest("s3", Method::PUT, "/builds", &here).await;
    let on = "<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
    world
        .rest("s3", Method::PUT, "/builds?notification", on)
        .await;
    world
        .rest("s3", Method::PUT, "/builds/notes.txt", "not asked for")
        .await;
    world.rest("s3", Method::PUT, "/builds/web.zip", "PK").await;
    let message = world.message(ACCOUNT, "objects").await;
    assert_eq!(message["Body"], r#"{"key": "web.zip"}"#);
}

/// A table with a stream; the stream's ARN.
async fn table(world: &World, name: &str) -> String {
    let body = json!({
        "TableName": name,
        "AttributeDefinitions": [{ "AttributeName": "PK", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "PK", "KeyType": "HASH" }],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_IMAGE" }
    });
    let target = "DynamoDB_20120810.CreateTable";
    let answer = world.json(ACCOUNT, "dynamodb", target, body).await;
    answer["TableDescription"]["LatestStreamArn"]
        .as_str()
        .unwrap()
        .to_owned()
}

async fn put_item(world: &World, table: &str, item: Value) {
    let body = json!({ "TableName": table, "Item": item });
    world
        .json(ACCOUNT, "dynamodb", "DynamoDB_20120810.PutItem", body)
        .await;
}

async fn mapping(world: &World, function: &str, stream: &str, more: Value) {
    let mut body = json!({
        "FunctionName": function, "EventSourceArn": stream, "StartingPosition": "LATEST"
    });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let path = "/2015-03-31/event-source-mappings/";
    world
        .rest("lambda", Method::POST, path, &body.to_string())
        .await;
}

/// The keys of the records that a function received, call by call.
fn keys(world: &World, function: &str) -> Vec<Vec<String>> {
    let key = |record: &Value| {
        record["dynamodb"]["Keys"]["PK"]["S"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let calls = world.received(function);
    calls
        .iter()
        .map(|call| {
            call["Records"]
                .as_array()
                .unwrap()
                .iter()
                .map(key)
                .collect()
        })
        .collect()
}

async fn streams_are_read_in_order_and_poison_is_discarded(
    world: &World,
    delivery: &Delivery,
    role: &str,
) {
    let stream = table(world, "ledger").await;
    world.function("reader", role).await;
    let letters = world.queue(ACCOUNT, "reader-letters").await;
    let filter = json!({ "eventName": ["INSERT"], "dynamodb": { "NewImage": {
        "acts": { "BOOL": [true] }
    } } });
    let more = json!({
        "BatchSize": 10, "MaximumBatchingWindowInSeconds": 1, "MaximumRetryAttempts": 1,
        "BisectBatchOnFunctionError": true, "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "DestinationConfig": { "OnFailure": { "Destination": letters } },
        "FilterCriteria": { "Filters": [{ "Pattern": filter.to_string() }] }
    });
    mapping(world, "reader", &stream, more).await;
    let adopted = delivery.adopt().await.unwrap();
    assert_eq!(adopted.mappings, 1);
    for (key, more) in [
        ("a", json!({})),
        ("b", json!({ "poison": { "S": "1" } })),
        ("c", json!({})),
    ] {
        let mut item = json!({ "PK": { "S": key }, "acts": { "BOOL": true } });
        item.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        put_item(world, "ledger", item).await;
    }
    put_item(
        world,
        "ledger",
        json!({ "PK": { "S": "idle" }, "acts": { "BOOL": false } }),
    )
    .await;

    let body = world.message(ACCOUNT, "reader-letters").await["Body"].clone();
    let record: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    assert_eq!(
        record["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(record["DDBStreamBatchInfo"]["batchSize"], 1);
    assert_eq!(record["DDBStreamBatchInfo"]["streamArn"], stream);
    eventually("the record after the poison", async || {
        (keys(world, "reader").last()? == &["c"]).then_some(())
    })
    .await;
    let calls = keys(world, "reader");
    assert_eq!(
        calls,
        [
            vec!["a", "b", "c"],
            vec!["b", "c"],
            vec!["b"],
            vec!["b"],
            vec!["c"]
        ]
    );
    let first = &world.received("reader")[0]["Records"][0];
    assert_eq!(first["eventSourceARN"], stream);
    assert_eq!(first["eventSource"], "aws:dynamodb");
    assert_eq!(first["eventName"], "INSERT");
    assert_eq!(first["awsRegion"], REGION);
    let sequence_number = &first["dynamodb"]["SequenceNumber"];
    assert!(sequence_number.is_string());
    assert_ne!(
        record["DDBStreamBatchInfo"]["startSequenceNumber"],
        *sequence_number
    );
}

async fn a_slow_function_delays_nobody(world: &World, delivery: &Delivery, role: &str) {
    let stream = table(world, "busy").await;
    for function in ["slow", "quick"] {
        world.function(function, role).await;
    }
    let slow = json!({ "FilterCriteria": { "Filters": [
        { "Pattern": r#"{"dynamodb":{"NewImage":{"seconds":{"N":[{"exists":true}]}}}}"# }
    ] } });
    mapping(world, "slow", &stream, slow).await;
    let quick = json!({ "FilterCriteria": { "Filters": [
        { "Pattern": r#"{"dynamodb":{"NewImage":{"seconds":{"N":[{"exists":false}]}}}}"# }
    ] } });
    mapping(world, "quick", &stream, quick).await;
    delivery.adopt().await.unwrap();
    let mut notices = delivery.subscribe();
    let slow = json!({ "PK": { "S": "slow" }, "seconds": { "N": "6" } });
    put_item(world, "busy", slow).await;
    eventually("the slow function runs", async || keys(world, "slow").pop()).await;
    put_item(world, "busy", json!({ "PK": { "S": "quick" } })).await;
    let records = |notice: &Notice| {
        matches!(
            notice,
            Notice::Delivered {
                what: Subject::Records { .. },
                ..
            }
        )
    };
    let first = notice(&mut notices, records).await;
    let second = notice(&mut notices, records).await;
    let to = |notice: &Notice| match notice {
        Notice::Delivered { to, .. } => to.clone(),
        other => panic!("{other:?}"),
    };
    assert!(to(&first).ends_with(":quick"), "{first:?}");
    assert!(to(&second).ends_with(":slow"), "{second:?}");
}

async fn schedules_fire_at_every_tick(world: &World, delivery: &Delivery, role: &str) {
    let function = world.function("minutely", role).await;
    let rule = json!({ "ScheduleExpression": "rate(1 minute)" });
    world
        .rule(ACCOUNT, "minutely", rule, json!({ "Arn": function }))
        .await;
    world.permit("minutely", "minutely").await;
    let scheduler = world.role("scheduler", &["lambda:InvokeFunction"]).await;
    let called = world.function("called", role).await;
    let schedule = json!({
        "ScheduleExpression": "rate(1 minute)", "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": called, "RoleArn": scheduler }
    });
    world
        .rest(
            "scheduler",
            Method::POST,
            "/schedules/called",
            &schedule.to_string(),
        )
        .await;
    let adopted = delivery.adopt().await.unwrap();
    assert_eq!(adopted.schedules, 2);
    let twice = async |function: &str| {
        eventually("two firings", async || {
            let received = world.received(function);
            (received.len() >= 2).then(|| received[1].clone())
        })
        .await
    };
    let event = twice("minutely").await;
    assert_eq!(event["source"], "aws.events");
    assert_eq!(
        event["resources"],
        json!([arn("events", ACCOUNT, "rule/minutely")])
    );
    assert_eq!(event["detail"], json!({}));
    let event = twice("called").await;
    assert_eq!(event["source"], "aws.scheduler");
    assert_eq!(event["detail"], "{}");
    // Taken over is not gone: what is read again still fires.
    assert_eq!(delivery.adopt().await.unwrap().schedules, 2);
    world
        .events(ACCOUNT, "DisableRule", json!({ "Name": "minutely" }))
        .await;
    assert_eq!(delivery.adopt().await.unwrap().schedules, 1);
    world
        .rest("scheduler", Method::DELETE, "/schedules/called", "")
        .await;
    assert_eq!(delivery.adopt().await.unwrap().schedules, 0);
}

async fn events_cross_accounts_once(world: &World, delivery: &Delivery, _role: &str) {
    let role = world.role("forwarder", &["events:PutEvents"]).await;
    let rule = json!({ "EventPattern": r#"{"source":["aws.codedeploy"]}"# });
    let letters = world.queue(ACCOUNT, "forward-letters").await;
    let there = arn("events", OTHER_ACCOUNT, "event-bus/default");
    let target = json!({
        "Arn": there, "RoleArn": role, "DeadLetterConfig": { "Arn": letters }
    });
    world.rule(ACCOUNT, "forward", rule.clone(), target).await;
    let queue = world.queue(OTHER_ACCOUNT, "arrived").await;
    world
        .rule(OTHER_ACCOUNT, "arrived", rule, json!({ "Arn": queue }))
        .await;
    delivery.adopt().await.unwrap();
    let event = || {
        json!({
            "source": "aws.codedeploy",
            "detail-type": "CodeDeploy Deployment State-change Notification",
            "account": ACCOUNT, "region": REGION, "detail": { "state": "SUCCESS" }
        })
    };
    delivery.emitter().send(event()).unwrap();
    let refused = world.message(ACCOUNT, "forward-letters").await;
    let code = &refused["MessageAttributes"]["ERROR_CODE"]["StringValue"];
    assert_eq!(*code, "NO_PERMISSIONS");

    let permission = json!({
        "StatementId": "in", "Action": "events:PutEvents", "Principal": ACCOUNT
    });
    world
        .events(OTHER_ACCOUNT, "PutPermission", permission)
        .await;
    delivery.adopt().await.unwrap();
    delivery.emitter().send(event()).unwrap();
    let arrived = world.message(OTHER_ACCOUNT, "arrived").await;
    let body: Value = serde_json::from_str(arrived["Body"].as_str().unwrap()).unwrap();
    assert_eq!(body["account"], ACCOUNT);
    assert_eq!(body["detail"], json!({ "state": "SUCCESS" }));
}

async fn unkind_deliveries_double_and_lose(world: &World, delivery: &Delivery) {
    let queue = world.queue(ACCOUNT, "unkind").await;
    let rule = json!({ "EventPattern": r#"{"source":["aws.ecr","test.unkind"]}"# });
    world
        .rule(ACCOUNT, "unkind", rule, json!({ "Arn": queue }))
        .await;
    delivery.adopt().await.unwrap();
    delivery.set_unkind(Unkind {
        double: 1.0,
        delay: Some(Duration::from_millis(1)..Duration::from_millis(20)),
        shuffle: 0.5,
        drop_best_effort: 1.0,
        seed: 42,
    });
    let mut notices = delivery.subscribe();
    delivery
        .emitter()
        .send(json!({ "source": "aws.ecr", "id": "lost" }))
        .unwrap();
    let lost = |notice: &Notice| {
        matches!(notice, Notice::Unkind { what: Subject::Event { id, .. }, deed: Deed::Lost }
            if id == "lost")
    };
    notice(&mut notices, lost).await;
    world.put_event("test.unkind", json!({ "n": 1 })).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let message = world.message(ACCOUNT, "unkind").await;
        let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
        assert_eq!(body["source"], "test.unkind");
        ids.push(body["id"].clone());
    }
    assert_eq!(ids[0], ids[1]);
    delivery.set_unkind(Unkind::kind());
}
