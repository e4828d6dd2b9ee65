//! The calls of MiniStack that are needed, one file per service. What they are for is elsewhere.

mod events;
mod functions;
mod queues;
mod roles;
mod scheduler;
mod streams;
mod topics;

pub(crate) use functions::Invoked;
pub(crate) use queues::Message;
pub(crate) use streams::Position;

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{
    Place,
    client::{Answer, CALL_MAX, CallError, Client, Draft},
};

/// How many pages of a list are read at most.
const PAGES_MAX: usize = 100;

/// What needs no encoding in a part of a path or query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A service with a JSON protocol.
struct Json {
    service: &'static str,
    target: &'static str,
    version: &'static str,
}

/// The calls.
#[derive(Debug)]
pub(crate) struct Calls {
    client: Client,
}

impl Calls {
    pub(crate) const fn new(client: Client) -> Self {
        Self { client }
    }

    async fn json(
        &self,
        place: &Place,
        api: &Json,
        operation: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<Value, CallError> {
        let draft = Draft {
            place,
            service: api.service,
            method: Method::POST,
            path: "/".to_owned(),
            headers: vec![
                (
                    "content-type",
                    format!("application/x-amz-json-{}", api.version),
                ),
                ("x-amz-target", format!("{}.{operation}", api.target)),
            ],
            body: Bytes::from(body.to_string()),
            limit,
        };
        self.client.send(draft).await?.checked()?.json()
    }

    async fn rest(
        &self,
        place: &Place,
        service: &'static str,
        method: Method,
        path: String,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        let draft = Draft {
            place,
            service,
            method,
            path,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body
                .map(|body| Bytes::from(body.to_string()))
                .unwrap_or_default(),
            limit: CALL_MAX,
        };
        self.client.send(draft).await?.checked()?.json()
    }

    /// A call of a service with the older protocol of forms and XML.
    async fn form(
        &self,
        place: &Place,
        service: &'static str,
        fields: &[(&str, &str)],
    ) -> Result<Answer, CallError> {
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", encoded(value)))
            .collect();
        let draft = Draft {
            place,
            service,
            method: Method::POST,
            path: "/".to_owned(),
            headers: vec![(
                "content-type",
                "application/x-www-form-urlencoded".to_owned(),
            )],
            body: Bytes::from(body.join("&")),
            limit: CALL_MAX,
        };
        self.client.send(draft).await?.checked()
    }
}

/// Text as a part of a path or query.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// The elements of a list in an answer.
fn list(answer: &Value, name: &str) -> Vec<Value> {
    answer
        .get(name)
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default()
}

/// A text in an answer that must be there.
fn text(answer: &Value, name: &str) -> Result<String, CallError> {
    answer
        .get(name)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| CallError::Malformed(format!("an answer without {name}")))
}
