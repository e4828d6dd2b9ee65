//! EventBridge: buses, rules, targets, and putting events.

use serde_json::{Value, json};

use super::{Calls, Json, PAGES_MAX, list};
use crate::{
    Place,
    client::{CALL_MAX, CallError},
};

const EVENTS: Json = Json {
    service: "events",
    target: "AWSEvents",
    version: "1.1",
};

impl Calls {
    async fn events(&self, place: &Place, name: &str, body: &Value) -> Result<Value, CallError> {
        self.json(place, &EVENTS, name, body, CALL_MAX).await
    }

    /// All pages of a list.
    async fn events_pages(
        &self,
        place: &Place,
        name: &str,
        mut body: Value,
        field: &str,
    ) -> Result<Vec<Value>, CallError> {
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.events(place, name, &body).await?;
            all.append(&mut list(&answer, field));
            let (Some(token), Some(body)) = (answer.get("NextToken"), body.as_object_mut()) else {
                break;
            };
            body.insert("NextToken".to_owned(), token.clone());
        }
        Ok(all)
    }

    /// All event buses.
    pub(crate) async fn event_buses(&self, place: &Place) -> Result<Vec<Value>, CallError> {
        self.events_pages(place, "ListEventBuses", json!({}), "EventBuses")
            .await
    }

    /// All rules of an event bus.
    pub(crate) async fn event_rules(
        &self,
        place: &Place,
        bus: &str,
    ) -> Result<Vec<Value>, CallError> {
        self.events_pages(place, "ListRules", json!({ "EventBusName": bus }), "Rules")
            .await
    }

    /// All targets of a rule.
    pub(crate) async fn event_targets(
        &self,
        place: &Place,
        bus: &str,
        rule: &str,
    ) -> Result<Vec<Value>, CallError> {
        let body = json!({ "EventBusName": bus, "Rule": rule });
        self.events_pages(place, "ListTargetsByRule", body, "Targets")
            .await
    }

    /// Makes or changes a rule. Its targets stay.
    pub(crate) async fn put_event_rule(
        &self,
        place: &Place,
        rule: &Value,
    ) -> Result<(), CallError> {
        self.events(place, "PutRule", rule).await.map(drop)
    }

    /// Makes or changes a rule's only target.
    pub(crate) async fn put_event_target(
        &self,
        place: &Place,
        bus: &str,
        rule: &str,
        arn: &str,
    ) -> Result<(), CallError> {
        let body = json!({
            "EventBusName": bus, "Rule": rule, "Targets": [{ "Id": "delivery", "Arn": arn }]
        });
        self.events(place, "PutTargets", &body).await.map(drop)
    }

    /// Puts one event on an event bus. EventBridge takes no source that starts with `aws.`.
    pub(crate) async fn put_event(&self, place: &Place, entry: &Value) -> Result<(), CallError> {
        let answer = self
            .events(place, "PutEvents", &json!({ "Entries": [entry] }))
            .await?;
        let failed = list(&answer, "Entries").into_iter().find_map(|entry| {
            let text = |name: &str| entry.get(name)?.as_str().map(str::to_owned);
            Some((text("ErrorCode")?, text("ErrorMessage").unwrap_or_default()))
        });
        match failed {
            Some((code, message)) => Err(CallError::Refused {
                status: 400,
                code,
                message,
            }),
            None => Ok(()),
        }
    }
}
