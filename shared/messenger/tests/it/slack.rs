//! Against a Slack on this machine, with the errors of the real one.

use std::time::Duration;

use chat::block::{Block, Message};
use chat::settings::{Channel, Settings};
use chat::talk::Reach;
use chatroom::{Chatroom, Manners, Options};
use engine::converse::Chat as _;
use engine::follow::Untold;
use messenger::Messenger;
use serde_json::json;

async fn room() -> Chatroom {
    let options = Options {
        port: 0,
        bot_token: "xoxb-local".to_owned(),
        signing_secret: "secret".to_owned(),
        people: Vec::new(),
    };
    Chatroom::open(options).await.unwrap()
}

fn settings(room: &Chatroom, token: &str, channel: &str) -> Settings {
    let settings = json!({
        "api": room.api(),
        "bot_token": token,
        "channels": [{ "id": channel }],
    });
    Settings::read(&settings.to_string()).unwrap()
}

fn connected(room: &Chatroom) -> (Messenger, Channel) {
    let settings = settings(room, "xoxb-local", "C1");
    let messenger = Messenger::new(&settings);
    (messenger, settings.channels.into_iter().next().unwrap())
}

#[tokio::test]
async fn a_message_is_posted_updated_and_replied_to() {
    let room = room().await;
    let (messenger, channel) = connected(&room);
    let before = Message::plain("*web* waits");
    let place = messenger.post(&channel, &before, None).await.unwrap();
    let after = Message::plain("*web* is good");
    messenger.update(&channel, &place, &after).await.unwrap();
    let reply = Message::plain("approved by alice");
    let under = Some((&place, Reach::Channel));
    messenger.post(&channel, &reply, under).await.unwrap();

    let messages = room.room().messages();
    let [message, reply] = messages.as_slice() else {
        panic!("{messages:?}");
    };
    assert_eq!((message.updates, &message.thread), (1, &None));
    assert_eq!(message.body["text"], "*web* is good");
    assert_eq!(reply.thread.as_ref(), Some(&message.ts));
    assert!(reply.broadcast);
}

#[tokio::test]
async fn what_fails_says_when_to_come_again_and_in_the_end_arrives() {
    let room = room().await;
    let (messenger, channel) = connected(&room);
    room.room().behave(Manners::Moody);
    let message = Message::plain("*web* waits");
    let (mut arrived, mut limited) = (0, 0);
    while arrived < 20 {
        match messenger.post(&channel, &message, None).await {
            Ok(_) => arrived += 1,
            Err(Untold::Later { after, .. }) => {
                limited += u32::from(after == Some(Duration::from_secs(1)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(limited > 0, "Slack said how long to wait");
    assert!(room.room().messages().len() >= 20);
    room.room().behave(Manners::Down);
    let down = messenger.post(&channel, &message, None).await;
    assert!(matches!(down, Err(Untold::Later { .. })));
}

#[tokio::test]
async fn what_slack_does_not_take_is_told_apart_from_what_it_takes_later() {
    let room = room().await;
    let (messenger, channel) = connected(&room);
    let gone = chat::card::MessageId("1.2".to_owned());
    let message = Message::plain("*web* waits");
    let update = messenger.update(&channel, &gone, &message).await;
    assert!(matches!(update, Err(Untold::Gone)));
    let mut large = message.clone();
    large.blocks = vec![Block::section("x"); 51];
    let refused = messenger.post(&channel, &large, None).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: invalid_blocks");
    let settings = settings(&room, "xoxb-old", "C1");
    let stranger = Messenger::new(&settings);
    let later = stranger.post(&channel, &message, None).await.unwrap_err();
    assert_eq!(later.to_string(), "not now: invalid_auth");
}

#[tokio::test]
async fn a_webhook_takes_messages_and_nobody_answers_elsewhere() {
    let room = room().await;
    let webhook = room.api().replace("/api", "/hooks");
    let settings = settings(&room, "xoxb-local", &webhook);
    let messenger = Messenger::new(&settings);
    let channel = settings.channels.first().unwrap();
    let message = Message::plain("*web* is good");
    messenger.post(channel, &message, None).await.unwrap();
    assert_eq!(room.room().messages().len(), 1);

    let address = room.api().replace("/api", "/respond");
    messenger.answer(&address, "refused").await.unwrap();
    assert_eq!(room.room().asides(), ["refused"]);
    for elsewhere in [
        "https://evil.example/",
        "https://hooks.slack.com.evil.example/",
    ] {
        assert!(messenger.answer(elsewhere, "refused").await.is_err());
    }
}
