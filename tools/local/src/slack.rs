//! Slack, as the local system has it: a chat room of its own, and the secret that an administrator
//! would have made for the functions that speak to it.

use chatroom::Chatroom;
use gateway::{Emulator, Place};
use serde_json::json;

use crate::{people::PEOPLE, secrets, trouble::Trouble};

/// The secret's name.
const SECRET: &str = "lastgood/slack";
/// The bot's token, which opens nothing but the room.
const BOT_TOKEN: &str = "xoxb-local";
/// What the room signs with.
const SIGNING_SECRET: &str = "signed-by-the-local-chat-room";
/// Somebody in the channel whom the settings do not know.
const STRANGER: &str = "U0EVE";

/// Opens the room.
pub(crate) async fn open(port: u16) -> Result<Chatroom, Trouble> {
    let people = PEOPLE.iter().map(|person| user(person.name));
    let options = chatroom::Options {
        port,
        bot_token: BOT_TOKEN.to_owned(),
        signing_secret: SIGNING_SECRET.to_owned(),
        people: people.chain([STRANGER.to_owned()]).collect(),
    };
    let opened = Chatroom::open(options).await;
    opened.map_err(Trouble::listening(port, "open the chat room"))
}

/// Makes the secret with the settings for a room; gives its ARN.
pub(crate) async fn store(
    emulator: &Emulator,
    home: &Place,
    room: &Chatroom,
    services: &str,
) -> Result<String, Trouble> {
    let people = PEOPLE.iter().map(|person| {
        let arn = format!("arn:aws:iam::{}:user/{}", home.account, person.name);
        (user(person.name), json!(arn))
    });
    let settings = json!({
        "api": room.api(),
        "bot_token": BOT_TOKEN,
        "signing_secret": SIGNING_SECRET,
        "channels": [{ "id": "C0RELEASES", "services": [services], "mention": "<!here>" }],
        "people": people.collect::<serde_json::Map<_, _>>(),
    });
    secrets::store(emulator, home, SECRET, &settings).await
}

/// Somebody's id in Slack.
fn user(name: &str) -> String {
    format!("U0{}", name.to_uppercase())
}
