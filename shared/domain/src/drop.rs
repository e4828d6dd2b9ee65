//! How a deployment can end before it begins.

use serde::{Deserialize, Serialize};

use crate::name::{Identity, ReleaseNumber};
use crate::scan::TooBad;

/// How a deployment can end before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drop {
    /// A newer release reached the same gate.
    Superseded {
        /// The newer one.
        by: ReleaseNumber,
    },
    /// A person said no.
    Rejected {
        /// Who.
        by: Identity,
        /// Why.
        reason: String,
    },
    /// Nobody answered in time. Not the same as a no.
    Expired,
    /// A person ended it.
    Cancelled {
        /// Who.
        by: Identity,
        /// Why.
        reason: String,
    },
    /// The stage left the configuration.
    StageRemoved,
    /// The image's scan found more than its source lets through.
    Vulnerable(TooBad),
}
