//! The ledger in memory: conditional transactions, strongly consistent reads, and every write
//! put through the bytes DynamoDB would hold, so that nothing survives that does not serialise,
//! unless its caller prefers to be quick.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use domain::catalogue::Catalogue;
use domain::chain::{Hash, Sealed};
use domain::commit::{ClaimKind, Watcher};
use domain::decide::Recalled;
use domain::hint::Subject;
use domain::pipeline::SNAPSHOT_FORMAT;
use domain::switch::Switch;
use domain::{ArtefactId, Commit, Pipeline, Release, ReleaseNumber, ServiceName, Timestamp};

use crate::ports::{Catalogues, Ledger, LedgerError, Loaded, Mention};

/// How the ledger in memory keeps snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// As they read back from what was written.
    AsWritten,
    /// As they were given: quick, and it hides what does not survive being written.
    AsGiven,
}

/// A ledger in memory.
#[derive(Debug, Clone)]
pub struct MemoryLedger {
    inner: RefCell<Inner>,
    keep: Keep,
    /// The newest format of snapshots that its caller understands.
    understands: Cell<u32>,
}

impl Default for MemoryLedger {
    fn default() -> Self {
        Self::keeping(Keep::AsWritten)
    }
}

impl MemoryLedger {
    /// An empty ledger that keeps snapshots so.
    #[must_use]
    pub fn keeping(keep: Keep) -> Self {
        Self {
            inner: RefCell::default(),
            keep,
            understands: Cell::new(SNAPSHOT_FORMAT),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Inner {
    services: BTreeMap<ServiceName, Service>,
    watches: BTreeMap<String, BTreeSet<Watcher>>,
    /// The commits in their order: whose, and which of its entries.
    commits: Vec<(ServiceName, Range<usize>)>,
}

#[derive(Debug, Clone, Default)]
struct Service {
    snapshot: Option<Pipeline>,
    version: u64,
    head: Option<Hash>,
    due_at: Option<Timestamp>,
    compare_at: Option<Timestamp>,
    entries: Vec<Sealed>,
    releases: BTreeMap<ReleaseNumber, Arc<Release>>,
    claims: BTreeMap<ArtefactId, Option<ReleaseNumber>>,
    catalogue: Option<(Catalogue, Timestamp)>,
    described: bool,
}

impl Inner {
    /// The switch for all, for a caller that understands snapshots up to this format.
    fn switch(&self, known: u32) -> Option<Switch> {
        let state = self.services.get(&ServiceName::everything());
        match state.and_then(|state| state.snapshot.as_ref()) {
            None => Some(Switch::default()),
            Some(stored) if stored.format > known => None,
            Some(stored) => Some(stored.switch.clone()),
        }
    }
}

impl MemoryLedger {
    /// Spoils what is stored of the switch for all, so that nobody can read it.
    pub fn spoil_switch(&self) {
        let mut inner = self.inner.borrow_mut();
        let state = inner.services.entry(ServiceName::everything()).or_default();
        let mut spoilt = Pipeline::new(ServiceName::everything());
        spoilt.format = u32::MAX;
        state.snapshot = Some(spoilt);
    }

    /// The stream: every commit's entries, oldest first.
    #[must_use]
    pub fn stream(&self) -> Vec<(ServiceName, Vec<Sealed>)> {
        let inner = self.inner.borrow();
        let commits = inner.commits.iter().map(|(service, range)| {
            let state = inner.services.get(service);
            let entries = state.and_then(|state| state.entries.get(range.clone()));
            (service.clone(), entries.unwrap_or_default().to_vec())
        });
        commits.collect()
    }

    /// From now on its caller is of a version that understands snapshots up to this format.
    pub fn understand(&self, format: u32) {
        self.understands.set(format);
    }

    /// Services for which a time has passed, the earliest first.
    fn passed(
        &self,
        now: Timestamp,
        limit: usize,
        time: impl Fn(&Service) -> Option<Timestamp>,
    ) -> Vec<ServiceName> {
        let inner = self.inner.borrow();
        let mut passed: Vec<(Timestamp, ServiceName)> = inner
            .services
            .iter()
            .filter_map(|(name, state)| Some((time(state)?, name.clone())))
            .filter(|(at, _)| *at <= now)
            .collect();
        passed.sort();
        passed
            .into_iter()
            .take(limit)
            .map(|(_, name)| name)
            .collect()
    }
}

fn corrupt(error: impl std::fmt::Display) -> LedgerError {
    LedgerError::Corrupt(error.to_string())
}

fn chain(stored: &[Sealed]) -> Result<Vec<Sealed>, LedgerError> {
    let mut before = Hash::ZERO;
    let mut sealed = Vec::new();
    for (seq, stored) in (1..).zip(stored) {
        let entry = Sealed::follow(&stored.stored, seq, &before).map_err(corrupt)?;
        before = entry.hash.clone();
        sealed.push(entry);
    }
    Ok(sealed)
}

impl Ledger for MemoryLedger {
    async fn load(&self, service: &ServiceName, mention: &Mention) -> Result<Loaded, LedgerError> {
        let inner = self.inner.borrow();
        let switch = inner.switch(self.understands.get());
        let Some(state) = inner.services.get(service) else {
            let pipeline = Pipeline::new(service.clone());
            return Ok(Loaded {
                pipeline,
                recalled: Recalled::Nothing,
                switch,
            });
        };
        let pipeline = match &state.snapshot {
            Some(snapshot) => snapshot.clone(),
            None => Pipeline::new(service.clone()),
        };
        // Written by a newer version: left alone, as writing it back would drop what is new.
        let known = self.understands.get();
        if pipeline.format > known {
            return Err(LedgerError::Newer {
                found: pipeline.format,
                known,
            });
        }
        let recalled = match mention {
            Mention::Nothing => Recalled::Nothing,
            Mention::Artefact(id) => state
                .claims
                .get(id)
                .map_or(Recalled::Nothing, |place| Recalled::Artefact(*place)),
            Mention::Release(number) => state
                .releases
                .get(number)
                .map_or(Recalled::Nothing, |release| {
                    Recalled::Release(Box::new((**release).clone()))
                }),
        };
        Ok(Loaded {
            pipeline,
            recalled,
            switch,
        })
    }

    async fn commit(&self, commit: &Commit) -> Result<(), LedgerError> {
        let mut inner = self.inner.borrow_mut();
        let state = inner.services.entry(commit.service.clone()).or_default();
        if state.head.as_ref() == Some(&commit.after.head) {
            return Ok(());
        }
        let taken = |state: &Service| {
            commit.claims.iter().any(|claim| {
                claim.kind == ClaimKind::First && state.claims.contains_key(&claim.artefact)
            })
        };
        if state.version != commit.expected || taken(state) {
            return Err(LedgerError::Stale);
        }
        state.snapshot = Some(match self.keep {
            Keep::AsGiven => commit.after.clone(),
            // What does not survive being written is lost here too.
            Keep::AsWritten => {
                let written = serde_json::to_string(&commit.after).map_err(corrupt)?;
                serde_json::from_str(&written).map_err(corrupt)?
            }
        });
        state.version = commit.after.seq;
        state.head = Some(commit.after.head.clone());
        state.due_at = commit.due_at;
        state.described |= commit.after.config.is_some();
        state.compare_at = commit.compare_at.or(state.compare_at);
        let before = state.entries.len();
        state.entries.extend_from_slice(&commit.entries);
        let range = before..state.entries.len();
        for claim in &commit.claims {
            state.claims.insert(claim.artefact.clone(), claim.release);
        }
        if let Some(new) = &commit.catalogue {
            let begin = |of| (Catalogue { of, seen: None }, Timestamp::UNIX_EPOCH);
            state.catalogue = new.of.clone().map(begin);
        }
        for number in &commit.releases {
            if let Some(release) = commit.after.releases.get(number) {
                state.releases.insert(*number, Arc::clone(release));
            }
        }
        for watch in &commit.watches.remove {
            inner
                .watches
                .entry(watch.subject.key())
                .or_default()
                .remove(&watch.watcher);
        }
        for watch in &commit.watches.add {
            inner
                .watches
                .entry(watch.subject.key())
                .or_default()
                .insert(watch.watcher.clone());
        }
        inner.commits.push((commit.service.clone(), range));
        Ok(())
    }

    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        let inner = self.inner.borrow();
        let described = inner.services.iter().filter(|(_, state)| state.described);
        Ok(described.map(|(name, _)| name.clone()).collect())
    }

    async fn watchers(&self, subject: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        let inner = self.inner.borrow();
        Ok(inner
            .watches
            .get(&subject.key())
            .into_iter()
            .flatten()
            .cloned()
            .collect())
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<ServiceName>, LedgerError> {
        Ok(self.passed(now, limit, |state| state.due_at))
    }

    async fn uncompared(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        Ok(self.passed(now, limit, |state| state.compare_at))
    }

    async fn compare_at(&self, service: &ServiceName, at: Timestamp) -> Result<(), LedgerError> {
        let mut inner = self.inner.borrow_mut();
        let state = inner.services.entry(service.clone()).or_default();
        state.compare_at = Some(at);
        Ok(())
    }

    async fn entries(
        &self,
        service: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        let inner = self.inner.borrow();
        let Some(state) = inner.services.get(service) else {
            return Ok(Vec::new());
        };
        let entries = chain(&state.entries)?;
        Ok(entries
            .into_iter()
            .filter(|sealed| sealed.entry.seq >= from)
            .take(limit)
            .collect())
    }

    async fn newest_entries(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        let inner = self.inner.borrow();
        let Some(state) = inner.services.get(service) else {
            return Ok(Vec::new());
        };
        let entries = chain(&state.entries)?;
        let skip = entries.len().saturating_sub(limit);
        Ok(entries.into_iter().skip(skip).collect())
    }

    async fn release(
        &self,
        service: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        let inner = self.inner.borrow();
        let state = inner.services.get(service);
        let release = state.and_then(|state| state.releases.get(&number));
        Ok(release.map(|release| (**release).clone()))
    }
}

impl Catalogues for MemoryLedger {
    async fn sources_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        let inner = self.inner.borrow();
        let mut due: Vec<(Timestamp, ServiceName)> = inner
            .services
            .iter()
            .filter_map(|(name, state)| Some((state.catalogue.as_ref()?.1, name.clone())))
            .filter(|(due_at, _)| *due_at <= now)
            .collect();
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, name)| name).collect())
    }

    async fn catalogue(&self, service: &ServiceName) -> Result<Option<Catalogue>, LedgerError> {
        let inner = self.inner.borrow();
        let kept = inner
            .services
            .get(service)
            .and_then(|state| state.catalogue.as_ref());
        Ok(kept.map(|(catalogue, _)| catalogue.clone()))
    }

    async fn keep_catalogue(
        &self,
        service: &ServiceName,
        catalogue: &Catalogue,
        due_at: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut inner = self.inner.borrow_mut();
        let state = inner.services.get_mut(service);
        if let Some(kept) = state.and_then(|state| state.catalogue.as_mut())
            && kept.0.of == catalogue.of
        {
            *kept = (catalogue.clone(), due_at);
        }
        Ok(())
    }
}
