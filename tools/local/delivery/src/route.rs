//! From an event to the targets of the rules that match it. How a target is reached is `deliver`.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    chance::Fate,
    deliver::Shipment,
    envelope::{self, Event},
    letters::Sender,
    rules::{Bus, Target},
    shared::Shared,
    transform::Context,
};

/// How many events overtake one that is held back.
const OVERTAKING: u64 = 3;

/// How long an event is held back at most, if too few others come.
const HELD_BACK_MAX: Duration = Duration::from_secs(2);

/// The lane of events that are held back.
const HELD_BACK: &str = "events that are held back";

/// The event bus that events of AWS services come to.
pub(crate) const DEFAULT_BUS: &str = "default";

impl Shared {
    /// Takes an envelope from a source into an event bus.
    pub(crate) async fn receive(self: &Arc<Self>, value: Value, bus: &Bus) {
        let now = jiff::Timestamp::now();
        match Event::complete(value, &bus.place, &bus.name, now) {
            Some(event) => self.route(event).await,
            None => tracing::error!(bus = bus.name, "what is no JSON object is no event"),
        }
    }

    /// Delivers an event to the targets of the rules that match it, or holds it back first.
    pub(crate) async fn route(self: &Arc<Self>, event: Event) {
        match self.fate(event.level(), &event.subject()) {
            Fate::Lost => {}
            Fate::Straight => self.pass(&event).await,
            Fate::HeldBack => {
                // If too many are held back already, this one is not.
                match Arc::clone(&self.lane(HELD_BACK).waiting).try_acquire_owned() {
                    Ok(permit) => self.hold_back(event, permit),
                    Err(_) => self.pass(&event).await,
                }
            }
        }
    }

    fn hold_back(self: &Arc<Self>, event: Event, permit: OwnedSemaphorePermit) {
        let shared = Arc::clone(self);
        self.spawn(async move {
            let mut passed = shared.passed.subscribe();
            let overtaken = *passed.borrow() + OVERTAKING;
            let wait = passed.wait_for(|passed| *passed >= overtaken);
            // Whether the others came or the time was up is the same here.
            drop(tokio::time::timeout(HELD_BACK_MAX, wait).await);
            shared.pass(&event).await;
            drop(permit);
        });
    }

    async fn pass(self: &Arc<Self>, event: &Event) {
        let table = Arc::clone(&*self.table.read().await);
        let bus = Bus {
            place: event.place.clone(),
            name: event.bus.clone(),
        };
        let rules = table.rules.get(&bus).map(Vec::as_slice).unwrap_or_default();
        for rule in rules
            .iter()
            .filter(|rule| rule.pattern.matches(&event.value))
        {
            let sender = Sender::Rule {
                arn: rule.arn.clone(),
                name: rule.name.clone(),
            };
            for target in &rule.targets {
                self.ship(event, &sender, target);
            }
        }
        self.passed.send_modify(|passed| *passed += 1);
    }

    /// Sends an event to one target of a rule.
    pub(crate) fn ship(self: &Arc<Self>, event: &Event, sender: &Sender, target: &Arc<Target>) {
        let (arn, name) = match sender {
            Sender::Rule { arn, name } => (arn, name.as_str()),
            Sender::Schedule { arn, .. } => (arn, ""),
        };
        let ingested_at = envelope::seconds(jiff::Timestamp::now());
        let context = Context {
            rule_arn: arn.as_str(),
            rule_name: name,
            ingested_at: &ingested_at,
        };
        let payload = target.input.payload(&event.value, context);
        self.deliver(Shipment {
            event: event.clone(),
            payload,
            sender: sender.clone(),
            target: Arc::clone(target),
        });
    }
}
