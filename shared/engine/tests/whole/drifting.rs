//! What others do behind the ledger's back, found by whichever comes first: CloudTrail's word, the
//! end of a deployment that is not ours, or the comparison.

use domain::ReleaseNumber;
use domain::alarm::AlarmState;
use domain::artefact::{Artefact, Content};
use domain::drift::ApiCall;
use domain::due::COMPARE_EVERY;
use domain::fact::{Asked, Request, RequestId, Running};
use domain::hint::{CallTarget, Input, Subject};
use domain::peril::Peril;
use domain::reason::Verdict;
use domain::{Hint, Identity, Reason};
use engine::memory::contract::config;
use engine::{Ledger, PlatformError};

use crate::world::Whole;

fn by_hand() -> Artefact {
    Artefact::Object {
        bucket: "web-artefacts".into(),
        key: "hot/fix.zip".into(),
        version: "v9".into(),
        sha256: None,
        bytes: 4096,
    }
}

fn somebody_deploys(whole: &Whole, content: Content) {
    let mut world = whole.platform.world.borrow_mut();
    world.running.insert(whole.target(), Running::All(content));
    world.found.insert(whole.target(), by_hand());
}

async fn ask(whole: &mut Whole, id: &str, request: Request) -> (Verdict, Reason) {
    let asked = Asked {
        id: RequestId(id.into()),
        by: Identity("arn:aws:iam::111122223333:user/alice".into()),
        request,
    };
    let service = whole.service.clone();
    let turned = whole.receive(Input::Asked { service, asked }).await;
    whole.deliver().await;
    let turned = turned.unwrap().remove(0);
    (turned.verdict, turned.reason)
}

fn heard(whole: &Whole) -> Vec<&'static str> {
    let heard = whole.announcer.heard.borrow();
    heard.iter().map(|one| one.kind).collect()
}

#[tokio::test]
async fn the_comparison_finds_drift_without_any_event() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    somebody_deploys(&whole, by_hand().content());
    whole.compare().await;
    assert!(whole.stage().await.drift.is_none(), "it is not due yet");
    whole.clock.jump(COMPARE_EVERY);
    whole.compare().await;
    let drift = whole.stage().await.drift.unwrap();
    assert_eq!(drift.expected, ReleaseNumber(1));
    assert_eq!(drift.others, [by_hand().content()]);
    assert!(heard(&whole).contains(&"drifted"));
    let due = whole.ledger.uncompared(whole.now(), 10).await.unwrap();
    assert!(due.is_empty(), "and is not due again at once");
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_compared_the_next_time() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    somebody_deploys(&whole, by_hand().content());
    whole.clock.jump(COMPARE_EVERY);
    let trouble = PlatformError::Transient("throttled".into());
    whole.platform.world.borrow_mut().trouble.push(trouble);
    whole.compare().await;
    assert!(whole.stage().await.drift.is_none());
    whole.clock.jump(COMPARE_EVERY);
    whole.compare().await;
    assert!(whole.stage().await.drift.is_some());
}

#[tokio::test]
async fn a_deployment_that_is_not_ours_is_seen_when_it_ends() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    somebody_deploys(&whole, by_hand().content());
    whole.hint().await;
    assert!(whole.stage().await.drift.is_some());
}

#[tokio::test]
async fn a_scale_out_of_what_runs_is_no_drift() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.hint().await;
    assert!(whole.stage().await.drift.is_none());
}

#[tokio::test]
async fn a_call_is_told_with_who_even_when_the_target_cannot_be_looked_at() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    somebody_deploys(&whole, by_hand().content());
    let call = ApiCall {
        id: "6afced68".into(),
        at: whole.now(),
        action: "codedeploy:CreateDeployment".into(),
        by: Identity("arn:aws:iam::111122223333:user/mira".into()),
        from: "203.0.113.10".into(),
        asked: None,
        refused: None,
    };
    let hint = Hint::Call {
        target: CallTarget::Subject(Subject::DeploymentGroup {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
            application: "web".into(),
            group: "dev".into(),
        }),
        call: Box::new(call.clone()),
    };
    let trouble = PlatformError::Transient("throttled".into());
    whole.platform.world.borrow_mut().trouble.push(trouble);
    whole.receive(Input::Hint(hint.clone())).await.unwrap();
    assert_eq!(whole.stage().await.calls, std::slice::from_ref(&call));
    assert!(whole.stage().await.drift.is_none());
    whole.receive(Input::Hint(hint)).await.unwrap();
    whole.deliver().await;
    let stage = whole.stage().await;
    assert_eq!(stage.calls.len(), 1, "delivered twice, written once");
    assert_eq!(stage.drift.unwrap().by, Some(call));
    let told = heard(&whole);
    assert!(told.contains(&"call") && told.contains(&"drifted"));
}

#[tokio::test]
async fn a_drift_is_adopted_as_what_can_be_proved_to_run() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    somebody_deploys(&whole, by_hand().content());
    whole.hint().await;
    let adopt = Request::Adopt {
        stage: "dev".parse().unwrap(),
        reason: "the fix of last night".into(),
        found: None,
    };
    let (verdict, _) = ask(&mut whole, "request-2", adopt).await;
    assert_eq!(verdict, Verdict::Done);
    let stage = whole.stage().await;
    assert_eq!(stage.last_good(), Some(ReleaseNumber(2)));
    assert!(stage.drift.is_none());
    whole.hint().await;
    assert!(whole.stage().await.drift.is_none(), "that is what runs");
}

#[tokio::test]
async fn a_drift_is_restored_by_a_deployment_of_what_should_run() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    somebody_deploys(&whole, by_hand().content());
    whole.hint().await;
    let stage = "dev".parse().unwrap();
    let (verdict, _) = ask(&mut whole, "request-2", Request::Restore { stage }).await;
    assert_eq!(verdict, Verdict::Done);
    whole.finish();
    whole.hint().await;
    let stage = whole.stage().await;
    assert_eq!(stage.runs, Some(ReleaseNumber(1)));
    assert!(stage.drift.is_none() && stage.freeze.is_none());
}

#[tokio::test]
async fn a_call_that_names_only_a_deployment_is_told_where_that_deployment_is() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    let call = ApiCall {
        id: "6afced69".into(),
        at: whole.now(),
        action: "codedeploy:StopDeployment".into(),
        by: Identity("arn:aws:iam::111122223333:user/mira".into()),
        from: "203.0.113.10".into(),
        asked: None,
        refused: None,
    };
    for (deployment, written) in [("d-nobodys", 0), ("d-1", 1)] {
        let target = CallTarget::Deployment {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
            deployment: deployment.into(),
        };
        let call = Box::new(call.clone());
        let hint = Hint::Call { target, call };
        whole.receive(Input::Hint(hint)).await.unwrap();
        assert_eq!(whole.stage().await.calls.len(), written, "{deployment}");
    }
}

#[tokio::test]
async fn a_stage_that_deploys_is_not_asked_what_it_runs_when_somebody_calls() {
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    whole.upload("v2").await;
    let call = ApiCall {
        id: "6afced70".into(),
        at: whole.now(),
        action: "codedeploy:CreateDeployment".into(),
        by: Identity("arn:aws:iam::111122223333:user/mira".into()),
        from: "203.0.113.10".into(),
        asked: None,
        refused: None,
    };
    let subject = config(&whole.service, "web-5xx").stages[0].subject();
    let hint = Hint::Call {
        target: CallTarget::Subject(subject),
        call: Box::new(call),
    };
    let trouble = PlatformError::Transient("nobody is to meet it".into());
    whole.platform.world.borrow_mut().trouble.push(trouble);
    whole.receive(Input::Hint(hint)).await.unwrap();
    assert_eq!(whole.stage().await.calls.len(), 1, "the call is told");
    assert_eq!(whole.platform.world.borrow().trouble.len(), 1);
}

#[tokio::test]
async fn an_alarm_that_is_deleted_is_said_at_once_and_found_without_its_event() {
    for with_event in [true, false] {
        let mut whole = Whole::new().await;
        let alarm = whole.alarm();
        whole
            .platform
            .world
            .borrow_mut()
            .alarm(&alarm, AlarmState::Ok);
        let hint = || {
            Input::Hint(Hint::AlarmSetUp {
                alarm: alarm.clone(),
            })
        };
        whole.receive(hint()).await.unwrap();
        assert!(whole.stage().await.perils.is_empty());
        whole.platform.world.borrow_mut().alarms.clear();
        if with_event {
            whole.receive(hint()).await.unwrap();
        } else {
            whole.clock.jump(COMPARE_EVERY);
            whole.compare().await;
        }
        let perils = whole.stage().await.perils;
        let alarm = alarm.clone();
        assert_eq!(perils, [Peril::AlarmGone { alarm }]);
        whole.deliver().await;
        assert!(heard(&whole).contains(&"unprotected"));
    }
}
