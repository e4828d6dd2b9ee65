//! What a channel was told of a service, and what it hears next. Kept in the table between events,
//! so that a new instance goes on in the same messages.

use domain::announce::{Announcement, Severity};
use domain::entry::Entry;
use domain::{EntryId, ReleaseNumber, StageName, Timestamp};
use serde::{Deserialize, Serialize};

use crate::block::Message;
use crate::card::{Card, step};
use crate::custom::title;
use crate::settings::{Channel, Says};
use crate::text::{cut, escaped};

/// Cards kept for a channel and a service; of more, the oldest that are over are forgotten.
pub const CARDS_KEPT: usize = 24;
/// Longest reply, in characters; what is cut says where to read on.
const REPLY_LENGTH_MAX: usize = 2500;

/// What a channel shows of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    /// Releases on stages, the oldest first.
    pub cards: Vec<Card>,
}

/// One thing to say, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// Show a card in a new message.
    Post(StageName, ReleaseNumber),
    /// Show a card anew in its message.
    Redraw(StageName, ReleaseNumber),
    /// Say something in a card's thread.
    Reply(StageName, ReleaseNumber, Message, Reach),
    /// Say something by itself.
    Alone(Message),
}

/// Who sees a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Who opens the thread.
    Thread,
    /// The channel too.
    Channel,
}

impl Talk {
    /// The card of a release on a stage.
    #[must_use]
    pub fn card(&self, stage: &StageName, release: ReleaseNumber) -> Option<&Card> {
        let is = |card: &&Card| card.stage == *stage && card.release == release;
        self.cards.iter().find(is)
    }

    /// The same, to be changed.
    pub fn card_mut(&mut self, stage: &StageName, release: ReleaseNumber) -> Option<&mut Card> {
        let is = |card: &&mut Card| card.stage == *stage && card.release == release;
        self.cards.iter_mut().find(is)
    }

    /// Hears an entry, and gives what to say of it. Hearing it again before it is
    /// told says the same, but for messages that are there meanwhile.
    pub fn hear(
        &mut self,
        entry: &Entry,
        id: &EntryId,
        announcement: Option<&Announcement>,
        channel: &Channel,
    ) -> Vec<Say> {
        let mut changed = false;
        let subject = step(entry, id).map(|(stage, release, step)| {
            changed = self.open(&stage, release, entry.at).take(step, entry.at);
            (stage, release)
        });
        let Some(announcement) = announcement else {
            // What nobody is told may still end a question: it must not stay.
            return subject
                .filter(|(stage, release)| changed && self.shows(stage, *release))
                .map(|(stage, release)| Say::Redraw(stage, release))
                .into_iter()
                .collect();
        };
        let stage = announcement.stage.as_ref();
        if !channel.listens(&announcement.service, stage) {
            return Vec::new();
        }
        let subject = subject.or_else(|| self.newest_of(stage?));
        let aloud = is_aloud(channel.says, announcement);
        match subject.filter(|_| channel.updates) {
            Some((stage, release)) => self.in_its_place(stage, release, announcement, channel),
            None if aloud => vec![Say::Alone(alone(announcement, channel))],
            None => Vec::new(),
        }
    }

    fn in_its_place(
        &self,
        stage: StageName,
        release: ReleaseNumber,
        announcement: &Announcement,
        channel: &Channel,
    ) -> Vec<Say> {
        let shown = self.shows(&stage, release);
        let calls = calls(announcement);
        if !shown && !is_aloud(channel.says, announcement) {
            return Vec::new();
        }
        let first = if shown {
            Say::Redraw(stage.clone(), release)
        } else {
            Say::Post(stage.clone(), release)
        };
        let mut says = vec![first];
        // A new message is seen by itself; one that is redrawn is not.
        let asks = announcement.kind == "approval";
        if shown || (calls && !asks) {
            let reach = if calls { Reach::Channel } else { Reach::Thread };
            let message = reply(announcement, channel);
            says.push(Say::Reply(stage, release, message, reach));
        }
        says
    }

    fn shows(&self, stage: &StageName, release: ReleaseNumber) -> bool {
        let card = self.card(stage, release);
        card.is_some_and(|card| card.message.is_some())
    }

    fn open(&mut self, stage: &StageName, release: ReleaseNumber, at: Timestamp) -> &mut Card {
        let found = self
            .cards
            .iter()
            .position(|card| card.stage == *stage && card.release == release);
        let at = found.unwrap_or_else(|| {
            if self.cards.len() >= CARDS_KEPT {
                let over = self.cards.iter().position(Card::is_over);
                self.cards.remove(over.unwrap_or_default());
            }
            self.cards.push(Card::new(stage.clone(), release, at));
            self.cards.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just before")]
        &mut self.cards[at]
    }

    /// The card of a stage that was shown last: where what is about the stage alone belongs.
    fn newest_of(&self, stage: &StageName) -> Option<(StageName, ReleaseNumber)> {
        self.cards
            .iter()
            .rev()
            .find(|card| card.stage == *stage && card.message.is_some())
            .map(|card| (card.stage.clone(), card.release))
    }
}

/// Whether it makes a message of its own: by default what needs a person, and outcomes.
fn is_aloud(says: Says, announcement: &Announcement) -> bool {
    let outcome = matches!(announcement.kind, "succeeded" | "rejected" | "rolled-back");
    says == Says::Everything || outcome || announcement.severity >= Severity::Attention
}

/// Whether somebody is called: for approvals, and for failures when they begin, once each.
fn calls(announcement: &Announcement) -> bool {
    let goes_well = announcement.kind == "rolled-back";
    announcement.kind == "approval" || (announcement.severity >= Severity::Alert && !goes_well)
}

fn reply(announcement: &Announcement, channel: &Channel) -> Message {
    let Announcement {
        subject,
        headline,
        detail,
        why,
        next,
        id,
        ..
    } = announcement;
    // What calls somebody is read in a notification too, where nothing else says what it is about.
    let calls = calls(announcement);
    let mut text = escaped(if calls { subject } else { headline });
    if let Some(detail) = detail {
        let whole = escaped(detail);
        let short = cut(&whole, REPLY_LENGTH_MAX);
        text.push_str(&format!("\n> {}", short.replace('\n', "\n> ")));
        if short != whole {
            let whole = crate::text::code(&announcement.record());
            let page = channel.read_on.as_ref();
            let page = page.map(|it| format!(" or <{}|here>", it.address(announcement)));
            let page = page.unwrap_or_default();
            text.push_str(&format!("\n(cut; the whole: {whole}{page})"));
        }
    }
    text.push_str(&format!("\n_Why:_ {}.", escaped(why)));
    if let Some(next) = next {
        text.push_str(&format!("\n_Next:_ {}", crate::text::code(next)));
    }
    let mention = channel.mention.as_deref();
    if let Some(mention) = mention.filter(|_| calls) {
        text.push_str(&format!(" {mention}"));
    }
    text.push_str(&format!("  `{id}`"));
    Message::plain(&text)
}

fn alone(announcement: &Announcement, channel: &Channel) -> Message {
    let Message { text, .. } = reply(announcement, channel);
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    Message::plain(&format!("{}\n{rest}", title(announcement)))
}

#[cfg(test)]
mod tests {
    use domain::chain::Hash;
    use domain::entry::{Actor, ENTRY_FORMAT, What};
    use domain::pipeline::Freeze;
    use domain::{Reason, ServiceName};

    use super::*;
    use crate::card::{MessageId, Standing};

    fn id(seq: u64) -> EntryId {
        let service: ServiceName = "web".parse().unwrap();
        EntryId { service, seq }
    }

    fn good(stage: &str, number: u64) -> What {
        What::Succeeded {
            stage: stage.parse().unwrap(),
            deployment: id(1),
            release: ReleaseNumber(number),
        }
    }

    fn baking(stage: &str, number: u64) -> What {
        What::BakeBegun {
            stage: stage.parse().unwrap(),
            deployment: id(1),
            release: ReleaseNumber(number),
            until: Timestamp::UNIX_EPOCH,
        }
    }

    fn channel() -> Channel {
        let settings = r#"{"bot_token":"xoxb","channels":[{"id":"C1"}]}"#;
        let settings = crate::settings::Settings::read(settings).unwrap();
        settings.channels.into_iter().next().unwrap()
    }

    fn hears(talk: &mut Talk, seq: u64, what: What) -> Vec<Say> {
        let id = id(seq);
        let entry = Entry {
            format: ENTRY_FORMAT,
            seq,
            at: Timestamp::UNIX_EPOCH,
            actor: Actor::Clock,
            what,
            why: Reason::BakeEnded,
            request: None,
            before: Hash::ZERO,
        };
        let announced = domain::announce::announcement(&id.service, &entry);
        talk.hear(&entry, &id, announced.as_ref(), &channel())
    }

    fn hear(talk: &mut Talk, seq: u64, number: u64) -> Vec<Say> {
        hears(talk, seq, good("dev", number))
    }

    /// A talk in which release 1 is good on dev and on test, with a message for each.
    fn two_stages() -> Talk {
        let mut talk = Talk::default();
        for (seq, stage) in [(1, "dev"), (2, "test")] {
            hears(&mut talk, seq, good(stage, 1));
            talk.cards.last_mut().unwrap().message = Some(MessageId(stage.to_owned()));
        }
        talk
    }

    #[test]
    fn what_nobody_is_told_is_shown_only_where_a_message_stands_and_it_changes_it() {
        let mut talk = two_stages();
        assert_eq!(hears(&mut talk, 3, baking("dev", 2)), [], "no message");
        let says = hears(&mut talk, 4, baking("dev", 1));
        assert!(matches!(says[..], [Say::Redraw(..)]), "{says:?}");
        assert_eq!(hears(&mut talk, 5, baking("dev", 1)), [], "no change");
    }

    #[test]
    fn who_approves_twice_is_named_once() {
        let mut talk = two_stages();
        for seq in [3, 4] {
            let what = What::Approved {
                stage: "dev".parse().unwrap(),
                deployment: id(1),
                release: ReleaseNumber(1),
                by: domain::Identity("arn:aws:iam::111122223333:user/alice".into()),
                reason: None,
            };
            hears(&mut talk, seq, what);
        }
        assert_eq!(talk.cards[0].approved_by, ["alice"]);
    }

    #[test]
    fn a_person_is_called_under_the_release_that_is_bad_and_not_under_a_newer_one() {
        let mut talk = two_stages();
        hears(&mut talk, 3, good("dev", 2));
        talk.cards.last_mut().unwrap().message = Some(MessageId("newer".to_owned()));
        let call = domain::entry::Call::Irreversible {
            release: ReleaseNumber(1),
            problem: "alarm web-5xx fired".to_owned(),
        };
        let stage = "dev".parse().unwrap();
        let says = hears(&mut talk, 4, What::PersonCalled { stage, call });
        let [_, Say::Reply(_, ReleaseNumber(1), _, Reach::Channel)] = &says[..] else {
            panic!("{says:?}");
        };
    }

    #[test]
    fn what_is_about_a_stage_alone_is_said_under_what_was_shown_of_it_last() {
        let frozen = |stage: &str| What::Frozen {
            stage: Some(stage.parse().unwrap()),
            freeze: Freeze {
                by: None,
                reason: "the sale".to_owned(),
                since: Timestamp::UNIX_EPOCH,
                until: None,
            },
        };
        let mut talk = two_stages();
        hears(&mut talk, 3, baking("dev", 2));
        let says = hears(&mut talk, 4, frozen("dev"));
        let dev: StageName = "dev".parse().unwrap();
        assert!(
            matches!(&says[..], [_, Say::Reply(stage, ReleaseNumber(1), ..)] if *stage == dev),
            "{says:?}"
        );
        let says = hears(&mut talk, 5, frozen("production"));
        assert!(matches!(says[..], [Say::Alone(_)]), "{says:?}");
    }

    #[test]
    fn what_is_too_long_is_cut_with_where_to_read_on() {
        let mut channel = channel();
        channel.read_on =
            Some(domain::announce::ReadOn::new("https://wiki.example/{service}#{entry}").unwrap());
        let long = crate::custom::tests::announcement(&"broken <!here> ".repeat(1000));
        let Message { text, .. } = reply(&long, &channel);
        assert!(text.chars().count() < crate::block::SECTION_LENGTH_MAX);
        assert!(text.contains("`lastgood history web`"), "{text}");
        assert!(
            text.contains("<https://wiki.example/web#42|here>"),
            "{text}"
        );
        assert!(!text.contains("<!here>"), "nobody's words mention anybody");
    }

    #[test]
    fn a_talk_goes_on_where_it_was_kept() {
        let mut talk = Talk::default();
        assert!(matches!(hear(&mut talk, 1, 17)[..], [Say::Post(..)]));
        talk.cards[0].message = Some(MessageId("1764151200.000100".to_owned()));
        let kept = serde_json::to_string(&talk).unwrap();
        let mut talk: Talk = serde_json::from_str(&kept).unwrap();
        let says = hear(&mut talk, 1, 17);
        assert!(
            matches!(says[..], [Say::Redraw(..), Say::Reply(.., Reach::Thread)]),
            "{says:?}"
        );
    }

    #[test]
    fn of_many_cards_those_that_are_over_are_forgotten_first() {
        let mut talk = Talk::default();
        hear(&mut talk, 1, 1);
        talk.cards[0].standing = Standing::Deploying;
        for number in 2..=40 {
            hear(&mut talk, number, number);
        }
        assert_eq!(talk.cards.len(), CARDS_KEPT);
        assert_eq!(
            talk.cards[0].release,
            ReleaseNumber(1),
            "it is still under way"
        );
        assert_eq!(talk.cards.last().unwrap().release, ReleaseNumber(40));
    }
}
