//! EventBridge's envelope, the same around every AWS service's event. What is inside is read by the
//! sender's own module.

use domain::{AccountId, Region, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read;
use crate::{EVENT_BYTES_MAX, Refusal};

/// The envelope; the detail is still unread.
#[derive(Debug, Deserialize)]
pub(crate) struct Envelope<'a> {
    /// Such as `aws.s3`.
    source: Option<String>,
    /// Such as `Object Created`.
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    account: Option<String>,
    region: Option<String>,
    time: Option<String>,
    /// Absent from "ECS Hook State Change".
    resources: Option<Vec<String>>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads an event that should be of one of `expected`'s kinds.
    pub(crate) fn read(bytes: &'a [u8], expected: &'static str) -> Result<Self, Refusal> {
        read::limit(bytes, "the event", EVENT_BYTES_MAX)?;
        let envelope: Self = read::event(bytes, expected)?;
        if envelope.source.is_none() || envelope.detail_type.is_none() {
            return Err(Refusal::foreign(
                expected,
                "it has no source and detail-type",
            ));
        }
        Ok(envelope)
    }

    /// Reads an event of the one service whose source is `source`.
    pub(crate) fn from(bytes: &'a [u8], source: &'static str) -> Result<Self, Refusal> {
        let envelope = Self::read(bytes, source)?;
        if envelope.source() != source {
            return Err(envelope.foreign(source));
        }
        Ok(envelope)
    }

    pub(crate) fn foreign(&self, expected: &'static str) -> Refusal {
        let found = format!("{:?} from {:?}", self.detail_type(), self.source());
        Refusal::foreign(expected, found)
    }

    pub(crate) fn source(&self) -> &str {
        self.source.as_deref().unwrap_or_default()
    }

    pub(crate) fn detail_type(&self) -> &str {
        self.detail_type.as_deref().unwrap_or_default()
    }

    pub(crate) fn account(&self) -> Result<AccountId, Refusal> {
        read::parsed(self.account.as_deref(), "account")
    }

    pub(crate) fn region(&self) -> Result<Region, Refusal> {
        read::parsed(self.region.as_deref(), "region")
    }

    /// When the service sent it, if that can be read.
    pub(crate) fn time(&self) -> Option<Timestamp> {
        self.time.as_deref()?.parse().ok()
    }

    pub(crate) fn resources(&self) -> &[String] {
        self.resources.as_deref().unwrap_or_default()
    }

    /// Reads what is inside.
    pub(crate) fn detail<T: Deserialize<'a>>(&self) -> Result<T, Refusal> {
        let raw = self
            .detail
            .ok_or_else(|| Refusal::malformed("detail", "it is missing"))?
            .get();
        if !raw.starts_with('{') {
            return Err(Refusal::malformed("detail", "it is no JSON object"));
        }
        read::json(raw.as_bytes(), "detail")
    }
}
