//! What makes a stage unprotected: a bad release would not be noticed there, or could not be taken
//! back. When that is said is decided in `decide::protect`.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::alarm::{AlarmState, Voice};
use crate::config::StageConfig;
use crate::due::after;
use crate::fact::Inspected;
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
    /// The target itself ends deployments on alarms that the stage does not name: one that fires
    /// holds no deployment, and undoes every one.
    StrangeAlarms {
        /// Their names.
        alarms: Vec<String>,
    },
    /// On an alarm the target itself stops a deployment, and leaves what it has done so far.
    StopsHalfway,
}

/// What a target does by itself about a deployment, whoever made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reflexes {
    /// Names of the alarms that it ends a deployment on.
    pub alarms: Vec<String>,
    /// Whether it then goes back to what ran before.
    pub goes_back: bool,
}

impl Reflexes {
    fn perils(&self, config: &StageConfig) -> Vec<Peril> {
        let is_named = |name: &&String| config.alarms.iter().any(|it| it.name() == **name);
        let strange: BTreeSet<&String> = self.alarms.iter().filter(|it| !is_named(it)).collect();
        let alarms: Vec<String> = strange.into_iter().cloned().collect();
        let strange = (!alarms.is_empty()).then_some(Peril::StrangeAlarms { alarms });
        let halfway = !self.alarms.is_empty() && !self.goes_back;
        let halfway = halfway.then_some(Peril::StopsHalfway);
        strange.into_iter().chain(halfway).collect()
    }
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
            Self::StrangeAlarms { alarms } => format!(
                "the target itself ends deployments on {}, which the stage does not name",
                alarms.join(", ")
            ),
            Self::StopsHalfway => {
                "on an alarm of its own the target stops a deployment and does not go back".into()
            }
        }
    }

    /// Whether it is about the target, and not about an alarm.
    fn is_of_target(&self) -> bool {
        match self {
            Self::StrangeAlarms { .. } | Self::StopsHalfway => true,
            Self::AlarmGone { .. } | Self::AlarmMuted { .. } => false,
        }
    }
}

/// The perils of a stage that was just looked at, in order, without repetition. What could not be
/// looked at is believed to be as it was.
#[must_use]
pub fn perils(
    config: &StageConfig,
    inspected: &Inspected,
    before: &[Peril],
    now: Timestamp,
) -> Vec<Peril> {
    let of_alarm = |arn: &AlarmArn| {
        let alarm = arn.clone();
        let Some(seen) = inspected.alarms.iter().find(|seen| seen.alarm == *arn) else {
            return Some(Peril::AlarmGone { alarm });
        };
        let long = after(seen.changed_at, MUTED_AT_MOST) <= now;
        let muted = seen.voice == Voice::Muted && seen.state == AlarmState::Alarm;
        (muted && long).then_some(Peril::AlarmMuted { alarm })
    };
    let of_alarms = config.alarms.iter().filter_map(of_alarm);
    let of_target = match &inspected.reflexes {
        Some(reflexes) => reflexes.perils(config),
        None => before
            .iter()
            .filter(|it| it.is_of_target())
            .cloned()
            .collect(),
    };
    let perils: BTreeSet<Peril> = of_alarms.chain(of_target).collect();
    perils.into_iter().collect()
}
