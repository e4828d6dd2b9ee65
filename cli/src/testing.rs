//! A service with a history, and a ledger that says what it is told, for tests.

pub(crate) mod story;

use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::hint::Subject;
use domain::{Commit, Pipeline, Release, ReleaseNumber, ServiceName, Timestamp};
use engine::{Clock as _, Ledger, LedgerError, Loaded, Mention};
use jiff::tz::TimeZone;

use crate::screen::Paint;
use crate::table::Look;
use crate::times::Times;

pub(crate) use story::{Story, production, web};

/// How tables are drawn in tests.
pub(crate) const LOOK: Look = Look {
    paint: Paint::Plain,
    width: None,
};

impl Story {
    /// The times a reader sees.
    pub(crate) fn times(&self) -> Times {
        Times {
            now: self.clock.now(),
            zone: TimeZone::UTC,
        }
    }
}

/// A ledger that says exactly this, whether it is true or not.
pub(crate) struct Said {
    pub(crate) pipeline: Pipeline,
    pub(crate) entries: Vec<Sealed>,
}

impl Said {
    /// What a story's ledger says.
    pub(crate) async fn by(story: &Story) -> Self {
        let entries = story.ledger.entries(&web(), 1, usize::MAX).await.unwrap();
        Self {
            pipeline: story.pipeline().await,
            entries,
        }
    }
}

impl Ledger for Said {
    async fn load(&self, _: &ServiceName, _: &Mention) -> Result<Loaded, LedgerError> {
        let recalled = domain::decide::Recalled::Nothing;
        Ok(Loaded {
            pipeline: self.pipeline.clone(),
            recalled,
            switch: Some(domain::switch::Switch::default()),
        })
    }

    async fn commit(&self, _: &Commit) -> Result<(), LedgerError> {
        Err(LedgerError::Unavailable("it only says".into()))
    }

    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        Ok(vec![self.pipeline.service.clone()])
    }

    async fn watchers(&self, _: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        Ok(Vec::new())
    }

    async fn overdue(&self, _: Timestamp, _: usize) -> Result<Vec<ServiceName>, LedgerError> {
        Ok(Vec::new())
    }

    async fn uncompared(&self, _: Timestamp, _: usize) -> Result<Vec<ServiceName>, LedgerError> {
        Ok(Vec::new())
    }

    async fn compare_at(&self, _: &ServiceName, _: Timestamp) -> Result<(), LedgerError> {
        Err(LedgerError::Unavailable("it only says".into()))
    }

    async fn entries(
        &self,
        _: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        let from = self
            .entries
            .iter()
            .filter(|sealed| sealed.entry.seq >= from);
        Ok(from.take(limit).cloned().collect())
    }

    async fn newest_entries(&self, _: &ServiceName, _: usize) -> Result<Vec<Sealed>, LedgerError> {
        Ok(Vec::new())
    }

    async fn release(
        &self,
        _: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        Ok(self.pipeline.release(number).cloned())
    }
}
