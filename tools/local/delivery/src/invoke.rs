//! Lambda's asynchronous invocations: retries, and destinations of what succeeded or failed.
//! Source: Lambda developer guide, invocation-async-error-handling.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    Notice, Subject,
    arn::Arn,
    calls::Invoked,
    destination::Ending,
    envelope,
    letters::{self, Ended, Response},
    retry::{Exhausted, FunctionAttempts, Limits, Next, Unwell},
    shared::{Shared, WAITING_MAX},
};

/// An invocation that Lambda has accepted.
struct Invocation {
    function: Arn,
    payload: String,
    what: Subject,
    request_id: String,
    begun: Instant,
    /// What the function's `EventInvokeConfig` says.
    config: Option<Value>,
}

/// How an invocation ended that was given up.
struct Failed {
    condition: &'static str,
    invocations: u32,
    response: Option<Response>,
    reason: String,
}

impl Shared {
    /// Accepts an asynchronous invocation.
    pub(crate) fn invoke_later(self: &Arc<Self>, function: Arn, payload: String, what: Subject) {
        let lane = self.lane(function.as_str());
        let Ok(permit) = Arc::clone(&lane.waiting).try_acquire_owned() else {
            let queue = format!("asynchronous invocations of {function}");
            return self.tell(Notice::Overflowed {
                what,
                queue,
                limit: WAITING_MAX,
            });
        };
        let shared = Arc::clone(self);
        self.spawn(async move { shared.invocation(function, payload, what, permit).await });
    }

    async fn invocation(
        self: Arc<Self>,
        function: Arn,
        payload: String,
        what: Subject,
        permit: OwnedSemaphorePermit,
    ) {
        let begun = Instant::now();
        // A function without one, and one that is gone, are told apart when it is invoked.
        let config = self
            .calls
            .invoke_config(&function)
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(%function, %error, "no invocation configuration");
                None
            });
        let request_id = envelope::new_id();
        let invocation = Invocation {
            function,
            payload,
            what,
            request_id,
            begun,
            config,
        };
        match self.run(&invocation).await {
            Ok((attempt, response)) => {
                let (what, to) = (invocation.what.clone(), invocation.function.to_string());
                self.tell(Notice::Delivered { what, to, attempt });
                self.succeeded(&invocation, attempt, &response).await;
            }
            Err(failed) => self.gave_up(&invocation, failed).await,
        }
        drop(permit);
    }

    /// Invokes until it succeeds or is given up. What succeeded, and at which attempt.
    async fn run(&self, invocation: &Invocation) -> Result<(u32, Response), Failed> {
        let limits = Limits::FUNCTION.read(invocation.config.as_ref());
        let mut attempts = FunctionAttempts::new(limits);
        let lane = self.lane(invocation.function.as_str());
        let mut response = None;
        loop {
            let invoked = {
                let _running = lane.running.acquire().await;
                if invocation.begun.elapsed() > limits.age {
                    let condition = letters::condition(Exhausted::Age);
                    let invocations = attempts.invoked();
                    let reason = "too old".to_owned();
                    return Err(Failed {
                        condition,
                        invocations,
                        response,
                        reason,
                    });
                }
                let payload = Bytes::from(invocation.payload.clone());
                self.calls.invoke(&invocation.function, payload).await
            };
            let (how, reason) = match invoked {
                Invoked::Ran(ran) if ran.error.is_none() => return Ok((attempts.made() + 1, ran)),
                Invoked::Ran(ran) => {
                    let reason = error_text(&ran);
                    response = Some(ran);
                    (Unwell::Error, reason)
                }
                Invoked::Refused(reason) if !self.is_switched_off(&invocation.function).await => {
                    (Unwell::Refused, reason)
                }
                Invoked::Refused(reason) | Invoked::Impossible { reason, .. } => {
                    let condition = letters::condition(Exhausted::Retries);
                    let invocations = attempts.invoked();
                    return Err(Failed {
                        condition,
                        invocations,
                        response,
                        reason,
                    });
                }
            };
            match attempts.failed(how, invocation.begun.elapsed(), self.pauses) {
                Next::GiveUp(exhausted) => {
                    let condition = letters::condition(exhausted);
                    let invocations = attempts.invoked();
                    return Err(Failed {
                        condition,
                        invocations,
                        response,
                        reason,
                    });
                }
                Next::After(pause) => {
                    self.tell(Notice::Retried {
                        what: invocation.what.clone(),
                        to: invocation.function.to_string(),
                        attempt: attempts.made(),
                        reason,
                        pause,
                    });
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    /// With a reserved concurrency of zero, invocations are given up without a retry.
    async fn is_switched_off(&self, function: &Arn) -> bool {
        matches!(self.calls.reserved_concurrency(function).await, Ok(Some(0)))
    }

    async fn succeeded(self: &Arc<Self>, invocation: &Invocation, times: u32, ran: &Response) {
        let Some(destination) = invocation.destination("OnSuccess") else {
            return;
        };
        let record = invocation.record("Success", times, Some(ran));
        let sent = self.send_record(&invocation.function, &destination, &record, Ending::Success);
        if let Err(reason) = sent.await {
            let (what, to) = (invocation.what.clone(), destination.to_string());
            self.tell(Notice::Dropped { what, to, reason });
        }
    }

    async fn gave_up(self: &Arc<Self>, invocation: &Invocation, failed: Failed) {
        let function = &invocation.function;
        let mut lost = Vec::new();
        let mut kept = Vec::new();
        if let Some(destination) = invocation.destination("OnFailure") {
            let record = invocation.record(
                failed.condition,
                failed.invocations,
                failed.response.as_ref(),
            );
            let sent = self
                .send_record(function, &destination, &record, Ending::Failure)
                .await;
            match sent {
                Ok(()) => kept.push(destination.to_string()),
                Err(reason) => lost.push(reason),
            }
        }
        // A function's own dead-letter queue gets the bare event, beside a destination.
        match self.function_letters(function).await {
            Some(queue) => {
                let letter = (
                    invocation.payload.as_str(),
                    invocation.request_id.as_str(),
                    &*failed.reason,
                );
                match self.send_function_letter(function, &queue, letter).await {
                    Ok(()) => kept.push(queue.to_string()),
                    Err(reason) => lost.push(reason),
                }
            }
            None if kept.is_empty() && lost.is_empty() => {
                lost.push("no destination and no dead-letter queue".to_owned());
            }
            None => {}
        }
        let (what, to) = (invocation.what.clone(), function.to_string());
        let reason = failed.reason;
        if kept.is_empty() {
            let reason = format!("{reason}; {}", lost.join("; "));
            self.tell(Notice::Dropped { what, to, reason });
        } else {
            self.tell(Notice::DeadLettered {
                what,
                to,
                letters: kept.join(", "),
                reason,
            });
        }
    }
}

impl Invocation {
    fn destination(&self, which: &str) -> Option<Arn> {
        let config = self.config.as_ref()?.get("DestinationConfig")?;
        Arn::parse(config.get(which)?.get("Destination")?.as_str()?)
    }

    fn record(&self, condition: &str, invocations: u32, response: Option<&Response>) -> Value {
        let payload = serde_json::from_str(&self.payload).unwrap_or_else(|_| {
            // A constant input can be any text.
            Value::String(self.payload.clone())
        });
        letters::invocation_record(&Ended {
            request_id: &self.request_id,
            function: &self.function,
            condition,
            invocations,
            payload: &payload,
            response,
            now: jiff::Timestamp::now(),
        })
    }
}

/// What a failed function said, in one line.
pub(crate) fn error_text(response: &Response) -> String {
    let message = response.payload.get("errorMessage").and_then(Value::as_str);
    match message {
        Some(message) => message.to_owned(),
        None => response.payload.to_string(),
    }
}
