//! What is written when something could not be delivered: the attributes of dead letters, and the
//! records of on-failure destinations. Pure.
//! Sources: EventBridge user guide, eb-rule-dlq; Scheduler user guide, configuring-schedule-dlq;
//! Lambda developer guide, invocation-async-retain-records and services-dynamodb-errors.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{arn::Arn, batch::Discarded, envelope, retry::Exhausted};

/// The longest error message that is kept, in characters.
const MESSAGE_LENGTH_MAX: usize = 1_000;

/// Why EventBridge could not deliver, in its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The target's policy does not let EventBridge in.
    NoPermissions,
    /// The target does not exist.
    NoResource,
    /// The target's service said no for a reason that may pass.
    Throttling,
    /// The target's service failed.
    InternalError,
    /// The target cannot be reached.
    ConnectionFailure,
    /// The target refused what it was given.
    InvalidParameter,
    /// This machine cannot deliver to such a target.
    SdkClientError,
    /// The event came from another event bus and was to go to a third.
    ThirdAccountHop,
}

impl Code {
    /// As `ERROR_CODE` says it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::NoPermissions => "NO_PERMISSIONS",
            Self::NoResource => "NO_RESOURCE",
            Self::Throttling => "THROTTLING",
            Self::InternalError => "INTERNAL_ERROR",
            Self::ConnectionFailure => "CONNECTION_FAILURE",
            Self::InvalidParameter => "INVALID_PARAMETER",
            Self::SdkClientError => "SDK_CLIENT_ERROR",
            Self::ThirdAccountHop => "THIRD_ACCOUNT_HOP_DETECTED",
        }
    }

    /// Whether EventBridge tries again. A missing permission or target goes straight to the
    /// dead-letter queue.
    pub(crate) const fn may_pass(self) -> bool {
        match self {
            Self::Throttling | Self::InternalError | Self::ConnectionFailure => true,
            Self::NoPermissions
            | Self::NoResource
            | Self::InvalidParameter
            | Self::SdkClientError
            | Self::ThirdAccountHop => false,
        }
    }
}

/// Who was to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sender {
    /// A rule of EventBridge.
    Rule {
        /// Its ARN.
        arn: Arn,
        /// Its name.
        name: String,
    },
    /// A schedule of EventBridge Scheduler.
    Schedule {
        /// Its ARN.
        arn: Arn,
        /// The id of this firing.
        execution: String,
        /// When it fired, RFC 3339.
        at: String,
    },
}

impl Sender {
    /// The rule's or schedule's ARN.
    pub(crate) const fn arn(&self) -> &Arn {
        match self {
            Self::Rule { arn, .. } | Self::Schedule { arn, .. } => arn,
        }
    }
}

/// A delivery that failed for good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Undelivered<'a> {
    pub(crate) sender: &'a Sender,
    pub(crate) target: &'a Arn,
    pub(crate) code: Code,
    pub(crate) message: &'a str,
    /// How many attempts there were after the first.
    pub(crate) retries: u32,
    /// Which limit was reached; none if there was no point in trying again.
    pub(crate) exhausted: Option<Exhausted>,
}

/// The attributes of a message in a dead-letter queue of EventBridge.
pub(crate) fn attributes(undelivered: &Undelivered<'_>) -> Value {
    let mut attributes = Map::new();
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            let value = json!({ "DataType": "String", "StringValue": value });
            attributes.insert(name.to_owned(), value);
        }
    };
    match undelivered.sender {
        Sender::Rule { arn, .. } => put("RULE_ARN", arn.as_str()),
        Sender::Schedule { arn, execution, at } => {
            put("SCHEDULE_ARN", arn.as_str());
            put("EXECUTION_ID", execution);
            put("SCHEDULED_TIME", at);
            put("IS_PAYLOAD_TRUNCATED", "false");
        }
    }
    put("TARGET_ARN", undelivered.target.as_str());
    put("ERROR_CODE", undelivered.code.as_str());
    let message: String = undelivered
        .message
        .chars()
        .take(MESSAGE_LENGTH_MAX)
        .collect();
    put("ERROR_MESSAGE", &message);
    match undelivered.exhausted {
        Some(Exhausted::Retries) => put("EXHAUSTED_RETRY_CONDITION", "MaximumRetryAttempts"),
        Some(Exhausted::Age) => put("EXHAUSTED_RETRY_CONDITION", "MaximumEventAgeInSeconds"),
        None => {}
    }
    put("RETRY_ATTEMPTS", &undelivered.retries.to_string());
    Value::Object(attributes)
}

/// What a function answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Response {
    /// The HTTP status of the invocation.
    pub(crate) status: u16,
    /// The version that ran.
    pub(crate) version: String,
    /// `Unhandled` and the like, if it failed.
    pub(crate) error: Option<String>,
    /// What it returned.
    pub(crate) payload: Value,
}

impl Response {
    fn context(&self) -> Value {
        let mut context = json!({ "statusCode": self.status, "executedVersion": self.version });
        if let (Some(error), Some(context)) = (&self.error, context.as_object_mut()) {
            context.insert("functionError".to_owned(), json!(error));
        }
        context
    }
}

/// How an asynchronous invocation ended, as its destination hears of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) function: &'a Arn,
    /// `Success`, `RetriesExhausted` or `EventAgeExceeded`.
    pub(crate) condition: &'a str,
    pub(crate) invocations: u32,
    pub(crate) payload: &'a Value,
    /// What the function answered last, if it ran at all.
    pub(crate) response: Option<&'a Response>,
    pub(crate) now: Timestamp,
}

/// The record that a destination of an asynchronous invocation receives.
pub(crate) fn invocation_record(ended: &Ended<'_>) -> Value {
    let mut record = json!({
        "version": "1.0",
        "timestamp": envelope::milliseconds(ended.now),
        "requestContext": {
            "requestId": ended.request_id,
            "functionArn": qualified(ended.function),
            "condition": ended.condition,
            "approximateInvokeCount": ended.invocations,
        },
        "requestPayload": ended.payload,
    });
    if let (Some(response), Some(record)) = (ended.response, record.as_object_mut()) {
        record.insert("responseContext".to_owned(), response.context());
        record.insert("responsePayload".to_owned(), response.payload.clone());
    }
    record
}

/// What Lambda calls the condition of an invocation it gave up.
pub(crate) const fn condition(exhausted: Exhausted) -> &'static str {
    match exhausted {
        Exhausted::Retries => "RetriesExhausted",
        Exhausted::Age => "EventAgeExceeded",
    }
}

/// A function's ARN with its version or alias, as records name it.
pub(crate) fn qualified(function: &Arn) -> String {
    match function.qualifier() {
        Some(_) => function.to_string(),
        None => format!("{function}:$LATEST"),
    }
}

/// Records of a stream that are discarded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DiscardedRecords<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) function: &'a Arn,
    pub(crate) stream: &'a Arn,
    pub(crate) shard: &'a str,
    pub(crate) why: Discarded,
    pub(crate) invocations: u32,
    pub(crate) records: &'a [Value],
    /// What the function answered last, if it ran at all.
    pub(crate) response: Option<&'a Response>,
    pub(crate) now: Timestamp,
}

/// The record that a mapping's on-failure destination receives: where the records are, not what
/// they are.
pub(crate) fn stream_record(discarded: &DiscardedRecords<'_>) -> Value {
    let number = |record: Option<&Value>| {
        record
            .and_then(|record| record.pointer("/dynamodb/SequenceNumber"))
            .cloned()
            .unwrap_or_default()
    };
    let arrival = |record: Option<&Value>| {
        let second = record
            .and_then(created)
            .unwrap_or_else(|| discarded.now.as_second());
        envelope::seconds(Timestamp::from_second(second).unwrap_or(discarded.now))
    };
    let (first, last) = (discarded.records.first(), discarded.records.last());
    let mut record = json!({
        "requestContext": {
            "requestId": discarded.request_id,
            "functionArn": discarded.function.as_str(),
            "condition": discarded.why.as_str(),
            "approximateInvokeCount": discarded.invocations,
        },
        "version": "1.0",
        "timestamp": envelope::milliseconds(discarded.now),
        "DDBStreamBatchInfo": {
            "shardId": discarded.shard,
            "startSequenceNumber": number(first),
            "endSequenceNumber": number(last),
            "approximateArrivalOfFirstRecord": arrival(first),
            "approximateArrivalOfLastRecord": arrival(last),
            "batchSize": discarded.records.len(),
            "streamArn": discarded.stream.as_str(),
        },
    });
    if let (Some(response), Some(record)) = (discarded.response, record.as_object_mut()) {
        record.insert("responseContext".to_owned(), response.context());
    }
    record
}

/// When a record of a stream was made, in seconds of Unix time.
#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds of Unix time are far below 2^53"
)]
pub(crate) fn created(record: &Value) -> Option<i64> {
    let seconds = record
        .pointer("/dynamodb/ApproximateCreationDateTime")?
        .as_f64()?;
    Some(seconds.floor() as i64)
}

#[cfg(test)]
#[path = "letters_tests.rs"]
mod tests;
