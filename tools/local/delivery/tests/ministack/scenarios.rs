//! What is delivered where, scenario after scenario; streams are in `streams`.

use std::{io::Write, path::PathBuf, time::Duration};

use delivery::{Deed, Delivery, Notice, Options, Subject, Unkind};
use http::Method;
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::{
    streams::{a_slow_function_delays_nobody, streams_are_read_in_order_and_poison_is_discarded},
    world::{ACCOUNT, OTHER_ACCOUNT, REGION, World, arn, eventually, place},
};

/// AWS's minute, here.
const RETRY_BASE: Duration = Duration::from_millis(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delivery_against_ministack() {
    let Some(executable) = std::env::var_os("LASTGOOD_MINISTACK").map(PathBuf::from) else {
        // Straight to the terminal: what a test prints is shown only if it fails.
        let reason = "skipped: LASTGOOD_MINISTACK does not say where MiniStack's executable is";
        writeln!(std::io::stderr(), "{reason}").unwrap();
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
    events_reach_functions(&world, &delivery, &role).await;
    failures_reach_their_destination(&world, &delivery).await;
    without_permission_an_event_is_a_dead_letter(&world, &delivery, &role).await;
    objects_are_announced(&world, &delivery).await;
    streams_are_read_in_order_and_poison_is_discarded(&world, &delivery, &role).await;
    a_slow_function_delays_nobody(&world, &delivery, &role).await;
    schedules_fire_at_every_tick(&world, &delivery, &role).await;
    events_cross_accounts_once(&world, &delivery).await;
    unkind_deliveries_double_and_lose(&world, &delivery).await;
    delivery.shutdown().await;
}

/// Waits for a notice.
pub(crate) async fn notice(
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

async fn events_reach_functions(world: &World, delivery: &Delivery, role: &str) {
    let function = world.function("watcher", role).await;
    let letters = world.queue(ACCOUNT, "watcher-letters").await;
    let config = json!({
        "MaximumRetryAttempts": 1, "DestinationConfig": { "OnFailure": { "Destination": letters } }
    });
    // As a template says it.
    let path = "/2019-09-25/functions/watcher/event-invoke-config?Qualifier=$LATEST";
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
}

async fn failures_reach_their_destination(world: &World, delivery: &Delivery) {
    let mut notices = delivery.subscribe();
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
        arn("lambda", ACCOUNT, "function:watcher:$LATEST")
    );
    assert_eq!(record["requestPayload"]["id"], "failing");
    assert_eq!(record["responseContext"]["functionError"], "Unhandled");
    assert_eq!(record["responsePayload"]["errorMessage"], "told to fail");
    // The first two events, and two attempts at this one.
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

async fn events_cross_accounts_once(world: &World, delivery: &Delivery) {
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
    // From there it would go on to a third bus, which AWS does not do.
    world
        .events(OTHER_ACCOUNT, "CreateEventBus", json!({ "Name": "third" }))
        .await;
    let stopped = world.queue(OTHER_ACCOUNT, "stopped").await;
    let target = json!({
        "Arn": arn("events", OTHER_ACCOUNT, "event-bus/third"),
        "DeadLetterConfig": { "Arn": stopped }
    });
    let rule = json!({ "EventPattern": r#"{"source":["aws.codedeploy"]}"# });
    world.rule(OTHER_ACCOUNT, "further", rule, target).await;
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
    let stopped = world.message(OTHER_ACCOUNT, "stopped").await;
    let code = &stopped["MessageAttributes"]["ERROR_CODE"]["StringValue"];
    assert_eq!(*code, "THIRD_ACCOUNT_HOP_DETECTED");
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
