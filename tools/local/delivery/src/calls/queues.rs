//! SQS: making a queue, sending, receiving and deleting.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Calls, Json, list, text};
use crate::{
    Place,
    arn::Arn,
    client::{CALL_MAX, CallError},
};

const QUEUES: Json = Json {
    service: "sqs",
    target: "AmazonSQS",
    version: "1.0",
};

/// A message that was received.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) body: String,
    pub(crate) receipt: String,
}

impl Calls {
    async fn queues(&self, place: &Place, name: &str, body: &Value) -> Result<Value, CallError> {
        self.json(place, &QUEUES, name, body, CALL_MAX).await
    }

    /// Makes a queue, or finds it; its URL.
    pub(crate) async fn make_queue(&self, place: &Place, name: &str) -> Result<String, CallError> {
        let answer = self
            .queues(place, "CreateQueue", &json!({ "QueueName": name }))
            .await?;
        text(&answer, "QueueUrl")
    }

    /// A queue's URL.
    pub(crate) async fn queue_url(&self, queue: &Arn) -> Result<String, CallError> {
        let body = json!({
            "QueueName": queue.resource(), "QueueOwnerAWSAccountId": queue.place().account
        });
        text(
            &self.queues(queue.place(), "GetQueueUrl", &body).await?,
            "QueueUrl",
        )
    }

    /// The policy document of a queue, if it has one.
    pub(crate) async fn queue_policy(
        &self,
        place: &Place,
        url: &str,
    ) -> Result<Option<Value>, CallError> {
        let body = json!({ "QueueUrl": url, "AttributeNames": ["Policy"] });
        let answer = self.queues(place, "GetQueueAttributes", &body).await?;
        let policy = answer.pointer("/Attributes/Policy").and_then(Value::as_str);
        Ok(policy.and_then(|policy| serde_json::from_str(policy).ok()))
    }

    /// Sends a message. `attributes` are as `SendMessage` takes them.
    pub(crate) async fn send_message(
        &self,
        place: &Place,
        message: &Value,
    ) -> Result<(), CallError> {
        self.queues(place, "SendMessage", message).await.map(drop)
    }

    /// Waits for messages, at most ten.
    pub(crate) async fn receive(
        &self,
        place: &Place,
        url: &str,
        wait: Duration,
    ) -> Result<Vec<Message>, CallError> {
        let body = json!({
            "QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait.as_secs()
        });
        let answer = self
            .json(place, &QUEUES, "ReceiveMessage", &body, wait + CALL_MAX)
            .await?;
        list(&answer, "Messages")
            .iter()
            .map(|message| {
                Ok(Message {
                    body: text(message, "Body")?,
                    receipt: text(message, "ReceiptHandle")?,
                })
            })
            .collect()
    }

    /// Deletes a received message.
    pub(crate) async fn delete(
        &self,
        place: &Place,
        url: &str,
        receipt: &str,
    ) -> Result<(), CallError> {
        let body = json!({ "QueueUrl": url, "ReceiptHandle": receipt });
        self.queues(place, "DeleteMessage", &body).await.map(drop)
    }
}
