//! The switch for all: one freeze that holds every service at once.
//!
//! It is the snapshot of a reserved pipeline, [`EVERYTHING`](crate::name::EVERYTHING), so that who
//! turned it and why is recorded, chained and announced like anything else. Every pipeline is read
//! together with it and told of it in its next commit; `deployer` looks at it right before it
//! acts. So it holds from the moment it is turned, however many pipelines are still to be told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::Identity;
use crate::pipeline::{Freeze, Pipeline};

/// The switch: on the reserved pipeline as it is, on any other as that was last told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The reserved pipeline's entry that turned it; 0 before the first. Only a newer turn changes
    /// what a pipeline believes.
    pub turned: u64,
    /// Who turned it; none when the freeze came to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Identity>,
    /// The freeze of everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Freeze>,
}

impl Switch {
    /// Whether nobody ever turned it.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.turned == 0
    }

    /// The freeze, while it holds.
    #[must_use]
    pub fn holding(&self, now: Timestamp) -> Option<&Freeze> {
        self.freeze.as_ref().filter(|freeze| freeze.holds(now))
    }

    /// Whether a pipeline has yet to be told. One that nobody described has nothing to hold.
    #[must_use]
    pub fn is_news_to(&self, pipeline: &Pipeline) -> bool {
        let described = pipeline.config.is_some() && !pipeline.service.is_everything();
        described && self.turned > pipeline.switch.turned
    }
}
