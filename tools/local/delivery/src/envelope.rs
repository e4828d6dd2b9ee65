//! EventBridge's envelope: what every event has around its `detail`. Pure but for new ids.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::{Place, Subject};

/// One event on its way.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The whole envelope.
    pub(crate) value: Arc<Value>,
    /// The account and Region in whose default event bus it is, or the bus's that it was sent to.
    pub(crate) place: Place,
    /// The event bus's name.
    pub(crate) bus: String,
    /// How it came to that bus.
    pub(crate) way: Way,
}

/// How an event came to an event bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From its source.
    Straight,
    /// From another event bus; it goes to no third one.
    Forwarded,
}

impl Event {
    /// Fills in what the envelope lacks: an id, a time, an account and Region.
    /// What is no JSON object is no event.
    pub(crate) fn complete(
        value: Value,
        place: &Place,
        bus: &str,
        now: jiff::Timestamp,
    ) -> Option<Self> {
        let Value::Object(mut envelope) = value else {
            return None;
        };
        let mut fill = |name: &str, value: Value| fill(&mut envelope, name, value);
        fill("version", json!("0"));
        fill("id", json!(new_id()));
        fill("detail-type", json!(""));
        fill("source", json!(""));
        fill("account", json!(place.account));
        fill("time", json!(seconds(now)));
        fill("region", json!(place.region));
        fill("resources", json!([]));
        fill("detail", json!({}));
        let text = |name: &str| {
            envelope
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let place = Place {
            account: text("account").to_owned(),
            region: text("region").to_owned(),
        };
        Some(Self {
            value: Arc::new(Value::Object(envelope)),
            place,
            bus: bus.to_owned(),
            way: Way::Straight,
        })
    }

    /// A field of the envelope that is text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// What notices call it.
    pub(crate) fn subject(&self) -> Subject {
        Subject::Event {
            id: self.text("id").to_owned(),
            source: self.text("source").to_owned(),
            detail_type: self.text("detail-type").to_owned(),
        }
    }

    /// How AWS delivers events of this source to EventBridge.
    /// Source: EventBridge's list of event delivery levels.
    pub(crate) fn level(&self) -> Level {
        let source = matches!(self.text("source"), "aws.codedeploy" | "aws.ecr");
        if source || self.text("detail-type").ends_with(" via CloudTrail") {
            Level::BestEffort
        } else {
            Level::Durable
        }
    }
}

/// How a service delivers its events to EventBridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// It may lose them.
    BestEffort,
    /// Each comes at least once.
    Durable,
}

fn fill(envelope: &mut Map<String, Value>, name: &str, value: Value) {
    let empty = |known: &Value| known.is_null() || known.as_str() == Some("");
    if envelope.get(name).is_none_or(empty) {
        envelope.insert(name.to_owned(), value);
    }
}

/// A time as EventBridge writes it, to the second.
pub(crate) fn seconds(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A time as Lambda writes it in its records, to the millisecond.
pub(crate) fn milliseconds(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A random id of the shape that AWS uses for events and requests (a UUID, version 4).
pub(crate) fn new_id() -> String {
    let random = fastrand::u128(..);
    let versioned = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{versioned:032x}");
    let mut id = String::with_capacity(36);
    for (position, digit) in digits.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            account: "111122223333".to_owned(),
            region: "ap-south-1".to_owned(),
        }
    }

    fn now() -> jiff::Timestamp {
        "2026-11-23T10:11:12.345678Z".parse().unwrap()
    }

    #[test]
    fn what_is_missing_is_filled_in() {
        let event = Event::complete(
            json!({ "source": "aws.ecs", "detail-type": "ECS Task State Change", "id": "" }),
            &place(),
            "default",
            now(),
        )
        .unwrap();
        assert_eq!(event.text("time"), "2026-11-23T10:11:12Z");
        assert_eq!(event.text("account"), "111122223333");
        assert_eq!(event.text("id").len(), 36);
        assert_eq!(event.value["detail"], json!({}));
        assert_eq!(event.place, place());
    }

    #[test]
    fn what_is_there_stays() {
        let given = json!({
            "version": "0", "id": "one", "detail-type": "Object Created", "source": "aws.s3",
            "account": "999988887777", "time": "2021-11-12T00:00:00Z", "region": "eu-west-1",
            "resources": ["arn:aws:s3:::builds"], "detail": { "version": "0" }
        });
        let event = Event::complete(given.clone(), &place(), "default", now()).unwrap();
        assert_eq!(*event.value, given);
        assert_eq!(event.place.account, "999988887777");
        assert!(Event::complete(json!([]), &place(), "default", now()).is_none());
    }

    #[test]
    fn ids_look_like_random_uuids() {
        let id = new_id();
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(id.as_bytes()[14], b'4');
        assert!(
            matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
            "{id}"
        );
        assert_ne!(id, new_id());
    }

    #[test]
    fn only_some_sources_are_best_effort() {
        let source = |source: &str, detail_type: &str| {
            let value = json!({ "source": source, "detail-type": detail_type });
            Event::complete(value, &place(), "default", now())
                .unwrap()
                .level()
                == Level::BestEffort
        };
        assert!(source(
            "aws.codedeploy",
            "CodeDeploy Deployment State-change Notification"
        ));
        assert!(source("aws.ecr", "ECR Image Action"));
        assert!(source("aws.ecs", "AWS API Call via CloudTrail"));
        assert!(!source("aws.ecs", "ECS Deployment State Change"));
        assert!(!source("aws.s3", "Object Created"));
        assert!(!source("aws.cloudwatch", "CloudWatch Alarm State Change"));
    }
}
