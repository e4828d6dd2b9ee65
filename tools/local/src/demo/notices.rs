//! What people hear: a queue that is subscribed to the announcements' topic, as a chat bot's would
//! be, and everything that arrived in it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use gateway::xml_text;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::account::Account;

/// How long one look at the queue waits for a message, in seconds.
const WAIT_SECONDS: u32 = 1;
/// Between two looks when the queue cannot be read.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two looks at what has arrived.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An announcement, as programs get it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// The entry that is announced; a repeat has the same.
    pub id: String,
    /// What kind: `approval`, `rolled-back` …
    pub kind: String,
    /// The service.
    pub service: String,
    /// The stage, when it is about one.
    pub stage: Option<String>,
    /// The release, when it is about one.
    pub release: Option<u64>,
    /// One line.
    pub subject: String,
    /// The whole.
    pub text: String,
}

impl Notice {
    /// Whether it is this kind of announcement about this release on this stage.
    #[must_use]
    pub fn is(
        &self,
        service: &str,
        kind: &str,
        stage: &str,
        release: impl Into<Option<u64>>,
    ) -> bool {
        self.service == service
            && self.kind == kind
            && self.stage.as_deref() == Some(stage)
            && self.release == release.into()
    }
}

/// A queue that listens to the topic until this is dropped.
#[derive(Debug)]
pub struct Notices {
    heard: Arc<Mutex<Vec<Notice>>>,
    task: JoinHandle<()>,
}

impl Notices {
    /// Makes the queue and subscribes it.
    ///
    /// # Errors
    /// When SQS or SNS refuses.
    pub async fn listen(account: &Account, topic: &str, queue: &str) -> Result<Self> {
        let home = account.home();
        let arn = format!("arn:aws:sqs:{}:{}:{queue}", home.region, home.account);
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": "sns.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": { "ArnEquals": { "aws:SourceArn": topic } },
        }] });
        let input = json!({
            "QueueName": queue,
            "Attributes": { "Policy": policy.to_string() },
        });
        let made = account.sqs("CreateQueue", input).await?;
        let url = made.get("QueueUrl").and_then(Value::as_str);
        let url = url.context("SQS names no queue")?.to_owned();
        let subscription = [
            ("TopicArn", topic),
            ("Protocol", "sqs"),
            ("Endpoint", &arn),
            ("Attributes.entry.1.key", "RawMessageDelivery"),
            ("Attributes.entry.1.value", "true"),
        ];
        let answer = account.query("sns", "Subscribe", &subscription).await?;
        xml_text(&answer, "SubscriptionArn").context("SNS names no subscription")?;
        let heard = Arc::<Mutex<Vec<Notice>>>::default();
        let task = tokio::spawn(hear(account.clone(), url, Arc::clone(&heard)));
        Ok(Self { heard, task })
    }

    /// Everything that has arrived.
    #[must_use]
    pub fn heard(&self) -> Vec<Notice> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until there is such an announcement.
    ///
    /// # Errors
    /// When there is none in time; with those that there are about the same service.
    pub async fn until(
        &self,
        what: &str,
        longest: Duration,
        wanted: impl Fn(&Notice) -> bool,
    ) -> Result<Notice> {
        let began = Instant::now();
        loop {
            let heard = self.heard();
            if let Some(found) = heard.iter().find(|notice| wanted(notice)) {
                return Ok(found.clone());
            }
            if began.elapsed() > longest {
                let subjects: Vec<&str> = heard.iter().map(|one| one.subject.as_str()).collect();
                anyhow::bail!(
                    "nobody heard within {} s: {what}\n  what was heard:\n    {}",
                    longest.as_secs(),
                    subjects.join("\n    ")
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Drop for Notices {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn hear(account: Account, url: String, heard: Arc<Mutex<Vec<Notice>>>) {
    loop {
        match receive(&account, &url).await {
            Ok(notices) => heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(notices),
            Err(error) => {
                tracing::warn!("the announcements' queue cannot be read: {error:#}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn receive(account: &Account, url: &str) -> Result<Vec<Notice>> {
    let ask = json!({
        "QueueUrl": url,
        "MaxNumberOfMessages": 10,
        "WaitTimeSeconds": WAIT_SECONDS,
    });
    let answer = account.sqs("ReceiveMessage", ask).await?;
    let messages = answer.get("Messages").and_then(Value::as_array);
    let mut notices = Vec::new();
    for message in messages.into_iter().flatten() {
        let body = message
            .get("Body")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match serde_json::from_str(body) {
            Ok(notice) => notices.push(notice),
            Err(error) => tracing::warn!(%error, body, "an announcement cannot be read"),
        }
        let done = json!({ "QueueUrl": url, "ReceiptHandle": message.get("ReceiptHandle") });
        account.sqs("DeleteMessage", done).await?;
    }
    Ok(notices)
}
