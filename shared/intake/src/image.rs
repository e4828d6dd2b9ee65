//! What `image-pushed` receives: ECR's events, and calls of its function URL. Only tells them
//! apart.

use serde::{Deserialize, Serialize};

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

/// What a caller of the function URL is answered: a status, and not a word more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallAnswer {
    status_code: u16,
}

impl CallAnswer {
    /// It was looked at.
    pub const TAKEN: Self = Self { status_code: 200 };
    /// There is no such thing here, whatever was wrong.
    pub const NOT_FOUND: Self = Self { status_code: 404 };
    /// Not now.
    pub const LATER: Self = Self { status_code: 503 };
}
