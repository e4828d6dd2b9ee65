//! Slack's Web API: posting, updating, and answering who pressed a button.

use std::fmt;
use std::time::Duration;

use chat::block::Message;
use chat::card::MessageId;
use chat::settings::{Channel, Settings};
use chat::talk::Reach;
use engine::converse::Chat;
use engine::follow::Untold;
use serde_json::{Value, json};

use crate::http::{Answered, CALL_WITHIN, Call, Http, HttpError};

mod answer;

/// How long an answer to who pressed a button may take: Slack waits three seconds for all of it.
const ANSWER_WITHIN: Duration = Duration::from_millis(900);
/// Where Slack lets who pressed a button be answered.
const ANSWERS: &str = "https://hooks.slack.com/";

/// Calls Slack.
pub struct Messenger {
    http: Http,
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
    /// No answer came.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Slack did not take it.
    #[error("HTTP {0}")]
    NotTaken(u16),
}

impl Messenger {
    /// Calls Slack as the settings say.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            http: Http::new(),
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
        let answered = self.send(address, None, &body, ANSWER_WITHIN).await?;
        match answered.status {
            200 => Ok(()),
            status => Err(MessengerError::NotTaken(status)),
        }
    }

    async fn method(&self, name: &str, body: &Value) -> Result<MessageId, Untold> {
        let address = format!("{}/{name}", self.api);
        let token = self.token.as_deref();
        let answered = self.send(&address, token, body, CALL_WITHIN).await;
        answer::of_method(&answered.map_err(|error| unanswered(&error))?)
    }

    async fn webhook(&self, channel: &Channel, message: &Message) -> Result<MessageId, Untold> {
        let body = json!(message);
        let answered = self.send(&channel.id, None, &body, CALL_WITHIN).await;
        answer::of_webhook(&answered.map_err(|error| unanswered(&error))?)
    }

    async fn send(
        &self,
        address: &str,
        token: Option<&str>,
        body: &Value,
        within: Duration,
    ) -> Result<Answered, HttpError> {
        let mut headers = vec![("content-type", "application/json; charset=utf-8".to_owned())];
        headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
        let call = Call {
            method: "POST",
            address,
            headers,
            body: Some(body.to_string()),
        };
        self.http.call(call, within).await
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

fn unanswered(error: &HttpError) -> Untold {
    Untold::Later {
        after: None,
        why: error.to_string(),
    }
}
