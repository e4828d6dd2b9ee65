//! Calls to Slack. Each has a deadline, and none is repeated here: what did not go through comes
//! again with the queue.

use std::fmt;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnector as _, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use chat::block::Message;
use chat::card::MessageId;
use chat::settings::{Channel, Settings};
use chat::talk::Reach;
use engine::converse::Chat;
use engine::follow::Untold;
use serde_json::{Value, json};

use crate::answer;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long one call may take.
const CALL_WITHIN: Duration = Duration::from_secs(6);
/// How long an answer to who pressed a button may take: Slack waits three seconds for all of it.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);
/// Where Slack lets who pressed a button be answered.
const ANSWERS: &str = "https://hooks.slack.com/";

/// Calls Slack.
pub struct Messenger {
    http: SharedHttpConnector,
    api: String,
    token: Option<String>,
}

impl fmt::Debug for Messenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messenger")
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// Why Slack was not called, or did not answer.
#[derive(Debug, thiserror::Error)]
pub enum MessengerError {
    /// It is no address of Slack's.
    #[error("not an address of Slack's")]
    Foreign,
    /// The request could not be built.
    #[error("the request cannot be built: {0}")]
    Request(String),
    /// No answer came.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

struct Answered {
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

impl Messenger {
    /// Calls Slack as the settings say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let times = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(CALL_WITHIN)
            .build();
        let connector = Connector::builder()
            .connector_settings(times)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build();
        Self {
            http: SharedHttpConnector::new(connector),
            api: settings.api.trim_end_matches('/').to_owned(),
            token: settings.bot_token.clone(),
        }
    }

    /// Answers who pressed a button; nobody else sees it.
    ///
    /// # Errors
    /// When Slack does not take it.
    pub async fn answer(&self, address: &str, text: &str) -> Result<(), MessengerError> {
        let origin = self.api.trim_end_matches("api");
        if !address.starts_with(ANSWERS) && !address.starts_with(origin) {
            return Err(MessengerError::Foreign);
        }
        let body = json!({
            "response_type": "ephemeral",
            "replace_original": false,
            "text": text,
        });
        let sent = self.send(address, None, &body);
        let timeout = tokio::time::timeout(ANSWER_WITHIN, sent).await;
        let answered = timeout.map_err(|late| MessengerError::NoAnswer(late.to_string()))??;
        match answered.status {
            200 => Ok(()),
            status => Err(MessengerError::NoAnswer(format!("HTTP {status}"))),
        }
    }

    async fn method(&self, name: &str, body: &Value) -> Result<MessageId, Untold> {
        let address = format!("{}/{name}", self.api);
        let sent = self.send(&address, self.token.as_deref(), body).await;
        let answered = sent.map_err(|error| unanswered(&error))?;
        let wait = answered.retry_after.as_deref();
        answer::of_method(answered.status, wait, &answered.body)
    }

    async fn webhook(&self, channel: &Channel, message: &Message) -> Result<MessageId, Untold> {
        let body = json!(message);
        let sent = self.send(&channel.id, None, &body).await;
        let answered = sent.map_err(|error| unanswered(&error))?;
        let wait = answered.retry_after.as_deref();
        answer::of_webhook(answered.status, wait, &answered.body)
    }

    async fn send(
        &self,
        address: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<Answered, MessengerError> {
        let wrong = |error: &dyn fmt::Display| MessengerError::Request(error.to_string());
        let mut request = HttpRequest::new(SdkBody::from(body.to_string()));
        request.set_method("POST").map_err(|error| wrong(&error))?;
        request.set_uri(address).map_err(|error| wrong(&error))?;
        let mut headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
        for (name, value) in headers {
            let inserted = request.headers_mut().try_insert(name, value);
            inserted.map_err(|error| wrong(&error))?;
        }
        let call = async {
            let response = self.http.call(request).await;
            let response = response.map_err(|error| MessengerError::NoAnswer(chain(&error)))?;
            let status = response.status().as_u16();
            let retry_after = response.headers().get("retry-after").map(ToOwned::to_owned);
            let body = ByteStream::new(response.into_body()).collect().await;
            let body = body.map_err(|error| MessengerError::NoAnswer(chain(&error)))?;
            Ok(Answered {
                status,
                retry_after,
                body: body.to_vec(),
            })
        };
        let timeout = tokio::time::timeout(CALL_WITHIN, call).await;
        timeout.map_err(|late| MessengerError::NoAnswer(late.to_string()))?
    }
}

impl Chat for Messenger {
    async fn post(
        &self,
        channel: &Channel,
        message: &Message,
        under: Option<(&MessageId, Reach)>,
    ) -> Result<MessageId, Untold> {
        if !channel.updates {
            return self.webhook(channel, message).await;
        }
        let mut body = json!(message);
        if let Some(body) = body.as_object_mut() {
            body.insert("channel".to_owned(), json!(channel.id));
            body.insert("unfurl_links".to_owned(), json!(false));
            body.insert("unfurl_media".to_owned(), json!(false));
            if let Some((MessageId(thread), reach)) = under {
                body.insert("thread_ts".to_owned(), json!(thread));
                let broadcast = reach == Reach::Channel;
                body.insert("reply_broadcast".to_owned(), json!(broadcast));
            }
        }
        self.method("chat.postMessage", &body).await
    }

    async fn update(
        &self,
        channel: &Channel,
        place: &MessageId,
        message: &Message,
    ) -> Result<(), Untold> {
        let mut body = json!(message);
        if let Some(body) = body.as_object_mut() {
            body.insert("channel".to_owned(), json!(channel.id));
            body.insert("ts".to_owned(), json!(place.0));
        }
        self.method("chat.update", &body).await.map(drop)
    }
}

fn unanswered(error: &MessengerError) -> Untold {
    Untold::Later {
        after: None,
        why: error.to_string(),
    }
}

/// An error with its causes; the address, which may be secret, is in none of them.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
