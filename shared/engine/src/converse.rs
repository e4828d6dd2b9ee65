//! Telling a channel what the ledger decided since it was last told.
//!
//! An announcement that arrives is only a hint that there is something to tell. What it is, and in
//! which order, the ledger says: so announcements may come late, twice, out of order or not at all,
//! and a channel that could not be reached for a day is told everything once it can be.

use std::time::Duration;

use chat::block::Message;
use chat::card::{Card, MessageId};
use chat::draw::{View, draw};
use chat::settings::Channel;
use chat::talk::{Reach, Say, Talk};
use domain::announce::announcement;
use domain::{EntryId, Pipeline, ServiceName, SignedDuration, StageName, Timestamp};

use crate::ports::{Clock, Ledger, LedgerError, Mention};

/// How many entries a channel is told in one go; the rest, in the next.
pub const ENTRIES_MAX: usize = 10;
/// How long one go may take: nobody else talks to the channel about the service meanwhile.
pub const HELD_FOR: Duration = Duration::from_secs(60);

/// Posts in a chat.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Chat {
    /// Posts a message, or a reply in the thread of one.
    async fn post(
        &self,
        channel: &Channel,
        message: &Message,
        under: Option<(&MessageId, Reach)>,
    ) -> Result<MessageId, ChatError>;

    /// Puts another message in a message's place.
    async fn update(
        &self,
        channel: &Channel,
        place: &MessageId,
        message: &Message,
    ) -> Result<(), ChatError>;
}

/// What stands between us and a chat.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// Not now: the same again later is right.
    #[error("not now: {why}")]
    Later {
        /// How long to leave it alone, when it said so.
        after: Option<Duration>,
        /// Its words.
        why: String,
    },
    /// The message is no longer there.
    #[error("the message is gone")]
    Gone,
    /// It takes no such message, and never will.
    #[error("refused: {0}")]
    Refused(String),
}

/// Keeps what channels were told.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Desk {
    /// What a channel was told of a service, strongly consistent, with what
    /// [`keep`](Self::keep) has to name.
    async fn talk(
        &self,
        service: &ServiceName,
        channel: &str,
    ) -> Result<Option<(Talk, u64)>, LedgerError>;

    /// Keeps it in place of the version that was read, 0 for none; [`LedgerError::Stale`] when
    /// somebody else was faster.
    async fn keep(
        &self,
        service: &ServiceName,
        channel: &str,
        talk: &Talk,
        replaces: u64,
    ) -> Result<(), LedgerError>;
}

/// How far a channel was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// As far as the announcement that hinted at it, or further.
    All,
    /// Not yet as far: the announcement has to come again.
    NotYet,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConverseError {
    /// The ledger or what is kept beside it.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The chat.
    #[error("the channel {channel} was not told of {entry}: {source}")]
    Chat {
        /// The channel.
        channel: String,
        /// What it was to be told.
        entry: EntryId,
        /// Why not.
        source: ChatError,
    },
}

/// Tells one channel what the ledger of a service holds, from what it was told last to the newest
/// entry. `hint` is the entry that was announced: a channel that never heard of the service begins
/// with it.
///
/// # Errors
/// When the announcement has to come again; what was said by then is not said again.
pub async fn converse(
    ports: &Ports<'_, impl Ledger, impl Chat, impl Desk, impl Clock>,
    channel: &Channel,
    hint: &EntryId,
) -> Result<Told, ConverseError> {
    let service = &hint.service;
    if !channel.listens(service, None) {
        return Ok(Told::All);
    }
    let kept = ports.desk.talk(service, channel.name()).await?;
    let (mut talk, version) = kept.unwrap_or_else(|| (Talk::after(hint.seq - 1), 0));
    if talk.told >= hint.seq {
        return Ok(Told::All);
    }
    let now = ports.clock.now();
    if talk.held_until.is_some_and(|until| now < until) {
        return Ok(Told::NotYet);
    }
    talk.held_until = Some(later(now, HELD_FOR));
    let mut teller = Teller {
        ports,
        channel,
        service,
        version,
    };
    match teller.keep(&talk).await {
        Err(LedgerError::Stale) => return Ok(Told::NotYet),
        kept => kept?,
    }
    let told = teller.tell(&mut talk).await;
    talk.held_until = match &told {
        Err(ConverseError::Chat {
            source: ChatError::Later {
                after: Some(after), ..
            },
            ..
        }) => Some(later(ports.clock.now(), *after)),
        Err(_) | Ok(()) => None,
    };
    let kept = teller.keep(&talk).await;
    told?;
    kept?;
    Ok(if talk.told >= hint.seq {
        Told::All
    } else {
        Told::NotYet
    })
}

/// What it takes to tell.
#[derive(Debug)]
pub struct Ports<'a, L, C, D, K> {
    /// The ledger.
    pub ledger: &'a L,
    /// The chat.
    pub chat: &'a C,
    /// What channels were told.
    pub desk: &'a D,
    /// The clock.
    pub clock: &'a K,
}

struct Teller<'a, 'p, L, C, D, K> {
    ports: &'a Ports<'p, L, C, D, K>,
    channel: &'a Channel,
    service: &'a ServiceName,
    version: u64,
}

impl<L: Ledger, C: Chat, D: Desk, K: Clock> Teller<'_, '_, L, C, D, K> {
    async fn tell(&mut self, talk: &mut Talk) -> Result<(), ConverseError> {
        let ledger = self.ports.ledger;
        let entries = ledger.entries(self.service, talk.told + 1, ENTRIES_MAX);
        let entries = entries.await?;
        if entries.is_empty() {
            return Ok(());
        }
        let loaded = ledger.load(self.service, &Mention::Nothing).await?;
        for sealed in &entries {
            let entry = &sealed.entry;
            let id = EntryId {
                service: self.service.clone(),
                seq: entry.seq,
            };
            let announced = announcement(self.service, entry);
            for say in talk.hear(entry, &id, announced.as_ref(), self.channel) {
                let new = matches!(say, Say::Post(..));
                let said = self.say(talk, say, &loaded.pipeline).await;
                self.done(said, &id)?;
                if new {
                    // Where a new message stands must not be forgotten.
                    self.keep(talk).await?;
                }
            }
            talk.told = entry.seq;
            if announced.is_some() {
                self.keep(talk).await?;
            }
        }
        Ok(())
    }

    /// What the chat refuses for good is logged and left: it must not hold up what comes after it.
    fn done(&self, said: Result<(), ChatError>, id: &EntryId) -> Result<(), ConverseError> {
        match said {
            Ok(()) => Ok(()),
            Err(source @ ChatError::Later { .. }) => Err(ConverseError::Chat {
                channel: self.channel.name().to_owned(),
                entry: id.clone(),
                source,
            }),
            Err(error @ (ChatError::Gone | ChatError::Refused(_))) => {
                tracing::error!(channel = self.channel.name(), %id, %error, "not told");
                Ok(())
            }
        }
    }

    async fn say(&self, talk: &mut Talk, say: Say, now: &Pipeline) -> Result<(), ChatError> {
        match say {
            Say::Alone(message) => self.post(&message, None).await.map(drop),
            Say::Reply(stage, release, message, reach) => {
                let card = talk.card(&stage, release);
                let place = card.and_then(|card| card.message.as_ref());
                self.post(&message, place.map(|place| (place, reach)))
                    .await
                    .map(drop)
            }
            Say::Post(stage, release) | Say::Redraw(stage, release) => {
                let Some(card) = talk.card(&stage, release) else {
                    return Ok(());
                };
                let message = self.draw(talk, card, now);
                let place = self.show(card, &message).await?;
                if let Some(card) = talk.card_mut(&stage, release) {
                    card.message = Some(place);
                }
                Ok(())
            }
        }
    }

    /// Shows a card where it is, or anew when it is nowhere or somebody deleted it.
    async fn show(&self, card: &Card, message: &Message) -> Result<MessageId, ChatError> {
        let Some(place) = &card.message else {
            return self.post(message, None).await;
        };
        match self.ports.chat.update(self.channel, place, message).await {
            Ok(()) => Ok(place.clone()),
            Err(ChatError::Gone) => self.post(message, None).await,
            Err(ChatError::Refused(why)) => {
                tracing::error!(why, "a message is shown without its blocks");
                let short = message.without_blocks();
                self.ports.chat.update(self.channel, place, &short).await?;
                Ok(place.clone())
            }
            Err(error @ ChatError::Later { .. }) => Err(error),
        }
    }

    async fn post(
        &self,
        message: &Message,
        under: Option<(&MessageId, Reach)>,
    ) -> Result<MessageId, ChatError> {
        match self.ports.chat.post(self.channel, message, under).await {
            Err(ChatError::Refused(why)) if !message.blocks.is_empty() => {
                tracing::error!(why, "a message is posted without its blocks");
                let short = message.without_blocks();
                self.ports.chat.post(self.channel, &short, under).await
            }
            posted => posted,
        }
    }

    fn draw(&self, talk: &Talk, card: &Card, now: &Pipeline) -> Message {
        let before = now
            .config
            .as_ref()
            .and_then(|config| config.stage_before(&card.stage));
        let since = |stage: &StageName| {
            let card = talk.card(stage, card.release)?;
            (card.standing == chat::card::Standing::Good).then_some(card.since)
        };
        let view = View {
            pipeline: now,
            good_before_since: before.and_then(|stage| since(&stage.name)),
            mention: self.channel.mention.as_deref(),
            answers: self.channel.answers,
        };
        draw(card, &view)
    }

    async fn keep(&mut self, talk: &Talk) -> Result<(), LedgerError> {
        let (service, channel) = (self.service, self.channel.name());
        let desk = self.ports.desk;
        desk.keep(service, channel, talk, self.version).await?;
        self.version += 1;
        Ok(())
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    domain::due::after(now, SignedDuration::from_secs(seconds.saturating_add(1)))
}
