//! Alarms as they are: metric and composite ones, by name. What an alarm's state means to a stage
//! is not decided here.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{
    ActionsSuppressedBy, AlarmMuteRuleStatus, AlarmType, CompositeAlarm, MetricAlarm, StateValue,
};
use aws_smithy_types::DateTime;
use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::config::Place;
use domain::{AlarmArn, Region};
use engine::PlatformError;

use crate::places::Places;
use crate::{errors, time};

/// Most names in one call (DescribeAlarms, AlarmNames).
const NAMES_PER_CALL: usize = 100;
/// Most alarms of one answer: as many as can be asked for (DescribeAlarms, MaxRecords).
const ANSWERS_PER_CALL: i32 = 100;

/// Alarms as they are; one that does not exist is missing from the answer.
///
/// An alarm is asked for in the Region its ARN names: the same name elsewhere is another alarm.
pub(crate) async fn seen(
    places: &Places,
    place: &Place,
    alarms: &[AlarmArn],
) -> Result<Vec<AlarmSeen>, PlatformError> {
    let mut found = Vec::new();
    for (region, alarms) in by_region(place, alarms) {
        let there = Place {
            region,
            ..place.clone()
        };
        let clients = places.at(&there).await?;
        for chunk in alarms.chunks(NAMES_PER_CALL) {
            found.extend(ask(clients.cloudwatch(), chunk).await?);
        }
    }
    Ok(found)
}

fn by_region<'a>(place: &Place, alarms: &'a [AlarmArn]) -> BTreeMap<Region, Vec<&'a AlarmArn>> {
    let mut regions: BTreeMap<Region, Vec<&AlarmArn>> = BTreeMap::new();
    for alarm in alarms {
        let named = alarm
            .as_str()
            .split(':')
            .nth(3)
            .and_then(|region| region.parse().ok());
        regions
            .entry(named.unwrap_or_else(|| place.region.clone()))
            .or_default()
            .push(alarm);
    }
    regions
}

async fn ask(
    client: &aws_sdk_cloudwatch::Client,
    alarms: &[&AlarmArn],
) -> Result<Vec<AlarmSeen>, PlatformError> {
    let answer = client
        .describe_alarms()
        .set_alarm_names(Some(
            alarms.iter().map(|alarm| alarm.name().to_owned()).collect(),
        ))
        .alarm_types(AlarmType::MetricAlarm)
        .alarm_types(AlarmType::CompositeAlarm)
        .max_records(ANSWERS_PER_CALL)
        .send()
        .await
        .map_err(errors::platform("cloudwatch:DescribeAlarms"))?;
    let metric = answer.metric_alarms().iter().filter_map(metric);
    let composite = answer.composite_alarms().iter().filter_map(composite);
    let asked = |seen: &AlarmSeen| alarms.contains(&&seen.alarm);
    let mut found: Vec<AlarmSeen> = metric.chain(composite).filter(asked).collect();
    for seen in &mut found {
        if seen.state == AlarmState::Alarm && is_muted(client, &seen.alarm).await {
            seen.voice = Voice::Muted;
        }
    }
    Ok(found)
}

fn metric(alarm: &MetricAlarm) -> Option<AlarmSeen> {
    let changed = alarm
        .state_transitioned_timestamp()
        .or(alarm.state_updated_timestamp());
    made(
        alarm.alarm_arn(),
        alarm.state_value(),
        changed,
        alarm.state_reason(),
        Voice::Heard,
    )
}

fn composite(alarm: &CompositeAlarm) -> Option<AlarmSeen> {
    let voice = alarm
        .actions_suppressed_by()
        .map_or(Voice::Heard, |by: &ActionsSuppressedBy| {
            if by.as_str().is_empty() {
                Voice::Heard
            } else {
                Voice::Muted
            }
        });
    let changed = alarm
        .state_transitioned_timestamp()
        .or(alarm.state_updated_timestamp());
    made(
        alarm.alarm_arn(),
        alarm.state_value(),
        changed,
        alarm.state_reason(),
        voice,
    )
}

/// `changed` is the transition's time, which the event carries as `state.timestamp`. The time of
/// the last update moves on while nothing changes but the reason's words.
fn made(
    arn: Option<&str>,
    state: Option<&StateValue>,
    changed: Option<&DateTime>,
    reason: Option<&str>,
    voice: Voice,
) -> Option<AlarmSeen> {
    let seen = AlarmSeen {
        alarm: arn?.parse().ok()?,
        state: match state?.as_str() {
            "OK" => AlarmState::Ok,
            "ALARM" => AlarmState::Alarm,
            "INSUFFICIENT_DATA" => AlarmState::InsufficientData,
            _ => return None,
        },
        voice,
        changed_at: time::timestamp(changed?)?,
        reason: reason.unwrap_or_default().to_owned(),
    };
    Some(seen.cut())
}

/// Whether a mute rule holds right now. Who may not ask hears the alarm: better once too often.
async fn is_muted(client: &aws_sdk_cloudwatch::Client, alarm: &AlarmArn) -> bool {
    let rules = client
        .list_alarm_mute_rules()
        .alarm_name(alarm.name())
        .statuses(AlarmMuteRuleStatus::Active)
        .send()
        .await;
    match rules {
        Ok(rules) => !rules.alarm_mute_rule_summaries().is_empty(),
        Err(error) => {
            let trouble = errors::Trouble::of("cloudwatch:ListAlarmMuteRules", &error);
            tracing::debug!(%alarm, problem = trouble.words, "mute rules are not known");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-errors";

    #[test]
    fn the_transition_counts_and_not_the_last_update() {
        let alarm = MetricAlarm::builder()
            .alarm_arn(ARN)
            .state_value(StateValue::Alarm)
            .state_transitioned_timestamp(DateTime::from_millis(1_000_989))
            .state_updated_timestamp(DateTime::from_millis(9_000_000))
            .build();
        let seen = metric(&alarm).unwrap();
        assert_eq!(seen.changed_at.as_millisecond(), 1_000_989);
        assert_eq!((seen.state, seen.voice), (AlarmState::Alarm, Voice::Heard));
    }

    #[test]
    fn a_suppressed_composite_alarm_is_muted() {
        let alarm = CompositeAlarm::builder()
            .alarm_arn(ARN)
            .state_value(StateValue::Alarm)
            .state_updated_timestamp(DateTime::from_secs(5))
            .actions_suppressed_by(ActionsSuppressedBy::WaitPeriod)
            .build();
        assert_eq!(composite(&alarm).unwrap().voice, Voice::Muted);
    }

    #[test]
    fn an_alarm_is_asked_for_where_its_arn_says() {
        let place = Place {
            account: "111122223333".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
            role: None,
        };
        let alarm: AlarmArn = ARN.parse().unwrap();
        let alarms = [alarm.clone()];
        let regions = by_region(&place, &alarms);
        assert_eq!(
            regions.keys().map(Region::as_str).collect::<Vec<_>>(),
            ["ap-south-1"]
        );
    }
}
