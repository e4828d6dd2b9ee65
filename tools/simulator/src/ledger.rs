//! The ledger's port: the engine's ledger in memory under faults, with what planted bugs make of
//! it, and every commit watched by the audit.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use domain::apply::apply;
use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::hint::Subject;
use domain::pipeline::SNAPSHOT_FORMAT;
use domain::{Commit, Pipeline, Release, ReleaseNumber, ServiceName, Timestamp, due};
use engine::{Ledger, LedgerError, Loaded, Mention};

use crate::adversary::Adversary;
use crate::audit::Sight;
use crate::bug::Bug;
use crate::point::Call;
use crate::ports::Ports;
use crate::shared::Shared;

/// The format that a later version of Lastgood would write.
const FORMAT_AHEAD: u32 = SNAPSHOT_FORMAT + 1;

/// The newest format that a handler begun now understands: while a new version rolls out some are
/// old, and afterwards none.
pub(crate) fn understood(shared: &Shared) -> u32 {
    match shared.rollout.get() {
        None => SNAPSHOT_FORMAT,
        Some(until) if shared.now.get() < until && shared.chance(500) => SNAPSHOT_FORMAT,
        Some(_) => FORMAT_AHEAD,
    }
}

fn unavailable<T>(words: &str) -> Result<T, LedgerError> {
    Err(LedgerError::Unavailable(words.to_owned()))
}

/// The end of something that never waits.
pub(crate) fn at_once<T>(
    future: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, LedgerError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unavailable("the ledger in memory waits"),
    }
}

impl Ports {
    pub(crate) async fn reads<T>(
        &self,
        call: Call,
        asked: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        if self.before(call).await {
            return unavailable("throttled");
        }
        let done = asked.await?;
        if self.after(call).await {
            return unavailable("timed out");
        }
        Ok(done)
    }

    pub(crate) async fn load_snapshot(
        &self,
        service: &ServiceName,
        mention: &Mention,
    ) -> Result<Loaded, LedgerError> {
        if self.before(Call::Load).await {
            return unavailable("throttled");
        }
        self.shared.ledger.understand(self.understands);
        let mut loaded = self.shared.ledger.load(service, mention).await?;
        if self.after(Call::Load).await {
            return unavailable("timed out");
        }
        self.sight.set(match loaded.switch {
            Some(_) => Sight::Sees,
            None => Sight::Blind,
        });
        if let Some(bug) = self.shared.bug {
            bug.distort(&mut loaded);
        }
        Ok(loaded)
    }

    pub(crate) async fn store(&self, commit: &Commit) -> Result<(), LedgerError> {
        if self.before(Call::Commit).await {
            return unavailable("throttled");
        }
        if self.shared.strikes(Adversary::Conflict) {
            return Err(LedgerError::Stale);
        }
        let mut commit = commit.clone();
        if self.understands > SNAPSHOT_FORMAT {
            commit.after.format = FORMAT_AHEAD;
        }
        let sight = self.sight.get();
        if self.shared.strikes(Adversary::LateEffect) {
            let late = Box::new(move |shared: &Shared| drop(shared.commit(commit, sight)));
            self.shared.late.borrow_mut().push(late);
            return unavailable("timed out");
        }
        self.shared.commit(commit, sight)?;
        if self.after(Call::Commit).await {
            return unavailable("timed out");
        }
        Ok(())
    }
}

impl Shared {
    fn commit(&self, mut commit: Commit, sight: Sight) -> Result<(), LedgerError> {
        match self.bug {
            Some(Bug::SkipVersionCheck) => {
                commit.expected = self.audit.borrow().version(&commit.service);
            }
            Some(Bug::LoseSnapshot) => {
                let stages = commit.after.stages.values_mut();
                stages.for_each(|stage| stage.quarantined.clear());
            }
            Some(bug) if bug.distorts() => {
                commit.after = self.folded(&commit)?;
                commit.due_at = due::due_at(&commit.after);
            }
            Some(_) | None => {}
        }
        at_once(self.ledger.commit(&commit))?;
        let now = self.now.get();
        let cloud = self.cloud.borrow();
        let new = self
            .audit
            .borrow_mut()
            .committed(&commit, &cloud, sight, now);
        drop(cloud);
        if new {
            for sealed in &commit.entries {
                self.found(&sealed.entry.what);
                self.say(|| crate::story::entry(&commit.service, &sealed.entry));
            }
            self.outbox.borrow_mut().push(Rc::new(commit));
        }
        Ok(())
    }

    /// What a snapshot is when these entries are added to it, whatever they were decided on.
    fn folded(&self, commit: &Commit) -> Result<Pipeline, LedgerError> {
        let audit = self.audit.borrow();
        let before = audit.books.get(&commit.service).map(|book| &book.pipeline);
        let mut after = match before {
            Some(before) => before.clone(),
            None => Pipeline::new(commit.service.clone()),
        };
        for sealed in &commit.entries {
            if apply(&mut after, sealed).is_err() {
                return unavailable("the bug contradicts itself");
            }
        }
        after.format = commit.after.format;
        Ok(after)
    }
}

impl Ledger for Ports {
    async fn load(&self, service: &ServiceName, mention: &Mention) -> Result<Loaded, LedgerError> {
        self.load_snapshot(service, mention).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), LedgerError> {
        self.store(commit).await
    }

    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        let asked = self.shared.ledger.services();
        self.reads(Call::Services, asked).await
    }

    async fn watchers(&self, subject: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        let asked = self.shared.ledger.watchers(subject);
        self.reads(Call::Watchers, asked).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<ServiceName>, LedgerError> {
        if self.shared.bug == Some(Bug::ForgetDue) {
            return Ok(Vec::new());
        }
        let asked = self.shared.ledger.overdue(now, limit);
        self.reads(Call::Overdue, asked).await
    }

    async fn uncompared(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        let asked = self.shared.ledger.uncompared(now, limit);
        self.reads(Call::Uncompared, asked).await
    }

    async fn compare_at(&self, service: &ServiceName, at: Timestamp) -> Result<(), LedgerError> {
        let asked = self.shared.ledger.compare_at(service, at);
        self.reads(Call::CompareAt, asked).await
    }

    async fn entries(
        &self,
        service: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.shared.ledger.entries(service, from, limit).await
    }

    async fn newest_entries(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.shared.ledger.newest_entries(service, limit).await
    }

    async fn release(
        &self,
        service: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        self.shared.ledger.release(service, number).await
    }
}
