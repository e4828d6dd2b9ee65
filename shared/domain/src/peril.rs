//! What makes a stage unprotected: a bad release would not be noticed there, or could not be taken
//! back. When that is said is decided in `decide::protect`.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::alarm::{AlarmSeen, AlarmState, Voice};
use crate::config::StageConfig;
use crate::due::after;
use crate::name::AlarmArn;

/// How long an alarm may be muted while it fires before nobody can be said to listen.
pub const MUTED_AT_MOST: SignedDuration = SignedDuration::from_hours(24 * 7);

/// One thing that leaves a stage unprotected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Peril {
    /// An alarm of the stage does not exist.
    AlarmGone {
        /// Which.
        alarm: AlarmArn,
    },
    /// An alarm has fired for long, and is muted or suppressed: it rolls nothing back.
    AlarmMuted {
        /// Which.
        alarm: AlarmArn,
    },
}

impl Peril {
    /// What it is, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::AlarmGone { alarm } => format!("alarm {} does not exist", alarm.name()),
            Self::AlarmMuted { alarm } => {
                format!("alarm {} has fired for a week and is muted", alarm.name())
            }
        }
    }
}

/// The perils of a stage whose alarms were just asked for; in order, without repetition.
#[must_use]
pub fn perils(config: &StageConfig, alarms: &[AlarmSeen], now: Timestamp) -> Vec<Peril> {
    let mut perils: Vec<Peril> = config
        .alarms
        .iter()
        .filter_map(|arn| {
            let alarm = arn.clone();
            let Some(seen) = alarms.iter().find(|seen| seen.alarm == *arn) else {
                return Some(Peril::AlarmGone { alarm });
            };
            let long = after(seen.changed_at, MUTED_AT_MOST) <= now;
            let muted = seen.voice == Voice::Muted && seen.state == AlarmState::Alarm;
            (muted && long).then_some(Peril::AlarmMuted { alarm })
        })
        .collect();
    perils.sort();
    perils.dedup();
    perils
}
