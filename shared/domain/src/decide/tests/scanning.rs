//! Scans: what is held until its image is scanned, and what is refused because of it.

use std::collections::BTreeMap;

use super::story::{ALICE, Story, config, release, stage};
use crate::SignedDuration;
use crate::artefact::BuildFacts;
use crate::commit::Commit;
use crate::config::{Queue, ServiceConfig, Source};
use crate::decide::{Recalled, decide};
use crate::due::{after, due_at};
use crate::entry::{Drop, What};
use crate::fact::{ArtefactFound, Despite, Fact, Proof, Request};
use crate::pipeline::WaitingOn;
use crate::reason::Reason;
use crate::scan::{
    Finding, Findings, SCAN_PAUSE_MAX, SCAN_WITHIN, Scan, ScanFound, Scanned, Severity,
};

impl Story {
    /// A service whose images go nowhere before they are scanned, and with nothing worse than HIGH.
    pub(super) fn of_scanned_images() -> Self {
        Self::with(scanned_config())
    }

    pub(super) fn scan(&mut self, number: u64, found: ScanFound) -> Reason {
        let artefact = Self::image(number).id();
        self.fact(&Fact::Scanned(Scanned { artefact, found }))
    }
}

fn scanned_config() -> ServiceConfig {
    let mut config = config();
    config.source = Source::Ecr {
        account: "111122223333".parse().unwrap(),
        region: "ap-south-1".parse().unwrap(),
        repository: "shop/web".into(),
        tags: vec!["main-*".into()],
        max_severity: Some(Severity::High),
    };
    config
}

/// Three findings that are worse than HIGH, one of them by name.
pub(super) fn critical() -> Findings {
    let named = Finding {
        severity: Severity::Critical,
        name: "CVE-2026-11111".into(),
        package: Some("openssl".into()),
    };
    let counts = BTreeMap::from([(Severity::Critical, 3), (Severity::High, 5)]);
    Findings::new(counts, vec![named])
}

fn clean() -> ScanFound {
    let counts = BTreeMap::from([(Severity::High, 5)]);
    ScanFound::Complete(Findings::new(counts, Vec::new()))
}

fn too_bad() -> ScanFound {
    ScanFound::Complete(critical())
}

fn despite() -> Despite {
    Despite {
        findings: Some("the package is not used".into()),
        ..Despite::default()
    }
}

fn pushed() -> Story {
    let mut story = Story::of_scanned_images();
    story.upload(1);
    story
}

fn waits_on(story: &Story, name: &str) -> Option<WaitingOn> {
    story.state(name).waiting.first()?.on.clone()
}

#[test]
fn a_release_is_held_until_its_scan_is_complete() {
    let mut story = pushed();
    let on_scan = Some(WaitingOn::Scan { problem: None });
    assert_eq!(waits_on(&story, "dev"), on_scan);
    story.scan(1, ScanFound::Pending);
    assert_eq!(waits_on(&story, "dev"), on_scan);
    story.scan(1, clean());
    assert_eq!(story.wrote(), ["scanned", "start_asked"]);
}

#[test]
fn a_release_with_worse_findings_is_refused_and_they_are_named() {
    let mut story = pushed();
    story.scan(1, too_bad());
    assert_eq!(story.wrote(), ["scanned", "dropped"]);
    let What::Dropped { end, .. } = &story.ledger.last().unwrap().entry.what else {
        panic!("it is dropped")
    };
    let Drop::Vulnerable(findings) = end else {
        panic!("{end:?}")
    };
    assert_eq!(
        findings.to_string(),
        "3 findings above HIGH: CRITICAL CVE-2026-11111 in openssl and 2 more"
    );
}

#[test]
fn nobody_is_asked_to_approve_what_a_scan_may_yet_refuse() {
    let mut config = scanned_config();
    config.stages.drain(..2);
    let mut story = Story::with(config);
    story.upload(1);
    assert_eq!(
        waits_on(&story, "production"),
        Some(WaitingOn::Scan { problem: None })
    );
    story.scan(1, clean());
    let on = waits_on(&story, "production");
    assert!(matches!(on, Some(WaitingOn::Approval { .. })), "{on:?}");
}

#[test]
fn what_is_no_image_of_ecr_waits_for_no_scan_when_its_service_comes_to_ask_for_scans() {
    let mut story = Story::new();
    story.upload(1);
    story.becomes_good("dev");
    story.becomes_good("test");
    let config = Box::new(scanned_config());
    let found = Vec::new();
    story.ask(ALICE, Request::Configure { config, found });
    let on = waits_on(&story, "production");
    assert!(matches!(on, Some(WaitingOn::Approval { .. })), "{on:?}");
}

#[test]
fn without_a_word_about_severity_no_scan_is_asked_for() {
    let mut config = config();
    config.source = Source::Ecr {
        account: "111122223333".parse().unwrap(),
        region: "ap-south-1".parse().unwrap(),
        repository: "shop/web".into(),
        tags: vec!["main-*".into()],
        max_severity: None,
    };
    let mut story = Story::with(config);
    story.fact(&Fact::Artefact(ArtefactFound {
        artefact: Story::image(1),
        build: BuildFacts::default(),
        proof: Proof::Deployable,
    }));
    assert!(story.active("dev").is_some());
    assert_eq!(story.scan(1, too_bad()), Reason::NothingNew);
    assert_eq!(story.wrote(), [""; 0]);
}

#[test]
fn a_scan_of_which_nothing_is_heard_is_asked_for_and_ever_more_rarely() {
    let mut story = pushed();
    let begun = story.now;
    assert_eq!(due_at(&story.pipeline), Some(after(begun, SCAN_WITHIN)));
    let mut looks = Vec::new();
    while story.now < after(begun, SignedDuration::from_hours(24)) {
        let due = due_at(&story.pipeline).unwrap();
        assert!(due > story.now, "not without a pause");
        assert!(due <= after(story.now, SCAN_PAUSE_MAX));
        story.now = due;
        story.scan(1, ScanFound::Pending);
        assert_eq!(story.wrote(), ["scanned"]);
        looks.push(story.now.duration_since(begun).as_mins());
    }
    let first_hour: Vec<i64> = looks.iter().copied().filter(|at| *at < 60).collect();
    assert_eq!(first_hour, [1, 2, 3, 4, 6, 10, 15, 22, 34, 51]);
    assert!((20..40).contains(&looks.len()), "{}", looks.len());
}

#[test]
fn a_scan_that_says_the_same_before_its_time_is_no_news() {
    let mut story = pushed();
    story.scan(1, ScanFound::Unclear("UNSUPPORTED_IMAGE".into()));
    let unsupported = || ScanFound::Unclear("UNSUPPORTED_IMAGE".into());
    assert_eq!(story.scan(1, unsupported()), Reason::NothingNew);
    story.jump(1);
    story.scan(1, unsupported());
    assert_eq!(story.wrote(), ["scanned"], "only its time moves on");
    assert_eq!(
        story.scan(1, ScanFound::Unclear("FAILED".into())),
        Reason::PlatformReported
    );
    assert_eq!(story.wrote(), ["scanned", "waits"]);
}

#[test]
fn what_a_scan_found_holds_until_another_one_has_ended() {
    let mut story = pushed();
    story.scan(1, clean());
    for found in [ScanFound::Pending, ScanFound::Unclear("expired".into())] {
        assert_eq!(story.scan(1, found), Reason::NothingNew);
    }
    story.becomes_good("dev");
    story.begins("test");
    // What runs, or is on its way, is left alone; the next stage is not entered.
    story.scan(1, too_bad());
    assert_eq!(story.wrote(), ["scanned"]);
    story.finishes("test");
    story.bake_ends("test");
    assert_eq!(
        story.wrote(),
        ["succeeded", "offered", "dropped"],
        "production refuses it"
    );
    assert!(story.state("production").waiting.is_empty());
}

#[test]
fn a_person_may_promote_despite_findings_with_a_reason() {
    let mut story = pushed();
    story.scan(1, too_bad());
    let refused = story.promote("dev", 1, Despite::default());
    assert_eq!(
        refused,
        Reason::Vulnerable {
            findings: critical().above(Severity::High).unwrap()
        }
    );
    assert!(refused.to_string().contains("CVE-2026-11111"));
    story.promote("dev", 1, despite());
    assert_eq!(story.wrote(), ["offered", "start_asked"]);
}

#[test]
fn a_person_need_not_wait_for_a_scan_that_never_comes() {
    let mut story = pushed();
    story.scan(1, ScanFound::Unclear("UNSUPPORTED_IMAGE".into()));
    story.promote("dev", 1, despite());
    assert_eq!(story.wrote(), ["overridden", "start_asked"]);
}

#[test]
fn a_rollback_passes_whatever_a_scan_found_since() {
    let mut story = pushed();
    for number in 1..=2 {
        story.upload(number);
        story.scan(number, clean());
        story.becomes_good("dev");
    }
    story.scan(1, too_bad());
    story.roll_back("dev", None);
    assert_eq!(story.active("dev").unwrap().offer.release, release(1));
}

#[test]
fn a_release_does_not_give_way_to_one_that_a_scan_may_yet_refuse() {
    let mut story = pushed();
    story.ask(
        ALICE,
        Request::Freeze {
            stage: Some(stage("dev")),
            reason: "the sale".into(),
            until: None,
        },
    );
    story.scan(1, clean());
    story.upload(2);
    let waiting = |story: &Story| -> Vec<u64> {
        let offers = story.state("dev").waiting.iter();
        offers.map(|offer| offer.release.0).collect()
    };
    assert_eq!(waiting(&story), [1, 2]);
    let mut refused = story.clone();
    refused.scan(2, too_bad());
    assert_eq!(waiting(&refused), [1], "the older one is still there");
    story.scan(2, clean());
    assert_eq!(waiting(&story), [2], "the older one gives way");
}

#[test]
fn with_a_queue_for_all_one_that_waits_for_its_scan_keeps_its_turn() {
    let mut config = scanned_config();
    config.queue = Queue::All;
    let mut story = Story::with(config);
    story.upload(1);
    story.upload(2);
    story.scan(2, clean());
    assert!(story.active("dev").is_none());
    story.scan(1, clean());
    assert_eq!(story.active("dev").unwrap().offer.release, release(1));
}

#[test]
fn a_stricter_service_file_refuses_what_waits() {
    let mut story = pushed();
    story.ask(
        ALICE,
        Request::Freeze {
            stage: None,
            reason: "the sale".into(),
            until: None,
        },
    );
    story.scan(1, clean());
    let mut config = scanned_config();
    let Source::Ecr { max_severity, .. } = &mut config.source else {
        panic!("an image")
    };
    *max_severity = Some(Severity::Medium);
    let request = Request::Configure {
        config: Box::new(config),
        found: Vec::new(),
    };
    story.ask(ALICE, request);
    assert_eq!(story.wrote(), ["configured", "dropped"]);
}

#[test]
fn the_scan_of_a_release_that_was_forgotten_is_forgotten_too() {
    let mut story = pushed();
    story.scan(1, clean());
    story.becomes_good("dev");
    let last = crate::pipeline::RELEASES_KEPT + 20;
    for number in 2..=last {
        story.upload(number);
        story.scan(number, too_bad());
    }
    let kept: Vec<_> = story.pipeline.scans.keys().collect();
    let releases: Vec<_> = story.pipeline.releases.keys().collect();
    assert_eq!(kept, releases);
}

#[test]
fn people_hear_of_a_refusal_and_of_a_scan_that_cannot_be_relied_on_and_not_of_waiting() {
    let mut told = Vec::new();
    for found in [
        ScanFound::Pending,
        ScanFound::Unclear("UNSUPPORTED_IMAGE".into()),
        too_bad(),
    ] {
        let mut story = pushed();
        let before = story.ledger.len();
        story.scan(1, found);
        let service = &story.pipeline.service;
        for sealed in &story.ledger[before..] {
            let said = crate::announce::announcement(service, &sealed.entry);
            told.extend(said.map(|said| said.text));
        }
    }
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_scan_is_kept_with_the_snapshot_and_changes_no_release() {
    let mut story = pushed();
    let found = ScanFound::Complete(critical());
    let artefact = Story::image(1).id();
    let fact = Fact::Scanned(Scanned { artefact, found });
    let decision = decide(&story.pipeline, &Recalled::Nothing, &fact, story.now).unwrap();
    let commit = Commit::of(&story.pipeline, decision).unwrap();
    assert!(commit.releases.is_empty() && commit.claims.is_empty());
    story.scan(1, too_bad());
    assert_eq!(
        story.pipeline.scans.get(&release(1)),
        Some(&Scan::Complete(critical()))
    );
}
