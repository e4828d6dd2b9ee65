//! Rules about releasing.

use super::story::{ALICE, Story, config, release, stage};
use crate::alarm::AlarmState;
use crate::artefact::{Artefact, BuildFacts};
use crate::config::{Queue, Source};
use crate::entry::What;
use crate::fact::{Answer, ArtefactFound, Despite, Fact, Proof, Request};
use crate::pipeline::{Pipeline, WaitingOn};
use crate::reason::Reason;

#[test]
fn a_new_artefact_becomes_a_release_and_is_offered_to_the_first_stage() {
    let mut story = Story::new();
    assert_eq!(story.upload(1), Reason::NewArtefact);
    assert_eq!(story.wrote(), ["released", "offered", "start_asked"]);
    assert_eq!(story.active("dev").unwrap().offer.release, release(1));
}

#[test]
fn the_same_artefact_again_changes_nothing() {
    let mut story = Story::new();
    story.upload(1);
    story.upload(2);
    assert_eq!(
        story.upload(1),
        Reason::ArtefactKnown {
            release: Some(release(1))
        }
    );
    assert_eq!(story.pipeline.last_release, 2);
}

#[test]
fn only_a_release_that_is_good_goes_on() {
    let mut story = Story::new();
    story.upload(1);
    story.begins("dev");
    assert_eq!(story.finishes("dev"), Reason::RunsEverywhere);
    assert_eq!(story.wrote(), ["bake_begun"]);
    assert!(story.active("test").is_none(), "it bakes");
    assert_eq!(story.bake_ends("dev"), Reason::BakeEnded);
    assert_eq!(story.wrote(), ["succeeded", "offered", "start_asked"]);
    assert_eq!(story.state("dev").last_good(), Some(release(1)));
    story.becomes_good("test");
    let waits = &story.state("production").waiting[0];
    assert!(matches!(
        waits.on,
        Some(WaitingOn::Approval { missing: 1, .. })
    ));
}

#[test]
fn while_a_stage_is_busy_only_the_newest_offer_waits() {
    let mut story = Story::new();
    for number in 1..=4 {
        story.upload(number);
    }
    assert_eq!(story.active("dev").unwrap().offer.release, release(1));
    let waiting: Vec<_> = story
        .state("dev")
        .waiting
        .iter()
        .map(|offer| offer.release)
        .collect();
    assert_eq!(waiting, [release(4)]);
    assert_eq!(story.wrote(), ["released", "offered", "dropped", "waits"]);
}

#[test]
fn with_queue_all_every_offer_waits_in_order() {
    let mut story = Story::with(crate::ServiceConfig {
        queue: Queue::All,
        ..config()
    });
    for number in 1..=3 {
        story.upload(number);
    }
    story.becomes_good("dev");
    assert_eq!(
        story.active("dev").unwrap().offer.release,
        release(2),
        "its turn"
    );
    assert_eq!(story.state("dev").waiting.len(), 1);
}

#[test]
fn a_waiting_approval_is_superseded_only_at_its_own_gate() {
    let mut story = Story::new();
    story.upload(1);
    story.becomes_good("dev");
    story.becomes_good("test");
    story.upload(2);
    assert_eq!(story.state("production").waiting.len(), 1, "merely built");
    story.becomes_good("dev");
    assert_eq!(
        story.state("production").waiting[0].release,
        release(1),
        "merely on test"
    );
    story.becomes_good("test");
    let waiting: Vec<_> = story
        .state("production")
        .waiting
        .iter()
        .map(|o| o.release)
        .collect();
    assert_eq!(waiting, [release(2)], "it reached the gate");
}

#[test]
fn newer_is_not_later() {
    let mut story = Story::new();
    story.upload_built(7, Story::build(7));
    story.becomes_good("dev");
    assert_eq!(story.upload_built(6, Story::build(6)), Reason::NewArtefact);
    assert_eq!(story.wrote(), ["released", "held_back"]);
    let last = &story.ledger.last().unwrap().entry;
    assert_eq!(last.why, Reason::OlderThanStage { than: release(1) });
    assert!(
        story.active("dev").is_none(),
        "an older build never deploys by itself"
    );
}

#[test]
fn at_most_one_deployment_is_active_per_stage_and_stages_are_independent() {
    let mut story = Story::new();
    story.upload(1);
    story.becomes_good("dev");
    story.upload(2);
    assert_eq!(story.active("dev").unwrap().offer.release, release(2));
    assert_eq!(story.active("test").unwrap().offer.release, release(1));
}

#[test]
fn what_cannot_be_deployed_is_rejected_before_anything_is_touched() {
    let mut story = Story::new();
    let found = ArtefactFound {
        artefact: Story::artefact(1),
        build: Story::build(1),
        proof: Proof::Unusable("the archive has no appspec.yml in its root".into()),
    };
    assert_eq!(story.fact(&Fact::Artefact(found)), Reason::ArtefactUnusable);
    assert_eq!(story.wrote(), ["artefact_rejected"]);
    assert_eq!(story.pipeline.last_release, 0);
}

#[test]
fn an_artefact_nobody_claims_is_recorded_once() {
    let mut story = Story::new();
    story.pipeline = Pipeline::new(crate::name::UNCLAIMED.parse().unwrap());
    let found = ArtefactFound {
        artefact: Story::artefact(1),
        build: Story::build(1),
        proof: Proof::Deployable,
    };
    let decision = crate::decide(
        &story.pipeline,
        &super::super::Recalled::Nothing,
        &Fact::Artefact(found.clone()),
        story.now,
    )
    .unwrap();
    assert!(matches!(
        decision.entries[0].entry.what,
        What::Unclaimed { .. }
    ));
    let again = crate::decide(
        &decision.after,
        &super::super::Recalled::Artefact(None),
        &Fact::Artefact(found),
        story.now,
    )
    .unwrap();
    assert!(again.entries.is_empty());
}

#[test]
fn a_flood_never_mass_deploys_and_people_are_told_once() {
    let mut story = Story::with(crate::ServiceConfig {
        flood_per_minute: 5,
        ..config()
    });
    for number in 1..=30 {
        story.upload(number);
    }
    let told = story
        .ledger
        .iter()
        .filter(|s| matches!(s.entry.what, What::Flooded { .. }));
    assert_eq!(told.count(), 1);
    assert_eq!(
        story.state("dev").waiting.len(),
        1,
        "only the newest goes on"
    );
    assert_eq!(story.pipeline.last_release, 30, "each is a release");
    assert!(
        story.pipeline.releases.len() <= 22,
        "the snapshot stays bounded"
    );
}

#[test]
fn an_alarm_that_fires_already_holds_the_deployment() {
    let mut story = Story::new();
    story.alarm("dev", AlarmState::Alarm);
    story.upload(1);
    assert_eq!(story.wrote(), ["released", "offered", "waits"]);
    assert!(matches!(
        story.state("dev").waiting[0].on,
        Some(WaitingOn::Alarm { .. })
    ));
    story.alarm("dev", AlarmState::Ok);
    assert!(
        story.active("dev").is_some(),
        "it goes on when the alarm clears"
    );
}

#[test]
fn a_person_can_push_a_fix_into_a_fire() {
    let mut story = Story::new();
    story.alarm("dev", AlarmState::Alarm);
    story.upload(1);
    let despite = Despite {
        alarm: Some("this is the fix".into()),
        ..Despite::default()
    };
    assert_eq!(story.promote("dev", 1, despite), Reason::PersonAsked);
    assert!(story.active("dev").is_some());
    story.begins("dev");
    assert_eq!(
        story.alarm("dev", AlarmState::Alarm),
        Reason::AlarmNoted,
        "it burned before"
    );
    story.alarm("dev", AlarmState::Ok);
    story.finishes("dev");
    story.bake_ends("dev");
    assert_eq!(story.state("dev").last_good(), Some(release(1)));
}

#[test]
fn a_fix_under_which_the_alarm_still_fires_proves_nothing() {
    let mut story = Story::new();
    story.alarm("dev", AlarmState::Alarm);
    story.upload(1);
    let despite = Despite {
        alarm: Some("this is the fix".into()),
        ..Despite::default()
    };
    story.promote("dev", 1, despite);
    story.begins("dev");
    story.finishes("dev");
    story.bake_ends("dev");
    assert_eq!(story.wrote(), ["unproven", "person_called"]);
    let alarm = "web-dev-5xx".to_owned();
    let why = &story.ledger.last().unwrap().entry.why;
    assert_eq!(*why, Reason::AlarmFiringBefore { alarm });
    assert_eq!(story.state("dev").runs, Some(release(1)));
    assert_eq!(story.state("dev").last_good(), None);
}

#[test]
fn an_alarm_seen_right_before_the_start_puts_the_release_back() {
    let mut story = Story::new();
    story.upload(1);
    let seen = story.seen("dev", AlarmState::Alarm);
    let reason = story.answer("dev", Answer::Held(seen));
    assert_eq!(
        reason,
        Reason::AlarmFiringBefore {
            alarm: "web-dev-5xx".into()
        }
    );
    assert!(story.active("dev").is_none());
    assert!(matches!(
        story.state("dev").waiting[0].on,
        Some(WaitingOn::Alarm { .. })
    ));
}

#[test]
fn a_target_that_somebody_else_occupies_is_tried_again() {
    let mut story = Story::new();
    story.upload(1);
    story.answer(
        "dev",
        Answer::Occupied {
            by: "d-THEIRS".into(),
        },
    );
    assert!(matches!(
        story.state("dev").waiting[0].on,
        Some(WaitingOn::Target { .. })
    ));
    assert_eq!(
        crate::due::due_at(&story.pipeline),
        story.now.checked_add(60_i64.seconds()).ok()
    );
    story.time_passes(1);
    assert_eq!(story.wrote(), ["start_asked"]);
}

use jiff::ToSpan as _;

#[test]
fn promoting_needs_the_stage_before() {
    let mut story = Story::new();
    story.upload(1);
    let refused = story.promote("test", 1, Despite::default());
    assert_eq!(
        refused,
        Reason::NotGoodBefore {
            stage: stage("dev")
        }
    );
    let unknown = story.promote("dev", 9, Despite::default());
    assert_eq!(
        unknown,
        Reason::NoSuchRelease {
            release: release(9)
        }
    );
}

#[test]
fn a_release_the_snapshot_forgot_is_recalled() {
    let mut story = Story::new();
    for number in 1..=60 {
        story.upload(number);
    }
    assert!(
        !story.pipeline.releases.contains_key(&release(2)),
        "forgotten"
    );
    assert_eq!(
        story.promote("dev", 2, Despite::default()),
        Reason::PersonAsked
    );
    assert_eq!(story.wrote()[..2], ["offered", "recalled"]);
}

#[test]
fn a_release_that_was_forgotten_is_deployed_when_a_person_promotes_it() {
    let mut story = Story::new();
    for number in 1..=25 {
        story.upload(number);
    }
    let old = release(2);
    assert!(
        !story.pipeline.releases.contains_key(&old),
        "it is forgotten"
    );
    story.promote("dev", 2, Despite::default());
    assert_eq!(story.wrote(), ["offered", "recalled", "waits"]);
    assert!(story.pipeline.releases.contains_key(&old));
    story.becomes_good("dev");
    story.becomes_good("dev");
    assert_eq!(story.active("dev").unwrap().offer.release, old);
}

#[test]
fn what_runs_holds_back_an_older_build_even_when_something_else_was_begun_last() {
    let mut story = Story::new();
    story.upload(1);
    story.becomes_good("dev");
    story.upload_built(2, Story::build(10));
    story.becomes_good("dev");
    let dev = story.pipeline.stages.get_mut(&stage("dev")).unwrap();
    dev.newest = Some(release(1));
    story.upload_built(3, Story::build(9));
    assert_eq!(story.wrote(), ["released", "held_back"]);
}

#[test]
fn what_waits_with_an_older_build_gives_way_to_what_a_person_promotes() {
    let mut story = Story::new();
    story.alarm("dev", AlarmState::Alarm);
    story.upload_built(1, Story::build(10));
    let reject = Request::Reject {
        stage: stage("dev"),
        release: release(1),
        reason: "not before the sale".into(),
    };
    story.ask(ALICE, reject);
    story.upload_built(2, Story::build(9));
    assert_eq!(story.wrote(), ["released", "offered", "waits"]);
    let despite = Despite {
        alarm: Some("this is the fix".into()),
        quarantine: None,
        findings: None,
        drift: None,
    };
    story.promote("dev", 1, despite);
    assert_eq!(story.wrote(), ["offered", "dropped", "start_asked"]);
    assert!(
        story.state("dev").waiting.is_empty(),
        "else it went backwards"
    );
}

#[test]
fn an_image_makes_a_release_only_under_a_tag_that_is_wanted() {
    let mut images = config();
    images.source = Source::Ecr {
        account: "111122223333".parse().unwrap(),
        region: "ap-south-1".parse().unwrap(),
        repository: "shop/web".into(),
        tags: vec!["main-*".into()],
        max_severity: None,
    };
    let mut story = Story::with(images);
    let mut pushed = |tag: Option<&str>| {
        story.fact(&Fact::Artefact(ArtefactFound {
            artefact: Artefact::Image {
                account: "111122223333".parse().unwrap(),
                region: "ap-south-1".parse().unwrap(),
                repository: "shop/web".into(),
                digest: format!("sha256:{tag:?}"),
                tag: tag.map(str::to_owned),
            },
            build: BuildFacts::default(),
            proof: Proof::Deployable,
        }))
    };
    assert_eq!(pushed(Some("main-117")), Reason::NewArtefact);
    assert_eq!(pushed(Some("pr-7")), Reason::TagNotWanted);
    assert_eq!(pushed(None), Reason::TagNotWanted, "a child of an index");
    assert_eq!(story.upload(1), Reason::TagNotWanted, "an object");
    assert!(story.wrote().is_empty());
}
