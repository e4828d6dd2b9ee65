//! Stream mappings: order, filters, partial batches, poison, and one worker each.

use delivery::{Delivery, Notice, Subject};
use http::Method;
use serde_json::{Value, json};

use crate::{
    scenarios::notice,
    world::{ACCOUNT, REGION, World, eventually},
};

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

pub(crate) async fn streams_are_read_in_order_and_poison_is_discarded(
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

pub(crate) async fn a_slow_function_delays_nobody(world: &World, delivery: &Delivery, role: &str) {
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
        // The last batch of an earlier scenario may still be told of.
        matches!(notice, Notice::Delivered { what: Subject::Records { stream: of, .. }, .. }
            if *of == stream)
    };
    let first = notice(&mut notices, records).await;
    let second = notice(&mut notices, records).await;
    let to = |notice: Notice| {
        let Notice::Delivered { to, .. } = notice else {
            panic!("{notice:?}")
        };
        to
    };
    assert!(to(first).ends_with(":quick"));
    assert!(to(second).ends_with(":slow"));
}
