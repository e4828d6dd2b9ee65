//! SNS: publishing, and a topic's policy.

use serde_json::Value;

use super::Calls;
use crate::{
    arn::Arn,
    client::{CallError, between},
};

impl Calls {
    /// Publishes a message.
    pub(crate) async fn publish(&self, topic: &Arn, message: &str) -> Result<(), CallError> {
        let fields = [
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("TopicArn", topic.as_str()),
            ("Message", message),
        ];
        self.form(topic.place(), "sns", &fields).await.map(drop)
    }

    /// The policy document of a topic, if it has one.
    pub(crate) async fn topic_policy(&self, topic: &Arn) -> Result<Option<Value>, CallError> {
        let fields = [
            ("Action", "GetTopicAttributes"),
            ("Version", "2010-03-31"),
            ("TopicArn", topic.as_str()),
        ];
        let answer = self.form(topic.place(), "sns", &fields).await?.text();
        let policy = between(&answer, "<key>Policy</key>", "</entry>")
            .and_then(|entry| between(entry, "<value>", "</value>"))
            .map(unescaped);
        Ok(policy.and_then(|policy| serde_json::from_str(&policy).ok()))
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}
