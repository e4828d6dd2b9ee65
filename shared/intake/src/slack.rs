//! What Slack sends when somebody presses a button, to a function URL that anybody can call: Slack
//! cannot sign as AWS asks. So nothing of it is read before Slack's own signature was verified over
//! the raw body (docs.slack.dev, "Verifying requests from Slack"), and a [`Pressed`] can be had in
//! no other way.

use std::collections::BTreeMap;
use std::fmt;

use domain::chain::Hash;
use domain::fact::{Asked, Press, Request, RequestId};
use domain::hint::Input;
use domain::question::{Choice, Question};
use domain::{Identity, Timestamp};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;

use crate::command::url_body;
use crate::{Refusal, read};

/// How far Slack's time may be from ours, in seconds; what is older may have been recorded.
pub const SKEW_SECONDS_MAX: u64 = 300;
/// Largest event of a function URL, in bytes (Lambda: 6 MB for synchronous calls).
const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Longest of Slack's ids, in bytes.
const ID_BYTES_MAX: usize = 64;
/// Longest header that is read, in bytes.
const HEADER_BYTES_MAX: usize = 256;
/// Longest value of a button that is read, in bytes (Block Kit: 2,000 characters).
const VALUE_BYTES_MAX: usize = 512;
/// Longest address to answer at, in bytes.
const ADDRESS_BYTES_MAX: usize = 512;
/// Characters of a request's id that are taken of its hash.
const REQUEST_ID_LENGTH: usize = 32;

/// The app's signing secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret(…)")
    }
}

impl SigningSecret {
    /// A secret; none when it is empty, with which anybody could sign.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        (!secret.trim().is_empty()).then(|| Self(secret.to_owned()))
    }

    /// What Slack writes into `X-Slack-Signature` of a body that it sends at a time.
    #[must_use]
    pub fn sign(&self, timestamp: &str, body: &[u8]) -> Option<String> {
        let mac = self.mac(timestamp, body)?.finalize().into_bytes();
        Some(format!("v0={}", hex::encode(mac)))
    }

    /// Whether Slack wrote this signature. It takes as long whatever differs.
    fn signed(&self, timestamp: &str, body: &[u8], signature: &str) -> bool {
        let digits = signature.strip_prefix("v0=").unwrap_or_default();
        let Ok(given) = hex::decode(digits) else {
            return false;
        };
        // In capitals it would be the same number and not the same bytes.
        hex::encode(&given) == digits
            && self
                .mac(timestamp, body)
                .is_some_and(|mac| mac.verify_slice(&given).is_ok())
    }

    fn mac(&self, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(b"v0:");
        mac.update(timestamp.as_bytes());
        mac.update(b":");
        mac.update(body);
        Some(mac)
    }
}

/// A call of the function URL. Nobody knows yet whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    timestamp: String,
    signature: String,
    body: Vec<u8>,
}

/// A button that was pressed, as Slack says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    /// Slack's id of who pressed it.
    pub user: String,
    /// What it answers.
    pub question: Question,
    /// What it says.
    pub choice: Choice,
    /// Where only who pressed it is answered (Slack: five times within half an hour).
    pub response_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct UrlEvent {
    request_context: Option<serde::de::IgnoredAny>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Payload {
    #[serde(rename = "type")]
    kind: Option<String>,
    user: Option<User>,
    actions: Option<Vec<Action>>,
    response_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct User {
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Action {
    action_id: Option<String>,
    value: Option<String>,
}

/// Decodes a call as far as its signature.
///
/// # Errors
/// When it comes from no function URL, or is not signed at all.
pub fn decode(bytes: &[u8]) -> Result<Call, Refusal> {
    read::limit(bytes, "the event", EVENT_BYTES_MAX)?;
    let expected = "a function URL";
    let event: UrlEvent = read::event(bytes, expected)?;
    if event.request_context.is_none() {
        return Err(Refusal::foreign(expected, "it has no requestContext"));
    }
    let mut headers = event.headers.unwrap_or_default();
    let mut header = |name: &str| {
        let path = format!("headers.{name}");
        read::filled(headers.remove(name), &path, HEADER_BYTES_MAX)
    };
    Ok(Call {
        timestamp: header("x-slack-request-timestamp")?,
        signature: header("x-slack-signature")?,
        body: url_body(event.body, event.is_base64_encoded.unwrap_or_default())?,
    })
}

impl Call {
    /// The button, when Slack signed the call within the last five minutes.
    ///
    /// # Errors
    /// When it did not, or the button is none of ours.
    pub fn open(self, secret: &SigningSecret, now: Timestamp) -> Result<Pressed, Refusal> {
        let sent_at: Option<i64> = self.timestamp.parse().ok();
        if sent_at.is_none_or(|at| at.abs_diff(now.as_second()) > SKEW_SECONDS_MAX) {
            return Err(Refusal::OutOfTime);
        }
        if !secret.signed(&self.timestamp, &self.body, &self.signature) {
            return Err(Refusal::NotSigned);
        }
        pressed(&self.body)
    }
}

fn pressed(body: &[u8]) -> Result<Pressed, Refusal> {
    let payload = form_urlencoded::parse(body)
        .find(|(name, _)| name == "payload")
        .ok_or_else(|| Refusal::malformed("body", "it has no payload"))?
        .1;
    let payload: Payload = read::json(payload.as_bytes(), "payload")?;
    let expected = "a button of ours in Slack";
    if payload.kind.as_deref() != Some("block_actions") {
        let kind = payload.kind.unwrap_or_default();
        return Err(Refusal::foreign(
            expected,
            format_args!("its type is {kind:?}"),
        ));
    }
    let user = payload.user.and_then(|user| user.id);
    let user = read::filled(user, "payload.user.id", ID_BYTES_MAX)?;
    let action = payload.actions.unwrap_or_default().into_iter().next();
    let Some(Action { action_id, value }) = action else {
        return Err(Refusal::malformed("payload.actions", "there is none"));
    };
    let id = read::filled(action_id, "payload.actions[0].action_id", ID_BYTES_MAX)?;
    let Some(choice) = Choice::of_id(&id) else {
        return Err(Refusal::foreign(expected, format_args!("it is {id:?}")));
    };
    let path = "payload.actions[0].value";
    let value = read::filled(value, path, VALUE_BYTES_MAX)?;
    let question = value.parse();
    let response_url = payload.response_url;
    Ok(Pressed {
        user,
        question: question.map_err(|error| Refusal::malformed(path, error))?,
        choice,
        response_url: response_url.filter(|url| url.len() <= ADDRESS_BYTES_MAX),
    })
}

impl Pressed {
    /// What is asked for, by whom it is taken for. A double click is one request, and the answer to
    /// a question that was asked anew another one.
    #[must_use]
    pub fn input(self, by: Identity) -> Input {
        let Self {
            user,
            question,
            choice,
            response_url: _,
        } = self;
        let hash = Hash::of(&format!("{user} {} {question}", choice.id()));
        let id = hash.as_str().chars().take(REQUEST_ID_LENGTH).collect();
        Input::Asked {
            service: question.service().clone(),
            asked: Asked {
                id: RequestId(id),
                by,
                request: Request::Press(Press {
                    question,
                    choice,
                    user,
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The example of Slack's own documents.
    const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";
    const TIME: &str = "1531420618";
    const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
        &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
        &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

    fn secret() -> SigningSecret {
        SigningSecret::new(SECRET).unwrap()
    }

    #[test]
    fn slacks_own_example_verifies() {
        let signed = secret().sign(TIME, BODY.as_bytes());
        assert_eq!(signed.as_deref(), Some(SIGNATURE));
        assert!(secret().signed(TIME, BODY.as_bytes(), SIGNATURE));
    }

    #[test]
    fn a_secret_with_which_anybody_could_sign_is_none_and_none_is_shown() {
        assert_eq!(SigningSecret::new(" "), None);
        assert_eq!(format!("{:?}", secret()), "SigningSecret(…)");
    }

    #[test]
    fn a_double_click_is_one_request_and_a_question_asked_anew_another() {
        let press = |user: &str, choice, question: &str| {
            let pressed = Pressed {
                user: user.to_owned(),
                question: question.parse().unwrap(),
                choice,
                response_url: None,
            };
            let by = Identity("arn:aws:iam::111122223333:user/alice".into());
            let Input::Asked { service, asked } = pressed.input(by) else {
                panic!("a button asks for something");
            };
            assert_eq!(service.as_str(), "web");
            asked.id
        };
        let (first, again) = ("production 17 web/42", "production 17 web/50");
        let one = press("U1", Choice::Approve, first);
        assert_eq!(one, press("U1", Choice::Approve, first));
        for other in [
            press("U2", Choice::Approve, first),
            press("U1", Choice::Reject, first),
            press("U1", Choice::Approve, again),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(one.0.len(), REQUEST_ID_LENGTH);
    }
}
