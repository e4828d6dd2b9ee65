//! What functions are called with, and what an administrator sets.

use chat::settings::Settings;
use domain::announce::announcement;
use domain::chain::{Hash, Sealed};
use domain::hint::Input;
use domain::{Identity, Timestamp};
use intake::dockerhub::WebhookKey;
use intake::image::Received;
use intake::slack::SigningSecret;
use intake::stream::Held;
use intake::wire::{Desk, Errand};
use intake::{Decoded, Refusal};

use super::{Target, file, ledger, samples};

/// Longest text of a refusal, in bytes: it is logged and shown, and quotes what was sent at most
/// by its beginning (160 characters of up to 4 bytes, escaped, for path and problem each).
const REFUSAL_BYTES_MAX: usize = 4096;

/// The key of the samples of Docker Hub's webhook.
const WEBHOOK_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// The signing secret of the samples of Slack's buttons, and when they were sent, in seconds.
const SIGNING_SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const SENT_AT: &str = "1764151260";

macro_rules! target {
    ($constant:ident, $name:literal, $read:expr) => {
        pub(super) const $constant: Target = Target {
            name: $name,
            read: $read,
            seeds: || {
                let mut seeds = samples(concat!("events/", $name));
                seeds.extend(samples(concat!("events/refused/", $name)));
                seeds
            },
        };
    };
}

target!(ALARM_CHANGED, "alarm-changed", |bytes| hint(
    intake::cloudwatch::decode(bytes)
));
target!(ARTEFACT_UPLOADED, "artefact-uploaded", |bytes| hint(
    intake::s3::decode(bytes)
));
target!(IMAGE_PUSHED, "image-pushed", pushed);
target!(DEPLOYMENT_CHANGED, "deployment-changed", |bytes| {
    hint(intake::deployment::decode(bytes));
});
target!(APPROVAL, "approval", |bytes| asked(bytes, Desk::Approval));
target!(COMMAND, "command", |bytes| asked(bytes, Desk::Command));
target!(BUTTON_PRESSED, "button-pressed", pressed);
target!(DEPLOYER, "deployer", stream);
target!(LIFECYCLE_HOOK, "lifecycle-hook", |bytes| {
    if let Some(intake::hook::HookCall::Ecs(hook)) = understood(intake::hook::decode(bytes)) {
        let _ = hook.direction();
    }
});
target!(RECONCILER, "reconciler", |bytes| {
    let _ = understood(intake::schedule::decode(bytes));
});
target!(SLACK, "slack", |bytes| {
    for record in understood(intake::queue::decode(bytes))
        .into_iter()
        .flatten()
    {
        if let Some(id) = understood(record.announced) {
            assert_eq!(id.to_string().parse(), Ok(id), "an id reads back");
        }
    }
});

/// Slack's settings.
pub(super) const SLACK_SETTINGS: Target = Target {
    name: "slack-settings",
    read: |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        match Settings::read(text) {
            Ok(settings) => {
                let (service, stage) = ("web".parse(), "production".parse());
                for channel in &settings.channels {
                    let _ = channel.name();
                    if let (Ok(service), Ok(stage)) = (&service, &stage) {
                        let _ = channel.listens(service, Some(stage));
                    }
                }
            }
            Err(error) => drop(error.to_string()),
        }
    },
    seeds: || {
        let whole = r#"{"bot_token":"xoxb-1","channels":[{"id":"C0123","services":["web*"],
            "stages":["*"],"says":"everything","mention":"<!here>"}]}"#;
        let webhook = r#"{"channels":[{"id":"https://hooks.slack.com/services/T0/B0/x"}]}"#;
        vec![whole.into(), webhook.into()]
    },
};

/// What Slack signed, whatever it holds.
pub(super) const BUTTON: Target = Target {
    name: "button",
    read: |bytes| {
        let secret = SigningSecret::new(SIGNING_SECRET);
        let Ok(text) = std::str::from_utf8(bytes) else {
            return;
        };
        let body: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", text)
            .finish();
        let signature = secret.and_then(|secret| secret.sign(SENT_AT, body.as_bytes()));
        let event = serde_json::json!({
            "requestContext": {},
            "headers": {
                "x-slack-request-timestamp": SENT_AT,
                "x-slack-signature": signature,
            },
            "body": body,
        });
        pressed(event.to_string().as_bytes());
    },
    seeds: || {
        let whole = r#"{"type":"block_actions","user":{"id":"U0ALICE"},"response_url":"https://x",
            "actions":[{"action_id":"lastgood_approve","value":"production 17 web/42"}]}"#;
        let other = r#"{"type":"view_submission","user":{"id":"U0ALICE"},"view":{"id":"V0"}}"#;
        vec![whole.into(), other.into()]
    },
};

fn pressed(bytes: &[u8]) {
    let (secret, now) = (SigningSecret::new(SIGNING_SECRET), SENT_AT.parse());
    let (Some(secret), Ok(now)) = (secret, now.map(Timestamp::from_second)) else {
        return;
    };
    let (Some(call), Ok(now)) = (understood(intake::slack::decode(bytes)), now) else {
        return;
    };
    if let Some(pressed) = understood(call.open(&secret, now)) {
        let question = pressed.question.to_string();
        assert_eq!(
            question.parse().as_ref(),
            Ok(&pressed.question),
            "it reads back"
        );
        let by = Identity("arn:aws:iam::111122223333:user/alice".into());
        if let Input::Asked { asked, .. } = pressed.input(by) {
            ledger::ask(asked.id, asked.by, asked.request);
        }
    }
}

fn pushed(bytes: &[u8]) {
    match understood(intake::image::decode(bytes)) {
        Some(Received::Event(decoded)) => hint(Ok(decoded)),
        Some(Received::Call(call)) => {
            if let Some(key) = WebhookKey::new(WEBHOOK_KEY) {
                drop(understood(call.open(&key)));
            }
        }
        None => {}
    }
}

fn hint(decoded: Result<Decoded, Refusal>) {
    match understood(decoded) {
        Some(Decoded::Input(input)) => drop(format!("{input:?}")),
        Some(Decoded::Ignored(why)) => assert_short(&why.to_string()),
        None => {}
    }
}

/// What came of it; a refusal has to be short.
fn understood<T>(decoded: Result<T, Refusal>) -> Option<T> {
    decoded
        .map_err(|refusal| assert_short(&refusal.to_string()))
        .ok()
}

fn assert_short(words: &str) {
    assert!(
        words.len() <= REFUSAL_BYTES_MAX,
        "{} bytes: {words:.300}",
        words.len()
    );
}

fn asked(bytes: &[u8], desk: Desk) {
    let Some(called) = understood(intake::command::decode(bytes, desk)) else {
        return;
    };
    let (id, by) = (called.command.id.clone(), called.by.clone());
    match called.command.ask.errand() {
        Errand::Configure(file) => file::resolve(&file),
        Errand::Decide(request) => ledger::ask(id, by, request),
    }
}

fn stream(bytes: &[u8]) {
    for record in understood(intake::stream::decode(bytes))
        .into_iter()
        .flatten()
    {
        let commit = match record.held {
            Held::Commit(commit) => commit,
            Held::Ignored(why) => {
                assert_short(&why.to_string());
                continue;
            }
            Held::Refused(refusal) => {
                assert_short(&refusal.to_string());
                continue;
            }
        };
        let mut before = Hash::ZERO;
        for (seq, stored) in (commit.number..).zip(&commit.entries) {
            match Sealed::follow(stored, seq, &before) {
                Ok(sealed) => {
                    ledger::tell(announcement(&commit.service, &sealed.entry));
                    before = sealed.hash;
                }
                Err(error) => drop(error.to_string()),
            }
        }
    }
}
