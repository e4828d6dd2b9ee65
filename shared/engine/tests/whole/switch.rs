//! The switch for all: it holds from the moment it is turned, whoever was told.

use domain::alarm::AlarmState;
use domain::fact::{Asked, Request, RequestId};
use domain::hint::Input;
use domain::pipeline::{Pipeline, WaitingOn};
use domain::reason::Verdict;
use domain::{Fact, Identity, ServiceName};
use engine::memory::contract::{arrived, config, configure};
use engine::spread::spread;
use engine::turn::turn;
use engine::{Ledger, Mention};

use crate::world::Whole;

fn asked(request: Request, id: &str) -> Asked {
    Asked {
        id: RequestId(id.to_owned()),
        by: Identity("arn:aws:iam::111122223333:user/alice".into()),
        request,
    }
}

fn freeze() -> Request {
    Request::Freeze {
        stage: None,
        reason: "the network is being moved".into(),
        until: None,
    }
}

async fn ask(whole: &Whole, request: Request, id: &str) -> Verdict {
    let (service, asked) = (ServiceName::everything(), asked(request, id));
    let turned = whole
        .receive(Input::Asked { service, asked })
        .await
        .unwrap();
    turned[0].verdict
}

/// Turns the switch and dies before anybody is told.
async fn turned_only(whole: &Whole) {
    let fact = Fact::Asked(asked(freeze(), "request-freeze"));
    turn(
        &whole.ledger,
        &whole.clock,
        &ServiceName::everything(),
        &fact,
    )
    .await
    .unwrap();
}

async fn add(whole: &Whole, name: &str) -> ServiceName {
    let service: ServiceName = name.parse().unwrap();
    let fact = configure(config(&service, "5xx"), "request-1");
    turn(&whole.ledger, &whole.clock, &service, &fact)
        .await
        .unwrap();
    service
}

async fn load(whole: &Whole, service: &ServiceName) -> Pipeline {
    whole
        .ledger
        .load(service, &Mention::Nothing)
        .await
        .unwrap()
        .pipeline
}

fn begun(whole: &Whole) -> usize {
    let world = whole.platform.world.borrow();
    world.attempts.get(&whole.target()).map_or(0, Vec::len)
}

#[tokio::test]
async fn a_start_that_was_asked_for_is_held_before_its_pipeline_was_told() {
    let mut whole = Whole::new().await;
    let fact = arrived(&whole.service, "v1");
    let turned = turn(&whole.ledger, &whole.clock, &whole.service, &fact).await;
    assert!(
        turned.unwrap().after.stages[&"dev".parse().unwrap()]
            .active
            .is_some()
    );
    turned_only(&whole).await;
    whole.deliver().await;
    assert_eq!(begun(&whole), 0, "deployer looked at the switch");
    let stage = whole.stage().await;
    assert!(stage.active.is_none());
    let on = stage.waiting[0].on.clone();
    assert!(matches!(on, Some(WaitingOn::Freeze { .. })), "{on:?}");
    assert_eq!(
        ask(&whole, Request::Thaw { stage: None }, "request-thaw").await,
        Verdict::Done
    );
    whole.deliver().await;
    assert_eq!(begun(&whole), 1, "and it goes on after the thaw");
}

#[tokio::test]
async fn everybody_is_told_at_once_and_people_hear_it_once() {
    let mut whole = Whole::new().await;
    let other = add(&whole, "checkout").await;
    assert_eq!(ask(&whole, freeze(), "request-freeze").await, Verdict::Done);
    for service in [&whole.service, &other] {
        assert!(
            load(&whole, service).await.switch.freeze.is_some(),
            "{service}"
        );
    }
    assert_eq!(
        load(&whole, &ServiceName::everything()).await.telling_since,
        None
    );
    whole.deliver().await;
    let heard = whole.announcer.heard.borrow();
    let frozen: Vec<_> = heard.iter().filter(|one| one.kind == "frozen").collect();
    assert_eq!(frozen.len(), 1);
    assert_eq!(frozen[0].service, ServiceName::everything());
}

#[tokio::test]
async fn who_dies_while_telling_is_finished_by_the_reconciler() {
    let mut whole = Whole::new().await;
    turned_only(&whole).await;
    assert!(
        whole.pipeline().await.switch.is_untouched(),
        "it was not told"
    );
    whole.reconcile().await;
    assert!(whole.pipeline().await.switch.is_untouched(), "not due yet");
    whole.jump(1);
    whole.reconcile().await;
    assert!(whole.pipeline().await.switch.freeze.is_some());
    whole.jump(1);
    let now = engine::Clock::now(&whole.clock);
    assert_eq!(whole.ledger.overdue(now, 10).await.unwrap(), []);
}

#[tokio::test]
async fn more_services_than_one_go_tells_are_told_by_the_next() {
    let mut whole = Whole::new().await;
    for name in ["checkout", "search"] {
        add(&whole, name).await;
    }
    turned_only(&whole).await;
    let everything = load(&whole, &ServiceName::everything()).await;
    let switch = everything.switch.clone();
    let done = spread(&whole.ledger, &whole.clock, &switch, 2)
        .await
        .unwrap();
    assert_eq!(done, None, "some are left");
    let untold = async |whole: &Whole| {
        let mut untold = 0;
        for service in whole.ledger.services().await.unwrap() {
            untold += usize::from(load(whole, &service).await.switch.is_untouched());
        }
        untold
    };
    assert_eq!(untold(&whole).await, 1);
    whole.jump(1);
    whole.reconcile().await;
    assert_eq!(untold(&whole).await, 0);
    assert_eq!(
        load(&whole, &ServiceName::everything()).await.telling_since,
        None
    );
}

#[tokio::test]
async fn a_service_described_under_the_freeze_is_frozen() {
    let whole = Whole::new().await;
    ask(&whole, freeze(), "request-freeze").await;
    let service = add(&whole, "checkout").await;
    assert!(load(&whole, &service).await.switch.freeze.is_some());
}

#[tokio::test]
async fn a_rollback_passes() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.upload("v2").await;
    whole.finish();
    whole.hint().await;
    ask(&whole, freeze(), "request-freeze").await;
    whole.alarm_changes(AlarmState::Alarm).await;
    assert_eq!(begun(&whole), 3, "v1, v2, and v1 again");
}

#[tokio::test]
async fn a_switch_that_cannot_be_read_begins_nothing_and_lets_rollbacks_pass() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.upload("v2").await;
    whole.finish();
    whole.hint().await;
    whole.ledger.spoil_switch();
    whole.alarm_changes(AlarmState::Alarm).await;
    assert_eq!(begun(&whole), 3, "v1, v2, and v1 again");
    whole.finish();
    whole.hint().await;
    whole.upload("v3").await;
    whole.alarm_changes(AlarmState::Ok).await;
    assert_eq!(begun(&whole), 3);
    let on = whole.stage().await.waiting[0].on.clone();
    assert!(matches!(on, Some(WaitingOn::Switch { .. })), "{on:?}");
}

#[tokio::test]
async fn what_was_withheld_under_a_switch_that_cannot_be_read_begins_once_it_can() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.ledger.spoil_switch();
    whole.upload("v2").await;
    for _ in 0..30 {
        whole.jump(1);
        whole.reconcile().await;
    }
    assert_eq!(begun(&whole), 1, "only v1 was begun");
    let heard = whole.announcer.heard.take();
    let heard = |kind| heard.iter().filter(|one| one.kind == kind).count();
    assert_eq!((heard("failed"), heard("person-called")), (0, 0));
    assert_eq!(heard("withheld"), 7, "at once, and every five minutes");
    // The function that deploys is updated.
    whole.ledger.understand(u32::MAX);
    whole.jump(5);
    whole.reconcile().await;
    assert_eq!(begun(&whole), 2);
}
