//! Telling somebody what the ledger decided since they were last told.
//!
//! An announcement that arrives is only a hint that there is something to tell. What it is, and in
//! which order, the ledger says: so announcements may come late, twice, out of order or not at all,
//! and who could not be reached for a day is told everything once they can be.

use std::sync::Arc;
use std::time::Duration;

use domain::announce::{Announcement, announcement};
use domain::{
    Entry, EntryId, Pipeline, Release, ReleaseNumber, ServiceName, SignedDuration, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::ports::{Clock, Ledger, LedgerError, Mention};

/// How many entries somebody is told in one go; the rest, in the next.
pub const ENTRIES_MAX: usize = 10;
/// How long one go may take: nobody else tells them of the service meanwhile.
pub const HELD_FOR: Duration = Duration::from_secs(60);

/// Somebody who follows the ledger.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Follower {
    /// What they remember of a service between events.
    type Book: Default;

    /// Whether they hear of a service at all.
    fn listens(&self, service: &ServiceName) -> bool;

    /// Where their notes are kept.
    fn seat(&self) -> Seat<'_>;

    /// Hears one entry; when they are interrupted, the same entry again later.
    async fn hear(
        &self,
        heard: &Heard<'_, impl Ledger>,
        notebook: &mut Notebook<'_, impl Desk<Self::Book>, Self::Book>,
    ) -> Result<(), Interrupted>;
}

/// Where somebody's notes are kept, among those of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat<'a> {
    /// Which of our functions tells them: only it writes there.
    pub function: &'static str,
    /// What the name of one is.
    pub kind: &'static str,
    /// Their name.
    pub name: &'a str,
}

/// An entry that somebody hears.
#[derive(Debug)]
pub struct Heard<'a, L> {
    /// The entry.
    pub entry: &'a Entry,
    /// Its id.
    pub id: EntryId,
    /// What people are told of it, if anything.
    pub announced: Option<Announcement>,
    /// The service as it is now, which may be further.
    pub now: &'a Pipeline,
    /// The ledger, for what the snapshot has forgotten.
    pub ledger: &'a L,
}

impl<L: Ledger> Heard<'_, L> {
    /// A release, also one that the snapshot has forgotten.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn release(
        &self,
        number: ReleaseNumber,
    ) -> Result<Option<Arc<Release>>, LedgerError> {
        if let Some(release) = self.now.releases.get(&number) {
            return Ok(Some(Arc::clone(release)));
        }
        let found = self.ledger.release(&self.id.service, number).await?;
        Ok(found.map(Arc::new))
    }
}

/// Why somebody could not be told of an entry.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// The ledger or what is kept beside it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Not now: the same again later is right.
    #[error("not now: {why}")]
    Later {
        /// How long to leave them alone, when they said so.
        after: Option<Duration>,
        /// Their words.
        why: String,
    },
}

/// What stands between us and whom we tell.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// Not now: the same again later is right.
    #[error("not now: {why}")]
    Later {
        /// How long to leave them alone, when they said so.
        after: Option<Duration>,
        /// Their words.
        why: String,
    },
    /// What was to be changed is no longer there.
    #[error("it is gone")]
    Gone,
    /// They take no such thing, and never will.
    #[error("refused: {0}")]
    Refused(String),
}

/// What is kept of somebody between events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes<B> {
    /// The number of the last entry that they were told.
    pub told: u64,
    /// Until when nobody else may tell them: somebody does, or they said to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Timestamp>,
    /// What they remember.
    #[serde(flatten)]
    pub book: B,
}

impl<B: Default> Notes<B> {
    /// Notes that begin after an entry.
    #[must_use]
    pub fn after(entry: u64) -> Self {
        Self {
            told: entry,
            held_until: None,
            book: B::default(),
        }
    }
}

/// Keeps notes.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Desk<B> {
    /// Somebody's notes of a service, strongly consistent, with what [`keep`](Self::keep) has to
    /// name.
    async fn notes(
        &self,
        service: &ServiceName,
        seat: &Seat<'_>,
    ) -> Result<Option<(Notes<B>, u64)>, LedgerError>;

    /// Keeps them in place of the version that was read, 0 for none; [`LedgerError::Stale`] when
    /// somebody else was faster.
    async fn keep(
        &self,
        service: &ServiceName,
        seat: &Seat<'_>,
        notes: &Notes<B>,
        replaces: u64,
    ) -> Result<(), LedgerError>;
}

/// Somebody's notes, at hand.
#[derive(Debug)]
pub struct Notebook<'a, D, B> {
    desk: &'a D,
    service: &'a ServiceName,
    seat: Seat<'a>,
    notes: Notes<B>,
    version: u64,
}

impl<D: Desk<B>, B> Notebook<'_, D, B> {
    /// What is remembered.
    pub fn book(&mut self) -> &mut B {
        &mut self.notes.book
    }

    /// Keeps it now: what must not be done a second time.
    ///
    /// # Errors
    /// When it is not kept.
    pub async fn keep(&mut self) -> Result<(), LedgerError> {
        let Self {
            desk,
            service,
            seat,
            notes,
            version,
        } = self;
        desk.keep(service, seat, notes, *version).await?;
        *version += 1;
        Ok(())
    }
}

/// How far somebody was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As far as the announcement that hinted at it, or further.
    All,
    /// Not yet as far: the announcement has to come again.
    NotYet,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The ledger or what is kept beside it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// They cannot be told now.
    #[error("{whom} was not told of {entry}: not now: {why}")]
    NotNow {
        /// Who.
        whom: String,
        /// What they were to be told.
        entry: EntryId,
        /// How long to leave them alone, when they said so.
        after: Option<Duration>,
        /// Their words.
        why: String,
    },
}

/// What it takes to tell.
#[derive(Debug)]
pub struct Ports<'a, L, D, K> {
    /// The ledger.
    pub ledger: &'a L,
    /// What they were told.
    pub desk: &'a D,
    /// The clock.
    pub clock: &'a K,
}

/// Tells somebody what the ledger of a service holds, from what they were told last to the newest
/// entry. `hint` is the entry that was announced: who never heard of the service begins with it.
///
/// # Errors
/// When the announcement has to come again; what was said by then is not said again.
pub async fn follow<F: Follower>(
    ports: &Ports<'_, impl Ledger, impl Desk<F::Book>, impl Clock>,
    follower: &F,
    hint: &EntryId,
) -> Result<Told, FollowError> {
    let service = &hint.service;
    if !follower.listens(service) {
        return Ok(Told::All);
    }
    let seat = follower.seat();
    let kept = ports.desk.notes(service, &seat).await?;
    let (mut notes, version) = kept.unwrap_or_else(|| (Notes::after(hint.seq - 1), 0));
    if notes.told >= hint.seq {
        return Ok(Told::All);
    }
    let now = ports.clock.now();
    if notes.held_until.is_some_and(|until| now < until) {
        return Ok(Told::NotYet);
    }
    notes.held_until = Some(later(now, HELD_FOR));
    let mut notebook = Notebook {
        desk: ports.desk,
        service,
        seat,
        notes,
        version,
    };
    match notebook.keep().await {
        Err(LedgerError::Stale) => return Ok(Told::NotYet),
        kept => kept?,
    }
    let told = tell(ports.ledger, follower, &mut notebook).await;
    notebook.notes.held_until = match &told {
        Err(FollowError::NotNow {
            after: Some(after), ..
        }) => Some(later(ports.clock.now(), *after)),
        Err(_) | Ok(()) => None,
    };
    let kept = notebook.keep().await;
    told?;
    kept?;
    Ok(if notebook.notes.told >= hint.seq {
        Told::All
    } else {
        Told::NotYet
    })
}

async fn tell<F: Follower>(
    ledger: &impl Ledger,
    follower: &F,
    notebook: &mut Notebook<'_, impl Desk<F::Book>, F::Book>,
) -> Result<(), FollowError> {
    let service = notebook.service;
    let from = notebook.notes.told + 1;
    let entries = ledger.entries(service, from, ENTRIES_MAX).await?;
    if entries.is_empty() {
        return Ok(());
    }
    let loaded = ledger.load(service, &Mention::Nothing).await?;
    for sealed in &entries {
        let entry = &sealed.entry;
        let heard = Heard {
            entry,
            id: EntryId {
                service: service.clone(),
                seq: entry.seq,
            },
            announced: announcement(service, entry),
            now: &loaded.pipeline,
            ledger,
        };
        let told = follower.hear(&heard, notebook).await;
        told.map_err(|error| interrupted(error, &notebook.seat, &heard.id))?;
        notebook.notes.told = entry.seq;
        if heard.announced.is_some() {
            notebook.keep().await?;
        }
    }
    Ok(())
}

fn interrupted(error: Interrupted, seat: &Seat<'_>, entry: &EntryId) -> FollowError {
    match error {
        Interrupted::Ledger(error) => error.into(),
        Interrupted::Later { after, why } => FollowError::NotNow {
            whom: format!("{} {}", seat.kind, seat.name),
            entry: entry.clone(),
            after,
            why,
        },
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    domain::due::after(now, SignedDuration::from_secs(seconds.saturating_add(1)))
}
