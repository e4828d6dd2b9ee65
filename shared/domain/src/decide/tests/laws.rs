//! Laws that hold whatever happens: random stories, told to the end. `Story::fact` checks after
//! each fact that the entries fold to the snapshot and that the same fact again changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::scanning::critical;
use super::story::{ALICE, MIRA, RAVI, Story, release, stage};
use crate::alarm::AlarmState;
use crate::chain::{Hash, Sealed};
use crate::entry::{Purpose, What};
use crate::fact::{Answer, Despite, Fact, Progress, Request, Running};
use crate::pipeline::{Freeze, Phase};
use crate::scan::{Findings, Scan, ScanFound, Severity};
use crate::switch::Switch;

const STAGES: [&str; 3] = ["dev", "test", "production"];
const PEOPLE: [&str; 3] = [ALICE, MIRA, RAVI];

#[derive(Debug, Clone)]
enum Step {
    Upload(u64),
    Answer(usize, usize),
    Observe(usize, usize, usize),
    Alarm(usize, bool),
    Approve(usize, u64),
    Promote(usize, u64, bool),
    RollBack(usize, Option<u64>),
    Freeze(usize),
    Thaw(usize),
    Switch(u64, bool),
    Scan(u64, usize),
    Compare(usize, usize),
    Call(usize, u64, bool),
    Adopt(usize, Option<u64>),
    Restore(usize),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..12_u64).prop_map(Step::Upload),
        6 => (0..3_usize, 0..7_usize).prop_map(|(s, a)| Step::Answer(s, a)),
        9 => (0..3_usize, 0..6_usize, 0..5_usize).prop_map(|(s, p, r)| Step::Observe(s, p, r)),
        3 => (0..3_usize, any::<bool>()).prop_map(|(s, fires)| Step::Alarm(s, fires)),
        2 => (0..3_usize, 1..12_u64).prop_map(|(who, n)| Step::Approve(who, n)),
        1 => (0..3_usize, 1..12_u64, any::<bool>()).prop_map(|(s, n, d)| Step::Promote(s, n, d)),
        1 => (0..3_usize, prop::option::of(1..12_u64)).prop_map(|(s, n)| Step::RollBack(s, n)),
        1 => (0..3_usize).prop_map(Step::Freeze),
        2 => (0..3_usize).prop_map(Step::Thaw),
        1 => (1..9_u64, any::<bool>()).prop_map(|(turned, on)| Step::Switch(turned, on)),
        3 => (1..12_u64, 0..4_usize).prop_map(|(n, found)| Step::Scan(n, found)),
        2 => (0..3_usize, 0..5_usize).prop_map(|(s, r)| Step::Compare(s, r)),
        1 => (0..3_usize, 0..9_u64, any::<bool>()).prop_map(|(s, n, no)| Step::Call(s, n, no)),
        1 => (0..3_usize, prop::option::of(1..12_u64)).prop_map(|(s, n)| Step::Adopt(s, n)),
        1 => (0..3_usize).prop_map(Step::Restore),
        2 => (1..90_i64).prop_map(Step::Wait),
    ]
}

fn progress(story: &Story, which: usize) -> Progress {
    let (platform_id, started_at) = ("d-1".to_owned(), story.now);
    let why = "said so".to_owned();
    match which {
        0 => Progress::NotFound,
        1 => Progress::Underway {
            platform_id,
            started_at,
        },
        2 => Progress::Succeeded {
            platform_id,
            started_at,
        },
        3 => Progress::Failed { platform_id, why },
        4 => Progress::Undoing { platform_id, why },
        _ => Progress::Undone { platform_id, why },
    }
}

fn running(story: &Story, name: &str, which: usize) -> Running {
    let state = story.state(name);
    let active = state.active.as_ref().map(|active| active.offer.release);
    let content = |number: Option<crate::ReleaseNumber>| {
        number
            .and_then(|number| story.pipeline.content(number))
            .map(Running::All)
    };
    match which {
        0 => content(active),
        1 => content(state.last_good()),
        2 => Some(Running::Nothing),
        3 => Some(Running::Mixed(Vec::new())),
        _ => None,
    }
    .unwrap_or(Running::Unknown)
}

fn held(story: &Story) -> Freeze {
    Freeze {
        by: None,
        reason: "held".into(),
        since: story.now,
        until: None,
    }
}

fn answer(story: &Story, name: &str, which: usize) -> Answer {
    match which {
        0 => Answer::Begun {
            platform_id: "d-1".into(),
            started_at: story.now,
        },
        1 => Answer::Stopping,
        2 => Answer::NeverBegun,
        3 => Answer::Held(story.seen(name, AlarmState::Alarm)),
        4 => Answer::Frozen(held(story)),
        5 => Answer::Withheld,
        _ => Answer::Occupied {
            by: "d-THEIRS".into(),
        },
    }
}

fn scan_found(which: usize) -> ScanFound {
    match which {
        0 => ScanFound::Pending,
        1 => ScanFound::Unclear("it failed".into()),
        2 => ScanFound::Complete(critical()),
        _ => ScanFound::Complete(Findings::default()),
    }
}

fn take(story: &mut Story, step: &Step) {
    match step {
        Step::Upload(number) => drop(story.upload_built(*number, Story::build(*number))),
        Step::Answer(at, which) if story.active(STAGES[*at]).is_some() => {
            let answer = answer(story, STAGES[*at], *which);
            story.answer(STAGES[*at], answer);
        }
        Step::Observe(at, how, what) if story.active(STAGES[*at]).is_some() => {
            let (progress, running) = (progress(story, *how), running(story, STAGES[*at], *what));
            story.observe(STAGES[*at], progress, running);
        }
        Step::Answer(..) | Step::Observe(..) => {}
        Step::Alarm(at, fires) => {
            let state = if *fires {
                AlarmState::Alarm
            } else {
                AlarmState::Ok
            };
            story.alarm(STAGES[*at], state);
        }
        Step::Approve(who, number) => drop(story.ask(
            PEOPLE[*who],
            Request::Approve {
                stage: stage("production"),
                release: release(*number),
                reason: None,
            },
        )),
        Step::Promote(at, number, despite) => {
            let why = despite.then(|| "it has to go".to_owned());
            let despite = Despite {
                quarantine: why.clone(),
                alarm: why.clone(),
                findings: why,
                drift: None,
            };
            story.promote(STAGES[*at], *number, despite);
        }
        Step::RollBack(at, to) => drop(story.roll_back(STAGES[*at], *to)),
        Step::Freeze(at) => {
            let (stage, reason) = (Some(stage(STAGES[*at])), "held".to_owned());
            story.ask(
                ALICE,
                Request::Freeze {
                    stage,
                    reason,
                    until: None,
                },
            );
        }
        Step::Thaw(at) => drop(story.ask(
            ALICE,
            Request::Thaw {
                stage: Some(stage(STAGES[*at])),
            },
        )),
        Step::Switch(turned, on) => {
            let freeze = on.then(|| held(story));
            let (turned, by) = (*turned, None);
            story.fact(&Fact::Switched(Switch { turned, by, freeze }));
        }
        Step::Scan(number, which) => drop(story.scan(*number, scan_found(*which))),
        Step::Compare(..) | Step::Call(..) | Step::Adopt(..) | Step::Restore(_) => {
            behind_the_back(story, step);
        }
        Step::Wait(minutes) => drop(story.time_passes(*minutes)),
    }
}

fn behind_the_back(story: &mut Story, step: &Step) {
    if let Step::Compare(at, which) = step {
        let by_hand = || Running::All(crate::artefact::Content("by-hand".into()));
        let running = match which {
            3 | 4 => by_hand(),
            _ => running(story, STAGES[*at], *which),
        };
        story.compare(STAGES[*at], running);
    } else if let Step::Call(at, number, refused) = step {
        let mut call = Story::call(&format!("call-{number}"), story.now);
        call.refused = refused.then(|| "AccessDenied".to_owned());
        story.called(STAGES[*at], call);
    } else if let Step::Adopt(at, found) = step {
        story.adopt(STAGES[*at], found.map(Story::artefact));
    } else if let Step::Restore(at) = step {
        story.restore(STAGES[*at]);
    }
}

/// What has to be true of the whole ledger.
fn check_chain(story: &Story) {
    let mut before = Hash::ZERO;
    for (seq, sealed) in (1..).zip(&story.ledger) {
        let followed = Sealed::follow(&sealed.stored, seq, &before).expect("the chain verifies");
        assert_eq!(
            followed.entry, sealed.entry,
            "what is stored is what was decided"
        );
        before = followed.hash;
    }
}

/// What has to be true after every step.
fn check(story: &Story) {
    for name in STAGES {
        let state = story.state(name);
        assert!(
            state.drift.is_none() || state.runs.is_none(),
            "what drifted runs nothing of ours"
        );
        if let Some(good) = state.last_good() {
            assert!(
                !state.quarantined.contains(&good),
                "last good was never rolled back from"
            );
        }
        if let Some(active) = &state.active
            && let Phase::RollingBack { to: Some(to), .. } = &active.phase
        {
            assert_ne!(*to, active.offer.release, "a rollback goes elsewhere");
            assert_eq!(
                active.offer.purpose,
                Purpose::Release,
                "no rollback of a rollback"
            );
        }
        let numbers = state.waiting.iter().map(|offer| offer.release);
        for number in numbers.chain(state.active.iter().map(|active| active.offer.release)) {
            assert!(
                story.pipeline.releases.contains_key(&number),
                "a release in use is kept"
            );
        }
    }
}

/// Production is entered only by what was approved there, or by a person's rollback.
fn check_gate(story: &Story) {
    for (at, sealed) in story.ledger.iter().enumerate() {
        let What::StartAsked { deployment, order } = &sealed.entry.what else {
            continue;
        };
        if order.stage != stage("production") {
            continue;
        }
        let earlier = &story.ledger[..at];
        let let_in = earlier.iter().any(|sealed| match &sealed.entry.what {
            What::Approved {
                deployment: approved,
                ..
            } => approved == deployment,
            What::Offered {
                purpose: Purpose::Rollback,
                ..
            } => sealed.entry.seq == deployment.seq,
            _ => false,
        });
        assert!(let_in, "{deployment} entered production without approval");
    }
}

/// Nothing is begun before its scan, or with too much found, but by a person's word.
fn check_scans(story: &Story) {
    let (mut scans, mut forced) = (BTreeMap::new(), BTreeSet::new());
    let mut begun = BTreeSet::new();
    for sealed in &story.ledger {
        match &sealed.entry.what {
            What::Scanned { release, scan } => drop(scans.insert(*release, scan.clone())),
            What::Offered {
                purpose, despite, ..
            } if *purpose == Purpose::Rollback || despite.findings.is_some() => {
                forced.insert(sealed.entry.seq);
            }
            What::Overridden {
                deployment,
                despite,
                ..
            } if despite.findings.is_some() => drop(forced.insert(deployment.seq)),
            What::StartAsked { deployment, order } if begun.insert(deployment.seq) => {
                let clean = matches!(
                    scans.get(&order.release),
                    Some(Scan::Complete(findings)) if findings.above(Severity::High).is_none()
                );
                assert!(
                    clean || forced.contains(&deployment.seq),
                    "{deployment} began without a scan"
                );
            }
            _ => {}
        }
    }
}

/// Stories for each law: enough for every test run. `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok();
    asked.map_or(120, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_the_laws_hold(steps in prop::collection::vec(step(), 1..120)) {
        let mut story = Story::new();
        for step in &steps {
            take(&mut story, step);
        }
        check(&story);
        check_chain(&story);
        check_gate(&story);
    }

    #[test]
    fn whatever_happens_nothing_unscanned_is_begun(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut story = Story::of_scanned_images();
        for step in &steps {
            take(&mut story, step);
            check(&story);
        }
        check_chain(&story);
        check_gate(&story);
        check_scans(&story);
    }

    #[test]
    fn whatever_happens_after_a_first_good_release_the_laws_hold(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut story = Story::released_everywhere(1);
        for step in &steps {
            take(&mut story, step);
            check(&story);
        }
        check_chain(&story);
        check_gate(&story);
    }
}
