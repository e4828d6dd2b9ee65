//! What the engine answers to those who only ask: a lifecycle hook, a service that is taken over, a
//! notifier that counts.

use std::cell::Cell;
use std::time::Duration;

use domain::alarm::AlarmState;
use domain::config::SmokeCheck;
use domain::hint::{Input, Subject};
use domain::reason::Verdict;
use domain::{AlarmArn, Fact, SignedDuration, Timestamp};
use engine::Clock;
use engine::inspect::inspect;
use engine::look::find;
use engine::memory::contract::{config, configure};
use engine::receive::receive;
use engine::tell::tell;
use engine::turn::turn;

use crate::world::Whole;

/// The stage's configuration with a smoke check, applied.
async fn with_smoke_check(whole: &Whole) -> Subject {
    let mut config = config(&whole.service, "web-5xx");
    config.stages[0].smoke = vec![SmokeCheck {
        url: "https://shop.example/health".into(),
        status: 200,
        contains: None,
    }];
    let subject = config.stages[0].subject();
    let fact = configure(config, "request-2");
    turn(&whole.ledger, &whole.clock, &whole.service, &fact)
        .await
        .unwrap();
    subject
}

#[tokio::test]
async fn a_hook_is_told_the_alarms_that_fire_and_the_checks_of_the_stage_it_asks_for() {
    let mut whole = Whole::new().await;
    let subject = with_smoke_check(&whole).await;
    let quiet = inspect(&whole.ledger, &whole.platform, &subject)
        .await
        .unwrap();
    assert!(quiet.firing.is_empty());
    assert_eq!(quiet.smoke[0].url, "https://shop.example/health");
    whole.alarm_changes(AlarmState::Alarm).await;
    let firing = inspect(&whole.ledger, &whole.platform, &subject)
        .await
        .unwrap();
    assert_eq!(firing.firing, ["web-5xx"]);
    let nobodys = Subject::EcsService("arn:aws:ecs:eu-west-1:1:service/a/b".into());
    let nothing = inspect(&whole.ledger, &whole.platform, &nobodys).await;
    assert_eq!(nothing.unwrap(), engine::inspect::Inspected::default());
}

#[tokio::test]
async fn a_service_that_is_taken_over_is_looked_at_stage_by_stage_with_its_alarms() {
    let mut whole = Whole::new().await;
    whole.alarm_changes(AlarmState::Alarm).await;
    let found = find(&whole.platform, &config(&whole.service, "web-5xx"))
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].stage, "dev".parse().unwrap());
    assert_eq!(found[0].alarms[0].state, AlarmState::Alarm);
}

#[tokio::test]
async fn telling_counts_what_was_told() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    let mut told = 0;
    for (service, sealed) in whole.ledger.stream() {
        let entries = sealed.iter().map(|one| &one.entry);
        told += tell(&whole.announcer, &service, entries).await.unwrap();
    }
    // Everything was told when it was delivered, and once more now.
    let heard = whole.announcer.heard.borrow().len();
    assert!(told > 1, "{told}");
    assert_eq!(told * 2, heard);
}

/// A clock at whose first reading, after the look and before the commit, an alarm fires.
struct Meanwhile<'a> {
    whole: &'a Whole,
    alarm: AlarmArn,
    fired: Cell<bool>,
}

impl Clock for Meanwhile<'_> {
    fn now(&self) -> Timestamp {
        if !self.fired.replace(true) {
            let mut world = self.whole.platform.world.borrow_mut();
            world.now = domain::due::after(world.now, SignedDuration::from_secs(1));
            world.alarm(&self.alarm, AlarmState::Alarm);
        }
        self.whole.clock.now()
    }

    async fn breathe(&self, at_most: Duration) {
        self.whole.clock.breathe(at_most).await;
    }
}

#[tokio::test]
async fn an_alarm_that_fires_while_it_comes_to_be_watched_is_believed() {
    let whole = Whole::new().await;
    let config = config(&whole.service, "web-latency");
    let alarm = config.stages[0].alarms[0].clone();
    whole
        .platform
        .world
        .borrow_mut()
        .alarm(&alarm, AlarmState::Ok);
    let Fact::Asked(asked) = configure(config, "request-2") else {
        panic!("a request is asked");
    };
    let clock = Meanwhile {
        whole: &whole,
        alarm: alarm.clone(),
        fired: Cell::new(false),
    };
    let service = whole.service.clone();
    let input = Input::Asked { service, asked };
    let turned = receive(&whole.ledger, &whole.platform, &clock, input)
        .await
        .unwrap();
    assert_eq!(turned[0].verdict, Verdict::Done);
    let believed = whole.pipeline().await.alarms[&alarm].state;
    assert_eq!(believed, AlarmState::Alarm);
}

#[tokio::test]
async fn an_alarm_that_is_as_it_was_seen_costs_a_new_configuration_no_further_turn() {
    let mut whole = Whole::new().await;
    whole.alarm_changes(AlarmState::Ok).await;
    let Fact::Asked(asked) = configure(config(&whole.service, "web-5xx"), "request-2") else {
        panic!("a request is asked");
    };
    let service = whole.service.clone();
    let turned = whole.receive(Input::Asked { service, asked }).await;
    assert_eq!(turned.unwrap().len(), 1, "the configuration's own");
}
