//! CloudWatch's events through EventBridge: an alarm changed, or is set up otherwise. Metric,
//! expression, anomaly, Metrics Insights and composite alarms differ in their configuration, which
//! nothing here reads.

use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::hint::Input;
use domain::{AlarmArn, Hint, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::envelope::Envelope;
use crate::{Decoded, Ignored, Refusal};

/// EventBridge's name for CloudWatch.
const SOURCE: &str = "aws.cloudwatch";
/// The kind that tells of a whole alarm. A contributor's change (one series of a Metrics Insights
/// alarm) is a kind of its own.
const STATE_CHANGE: &str = "CloudWatch Alarm State Change";
/// The kind that tells of an alarm that was made, changed or deleted: a reason to look.
const SET_UP: &str = "CloudWatch Alarm Configuration Change";
/// CloudWatch's times have an offset without a colon: `2019-10-02T17:04:40.989+0000`.
const TIME_FORMAT: &str = "%Y-%m-%dT%H:%M:%S%.f%z";

/// What is read of it. The state before is not: it may be the same state, suppressed then and heard
/// now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Detail {
    alarm_name: Option<String>,
    state: State,
    mute_detail: Option<IgnoredAny>,
}

/// What is read of a change of configuration: the rest is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Named {
    alarm_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct State {
    value: Option<String>,
    reason: Option<String>,
    timestamp: Option<String>,
    /// `Alarm`, `WaitPeriod` or `ExtensionPeriod`; AWS writes them in more than one case, and more
    /// may come, so that any word here means suppressed.
    actions_suppressed_by: Option<String>,
}

/// Decodes an event of CloudWatch.
///
/// # Errors
/// When it is no event of CloudWatch, or tells of a change without alarm, time or a known state.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    let envelope = Envelope::from(bytes, SOURCE)?;
    if envelope.detail_type() == SET_UP {
        let named: Named = envelope.detail()?;
        let alarm = alarm(&envelope, named.alarm_name.as_deref())?;
        return Ok(Decoded::Input(Input::Hint(Hint::AlarmSetUp { alarm })));
    }
    if envelope.detail_type() != STATE_CHANGE {
        return Ok(Decoded::Ignored(Ignored::other_kind(
            envelope.detail_type(),
        )));
    }
    let detail: Detail = envelope.detail()?;
    let seen = AlarmSeen {
        alarm: alarm(&envelope, detail.alarm_name.as_deref())?,
        state: state(detail.state.value.as_deref())?,
        voice: voice(&detail),
        changed_at: changed_at(detail.state.timestamp.as_deref())?,
        reason: detail.state.reason.unwrap_or_default(),
    };
    Ok(Decoded::Input(Input::Alarm(seen.cut())))
}

/// The ARN stands in `resources`; without it, it is made of account, Region and name.
fn alarm(envelope: &Envelope<'_>, name: Option<&str>) -> Result<AlarmArn, Refusal> {
    if let Some(arn) = envelope
        .resources()
        .iter()
        .find_map(|resource| resource.parse().ok())
    {
        return Ok(arn);
    }
    let path = "detail.alarmName";
    let name = name.ok_or_else(|| Refusal::malformed(path, "it is missing"))?;
    AlarmArn::of(&envelope.region()?, &envelope.account()?, name)
        .map_err(|error| Refusal::malformed(path, error))
}

fn state(value: Option<&str>) -> Result<AlarmState, Refusal> {
    match value {
        Some("OK") => Ok(AlarmState::Ok),
        Some("ALARM") => Ok(AlarmState::Alarm),
        Some("INSUFFICIENT_DATA") => Ok(AlarmState::InsufficientData),
        Some(other) => Err(Refusal::malformed(
            "detail.state.value",
            format_args!("{other:?} is no state"),
        )),
        None => Err(Refusal::malformed("detail.state.value", "it is missing")),
    }
}

fn voice(detail: &Detail) -> Voice {
    let suppressed = detail
        .state
        .actions_suppressed_by
        .as_deref()
        .is_some_and(|by| !by.is_empty());
    if suppressed || detail.mute_detail.is_some() {
        Voice::Muted
    } else {
        Voice::Heard
    }
}

fn changed_at(text: Option<&str>) -> Result<Timestamp, Refusal> {
    let path = "detail.state.timestamp";
    let text = text.ok_or_else(|| Refusal::malformed(path, "it is missing"))?;
    Timestamp::strptime(TIME_FORMAT, text)
        .or_else(|_| text.parse())
        .map_err(|error| Refusal::malformed(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_with_and_without_colon_and_fraction() {
        for text in [
            "2019-10-02T17:04:40.989+0000",
            "2019-10-02T17:04:40.989+00:00",
            "2019-10-02T17:04:40.989Z",
            "2019-10-02T22:34:40.989+0530",
        ] {
            let at = changed_at(Some(text)).unwrap();
            assert_eq!(at.to_string(), "2019-10-02T17:04:40.989Z", "{text}");
        }
        assert!(changed_at(Some("2019-10-02T17:04:40+0000")).is_ok());
        for text in ["", "yesterday", "2019-10-02", "2019-10-02T17:04:40.989"] {
            assert!(changed_at(Some(text)).is_err(), "{text}: no moment");
        }
    }

    #[test]
    fn any_word_of_suppression_mutes() {
        for (by, voice_expected) in [
            (None, Voice::Heard),
            (Some(""), Voice::Heard),
            (Some("Alarm"), Voice::Muted),
            (Some("ALARM"), Voice::Muted),
            (Some("waitPeriod"), Voice::Muted),
            (Some("ExtensionPeriod"), Voice::Muted),
        ] {
            let state = State {
                value: None,
                reason: None,
                timestamp: None,
                actions_suppressed_by: by.map(str::to_owned),
            };
            let detail = Detail {
                alarm_name: None,
                state,
                mute_detail: None,
            };
            assert_eq!(voice(&detail), voice_expected, "{by:?}");
        }
    }
}
