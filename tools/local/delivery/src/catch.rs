//! What MiniStack itself emits: a rule that catches everything sends it to a queue of ours, which
//! is polled here.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{calls::Message, client::CallError, rules::Bus, shared::Shared};

/// The rule that catches everything, and the beginning of the queues' names.
pub(crate) const CATCH_ALL: &str = "lastgood-local-delivery";

/// How long one look at a queue waits for messages.
const WAIT: Duration = Duration::from_secs(20);

/// How long to wait before another look at a queue that does not answer.
const TROUBLE_PAUSE: Duration = Duration::from_millis(500);

/// Makes sure that everything on an event bus comes to a queue; the queue's URL.
pub(crate) async fn set_up(shared: &Shared, bus: &Bus) -> Result<String, CallError> {
    let Bus { place, name } = bus;
    let plain: String = name
        .chars()
        .map(|one| {
            if one.is_ascii_alphanumeric() {
                one
            } else {
                '-'
            }
        })
        .collect();
    let queue = format!("{CATCH_ALL}-{plain}");
    let url = shared.calls.make_queue(place, &queue).await?;
    let rule = json!({
        "Name": CATCH_ALL,
        "EventBusName": name,
        "EventPattern": json!({ "source": [{ "prefix": "" }] }).to_string(),
        "State": "ENABLED",
        "Description": "Everything that the emulator emits, for the delivery of the local system",
    });
    shared.calls.put_event_rule(place, &rule).await?;
    let arn = format!("arn:aws:sqs:{}:{}:{queue}", place.region, place.account);
    shared
        .calls
        .put_event_target(place, name, CATCH_ALL, &arn)
        .await?;
    Ok(url)
}

/// Takes what comes to an event bus's queue, for ever. A message is deleted once the targets of
/// its event are known and it waits for each of them.
pub(crate) async fn poll(shared: Arc<Shared>, bus: Bus, url: String) {
    loop {
        let messages = match shared.calls.receive(&bus.place, &url, WAIT).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(%error, "the queue of the emulator's events does not answer");
                tokio::time::sleep(TROUBLE_PAUSE).await;
                continue;
            }
        };
        for Message { body, receipt } in messages {
            match serde_json::from_str(&body) {
                Ok(value) => shared.receive(value, &bus).await,
                Err(error) => tracing::error!(%error, "an event of the emulator is no JSON"),
            }
            if let Err(error) = shared.calls.delete(&bus.place, &url, &receipt).await {
                tracing::warn!(%error, "an event will come again");
            }
        }
    }
}
