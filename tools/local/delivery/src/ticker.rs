//! Schedules: what fires at each tick. When an expression fires is `schedule`.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::MissedTickBehavior;

use crate::{
    deliver::Shipment,
    envelope::{self, Event, Way},
    letters::Sender,
    route::DEFAULT_BUS,
    rules::{Schedule, ScheduleKind, Target},
    shared::Shared,
    transform::Input,
};

/// Fires schedules for ever, once a tick.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut interval = tokio::time::interval(shared.tick);
    interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut before = Timestamp::now();
    let mut minute = 0;
    loop {
        interval.tick().await;
        minute += 1;
        let now = Timestamp::now();
        let table = Arc::clone(&*shared.table.read().await);
        let due = table.schedules.iter().filter(|schedule| {
            schedule.during.covers(now) && schedule.expression.fires(minute, before, now)
        });
        for schedule in due {
            fire(&shared, schedule, now);
        }
        before = now;
    }
}

fn fire(shared: &Arc<Shared>, schedule: &Schedule, now: Timestamp) {
    match schedule.kind {
        ScheduleKind::Rule => {
            let event = event(schedule, "aws.events", json!({}), now);
            let sender = Sender::Rule {
                arn: schedule.arn.clone(),
                name: schedule.name.clone(),
            };
            for target in &schedule.targets {
                shared.ship(&event, &sender, target);
            }
        }
        ScheduleKind::Scheduler => {
            // Scheduler's own payload has its detail as text.
            let event = event(schedule, "aws.scheduler", json!("{}"), now);
            for target in &schedule.targets {
                shared.deliver(scheduled(&event, schedule, target, now));
            }
        }
    }
}

fn event(schedule: &Schedule, source: &str, detail: Value, now: Timestamp) -> Event {
    let place = schedule.arn.place().clone();
    Event {
        value: Arc::new(json!({
            "version": "0",
            "id": envelope::new_id(),
            "detail-type": "Scheduled Event",
            "source": source,
            "account": place.account,
            "time": envelope::seconds(now),
            "region": place.region,
            "resources": [schedule.arn.as_str()],
            "detail": detail,
        })),
        place,
        bus: DEFAULT_BUS.to_owned(),
        way: Way::Straight,
    }
}

/// Source: Scheduler user guide, "Adding context attributes".
fn scheduled(event: &Event, schedule: &Schedule, target: &Arc<Target>, now: Timestamp) -> Shipment {
    let execution = envelope::new_id();
    let at = envelope::seconds(now);
    let payload = match &target.input {
        Input::Constant(text) => text
            .replace("<aws.scheduler.schedule-arn>", schedule.arn.as_str())
            .replace("<aws.scheduler.scheduled-time>", &at)
            .replace("<aws.scheduler.execution-id>", &execution)
            .replace("<aws.scheduler.attempt-number>", "1"),
        Input::Whole | Input::Part(_) | Input::Template { .. } => event.value.to_string(),
    };
    Shipment {
        event: event.clone(),
        payload,
        sender: Sender::Schedule {
            arn: schedule.arn.clone(),
            execution,
            at,
        },
        target: Arc::clone(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{arn::Arn, rules::During, schedule::Expression};

    fn schedule(input: Option<&str>) -> (Schedule, Arc<Target>) {
        let target = Arc::new(
            Target::read(&json!({
                "Arn": "arn:aws:lambda:us-east-2:123456789012:function:web", "Input": input
            }))
            .unwrap(),
        );
        let arn = "arn:aws:scheduler:us-east-2:123456789012:schedule/default/minute";
        let schedule = Schedule {
            arn: Arn::parse(arn).unwrap(),
            name: "minute".to_owned(),
            kind: ScheduleKind::Scheduler,
            expression: Expression::parse("rate(1 minute)", None).unwrap(),
            during: During::default(),
            targets: vec![Arc::clone(&target)],
        };
        (schedule, target)
    }

    #[test]
    fn schedulers_own_payload_has_its_detail_as_text() {
        let (schedule, target) = schedule(None);
        let now: Timestamp = "2022-03-22T18:59:43Z".parse().unwrap();
        let event = event(&schedule, "aws.scheduler", json!("{}"), now);
        let payload: Value =
            serde_json::from_str(&scheduled(&event, &schedule, &target, now).payload).unwrap();
        assert_eq!(payload["detail"], "{}");
        assert_eq!(payload["detail-type"], "Scheduled Event");
        assert_eq!(payload["resources"], json!([schedule.arn.as_str()]));
        assert_eq!(payload["time"], "2022-03-22T18:59:43Z");
    }

    #[test]
    fn an_input_can_name_the_firing() {
        let input =
            r#"{"at":"<aws.scheduler.scheduled-time>","n":"<aws.scheduler.attempt-number>"}"#;
        let (schedule, target) = schedule(Some(input));
        let now: Timestamp = "2022-03-22T18:59:43Z".parse().unwrap();
        let event = event(&schedule, "aws.scheduler", json!("{}"), now);
        let payload = scheduled(&event, &schedule, &target, now).payload;
        assert_eq!(payload, r#"{"at":"2022-03-22T18:59:43Z","n":"1"}"#);
    }
}
