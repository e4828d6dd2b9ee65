//! The shapes of dead letters and destination records.

use super::*;

fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn function() -> Arn {
    arn("arn:aws:lambda:ap-south-1:111122223333:function:web")
}

fn now() -> Timestamp {
    "2026-11-23T10:11:12.345678Z".parse().unwrap()
}

fn unhandled() -> Response {
    Response {
        status: 200,
        version: "$LATEST".to_owned(),
        error: Some("Unhandled".to_owned()),
        payload: json!({ "errorMessage": "no" }),
    }
}

#[test]
fn a_dead_letter_of_a_rule_says_what_failed() {
    let sender = Sender::Rule {
        arn: arn("arn:aws:events:ap-south-1:111122223333:rule/uploaded"),
        name: "uploaded".to_owned(),
    };
    let mut undelivered = Undelivered {
        sender: &sender,
        target: &function(),
        code: Code::NoPermissions,
        message: "no permission",
        retries: 0,
        exhausted: None,
    };
    let text = |text: &str| json!({ "DataType": "String", "StringValue": text });
    assert_eq!(
        attributes(&undelivered),
        json!({
            "RULE_ARN": text("arn:aws:events:ap-south-1:111122223333:rule/uploaded"),
            "TARGET_ARN": text("arn:aws:lambda:ap-south-1:111122223333:function:web"),
            "ERROR_CODE": text("NO_PERMISSIONS"),
            "ERROR_MESSAGE": text("no permission"),
            "RETRY_ATTEMPTS": text("0"),
        })
    );
    undelivered.exhausted = Some(Exhausted::Age);
    let condition = &attributes(&undelivered)["EXHAUSTED_RETRY_CONDITION"];
    assert_eq!(*condition, text("MaximumEventAgeInSeconds"));
}

#[test]
fn a_dead_letter_of_a_schedule_names_the_schedule() {
    let sender = Sender::Schedule {
        arn: arn("arn:aws:scheduler:ap-south-1:111122223333:schedule/default/minute"),
        execution: "e".to_owned(),
        at: "2026-11-23T10:11:12Z".to_owned(),
    };
    let attributes = attributes(&Undelivered {
        sender: &sender,
        target: &function(),
        code: Code::Throttling,
        message: "",
        retries: 3,
        exhausted: Some(Exhausted::Retries),
    });
    assert_eq!(attributes["EXECUTION_ID"]["StringValue"], "e");
    assert_eq!(
        attributes["EXHAUSTED_RETRY_CONDITION"]["StringValue"],
        "MaximumRetryAttempts"
    );
    // SQS takes no attribute without a value.
    assert_eq!(attributes.get("ERROR_MESSAGE"), None);
    assert_eq!(attributes.get("RULE_ARN"), None);
}

#[test]
fn the_record_of_a_failed_invocation() {
    let record = invocation_record(&Ended {
        request_id: "r",
        function: &function(),
        condition: condition(Exhausted::Retries),
        invocations: 3,
        payload: &json!({ "a": 1 }),
        response: Some(&unhandled()),
        now: now(),
    });
    assert_eq!(
        record,
        json!({
            "version": "1.0",
            "timestamp": "2026-11-23T10:11:12.345Z",
            "requestContext": {
                "requestId": "r",
                "functionArn": "arn:aws:lambda:ap-south-1:111122223333:function:web:$LATEST",
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3
            },
            "requestPayload": { "a": 1 },
            "responseContext": {
                "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"
            },
            "responsePayload": { "errorMessage": "no" }
        })
    );
}

#[test]
fn an_invocation_that_never_ran_has_no_response() {
    let record = invocation_record(&Ended {
        request_id: "r",
        function: &function(),
        condition: condition(Exhausted::Age),
        invocations: 0,
        payload: &Value::Null,
        response: None,
        now: now(),
    });
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(record.get("responseContext"), None);
}

#[test]
fn the_record_of_discarded_records_has_their_place_and_not_their_content() {
    let stream = "arn:aws:dynamodb:ap-south-1:111122223333:table/t/stream/2026-11-23T10:00:00.000";
    let record = |number: &str, created: f64| {
        json!({ "dynamodb": {
            "SequenceNumber": number, "ApproximateCreationDateTime": created,
            "NewImage": { "secret": { "S": "x" } }
        } })
    };
    let discarded = stream_record(&DiscardedRecords {
        request_id: "r",
        function: &function(),
        stream: &arn(stream),
        shard: "shard",
        why: Discarded::Retries,
        invocations: 4,
        records: &[record("7", 1_795_428_672.5), record("9", 1_795_428_674.0)],
        response: Some(&unhandled()),
        now: now(),
    });
    assert_eq!(
        discarded["DDBStreamBatchInfo"],
        json!({
            "shardId": "shard",
            "startSequenceNumber": "7",
            "endSequenceNumber": "9",
            "approximateArrivalOfFirstRecord": "2026-11-23T10:11:12Z",
            "approximateArrivalOfLastRecord": "2026-11-23T10:11:14Z",
            "batchSize": 2,
            "streamArn": stream
        })
    );
    assert_eq!(
        discarded["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(discarded["responseContext"]["functionError"], "Unhandled");
    assert!(!discarded.to_string().contains("secret"));
}
