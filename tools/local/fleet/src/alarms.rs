//! Looks at all alarms twice a second and tells their state changes, as CloudWatch does through
//! EventBridge. The first look at an account and Region tells nothing; an alarm that appears later
//! began with insufficient data, as all do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    envelope::{Kind, Place},
    remote::{CLOUDWATCH, RemoteError},
    world::World,
};

const STATE_CHANGE: Kind = Kind {
    source: "aws.cloudwatch",
    detail_type: "CloudWatch Alarm State Change",
};

/// The most alarms of one page of `DescribeAlarms`.
const PAGE_MAX: u32 = 100;

/// The most pages read of one place's alarms.
const PAGES_MAX: usize = 50;

/// A time that is told in whole seconds is taken to be now when it is no older than this.
const FRESH: Duration = Duration::from_millis(2500);

/// An alarm as it was last seen.
#[derive(Debug, Clone)]
struct Seen {
    state: Value,
    value: String,
    updated: Value,
}

/// What alarms were seen, by place and ARN.
#[derive(Default)]
struct Sights {
    places: BTreeSet<Place>,
    alarms: BTreeMap<(Place, String), Seen>,
}

/// Looks for as long as it runs.
pub(crate) async fn watch(world: Arc<World>) {
    let mut interval = interval(world.pace.alarm_poll);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut sights = Sights::default();
    loop {
        interval.tick().await;
        for place in world.places() {
            match describe(&world, &place, &[]).await {
                Ok(alarms) => tell_changes(&world, &place, &alarms, &mut sights),
                Err(error) => tracing::debug!(%error, "alarms could not be read"),
            }
        }
    }
}

/// All alarms of a place, metric and composite; with names only those.
pub(crate) async fn describe(
    world: &World,
    place: &Place,
    names: &[String],
) -> Result<Vec<Value>, RemoteError> {
    let mut alarms = Vec::new();
    let mut token: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut input =
            json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": PAGE_MAX });
        if let Some(fields) = input.as_object_mut() {
            if !names.is_empty() {
                fields.insert("AlarmNames".to_owned(), json!(names));
            }
            if let Some(token) = &token {
                fields.insert("NextToken".to_owned(), json!(token));
            }
        }
        let page = world
            .remote
            .json(place, CLOUDWATCH, "DescribeAlarms", &input)
            .await?;
        for list in ["MetricAlarms", "CompositeAlarms"] {
            alarms.extend(
                page.get(list)
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default(),
            );
        }
        token = page
            .get("NextToken")
            .and_then(Value::as_str)
            .map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    Ok(alarms)
}

/// Which of these alarms are in ALARM.
pub(crate) async fn firing(
    world: &World,
    place: &Place,
    names: &[String],
) -> Result<BTreeSet<String>, RemoteError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let alarms = describe(world, place, names).await?;
    let firing = alarms
        .iter()
        .filter(|alarm| text(alarm, "StateValue") == "ALARM");
    Ok(firing
        .map(|alarm| text(alarm, "AlarmName").to_owned())
        .collect())
}

fn tell_changes(world: &World, place: &Place, alarms: &[Value], sights: &mut Sights) {
    let known = !sights.places.insert(place.clone());
    let mut present = BTreeSet::new();
    for alarm in alarms {
        let arn = text(alarm, "AlarmArn").to_owned();
        present.insert(arn.clone());
        let key = (place.clone(), arn.clone());
        let (value, updated) = (
            text(alarm, "StateValue"),
            field(alarm, "StateUpdatedTimestamp"),
        );
        let before = sights
            .alarms
            .get(&key)
            .cloned()
            .or_else(|| known.then(|| unchecked(alarm)));
        let same = |seen: &Seen| seen.value == value && seen.updated == *updated;
        if before.as_ref().is_some_and(same) {
            continue;
        }
        let seen = Seen {
            state: state(alarm, Timestamp::now()),
            value: value.to_owned(),
            updated: updated.clone(),
        };
        sights.alarms.insert(key, seen.clone());
        if let Some(before) = before.filter(|before| before.value != value) {
            let detail = json!({
                "alarmName": text(alarm, "AlarmName"),
                "state": seen.state,
                "previousState": before.state,
                "configuration": configuration(alarm),
            });
            world.emit(place, STATE_CHANGE, &[&arn], detail);
        }
    }
    sights
        .alarms
        .retain(|(at, arn), _| at != place || present.contains(arn));
}

/// How a new alarm begins.
fn unchecked(alarm: &Value) -> Seen {
    let configured = time(field(alarm, "AlarmConfigurationUpdatedTimestamp"));
    let state = json!({
        "value": "INSUFFICIENT_DATA",
        "reason": "Unchecked: Initial alarm creation",
        "timestamp": stamp(configured.unwrap_or_else(Timestamp::now)),
    });
    Seen {
        state,
        value: "INSUFFICIENT_DATA".to_owned(),
        updated: Value::Null,
    }
}

/// A time as alarm events write it.
fn stamp(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3f+0000").to_string()
}

/// The `state` of an event. CloudWatch tells milliseconds; where the emulator tells only whole
/// seconds, the time of the sight keeps two changes within a second in order.
fn state(alarm: &Value, now: Timestamp) -> Value {
    let updated = time(field(alarm, "StateUpdatedTimestamp")).unwrap_or(now);
    let fresh = now.duration_since(updated).unsigned_abs() <= FRESH;
    let whole = updated.subsec_nanosecond() == 0;
    let at = if whole && fresh { now } else { updated };
    let mut state = Map::new();
    state.insert("value".to_owned(), json!(text(alarm, "StateValue")));
    state.insert("reason".to_owned(), json!(text(alarm, "StateReason")));
    let data = text(alarm, "StateReasonData");
    if !data.is_empty() {
        state.insert("reasonData".to_owned(), json!(data));
    }
    state.insert("timestamp".to_owned(), json!(stamp(at)));
    let suppressed = text(alarm, "ActionsSuppressedBy");
    if !suppressed.is_empty() {
        state.insert("actionsSuppressedBy".to_owned(), json!(suppressed));
    }
    Value::Object(state)
}

/// The `configuration` of an event: a rule for a composite alarm, metrics for the others.
fn configuration(alarm: &Value) -> Value {
    let mut configuration = Map::new();
    let mut copy = |to: &str, from: &str| {
        let value = field(alarm, from);
        if !value.is_null() && value != "" {
            configuration.insert(to.to_owned(), value.clone());
        }
    };
    if alarm.get("AlarmRule").is_some() {
        copy("alarmRule", "AlarmRule");
        copy("actionsSuppressor", "ActionsSuppressor");
        copy("actionsSuppressorWaitPeriod", "ActionsSuppressorWaitPeriod");
        copy(
            "actionsSuppressorExtensionPeriod",
            "ActionsSuppressorExtensionPeriod",
        );
        return Value::Object(configuration);
    }
    copy("description", "AlarmDescription");
    configuration.insert("metrics".to_owned(), metrics(alarm));
    Value::Object(configuration)
}

fn metrics(alarm: &Value) -> Value {
    let queries = field(alarm, "Metrics")
        .as_array()
        .filter(|queries| !queries.is_empty());
    if let Some(queries) = queries {
        return queries.iter().map(query).collect();
    }
    let statistic = ["Statistic", "ExtendedStatistic"].map(|name| text(alarm, name));
    json!([{
        "id": hex::encode(text(alarm, "MetricName")),
        "metricStat": {
            "metric": metric(alarm),
            "period": field(alarm, "Period"),
            "stat": statistic.into_iter().find(|name| !name.is_empty()),
        },
        "returnData": true,
    }])
}

/// A metric query in the event's spelling.
fn query(query: &Value) -> Value {
    let mut told = Map::new();
    let mut copy = |to: &str, from: &str| {
        let value = field(query, from);
        if !value.is_null() {
            told.insert(to.to_owned(), value.clone());
        }
    };
    copy("id", "Id");
    copy("expression", "Expression");
    copy("label", "Label");
    let stat = field(query, "MetricStat");
    if !stat.is_null() {
        let told_stat = json!({
            "metric": metric(field(stat, "Metric")),
            "period": field(stat, "Period"),
            "stat": field(stat, "Stat"),
        });
        told.insert("metricStat".to_owned(), told_stat);
    }
    let returned = query
        .get("ReturnData")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    told.insert("returnData".to_owned(), json!(returned));
    Value::Object(told)
}

fn metric(of: &Value) -> Value {
    let dimensions: Map<String, Value> = field(of, "Dimensions")
        .as_array()
        .into_iter()
        .flatten()
        .map(|dimension| {
            (
                text(dimension, "Name").to_owned(),
                field(dimension, "Value").clone(),
            )
        })
        .collect();
    json!({
        "dimensions": dimensions,
        "name": text(of, "MetricName"),
        "namespace": text(of, "Namespace"),
    })
}

/// A time as the JSON protocol writes it (seconds) or as text.
fn time(value: &Value) -> Option<Timestamp> {
    match value.as_f64() {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "milliseconds of this age fit"
        )]
        Some(seconds) => Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok(),
        None => value.as_str()?.parse().ok(),
    }
}

fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    value.get(name).unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    field(value, name).as_str().unwrap_or_default()
}
