//! What `image-pushed` receives: ECR's events, and calls of its function URL. Only tells them
//! apart.

use serde::Deserialize;

use crate::dockerhub::Call;
use crate::{Decoded, EVENT_BYTES_MAX, Refusal, ecr, read};

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// An event of AWS's.
    Event(Decoded),
    /// A call of the function URL, which anybody can make: to be opened with the key.
    Call(Call),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Kind {
    raw_path: Option<serde::de::IgnoredAny>,
}

/// Decodes an event or a call.
///
/// # Errors
/// When it is neither, or tells of a push without saying of what.
pub fn decode(bytes: &[u8]) -> Result<Received, Refusal> {
    read::limit(bytes, "the event", EVENT_BYTES_MAX)?;
    let kind: Kind = read::event(bytes, ecr::SOURCE)?;
    if kind.raw_path.is_some() {
        return Call::read(bytes).map(Received::Call);
    }
    ecr::decode(bytes).map(Received::Event)
}
