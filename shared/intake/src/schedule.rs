//! The reconciler's wake-up, by a scheduled rule of EventBridge or by EventBridge Scheduler.
//! Nothing in it matters but that it is one: what is overdue stands in the ledger.

use domain::Timestamp;

use crate::Refusal;
use crate::envelope::Envelope;

/// The source of a rule's event.
const RULE: &str = "aws.events";
/// The source of Scheduler's event when its target has no input of its own. Its detail is the text
/// `{}` and not an object, so the detail stays unread.
const SCHEDULER: &str = "aws.scheduler";
/// Both call it so.
const SCHEDULED: &str = "Scheduled Event";

/// A wake-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick {
    /// When it was meant to come, if that can be read. For the log: how late it is.
    pub meant_for: Option<Timestamp>,
}

/// Decodes a wake-up.
///
/// # Errors
/// When it is none.
pub fn decode(bytes: &[u8]) -> Result<Tick, Refusal> {
    let expected = "a schedule";
    let envelope = Envelope::read(bytes, expected)?;
    let ours = matches!(envelope.source(), RULE | SCHEDULER);
    if !ours || envelope.detail_type() != SCHEDULED {
        return Err(envelope.foreign(expected));
    }
    Ok(Tick {
        meant_for: envelope.time(),
    })
}
