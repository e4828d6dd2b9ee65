//! Docker Hub's webhook, as a Lambda function URL delivers it. It has no signature, no digest and
//! no header that tells it from any other (Docker Hub manual, "Webhooks"): an unguessable path is
//! all that keeps strangers out, and what it says is a hint and nothing more.

use std::fmt;

use domain::chain::Hash;
use domain::name::DOCKER_HUB;
use domain::{Hint, Registry};
use serde::Deserialize;

use crate::{Refusal, command, read};

/// What the path begins with; the key follows.
pub const PATH: &str = "/dockerhub/";
/// Shortest key that is unguessable, in characters.
const KEY_LENGTH_MIN: usize = 32;
/// Longest path that is read, in bytes.
const PATH_BYTES_MAX: usize = 512;
/// Longest name of a repository, in bytes (Docker Hub: 255 characters with its namespace).
const REPOSITORY_BYTES_MAX: usize = 255;
/// Longest tag, in bytes (OCI distribution specification: 128 characters).
const TAG_BYTES_MAX: usize = 128;

/// The unguessable end of the path, as its hash: comparing hashes tells nobody how much of a guess
/// was right.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookKey(Hash);

impl fmt::Debug for WebhookKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookKey(…)")
    }
}

impl WebhookKey {
    /// A key; none when it could be guessed.
    #[must_use]
    pub fn new(key: &str) -> Option<Self> {
        (key.len() >= KEY_LENGTH_MIN).then(|| Self(Hash::of(key)))
    }
}

/// A call of the function URL. Nobody knows yet whose.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    path: String,
    method: String,
    body: Option<String>,
    is_base64: bool,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The path may hold the key.
        f.debug_struct("Call")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct UrlEvent {
    raw_path: Option<String>,
    request_context: Option<RequestContext>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RequestContext {
    http: Option<Http>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Http {
    method: Option<String>,
}

/// The legacy field `callback_url` is Docker Hub's own business and stays unread.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Webhook {
    push_data: Option<PushData>,
    repository: Option<Repository>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct PushData {
    tag: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Repository {
    repo_name: Option<String>,
}

impl Call {
    /// Reads a call's envelope.
    ///
    /// # Errors
    /// When it comes from no function URL.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let expected = "a function URL";
        let event: UrlEvent = read::event(bytes, expected)?;
        let http = event.request_context.and_then(|context| context.http);
        Ok(Self {
            path: read::filled(event.raw_path, "rawPath", PATH_BYTES_MAX)?,
            method: http.and_then(|http| http.method).unwrap_or_default(),
            body: event.body,
            is_base64: event.is_base64_encoded.unwrap_or_default(),
        })
    }

    /// What the call hints at, when its path ends with the key.
    ///
    /// # Errors
    /// When it does not, or the body is no webhook of Docker Hub's.
    pub fn open(self, key: &WebhookKey) -> Result<Hint, Refusal> {
        let given = self.path.strip_prefix(PATH).unwrap_or_default();
        if Hash::of(given) != key.0 {
            return Err(Refusal::WrongKey);
        }
        if self.method != "POST" {
            let path = "requestContext.http.method";
            return Err(Refusal::malformed(path, "a webhook is a POST"));
        }
        let body = command::body(self.body, self.is_base64)?;
        let webhook: Webhook = read::json(&body, "body")?;
        let name = webhook
            .repository
            .and_then(|repository| repository.repo_name);
        let name = read::filled(name, "body.repository.repo_name", REPOSITORY_BYTES_MAX)?;
        let tag = webhook.push_data.and_then(|pushed| pushed.tag);
        let tag = read::filled(tag, "body.push_data.tag", TAG_BYTES_MAX)?;
        let is_plain = |text: &str, more: &[u8]| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b) || more.contains(&b))
        };
        // Both become part of an address.
        if !is_plain(&name, b"/") || name.split('/').any(|part| part.is_empty() || part == "..") {
            let problem = "it is no repository's name";
            return Err(Refusal::malformed("body.repository.repo_name", problem));
        }
        if !is_plain(&tag, b"") || tag.starts_with('.') {
            return Err(Refusal::malformed("body.push_data.tag", "it is no tag"));
        }
        let registry: Registry = read::parsed(Some(DOCKER_HUB), "the registry")?;
        Ok(Hint::Tag {
            registry,
            repository: name,
            tag,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_could_be_guessed_is_none() {
        assert_eq!(WebhookKey::new(""), None);
        assert!(WebhookKey::new(&"k".repeat(KEY_LENGTH_MIN)).is_some());
    }

    #[test]
    fn neither_a_key_nor_a_call_shows_the_key() {
        let secret = "k".repeat(KEY_LENGTH_MIN);
        let call = Call {
            path: format!("{PATH}{secret}"),
            method: "POST".to_owned(),
            body: None,
            is_base64: false,
        };
        let shown = format!("{call:?} {:?}", WebhookKey::new(&secret));
        assert!(!shown.contains("kkk"), "{shown}");
    }
}
