//! What the API says about rules, targets, schedules and stream mappings, as types. Pure.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::{
    Place,
    arn::Arn,
    batch::{Answers, ErrorRules, Whole},
    pattern::Pattern,
    retry::Limits,
    schedule::Expression,
    transform::Input,
};

/// How many records a batch has if a mapping does not say; Lambda's default for streams.
const BATCH_SIZE: usize = 100;

/// How many batches of one shard are under way at a time, at most; Lambda's limit.
const FACTOR_MAX: usize = 10;

/// Everything that was taken over.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Rules with an event pattern, by the event bus they listen to.
    pub(crate) rules: HashMap<Bus, Vec<Arc<Rule>>>,
    /// Scheduled rules, and schedules of EventBridge Scheduler.
    pub(crate) schedules: Vec<Arc<Schedule>>,
    /// What the event buses' own policies say.
    pub(crate) bus_policies: HashMap<Bus, Value>,
}

/// One event bus.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Bus {
    pub(crate) place: Place,
    pub(crate) name: String,
}

/// A rule with an event pattern.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) pattern: Pattern,
    pub(crate) targets: Vec<Arc<Target>>,
}

/// Something that fires by itself.
#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) arn: Arn,
    pub(crate) name: String,
    pub(crate) kind: ScheduleKind,
    pub(crate) expression: Expression,
    pub(crate) during: During,
    pub(crate) targets: Vec<Arc<Target>>,
}

/// From when until when a schedule fires; without an end it does so for ever.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct During {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl During {
    /// Reads `StartDate` and `EndDate`, in seconds of Unix time.
    pub(crate) fn read(schedule: &Value) -> Self {
        let time = |name: &str| {
            let seconds = schedule.get(name)?.as_f64()?;
            Timestamp::from_duration(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
        };
        Self {
            from: time("StartDate"),
            until: time("EndDate"),
        }
    }

    /// Whether the schedule fires at this time.
    pub(crate) fn covers(self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time <= until)
    }
}

/// What kind of schedule it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScheduleKind {
    /// A rule of EventBridge.
    Rule,
    /// A schedule of EventBridge Scheduler.
    Scheduler,
}

/// Where something is delivered.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) arn: Arn,
    pub(crate) input: Input,
    pub(crate) limits: Limits,
    /// The dead-letter queue.
    pub(crate) letters: Option<Arn>,
    /// The role that EventBridge takes on.
    pub(crate) role: Option<String>,
    /// The group of messages to a FIFO queue.
    pub(crate) group: Option<String>,
}

impl Target {
    /// Reads a target of `ListTargetsByRule` or of a schedule; nothing if its ARN is none.
    pub(crate) fn read(target: &Value) -> Option<Self> {
        let text = |pointer: &str| target.pointer(pointer).and_then(Value::as_str);
        Some(Self {
            arn: Arn::parse(text("/Arn")?)?,
            input: Input::from_target(target),
            limits: Limits::TARGET.read(target.get("RetryPolicy")),
            letters: text("/DeadLetterConfig/Arn").and_then(Arn::parse),
            role: text("/RoleArn").map(str::to_owned),
            group: text("/SqsParameters/MessageGroupId").map(str::to_owned),
        })
    }
}

/// A stream mapping.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mapping {
    pub(crate) id: String,
    pub(crate) stream: Arn,
    pub(crate) function: Arn,
    pub(crate) filters: Filters,
    pub(crate) batch_size: usize,
    /// How many batches are under way at a time, each with other items.
    pub(crate) factor: usize,
    /// How long records are gathered for a batch.
    pub(crate) window: Duration,
    pub(crate) errors: ErrorRules,
    pub(crate) on_failure: Option<Arn>,
    pub(crate) start: Start,
}

/// Which records a function sees.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Filters {
    /// All.
    None,
    /// Those that one of these matches.
    AnyOf(Vec<Pattern>),
}

impl Filters {
    /// Whether the function sees the record.
    pub(crate) fn let_through(&self, record: &Value) -> bool {
        match self {
            Self::None => true,
            Self::AnyOf(patterns) => patterns.iter().any(|pattern| pattern.matches(record)),
        }
    }
}

/// Where a mapping starts in its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// At the oldest record.
    Oldest,
    /// At records made in or after this second of Unix time, when the mapping was made.
    Since(i64),
}

impl Mapping {
    /// Reads a mapping of `ListEventSourceMappings`; nothing if it is not one of a table's stream.
    /// `since` is when it was made, in seconds of Unix time.
    pub(crate) fn read(mapping: &Value, since: i64) -> Option<Self> {
        let text = |pointer: &str| mapping.pointer(pointer).and_then(Value::as_str);
        let positive = |name: &str| number(mapping.get(name)?);
        let small = |name: &str| {
            positive(name)?
                .try_into()
                .ok()
                .filter(|size: &usize| *size > 0)
        };
        let stream = Arn::parse(text("/EventSourceArn")?)
            .filter(|arn| arn.service() == "dynamodb" && arn.resource().contains("/stream/"))?;
        let answers = mapping
            .get("FunctionResponseTypes")
            .and_then(Value::as_array);
        let reports = answers.is_some_and(|types| {
            types
                .iter()
                .any(|one| one.as_str() == Some("ReportBatchItemFailures"))
        });
        let bisects = match mapping.get("BisectBatchOnFunctionError") {
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            other => other == Some(&Value::Bool(true)),
        };
        Some(Self {
            id: text("/UUID")?.to_owned(),
            stream,
            function: Arn::parse(text("/FunctionArn")?)?,
            filters: filters(mapping),
            batch_size: small("BatchSize").unwrap_or(BATCH_SIZE),
            factor: small("ParallelizationFactor").map_or(1, |factor| factor.min(FACTOR_MAX)),
            window: Duration::from_secs(positive("MaximumBatchingWindowInSeconds").unwrap_or(0)),
            errors: ErrorRules {
                retries: positive("MaximumRetryAttempts").and_then(|number| number.try_into().ok()),
                age: positive("MaximumRecordAgeInSeconds")
                    .filter(|seconds| *seconds > 0)
                    .map(Duration::from_secs),
                whole: if bisects {
                    Whole::Bisected
                } else {
                    Whole::Kept
                },
                answers: if reports {
                    Answers::ItemFailures
                } else {
                    Answers::Ignored
                },
            },
            on_failure: text("/DestinationConfig/OnFailure/Destination").and_then(Arn::parse),
            start: match text("/StartingPosition") {
                Some("TRIM_HORIZON") => Start::Oldest,
                Some(_) | None => Start::Since(since),
            },
        })
    }
}

/// A number that is not negative; templates may say it as text.
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A filter that Lambda would have refused lets nothing through.
fn filters(mapping: &Value) -> Filters {
    let filters = mapping
        .pointer("/FilterCriteria/Filters")
        .and_then(Value::as_array);
    let Some(filters) = filters.filter(|filters| !filters.is_empty()) else {
        return Filters::None;
    };
    let texts = filters
        .iter()
        .filter_map(|filter| filter.get("Pattern")?.as_str());
    let compiled = texts.filter_map(|text| match Pattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            tracing::warn!(pattern = text, %error, "a filter of a mapping is not valid");
            None
        }
    });
    Filters::AnyOf(compiled.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mapping_is_read() {
        let given = json!({
            "UUID": "u",
            "EventSourceArn":
                "arn:aws:dynamodb:ap-south-1:111122223333:table/t/stream/2026-11-23T10:00:00.000",
            "FunctionArn": "arn:aws:lambda:ap-south-1:111122223333:function:deployer",
            "BatchSize": 10,
            "ParallelizationFactor": 5,
            "MaximumBatchingWindowInSeconds": 1,
            "MaximumRetryAttempts": "5",
            "MaximumRecordAgeInSeconds": 3600,
            "BisectBatchOnFunctionError": "true",
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "DestinationConfig": {
                "OnFailure": { "Destination": "arn:aws:sqs:ap-south-1:111122223333:letters" }
            },
            "FilterCriteria": { "Filters": [
                { "Pattern": r#"{"eventName":["INSERT"],"dynamodb":{"NewImage":{"acts":{"BOOL":[true]}}}}"# }
            ] },
            "StartingPosition": "LATEST"
        });
        let mapping = Mapping::read(&given, 1_795_000_000).unwrap();
        assert_eq!((mapping.batch_size, mapping.factor), (10, 5));
        assert_eq!(mapping.errors.retries, Some(5));
        assert_eq!(mapping.errors.whole, Whole::Bisected);
        assert_eq!(mapping.errors.answers, Answers::ItemFailures);
        assert_eq!(mapping.start, Start::Since(1_795_000_000));
        let record = |name: &str, acts: bool| json!({ "eventName": name, "dynamodb": { "NewImage": { "acts": { "BOOL": acts } } } });
        assert!(mapping.filters.let_through(&record("INSERT", true)));
        assert!(!mapping.filters.let_through(&record("INSERT", false)));
        assert!(!mapping.filters.let_through(&record("MODIFY", true)));
        assert!(
            !mapping
                .filters
                .let_through(&json!({ "eventName": "INSERT" }))
        );
    }

    #[test]
    fn minus_one_means_without_limit() {
        let given = json!({
            "UUID": "u",
            "EventSourceArn":
                "arn:aws:dynamodb:ap-south-1:111122223333:table/t/stream/2026-11-23T10:00:00.000",
            "FunctionArn": "arn:aws:lambda:ap-south-1:111122223333:function:deployer",
            "MaximumRetryAttempts": -1,
            "MaximumRecordAgeInSeconds": -1,
            "StartingPosition": "TRIM_HORIZON"
        });
        let mapping = Mapping::read(&given, 0).unwrap();
        assert_eq!((mapping.errors.retries, mapping.errors.age), (None, None));
        assert_eq!((mapping.batch_size, mapping.factor), (100, 1));
        assert_eq!(mapping.start, Start::Oldest);
        assert!(mapping.filters.let_through(&json!({})));
    }

    #[test]
    fn a_mapping_of_a_queue_is_left_alone() {
        let given = json!({
            "UUID": "u",
            "EventSourceArn": "arn:aws:sqs:ap-south-1:111122223333:queue",
            "FunctionArn": "arn:aws:lambda:ap-south-1:111122223333:function:deployer"
        });
        assert_eq!(Mapping::read(&given, 0), None);
    }

    #[test]
    fn a_target_is_read() {
        let target = Target::read(&json!({
            "Id": "Function",
            "Arn": "arn:aws:lambda:ap-south-1:111122223333:function:web",
            "RetryPolicy": { "MaximumRetryAttempts": 3 },
            "DeadLetterConfig": { "Arn": "arn:aws:sqs:ap-south-1:111122223333:letters" }
        }))
        .unwrap();
        assert_eq!(target.limits.retries, 3);
        assert_eq!(target.limits.age, Limits::TARGET.age);
        assert!(target.letters.is_some());
        assert!(Target::read(&json!({ "Arn": "nonsense" })).is_none());
    }
}
