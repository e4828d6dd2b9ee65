//! Somebody pressed a button in Slack.
//!
//! Behind a function URL that anybody can call, because Slack cannot sign as AWS asks: so it is a
//! function of its own, and reads nothing before Slack's signature was verified over the raw body.
//! Who pressed is mapped to an identity; what that identity may, the gate's rule says.

use std::time::Duration;

use chat::answer::{UNDECIDED, decided, stranger};
use chat::settings::Settings;
use engine::Clock as _;
use intake::Refusal;
use intake::call::CallAnswer;
use intake::slack::{Pressed, SigningSecret, decode};
use lambda::{Failed, House, serve};
use lambda_runtime::Error;
use messenger::Messenger;
use serde_json::value::RawValue;

/// How long the ledger may take: Slack waits three seconds for all of it.
const DECIDE_WITHIN: Duration = Duration::from_millis(1800);

struct Ear {
    house: House,
    settings: Settings,
    secret: SigningSecret,
    messenger: Messenger,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let house = House::open().await?;
    let secret = house.home.slack.as_deref();
    let secret = secret.ok_or("LASTGOOD_SLACK is not set")?;
    let text = house.platform.secret(secret).await?;
    let settings = Settings::read(&text.ok_or("Slack's settings cannot be read")?)?;
    let secret = settings.signing_secret.as_deref();
    let secret = secret.and_then(SigningSecret::new);
    let ear = &Ear {
        house,
        secret: secret.ok_or("without signing_secret, no button can be believed")?,
        messenger: Messenger::new(&settings),
        settings,
    };
    serve(async |event: Box<RawValue>| Ok::<_, Failed>(hear(ear, &event).await)).await
}

async fn hear(ear: &Ear, event: &RawValue) -> CallAnswer {
    let now = ear.house.clock.now();
    let call = decode(event.get().as_bytes());
    match call.and_then(|call| call.open(&ear.secret, now)) {
        Ok(pressed) => decide(ear, pressed).await,
        // Whoever finds the address may call it: no reason to wake anybody.
        Err(refusal @ (Refusal::NotSigned | Refusal::OutOfTime)) => {
            tracing::warn!(%refusal, "refused");
            CallAnswer::UNPROVED
        }
        Err(refusal) => {
            tracing::warn!(%refusal, "refused");
            CallAnswer::UNWANTED
        }
    }
}

async fn decide(ear: &Ear, pressed: Pressed) -> CallAnswer {
    let (user, address) = (pressed.user.clone(), pressed.response_url.clone());
    let Some(by) = ear.settings.people.get(&user) else {
        tracing::warn!(user, "a stranger pressed a button");
        say(ear, address, &stranger(&user)).await;
        return CallAnswer::TAKEN;
    };
    tracing::info!(question = %pressed.question, choice = ?pressed.choice, %by, user, "asked");
    let turn = ear.house.take(pressed.input(by.clone()));
    let turned = match tokio::time::timeout(DECIDE_WITHIN, turn).await {
        Ok(Ok(turned)) => turned.into_iter().next(),
        // Reported already.
        Ok(Err(_)) => None,
        Err(late) => {
            tracing::error!(%late, "no answer");
            None
        }
    };
    let Some(turned) = turned else {
        say(ear, address, UNDECIDED).await;
        return CallAnswer::LATER;
    };
    if let Some(words) = decided(turned.verdict, &turned.reason) {
        say(ear, address, &words).await;
    }
    CallAnswer::TAKEN
}

async fn say(ear: &Ear, address: Option<String>, text: &str) {
    let Some(address) = address else { return };
    if let Err(error) = ear.messenger.answer(&address, text).await {
        tracing::warn!(%error, "who pressed it was not answered");
    }
}
