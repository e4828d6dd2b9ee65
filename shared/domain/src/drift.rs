//! What happens behind the ledger's back: calls that others make, and what a target runs instead of
//! what the ledger put there. What follows from it is decided in `decide::drift`.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::artefact::Content;
use crate::name::{Identity, ReleaseNumber};

/// Calls kept per stage, to recognise one that is delivered again and to say who drifted it.
pub const CALLS_KEPT: usize = 20;
/// How long before a drift was found a call may have been made to count as what brought it about.
pub const ATTRIBUTED_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// How long the same refused call of the same caller is not told again.
pub const TOLD_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// Longest piece of a call's words kept, in characters.
pub const WORDS_LENGTH_MAX: usize = 300;

/// A call that changed a target, or was refused, as CloudTrail recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiCall {
    /// CloudTrail's `eventID`: the same call delivered again has the same.
    pub id: String,
    /// When AWS took it.
    pub at: Timestamp,
    /// What was called, such as `ecs:UpdateService`.
    pub action: String,
    /// Who called: a user's or session's ARN, or the AWS service that did.
    pub by: Identity,
    /// Where from: an address, or an AWS service.
    pub from: String,
    /// What was asked for, in the call's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// AWS's error code, when it refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl ApiCall {
    /// Who, from where and what, for people.
    #[must_use]
    pub fn words(&self) -> String {
        self.told(self.asked.as_deref())
    }

    /// The same without what was asked for: said where what came of it is said.
    #[must_use]
    pub fn who(&self) -> String {
        self.told(None)
    }

    fn told(&self, asked: Option<&str>) -> String {
        let asked = asked.map(|asked| format!(" ({asked})")).unwrap_or_default();
        let (by, action, from) = (self.by.short(), &self.action, &self.from);
        format!("{by} called {action}{asked} from {from}")
    }
}

/// A stage whose target runs something else than the ledger brought about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Since when that is known.
    pub since: Timestamp,
    /// The release that should run.
    pub expected: ReleaseNumber,
    /// What runs instead, on all of the target or on some of it.
    pub others: Vec<Content>,
    /// Who probably did it; CloudTrail is only a hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ApiCall>,
}
