//! Buttons in a chat. People press them under messages that may be old, those who may not press
//! them too, and somebody says to be Slack; `button-pressed` hears of it, as its `main.rs` has it.

use domain::config::{Gate, SlackMay};
use domain::fact::RequestId;
use domain::hint::Input;
use domain::pipeline::WaitingOn;
use domain::question::{Choice, Question};
use domain::{EntryId, Identity, ServiceName, SignedDuration, StageName, Timestamp, What, due};
use intake::Refusal;
use intake::call::CallAnswer;
use intake::slack::{Pressed, SigningSecret, decode};

use crate::audit::{Book, Press};
use crate::bug::Bug;
use crate::bus::{Delivery, Reply};
use crate::functions::{Answered, Ended, take};
use crate::point::Function;
use crate::ports::Ports;
use crate::render;
use crate::scenario::people::{Who, Wish};
use crate::scenario::{Glance, Happens, Step};
use crate::world::{Event, World};

/// How often somebody presses a button that nothing comes of.
const TRIES_MAX: u32 = 3;
/// The app's signing secret, which Slack and the function know.
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
/// What somebody signs with who knows no secret.
const GUESS: &str = "0123456789abcdef0123456789abcdef";

/// A button under somebody's finger.
#[derive(Debug, Clone)]
pub(crate) struct Finger {
    pub(crate) who: Who,
    pub(crate) choice: Choice,
    pub(crate) question: Question,
    pub(crate) tries: u32,
}

/// Slack's id of somebody. Who is nobody says to be Alice, and Slack does not sign it.
fn user(who: Who) -> &'static str {
    match who {
        Who::Alice | Who::Nobody => "U0ALICE",
        Who::Bob => "U0BOB",
        Who::Carol => "U0CAROL",
    }
}

/// Whom the settings take a user of Slack for.
fn taken_for(user: &str) -> Option<Identity> {
    let people = [Who::Alice, Who::Bob, Who::Carol];
    let who = people.into_iter().find(|who| self::user(*who) == user)?;
    who.identity()
}

impl World {
    /// Somebody looks at the messages of a stage and presses a button, if there is one.
    pub(crate) fn look_and_press(
        &mut self,
        service: &ServiceName,
        stage: &StageName,
        (who, choice, glance): (Who, Choice, Glance),
    ) {
        let audit = self.shared.audit.borrow();
        let book = audit.books.get(service);
        let question = book.and_then(|book| match glance {
            Glance::Newest => questions(book, stage).next_back(),
            Glance::First => {
                let waiting = book.pipeline.stages.get(stage)?.waiting.first()?;
                questions(book, stage).find(|one| one.release == waiting.release)
            }
            Glance::Any => {
                let all: Vec<_> = questions(book, stage).collect();
                self.shared.rng.borrow_mut().choice(all)
            }
        });
        drop(audit);
        if let Some(question) = question {
            self.press(Finger {
                who,
                choice,
                question,
                tries: 0,
            });
        }
    }

    /// Alice rejects what waits, and promotes it all the same. Bob, who saw nothing of it, has the
    /// message from before on his screen.
    pub(crate) fn think_better(&mut self, service: &ServiceName) {
        let audit = self.shared.audit.borrow();
        let asks = audit.books.get(service).and_then(|book| {
            let mut asking = book.pipeline.stages.iter().filter_map(|(name, stage)| {
                let asked = questions(book, name).next_back()?;
                let mut waiting = stage.waiting.iter();
                waiting
                    .any(|offer| offer.release == asked.release)
                    .then_some(asked)
            });
            asking.find(|asked| takes_buttons(book, &asked.stage))
        });
        drop(audit);
        let Some(question) = asks else { return };
        let finger = |who, choice| Finger {
            who,
            choice,
            question: question.clone(),
            tries: 0,
        };
        let at = |seconds| due::after(self.shared.now.get(), SignedDuration::from_secs(seconds));
        let (promoted_at, pressed_at) = (at(30), at(60));
        let promotes = Step {
            number: 0,
            at: 0,
            by: None,
            service: service.clone(),
            what: Happens::Ask {
                stage: question.stage.clone(),
                wish: Wish::Promote,
                who: Who::Alice,
                release: Some(question.release),
            },
        };
        self.at(promoted_at, Event::Happen(Box::new(promotes)));
        let late = finger(Who::Bob, Choice::Approve);
        self.at(pressed_at, Event::Press(Box::new(late)));
        self.press(finger(Who::Alice, Choice::Reject));
    }

    /// Somebody presses a button, for the first time or again.
    pub(crate) fn press(&mut self, finger: Finger) {
        let Finger {
            who,
            choice,
            question,
            ..
        } = &finger;
        let now = self.shared.now.get();
        self.shared
            .say(|| crate::story::pressed(who.name(), question, *choice));
        let secret = match (who, who.identity()) {
            (Who::Nobody, _) | (_, None) => GUESS,
            (_, Some(by)) => {
                self.book(&finger, by, now);
                SECRET
            }
        };
        let bytes = render::button(question, *choice, user(*who), secret, now);
        let mut delivery = Delivery::new(Function::ButtonPressed, bytes);
        delivery.to = Reply::Finger(Box::new(finger));
        self.deliver(delivery);
    }

    /// The auditor sees who presses what, whatever becomes of it.
    fn book(&self, finger: &Finger, by: Identity, at: Timestamp) {
        let pressed = Pressed {
            user: user(finger.who).to_owned(),
            question: finger.question.clone(),
            choice: finger.choice,
            response_url: None,
        };
        let Input::Asked { service, asked } = pressed.input(by.clone()) else {
            return;
        };
        let press = Press {
            question: finger.question.clone(),
            choice: finger.choice,
            by,
            at,
        };
        self.shared
            .audit
            .borrow_mut()
            .pressed(&service, asked.id, press);
    }

    /// Nothing changed under the message: it is pressed again. Who says to be Slack gives up.
    pub(crate) fn nothing_came_of_it(&mut self, finger: &Finger, ended: Option<&Ended>) {
        let taken = matches!(ended, Some(Ok(Answered::Call(CallAnswer::TAKEN))));
        if taken || finger.who == Who::Nobody || finger.tries >= TRIES_MAX {
            return;
        }
        let mut again = finger.clone();
        again.tries += 1;
        self.soon(120, Event::Press(Box::new(again)));
    }

    /// Whether people answer for a stage in the chat.
    pub(crate) fn asks_in_chat(&self, service: &ServiceName, stage: &StageName) -> bool {
        let audit = self.shared.audit.borrow();
        let book = audit.books.get(service);
        book.is_some_and(|book| takes_buttons(book, stage))
    }
}

fn takes_buttons(book: &Book, stage: &StageName) -> bool {
    let stage = book.pipeline.stage(stage);
    stage.is_some_and(|(config, _)| match &config.gate {
        Gate::Approval(rule) => rule.slack == SlackMay::Decide,
        Gate::Automatic => false,
    })
}

/// What was ever asked of people on a stage, oldest first: each of them was a message.
fn questions<'a>(
    book: &'a Book,
    stage: &'a StageName,
) -> impl DoubleEndedIterator<Item = Question> + 'a {
    let service = &book.pipeline.service;
    book.entries.iter().filter_map(move |entry| {
        let What::Waits {
            stage: of,
            release,
            on: WaitingOn::Approval { .. },
            ..
        } = &entry.what
        else {
            return None;
        };
        let asked = EntryId {
            service: service.clone(),
            seq: entry.seq,
        };
        (of == stage).then(|| Question {
            stage: stage.clone(),
            release: *release,
            asked,
        })
    })
}

/// What `button-pressed` does with a call.
pub(crate) async fn hear(ports: &Ports, bytes: &[u8]) -> Ended {
    let secret = SigningSecret::new(SECRET).ok_or("there is no secret")?;
    let opened = decode(bytes).and_then(|call| call.open(&secret, engine::Clock::now(ports)));
    let answer = match opened {
        Ok(pressed) => decide(ports, pressed).await,
        Err(Refusal::OutOfTime) => {
            ports.shared.path("a button came too late to be believed");
            CallAnswer::UNPROVED
        }
        Err(Refusal::NotSigned) => {
            ports.shared.path("a button was pressed by nobody");
            CallAnswer::UNPROVED
        }
        Err(refusal) => {
            let what = format!("3: a button was refused: {refusal}");
            ports.shared.violated(what);
            CallAnswer::UNWANTED
        }
    };
    Ok(Answered::Call(answer))
}

async fn decide(ports: &Ports, mut pressed: Pressed) -> CallAnswer {
    let Some(by) = taken_for(&pressed.user) else {
        return CallAnswer::TAKEN;
    };
    let mut id = None;
    if ports.shared.bug == Some(Bug::AnswerAnew) {
        // The request stays the one that was made.
        id = request(pressed.clone(), by.clone());
        pressed.question.asked.seq = u64::MAX;
    }
    let who = by.short().to_owned();
    let mut input = pressed.input(by);
    if let (Some(id), Input::Asked { asked, .. }) = (id, &mut input) {
        asked.id = id;
    }
    match take(ports, input).await {
        Ok(turned) => {
            for one in &turned {
                let decided = crate::story::decided;
                let heard = || format!("    {who} hears: {}", decided(one.verdict, &one.reason));
                ports.shared.say(heard);
            }
            CallAnswer::TAKEN
        }
        Err(_) => CallAnswer::LATER,
    }
}

fn request(pressed: Pressed, by: Identity) -> Option<RequestId> {
    match pressed.input(by) {
        Input::Asked { asked, .. } => Some(asked.id),
        Input::Hint(_) | Input::Alarm(_) => None,
    }
}
