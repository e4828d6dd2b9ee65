//! A channel of a chat that hears what the ledger decided.

use chat::block::Message;
use chat::card::{Card, MessageId, Standing};
use chat::draw::{View, draw};
use chat::settings::Channel;
use chat::talk::{Reach, Say, Talk};
use domain::{EntryId, Pipeline, ServiceName, StageName};

use crate::follow::{Desk, Follower, Heard, Interrupted, Notebook, Seat, Untold};
use crate::ports::Ledger;

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
    ) -> Result<MessageId, Untold>;

    /// Puts another message in a message's place.
    async fn update(
        &self,
        channel: &Channel,
        place: &MessageId,
        message: &Message,
    ) -> Result<(), Untold>;
}

/// One channel, and the chat that it is in.
#[derive(Debug)]
pub struct Conversation<'a, C> {
    /// The chat.
    pub chat: &'a C,
    /// The channel.
    pub channel: &'a Channel,
}

impl<C: Chat> Follower for Conversation<'_, C> {
    type Book = Talk;

    fn listens(&self, service: &ServiceName) -> bool {
        self.channel.listens(service, None)
    }

    fn seat(&self) -> Seat<'_> {
        Seat {
            function: "slack",
            kind: "channel",
            name: self.channel.name(),
        }
    }

    async fn hear(
        &self,
        heard: &Heard<'_, impl Ledger>,
        notebook: &mut Notebook<'_, impl Desk<Talk>, Talk>,
    ) -> Result<(), Interrupted> {
        let Heard {
            entry,
            id,
            announced,
            now,
            ..
        } = heard;
        let talk = notebook.book();
        for say in talk.hear(entry, id, announced.as_ref(), self.channel) {
            let new = matches!(say, Say::Post(..));
            let said = self.say(notebook.book(), say, now).await;
            self.done(said, id)?;
            if new {
                // Where a new message stands must not be forgotten.
                notebook.keep().await?;
            }
        }
        Ok(())
    }
}

impl<C: Chat> Conversation<'_, C> {
    /// What the chat refuses for good is logged and left: it must not hold up what comes after it.
    fn done(&self, said: Result<(), Untold>, id: &EntryId) -> Result<(), Interrupted> {
        match said {
            Ok(()) => Ok(()),
            Err(Untold::Later { after, why }) => Err(Interrupted::Later { after, why }),
            Err(error @ (Untold::Gone | Untold::Refused(_))) => {
                tracing::error!(channel = self.channel.name(), %id, %error, "not told");
                Ok(())
            }
        }
    }

    async fn say(&self, talk: &mut Talk, say: Say, now: &Pipeline) -> Result<(), Untold> {
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
    async fn show(&self, card: &Card, message: &Message) -> Result<MessageId, Untold> {
        let Some(place) = &card.message else {
            return self.post(message, None).await;
        };
        match self.chat.update(self.channel, place, message).await {
            Ok(()) => Ok(place.clone()),
            Err(Untold::Gone) => self.post(message, None).await,
            Err(Untold::Refused(why)) => {
                tracing::error!(why, "a message is shown without its blocks");
                let short = message.without_blocks();
                self.chat.update(self.channel, place, &short).await?;
                Ok(place.clone())
            }
            Err(error @ Untold::Later { .. }) => Err(error),
        }
    }

    async fn post(
        &self,
        message: &Message,
        under: Option<(&MessageId, Reach)>,
    ) -> Result<MessageId, Untold> {
        match self.chat.post(self.channel, message, under).await {
            Err(Untold::Refused(why)) if !message.blocks.is_empty() => {
                tracing::error!(why, "a message is posted without its blocks");
                let short = message.without_blocks();
                self.chat.post(self.channel, &short, under).await
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
            (card.standing == Standing::Good).then_some(card.since)
        };
        let view = View {
            pipeline: now,
            good_before_since: before.and_then(|stage| since(&stage.name)),
            mention: self.channel.mention.as_deref(),
            answers: self.channel.answers,
        };
        draw(card, &view)
    }
}
