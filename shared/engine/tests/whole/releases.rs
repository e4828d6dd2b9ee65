//! Whole releases.

use domain::ReleaseNumber;
use domain::alarm::AlarmState;
use domain::fact::{Proof, Running};
use domain::name::UNCLAIMED;
use domain::pipeline::WaitingOn;
use domain::{Hint, Reason};
use engine::{Ledger, Mention};

use crate::world::Whole;

#[tokio::test]
async fn a_release_goes_from_an_event_to_last_good() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    assert_eq!(whole.stage().await.last_good(), Some(ReleaseNumber(1)));
    let attempts = whole.platform.world.borrow().attempts[&whole.target()].len();
    assert_eq!(attempts, 1, "every entry came twice and was done once");
}

#[tokio::test]
async fn every_event_of_the_platform_lost_costs_minutes_and_no_release() {
    let mut whole = Whole::new().await;
    whole.upload("v1").await;
    whole.finish();
    whole.jump(2);
    whole.reconcile().await;
    whole.jump(5);
    whole.reconcile().await;
    assert_eq!(whole.stage().await.last_good(), Some(ReleaseNumber(1)));
}

#[tokio::test]
async fn an_alarm_in_the_bake_brings_last_good_back() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.upload("v2").await;
    whole.finish();
    whole.hint().await;
    whole.alarm_changes(AlarmState::Alarm).await;
    whole.finish();
    whole.hint().await;
    let stage = whole.stage().await;
    assert_eq!(
        (stage.runs, stage.last_good()),
        (Some(ReleaseNumber(1)), Some(ReleaseNumber(1)))
    );
    let content = whole.pipeline().await.content(ReleaseNumber(1)).unwrap();
    let runs = whole.platform.world.borrow().running[&whole.target()].clone();
    assert_eq!(
        runs,
        Running::All(content),
        "what the platform runs is what the ledger says"
    );
    let heard: Vec<&str> = whole
        .announcer
        .heard
        .borrow()
        .iter()
        .map(|announcement| announcement.kind)
        .collect();
    assert!(
        heard.contains(&"rolling-back") && heard.contains(&"rolled-back"),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_platform_that_rolls_back_by_itself_is_sent_nothing() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.upload("v2").await;
    let target = whole.target();
    whole
        .platform
        .world
        .borrow_mut()
        .undo(&target, "circuit breaker");
    whole.hint().await;
    assert_eq!(whole.stage().await.runs, Some(ReleaseNumber(1)));
    assert_eq!(
        whole.platform.world.borrow().attempts[&target].len(),
        2,
        "v1 and v2, no third"
    );
}

#[tokio::test]
async fn an_alarm_that_fires_right_before_the_start_holds_it() {
    let mut whole = Whole::new().await;
    // The event of it has not come yet; only asking tells.
    let alarm = whole.alarm();
    whole
        .platform
        .world
        .borrow_mut()
        .alarm(&alarm, AlarmState::Alarm);
    whole.upload("v1").await;
    let stage = whole.stage().await;
    assert!(matches!(stage.waiting[0].on, Some(WaitingOn::Alarm { .. })));
    assert!(whole.platform.world.borrow().attempts.is_empty());
    whole.alarm_changes(AlarmState::Ok).await;
    assert!(whole.stage().await.active.is_some());
}

#[tokio::test]
async fn last_good_that_is_gone_is_never_deployed() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.upload("v2").await;
    whole.finish();
    whole.hint().await;
    let gone = (
        domain::BuildFacts::default(),
        Proof::Unusable("the version is gone".into()),
    );
    let id = "s3:web-artefacts/builds/app.zip@v1".to_owned();
    whole.platform.world.borrow_mut().artefacts.insert(id, gone);
    whole.alarm_changes(AlarmState::Alarm).await;
    let heard = whole.announcer.heard.borrow();
    assert!(
        heard
            .iter()
            .any(|announcement| announcement.kind == "rollback-failed")
    );
    assert_eq!(
        whole.platform.world.borrow().attempts[&whole.target()].len(),
        2
    );
}

#[tokio::test]
async fn what_nobody_claims_is_recorded_and_told_once() {
    let whole = Whole::new().await;
    let stray = Hint::Object {
        bucket: "web-artefacts".into(),
        key: "elsewhere/app.zip".into(),
        version: Some("v1".into()),
        bytes: Some(1),
    };
    for _ in 0..2 {
        whole
            .receive(domain::hint::Input::Hint(stray.clone()))
            .await
            .unwrap();
    }
    let unclaimed = UNCLAIMED.parse().unwrap();
    assert_eq!(
        whole.ledger.entries(&unclaimed, 1, 10).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn the_same_upload_many_times_is_one_release() {
    let mut whole = Whole::new().await;
    for _ in 0..20 {
        whole.upload("v1").await;
    }
    assert_eq!(whole.pipeline().await.last_release, 1);
    let again = whole.upload("v1").await;
    assert_eq!(
        again[0].reason,
        Reason::ArtefactKnown {
            release: Some(ReleaseNumber(1))
        }
    );
    let loaded = whole
        .ledger
        .load(&whole.service, &Mention::Nothing)
        .await
        .unwrap();
    assert_eq!(loaded.pipeline.stages.len(), 1);
}
