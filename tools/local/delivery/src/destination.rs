//! Destinations of invocations and stream mappings: sending a record with what the function's own
//! role allows. What the records say is `letters`.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{Place, Subject, arn::Arn, client::CallError, letters, shared::Shared};

/// How often a record is tried to be sent.
const ATTEMPTS_MAX: u32 = 5;

/// How an invocation ended, as an event on an event bus calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Success,
    Failure,
}

impl Ending {
    const fn detail_type(self) -> &'static str {
        match self {
            Self::Success => "Lambda Function Invocation Result - Success",
            Self::Failure => "Lambda Function Invocation Result - Failure",
        }
    }
}

impl Shared {
    /// Sends a record to a destination. On failure says why, in words.
    pub(crate) async fn send_record(
        self: &Arc<Self>,
        function: &Arn,
        destination: &Arn,
        record: &Value,
        ending: Ending,
    ) -> Result<(), String> {
        let action = match destination.service() {
            "sqs" => "sqs:SendMessage",
            "sns" => "sns:Publish",
            "lambda" => "lambda:InvokeFunction",
            "events" => "events:PutEvents",
            other => return Err(format!("this machine has no destinations of {other}")),
        };
        self.role_of_may(function, action, destination).await?;
        let mut attempt = 1;
        loop {
            match self.try_record(function, destination, record, ending).await {
                Err(CallError::Unreachable(_)) if attempt < ATTEMPTS_MAX => {
                    tokio::time::sleep(self.pauses.backoff(attempt)).await;
                    attempt += 1;
                }
                result => return result.map_err(|error| format!("{destination}: {error}")),
            }
        }
    }

    async fn try_record(
        self: &Arc<Self>,
        function: &Arn,
        destination: &Arn,
        record: &Value,
        ending: Ending,
    ) -> Result<(), CallError> {
        match destination.service() {
            "sqs" => {
                let url = self.calls.queue_url(destination).await?;
                let message = json!({ "QueueUrl": url, "MessageBody": record.to_string() });
                self.calls.send_message(destination.place(), &message).await
            }
            "sns" => self.calls.publish(destination, &record.to_string()).await,
            "lambda" => {
                let what = Subject::Event {
                    id: text(record, "/requestContext/requestId"),
                    source: "lambda".to_owned(),
                    detail_type: ending.detail_type().to_owned(),
                };
                self.invoke_later(destination.clone(), record.to_string(), what);
                Ok(())
            }
            _ => {
                let entry = json!({
                    "EventBusName": destination.as_str(),
                    "Source": "lambda",
                    "DetailType": ending.detail_type(),
                    "Resources": [destination.as_str(), letters::qualified(function)],
                    "Detail": record.to_string(),
                });
                self.calls.put_event(destination.place(), &entry).await
            }
        }
    }

    /// The dead-letter queue or topic of a function, if it has one.
    pub(crate) async fn function_letters(&self, function: &Arn) -> Option<Arn> {
        let configuration = self.calls.function_configuration(function).await.ok()?;
        Arn::parse(
            configuration
                .pointer("/DeadLetterConfig/TargetArn")?
                .as_str()?,
        )
    }

    /// Sends a bare event (`payload`, request id, error) to a function's dead-letter queue.
    pub(crate) async fn send_function_letter(
        &self,
        function: &Arn,
        queue: &Arn,
        (payload, request_id, error): (&str, &str, &str),
    ) -> Result<(), String> {
        if queue.service() == "sns" {
            self.role_of_may(function, "sns:Publish", queue).await?;
            let published = self.calls.publish(queue, payload).await;
            return published.map_err(|error| format!("{queue}: {error}"));
        }
        self.role_of_may(function, "sqs:SendMessage", queue).await?;
        let attribute = |kind: &str, value: &str| json!({ "DataType": kind, "StringValue": value });
        let attributes = json!({
            "RequestID": attribute("String", request_id),
            "ErrorCode": attribute("Number", "200"),
            "ErrorMessage": attribute("String", if error.is_empty() { "unknown" } else { error }),
        });
        let sent = async {
            let url = self.calls.queue_url(queue).await?;
            let message =
                json!({ "QueueUrl": url, "MessageBody": payload, "MessageAttributes": attributes });
            self.calls.send_message(queue.place(), &message).await
        };
        sent.await.map_err(|error| format!("{queue}: {error}"))
    }

    /// Checks that the role of a function allows something; on failure says so, in words.
    pub(crate) async fn role_of_may(
        &self,
        function: &Arn,
        action: &str,
        resource: &Arn,
    ) -> Result<(), String> {
        let configuration = self.calls.function_configuration(function).await;
        let configuration = configuration.map_err(|error| format!("{function}: {error}"))?;
        let role = text(&configuration, "/Role");
        let place = Place {
            account: function.place().account.clone(),
            region: function.place().region.clone(),
        };
        match self
            .calls
            .role_may(&place, &role, action, resource.as_str())
            .await
        {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!(
                "{role} is not authorized to perform {action} on {resource}"
            )),
            Err(error) => Err(format!("{role}: {error}")),
        }
    }
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
