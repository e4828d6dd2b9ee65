//! The world in memory: the same ledger semantics as DynamoDB's, a model of ECS and CodeDeploy, and
//! a clock that jumps. It passes the contract suite that the real adapters pass, or tests over it
//! would lie.

pub mod contract;
mod ledger;
mod platform;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use domain::announce::Announcement;
use domain::{SignedDuration, Timestamp};

pub use ledger::{Keep, MemoryLedger};
pub use platform::{MemoryPlatform, World};

use crate::ports::{AnnounceError, Announcer, Clock};

/// A clock that stands until it is told to jump.
#[derive(Debug)]
pub struct MemoryClock(Cell<Timestamp>);

impl MemoryClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Cell::new(now))
    }

    /// Jumps ahead.
    pub fn jump(&self, by: SignedDuration) {
        self.0.set(domain::due::after(self.0.get(), by));
    }
}

impl Clock for MemoryClock {
    fn now(&self) -> Timestamp {
        self.0.get()
    }

    async fn breathe(&self, _at_most: Duration) {}
}

/// Keeps what people would have heard.
#[derive(Debug, Default)]
pub struct MemoryAnnouncer {
    /// All of it, in order.
    pub heard: RefCell<Vec<Announcement>>,
}

impl Announcer for MemoryAnnouncer {
    async fn announce(&self, announcement: &Announcement) -> Result<(), AnnounceError> {
        self.heard.borrow_mut().push(announcement.clone());
        Ok(())
    }
}
