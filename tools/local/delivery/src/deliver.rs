//! EventBridge's attempts at one target: permission, delivery, retries, the dead-letter queue.
//! What becomes of an invocation once Lambda has accepted it is `invoke`.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{
    Notice, Place, Subject,
    arn::Arn,
    client::CallError,
    envelope::{Event, Way},
    letters::{self, Code, Sender, Undelivered},
    policy::{self, Ask, Who},
    retry::{Exhausted, Next, TargetAttempts},
    rules::{Bus, Target},
    shared::{Shared, WAITING_MAX},
};

/// Who asks at a target's own policy.
const EVENTBRIDGE: &str = "events.amazonaws.com";

/// How often a dead letter is tried to be sent.
const LETTER_ATTEMPTS_MAX: u32 = 5;

/// One event on its way to one target.
#[derive(Debug, Clone)]
pub(crate) struct Shipment {
    pub(crate) event: Event,
    /// What the target receives.
    pub(crate) payload: String,
    pub(crate) sender: Sender,
    pub(crate) target: Arc<Target>,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) code: Code,
    pub(crate) message: String,
}

impl Fault {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl From<CallError> for Fault {
    fn from(error: CallError) -> Self {
        let message = error.to_string();
        let code = match &error {
            CallError::Unreachable(_) => Code::ConnectionFailure,
            CallError::Malformed(_) => Code::InternalError,
            refused if refused.is_not_found() => Code::NoResource,
            CallError::Refused { status, code, .. } => match status {
                429 => Code::Throttling,
                500.. => Code::InternalError,
                403 => Code::NoPermissions,
                _ if code.contains("AccessDenied") => Code::NoPermissions,
                _ if code.contains("Throttl") => Code::Throttling,
                _ => Code::InvalidParameter,
            },
        };
        Self { code, message }
    }
}

/// Who tells that it has arrived.
enum Accepted {
    /// The target has it.
    Delivered,
    /// Whoever took it over tells it.
    TakenOver,
}

impl Shared {
    /// Starts delivering, once or twice.
    pub(crate) fn deliver(self: &Arc<Self>, shipment: Shipment) {
        let copies = self.copies(&shipment.event.subject());
        if let Some(second) = copies.second {
            self.deliver_after(shipment.clone(), second);
        }
        self.deliver_after(shipment, copies.first);
    }

    fn deliver_after(self: &Arc<Self>, shipment: Shipment, delay: Duration) {
        let to = format!("deliveries to {}", shipment.target.arn);
        let Ok(permit) = Arc::clone(&self.lane(&to).waiting).try_acquire_owned() else {
            let what = shipment.event.subject();
            return self.tell(Notice::Overflowed {
                what,
                queue: to,
                limit: WAITING_MAX,
            });
        };
        let shared = Arc::clone(self);
        self.spawn(async move { shared.attempts(shipment, delay, permit).await });
    }

    async fn attempts(
        self: Arc<Self>,
        shipment: Shipment,
        delay: Duration,
        permit: OwnedSemaphorePermit,
    ) {
        let begun = Instant::now();
        tokio::time::sleep(delay).await;
        let what = shipment.event.subject();
        let to = shipment.target.arn.to_string();
        let mut attempts = TargetAttempts::new(shipment.target.limits);
        loop {
            let fault = match self.attempt(&shipment).await {
                Ok(Accepted::TakenOver) => break,
                Ok(Accepted::Delivered) => {
                    let attempt = attempts.failures + 1;
                    self.tell(Notice::Delivered { what, to, attempt });
                    break;
                }
                Err(fault) => fault,
            };
            if !fault.code.may_pass() {
                self.letter(&shipment, &fault, attempts.failures, None)
                    .await;
                break;
            }
            match attempts.failed(begun.elapsed(), self.pauses) {
                Next::After(pause) => {
                    self.tell(Notice::Retried {
                        what: what.clone(),
                        to: to.clone(),
                        attempt: attempts.failures,
                        reason: fault.message,
                        pause,
                    });
                    tokio::time::sleep(pause).await;
                }
                Next::GiveUp(exhausted) => {
                    let retries = attempts.failures.saturating_sub(1);
                    self.letter(&shipment, &fault, retries, Some(exhausted))
                        .await;
                    break;
                }
            }
        }
        drop(permit);
    }

    async fn attempt(self: &Arc<Self>, shipment: &Shipment) -> Result<Accepted, Fault> {
        match shipment.target.arn.service() {
            "lambda" => self.to_function(shipment).await,
            "sqs" => self.to_queue(shipment).await,
            "sns" => self.to_topic(shipment).await,
            "events" if shipment.target.arn.bus().is_some() => self.to_bus(shipment).await,
            other => Err(Fault::new(
                Code::SdkClientError,
                format!("this machine does not deliver to targets of {other}"),
            )),
        }
    }

    async fn to_function(self: &Arc<Self>, shipment: &Shipment) -> Result<Accepted, Fault> {
        let function = &shipment.target.arn;
        let policy = self.calls.function_policy(function).await?;
        self.let_in(shipment, "lambda:InvokeFunction", policy.as_ref())
            .await?;
        let what = shipment.event.subject();
        self.invoke_later(function.clone(), shipment.payload.clone(), what);
        Ok(Accepted::TakenOver)
    }

    async fn to_queue(&self, shipment: &Shipment) -> Result<Accepted, Fault> {
        let queue = &shipment.target.arn;
        let url = self.calls.queue_url(queue).await?;
        let policy = self.calls.queue_policy(queue.place(), &url).await?;
        self.let_in(shipment, "sqs:SendMessage", policy.as_ref())
            .await?;
        let mut message = json!({ "QueueUrl": url, "MessageBody": shipment.payload });
        if let (Some(group), Some(message)) = (&shipment.target.group, message.as_object_mut()) {
            message.insert("MessageGroupId".to_owned(), json!(group));
            let id = shipment.event.text("id");
            message.insert("MessageDeduplicationId".to_owned(), json!(id));
        }
        self.calls.send_message(queue.place(), &message).await?;
        Ok(Accepted::Delivered)
    }

    async fn to_topic(&self, shipment: &Shipment) -> Result<Accepted, Fault> {
        let topic = &shipment.target.arn;
        let policy = self.calls.topic_policy(topic).await?;
        self.let_in(shipment, "sns:Publish", policy.as_ref())
            .await?;
        self.calls.publish(topic, &shipment.payload).await?;
        Ok(Accepted::Delivered)
    }

    /// To the event bus of another account or Region, or another one of the same.
    async fn to_bus(self: &Arc<Self>, shipment: &Shipment) -> Result<Accepted, Fault> {
        let arn = &shipment.target.arn;
        let (Some(name), place) = (arn.bus(), arn.place()) else {
            return Err(Fault::new(Code::InvalidParameter, "not an event bus"));
        };
        if shipment.event.way == Way::Forwarded {
            let message = "events received from another event bus cannot be forwarded to a third";
            return Err(Fault::new(Code::ThirdAccountHop, message));
        }
        let bus = Bus {
            place: place.clone(),
            name: name.to_owned(),
        };
        let table = Arc::clone(&*self.table.read().await);
        if !self.places.contains(place) {
            let message = format!("{arn} is in no account and Region of this machine");
            return Err(Fault::new(Code::NoResource, message));
        }
        if let Some(role) = &shipment.target.role {
            self.role_must(role, "events:PutEvents", arn).await?;
        }
        let from = shipment.sender.arn();
        if from.place().account != place.account {
            let ask = Ask {
                who: Who::Account(&from.place().account),
                action: "events:PutEvents",
                resource: arn.as_str(),
                source_arn: from.as_str(),
                source_account: &from.place().account,
            };
            if !policy::allows(table.bus_policies.get(&bus), &ask) {
                let message = format!(
                    "the policy of {arn} does not let {} in",
                    from.place().account
                );
                return Err(Fault::new(Code::NoPermissions, message));
            }
        }
        let event = Event {
            place: bus.place,
            bus: bus.name,
            way: Way::Forwarded,
            value: Arc::clone(&shipment.event.value),
        };
        // Boxed, because forwarding can lead here again.
        Box::pin(self.route(event)).await;
        Ok(Accepted::Delivered)
    }

    /// Checks that a target lets in who sends: EventBridge by the target's own policy, Scheduler
    /// by the role it takes on.
    async fn let_in(
        &self,
        shipment: &Shipment,
        action: &str,
        policy: Option<&serde_json::Value>,
    ) -> Result<(), Fault> {
        let (target, sender) = (&shipment.target, &shipment.sender);
        match sender {
            Sender::Rule { arn, .. } => may_send(arn, &target.arn, action, policy),
            Sender::Schedule { .. } => match &target.role {
                Some(role) => self.role_must(role, action, &target.arn).await,
                None => Err(Fault::new(Code::NoPermissions, "the schedule has no role")),
            },
        }
    }

    /// Checks that a role allows something.
    async fn role_must(&self, role: &str, action: &str, resource: &Arn) -> Result<(), Fault> {
        let place = Arn::parse(role).map(|role| Place {
            account: role.place().account.clone(),
            region: resource.place().region.clone(),
        });
        let Some(place) = place else {
            return Err(Fault::new(
                Code::NoPermissions,
                format!("{role} is no role"),
            ));
        };
        if self
            .calls
            .role_may(&place, role, action, resource.as_str())
            .await?
        {
            return Ok(());
        }
        let message = format!("{role} is not authorized to perform {action} on {resource}");
        Err(Fault::new(Code::NoPermissions, message))
    }

    /// Gives up: what could not be delivered goes to the target's dead-letter queue.
    async fn letter(
        &self,
        shipment: &Shipment,
        fault: &Fault,
        retries: u32,
        exhausted: Option<Exhausted>,
    ) {
        let what = shipment.event.subject();
        let to = shipment.target.arn.to_string();
        let reason = format!("{}: {}", fault.code.as_str(), fault.message);
        let Some(queue) = &shipment.target.letters else {
            return self.tell(Notice::Dropped { what, to, reason });
        };
        let attributes = letters::attributes(&Undelivered {
            sender: &shipment.sender,
            target: &shipment.target.arn,
            code: fault.code,
            message: &fault.message,
            retries,
            exhausted,
        });
        match self.send_letter(shipment, queue, &attributes).await {
            Ok(()) => {
                self.tell(Notice::DeadLettered {
                    what,
                    to,
                    letters: queue.to_string(),
                    reason,
                });
            }
            Err(lost) => self.tell(undeliverable(what, to, &reason, queue, &lost)),
        }
    }

    async fn send_letter(
        &self,
        shipment: &Shipment,
        queue: &Arn,
        attributes: &serde_json::Value,
    ) -> Result<(), Fault> {
        let mut attempt = 1;
        loop {
            let result = self.try_letter(shipment, queue, attributes).await;
            match result {
                Err(fault) if fault.code.may_pass() && attempt < LETTER_ATTEMPTS_MAX => {
                    tokio::time::sleep(self.pauses.backoff(attempt)).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_letter(
        &self,
        shipment: &Shipment,
        queue: &Arn,
        attributes: &serde_json::Value,
    ) -> Result<(), Fault> {
        let action = "sqs:SendMessage";
        let url = self.calls.queue_url(queue).await?;
        match (&shipment.sender, &shipment.target.role) {
            (Sender::Rule { arn, .. }, _) => {
                let policy = self.calls.queue_policy(queue.place(), &url).await?;
                may_send(arn, queue, action, policy.as_ref())?;
            }
            (Sender::Schedule { .. }, Some(role)) => self.role_must(role, action, queue).await?,
            (Sender::Schedule { .. }, None) => {}
        }
        // The event as it came, not what a transformer made of it.
        let body = match &shipment.sender {
            Sender::Rule { .. } => shipment.event.value.to_string(),
            Sender::Schedule { .. } => shipment.payload.clone(),
        };
        let message =
            json!({ "QueueUrl": url, "MessageBody": body, "MessageAttributes": attributes });
        Ok(self.calls.send_message(queue.place(), &message).await?)
    }
}

/// Whether a resource's policy lets EventBridge in for a rule.
fn may_send(
    rule: &Arn,
    resource: &Arn,
    action: &str,
    policy: Option<&serde_json::Value>,
) -> Result<(), Fault> {
    let ask = Ask {
        who: Who::Service(EVENTBRIDGE),
        action,
        resource: resource.as_str(),
        source_arn: rule.as_str(),
        source_account: &rule.place().account,
    };
    if policy::allows(policy, &ask) {
        return Ok(());
    }
    let message = format!("the policy of {resource} does not allow {EVENTBRIDGE} {action}");
    Err(Fault::new(Code::NoPermissions, message))
}

fn undeliverable(what: Subject, to: String, reason: &str, queue: &Arn, lost: &Fault) -> Notice {
    let reason = format!("{reason}; and to {queue}: {}", lost.message);
    Notice::Dropped { what, to, reason }
}

#[cfg(test)]
#[path = "deliver_tests.rs"]
mod tests;
