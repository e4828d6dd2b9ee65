//! Alarms: what CloudWatch said, and what the ledger believes. Rules about them live in `decide`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::AlarmArn;

/// An alarm's state as CloudWatch names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    /// Within bounds.
    Ok,
    /// Out of bounds.
    Alarm,
    /// Too little data to tell; not an alarm unless the stage says so.
    InsufficientData,
}

/// Whether a state may act. Suppressed and muted alarms still send events (AWS: "Muting an alarm
/// does not stop CloudWatch from sending alarm events to EventBridge").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// It may act.
    Heard,
    /// Muted by a mute rule or suppressed by another alarm: written down, not acted on.
    Muted,
}

/// An alarm as it was seen, by an event or by asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmSeen {
    /// Which alarm.
    pub alarm: AlarmArn,
    /// Its state.
    pub state: AlarmState,
    /// Whether the state may act.
    pub voice: Voice,
    /// CloudWatch's own time of the change: only a newer one changes what the ledger believes.
    pub changed_at: Timestamp,
    /// CloudWatch's words.
    pub reason: String,
}

/// Longest piece of CloudWatch's words kept, in characters.
pub const REASON_LENGTH_MAX: usize = 300;

impl AlarmSeen {
    /// The same with its words cut to what an entry may hold.
    #[must_use]
    pub fn cut(mut self) -> Self {
        if let Some((at, _)) = self.reason.char_indices().nth(REASON_LENGTH_MAX) {
            self.reason.truncate(at);
        }
        self
    }
}

/// How a stage reads an alarm's INSUFFICIENT_DATA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MissingData {
    /// Neither firing nor quiet: nothing happens.
    Ignore,
    /// As bad as an alarm.
    Alarm,
}

impl AlarmSeen {
    /// Whether a stage that reads missing data so must act on it.
    #[must_use]
    pub fn fires(&self, missing: MissingData) -> bool {
        let bad = match self.state {
            AlarmState::Ok => false,
            AlarmState::Alarm => true,
            AlarmState::InsufficientData => missing == MissingData::Alarm,
        };
        bad && self.voice == Voice::Heard
    }
}
