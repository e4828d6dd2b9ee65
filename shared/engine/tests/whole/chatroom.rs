//! A channel to talk into that forgets nothing and fails when told to, a desk, and a ledger of
//! entries that are simply there.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use chat::block::Message;
use chat::card::MessageId;
use chat::settings::{Channel, Says};
use chat::talk::{Reach, Talk};
use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::hint::Subject;
use domain::{Commit, EntryId, Pipeline, Release, ReleaseNumber, ServiceName, Timestamp};
use engine::converse::{Chat, Conversation};
use engine::follow::{Desk, FollowError, Notes, Ports, Seat, Told, Untold, follow};
use engine::memory::MemoryClock;
use engine::memory::contract::noon;
use engine::{Ledger, LedgerError, Loaded, Mention};

/// What stands in the channel: messages as they are now, and what was said under each.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) messages: RefCell<Vec<Message>>,
    pub(crate) replies: RefCell<Vec<(usize, Message, Reach)>>,
    /// What it takes for good.
    pub(crate) takes: Cell<Takes>,
    pub(crate) luck: Luck,
}

/// What a room takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Takes {
    #[default]
    Everything,
    PlainText,
    Nothing,
}

/// How a call ends.
pub(crate) enum Fate {
    Well,
    Lost,
    AnswerLost,
}

/// Chance that is the same in every run.
#[derive(Debug, Default)]
pub(crate) struct Luck {
    /// Of so many calls one fails; 0 for none.
    pub(crate) one_fails_of: Cell<u64>,
    pub(crate) calls: Cell<u64>,
    chance: Cell<u64>,
}

impl Luck {
    pub(crate) fn fate(&self) -> Fate {
        self.calls.set(self.calls.get() + 1);
        let of = self.one_fails_of.get();
        // Knuth's MMIX generator.
        let next = self.chance.get().wrapping_mul(6_364_136_223_846_793_005);
        self.chance
            .set(next.wrapping_add(1_442_695_040_888_963_407));
        match (self.chance.get() >> 33) % of.max(1) {
            0 if of > 0 && self.calls.get().is_multiple_of(8) => Fate::AnswerLost,
            0 if of > 0 => Fate::Lost,
            _ => Fate::Well,
        }
    }

    pub(crate) fn later() -> Untold {
        Untold::Later {
            after: Some(Duration::from_secs(1)),
            why: "rate_limited".to_owned(),
        }
    }
}

impl Room {
    fn takes(&self, message: &Message) -> Result<(), Untold> {
        match self.takes.get() {
            Takes::Everything => Ok(()),
            Takes::PlainText if message.blocks.is_empty() => Ok(()),
            Takes::PlainText | Takes::Nothing => Err(Untold::Refused("invalid_blocks".into())),
        }
    }

    fn index(place: &MessageId) -> usize {
        place.0.parse().unwrap()
    }
}

impl Chat for Room {
    async fn post(
        &self,
        _channel: &Channel,
        message: &Message,
        under: Option<(&MessageId, Reach)>,
    ) -> Result<MessageId, Untold> {
        let fate = self.luck.fate();
        if matches!(fate, Fate::Lost) {
            return Err(Luck::later());
        }
        self.takes(message)?;
        let mut messages = self.messages.borrow_mut();
        if let Some((place, reach)) = under {
            let reply = (Self::index(place), message.clone(), reach);
            self.replies.borrow_mut().push(reply);
        } else {
            messages.push(message.clone());
        }
        match fate {
            Fate::AnswerLost => Err(Luck::later()),
            Fate::Well | Fate::Lost => Ok(MessageId((messages.len() - 1).to_string())),
        }
    }

    async fn update(
        &self,
        _channel: &Channel,
        place: &MessageId,
        message: &Message,
    ) -> Result<(), Untold> {
        if !matches!(self.luck.fate(), Fate::Well) {
            return Err(Luck::later());
        }
        self.takes(message)?;
        self.messages.borrow_mut()[Self::index(place)] = message.clone();
        Ok(())
    }
}

/// Keeps notes, as the table does.
#[derive(Debug)]
pub(crate) struct Shelf<B>(RefCell<BTreeMap<String, (Notes<B>, u64)>>);

impl<B> Default for Shelf<B> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<B> Shelf<B> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

impl<B: Clone> Desk<B> for Shelf<B> {
    async fn notes(
        &self,
        service: &ServiceName,
        seat: &Seat<'_>,
    ) -> Result<Option<(Notes<B>, u64)>, LedgerError> {
        let kept = self.0.borrow();
        Ok(kept.get(&format!("{service} {seat:?}")).cloned())
    }

    async fn keep(
        &self,
        service: &ServiceName,
        seat: &Seat<'_>,
        notes: &Notes<B>,
        replaces: u64,
    ) -> Result<(), LedgerError> {
        let mut kept = self.0.borrow_mut();
        let key = format!("{service} {seat:?}");
        let version = kept.get(&key).map_or(0, |(_, version)| *version);
        if version != replaces {
            return Err(LedgerError::Stale);
        }
        kept.insert(key, (notes.clone(), version + 1));
        Ok(())
    }
}

/// A ledger that can only be read.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) pipeline: Pipeline,
    pub(crate) entries: Vec<Sealed>,
    /// Releases that the snapshot no longer holds.
    pub(crate) forgotten: BTreeMap<ReleaseNumber, Release>,
}

fn read_only<T>() -> Result<T, LedgerError> {
    Err(LedgerError::Unavailable("it can only be read".to_owned()))
}

impl Ledger for Book {
    async fn load(&self, _: &ServiceName, _: &Mention) -> Result<Loaded, LedgerError> {
        Ok(Loaded {
            pipeline: self.pipeline.clone(),
            recalled: domain::decide::Recalled::Nothing,
            switch: Some(domain::switch::Switch::default()),
        })
    }

    async fn commit(&self, _: &Commit) -> Result<(), LedgerError> {
        read_only()
    }

    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        read_only()
    }

    async fn watchers(&self, _: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        read_only()
    }

    async fn overdue(&self, _: Timestamp, _: usize) -> Result<Vec<ServiceName>, LedgerError> {
        read_only()
    }

    async fn uncompared(&self, _: Timestamp, _: usize) -> Result<Vec<ServiceName>, LedgerError> {
        read_only()
    }

    async fn compare_at(&self, _: &ServiceName, _: Timestamp) -> Result<(), LedgerError> {
        read_only()
    }

    async fn entries(
        &self,
        _: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        let from = usize::try_from(from - 1).unwrap();
        Ok(self
            .entries
            .iter()
            .skip(from)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn newest_entries(&self, _: &ServiceName, _: usize) -> Result<Vec<Sealed>, LedgerError> {
        read_only()
    }

    async fn release(
        &self,
        _: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        Ok(self.forgotten.get(&number).cloned())
    }
}

/// A room, what is told in it, and a clock.
pub(crate) struct Scene {
    pub(crate) book: Book,
    pub(crate) room: Room,
    pub(crate) shelf: Shelf<Talk>,
    pub(crate) clock: MemoryClock,
    pub(crate) channel: Channel,
}

pub(crate) fn channel(says: Says) -> Channel {
    Channel {
        id: "C1".to_owned(),
        services: vec!["*".to_owned()],
        stages: vec!["*".to_owned()],
        says,
        mention: Some("<!here>".to_owned()),
        updates: true,
        answers: true,
        read_on: None,
    }
}

impl Scene {
    pub(crate) fn new(book: Book, says: Says) -> Self {
        Self {
            book,
            room: Room::default(),
            shelf: Shelf::default(),
            clock: MemoryClock::new(noon()),
            channel: channel(says),
        }
    }

    /// An announcement arrives.
    pub(crate) async fn hint(&self, seq: u64) -> Result<Told, FollowError> {
        let ports = Ports {
            ledger: &self.book,
            desk: &self.shelf,
            clock: &self.clock,
        };
        let conversation = Conversation {
            chat: &self.room,
            channel: &self.channel,
        };
        let service = "web".parse().unwrap();
        follow(&ports, &conversation, &EntryId { service, seq }).await
    }
}
