//! What the ledger holds. It is our own, and yet it may have been written by another version, or
//! changed by hand: then it is corrupt, which is an answer, and never a panic.

use std::sync::LazyLock;

use chat::custom::Notification;
use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::announce::{Announcement, announcement};
use domain::chain::{Hash, Sealed};
use domain::decide::{Recalled, Wish, plan};
use domain::fact::{
    Acted, Answer, ArtefactFound, Asked, Despite, Observed, Progress, Proof, Request, RequestId,
    Running,
};
use domain::pipeline::Active;
use domain::switch::Switch;
use domain::{
    Artefact, BuildFacts, Commit, Fact, Identity, Pipeline, ReleaseNumber, StageName, Timestamp,
    decide_under, due,
};

use super::Target;

const ENTRIES: &str = include_str!("../../../../shared/domain/golden/entries-1.jsonl");
const STORED: &str = include_str!("../../../../shared/domain/golden/snapshot-1.json");
/// Most bytes of a message that anybody is sent (SNS: 256 KiB).
const MESSAGE_BYTES_MAX: usize = 256 * 1024;

/// One stored entry.
pub(super) const ENTRY: Target = Target {
    name: "entry",
    read: entry,
    seeds: || ENTRIES.lines().map(Into::into).collect(),
};

/// One stored snapshot.
pub(super) const SNAPSHOT: Target = Target {
    name: "snapshot",
    read: |bytes| {
        if let Ok(pipeline) = serde_json::from_slice::<Pipeline>(bytes) {
            snapshot(&pipeline);
        }
    },
    seeds: || vec![STORED.into(), folded(usize::MAX), folded(12), folded(30)],
};

/// The snapshot after so many of the golden entries.
fn folded(entries: usize) -> Vec<u8> {
    let mut pipeline = Pipeline::new(WEB.service.clone());
    let mut before = Hash::ZERO;
    for (seq, line) in (1..).zip(ENTRIES.lines().take(entries)) {
        if let Ok(sealed) = Sealed::follow(line, seq, &before) {
            before = sealed.hash.clone();
            let _ = domain::apply::apply(&mut pipeline, &sealed);
        }
    }
    serde_json::to_vec(&pipeline).unwrap_or_default()
}

#[expect(clippy::expect_used, reason = "a golden file")]
static WEB: LazyLock<Pipeline> =
    LazyLock::new(|| serde_json::from_str(STORED).expect("the golden snapshot"));

/// A moment after all that the golden files tell.
#[expect(clippy::expect_used, reason = "a literal")]
static NOW: LazyLock<Timestamp> =
    LazyLock::new(|| "2026-11-26T12:00:00Z".parse().expect("a moment"));

fn entry(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    #[derive(serde::Deserialize)]
    struct Place {
        seq: u64,
        before: Hash,
    }
    let Ok(place) = serde_json::from_str::<Place>(text) else {
        drop(Sealed::follow(text, 1, &Hash::ZERO).map_err(|error| error.to_string()));
        return;
    };
    for (seq, before) in [
        (place.seq, &place.before),
        (place.seq, &Hash::ZERO),
        (0, &Hash::ZERO),
    ] {
        match Sealed::follow(text, seq, before) {
            Ok(sealed) => {
                let again = Sealed::new(sealed.entry.clone());
                let read = Sealed::follow(&again.stored, seq, before);
                assert_eq!(
                    read.map(|read| read.entry),
                    Ok(sealed.entry.clone()),
                    "it reads back"
                );
                tell(announcement(&WEB.service, &sealed.entry));
                let mut pipeline = WEB.clone();
                pipeline.seq = seq.wrapping_sub(1);
                pipeline.head = before.clone();
                if domain::apply::apply(&mut pipeline, &sealed).is_ok() {
                    snapshot(&pipeline);
                }
            }
            Err(error) => drop(error.to_string()),
        }
    }
}

/// What is announced can be sent, in every shape.
pub(super) fn tell(announced: Option<Announcement>) {
    let Some(announced) = announced else { return };
    let short = announced.shortened(MESSAGE_BYTES_MAX, "lastgood history");
    let record = short.record();
    assert!(
        record.len() <= 2 * MESSAGE_BYTES_MAX,
        "{} bytes to be sent",
        record.len()
    );
    let written = serde_json::to_string(&Notification::of(&announced));
    assert!(written.is_ok(), "a notification is JSON");
}

/// A person's request on a pipeline as it is.
pub(super) fn ask(id: RequestId, by: Identity, request: Request) {
    decided(&WEB, &Fact::Asked(Asked { id, by, request }));
}

/// A snapshot reads back, and whatever happens next is decided, or found corrupt.
fn snapshot(pipeline: &Pipeline) {
    let stored = serde_json::to_string(pipeline).unwrap_or_default();
    let read = serde_json::from_str::<Pipeline>(&stored);
    assert_eq!(read.ok().as_ref(), Some(pipeline), "a snapshot reads back");
    let _ = due::due_at(pipeline);
    for fact in what_may_happen(pipeline) {
        decided(pipeline, &fact);
    }
    let by = Identity("arn:aws:iam::111122223333:user/alice".to_owned());
    for stage in stages(pipeline) {
        let reason = "errors".to_owned();
        for wish in [
            Wish::Return { to: None, reason },
            Wish::Deploy {
                release: ReleaseNumber(1),
                despite: Despite::default(),
            },
        ] {
            let _ = plan(pipeline, &Recalled::Nothing, (&stage, &wish), &by, *NOW);
        }
    }
}

fn decided(pipeline: &Pipeline, fact: &Fact) {
    let switch = Switch {
        turned: 1,
        by: None,
        freeze: None,
    };
    let decided = decide_under(&switch, pipeline, &Recalled::Nothing, fact, *NOW);
    let Ok(decision) = decided else { return };
    let _ = decision.verdict();
    if let Some(commit) = Commit::of(pipeline, decision) {
        assert!(commit.token().len() <= 36);
        for sealed in &commit.entries {
            tell(announcement(&commit.service, &sealed.entry));
        }
    }
}

fn stages(pipeline: &Pipeline) -> Vec<StageName> {
    let stages = pipeline.config.iter().flat_map(|config| &config.stages);
    stages.map(|stage| stage.name.clone()).collect()
}

/// One fact of each kind, about what the pipeline has.
fn what_may_happen(pipeline: &Pipeline) -> Vec<Fact> {
    let artefact = Artefact::Object {
        bucket: "shop-artefacts".to_owned(),
        key: "web/build-9.zip".to_owned(),
        version: "v9".to_owned(),
        sha256: None,
        bytes: 512,
    };
    let (build, proof) = (BuildFacts::default(), Proof::Deployable);
    let mut facts = vec![
        Fact::TimePassed,
        Fact::AllTold { turned: 1 },
        Fact::Artefact(ArtefactFound {
            artefact,
            build,
            proof,
        }),
    ];
    for stage in stages(pipeline) {
        facts.extend(asked(&stage));
        let alarms = alarms(pipeline, &stage);
        facts.extend(alarms.iter().cloned().map(Fact::Alarm));
        let active = pipeline
            .stages
            .get(&stage)
            .and_then(|stage| stage.active.as_ref());
        if let Some(active) = active {
            facts.extend(observed(pipeline, &stage, active, &alarms));
        }
    }
    facts
}

fn alarms(pipeline: &Pipeline, stage: &StageName) -> Vec<AlarmSeen> {
    let configured = pipeline.config.iter().flat_map(|config| &config.stages);
    configured
        .filter(|configured| configured.name == *stage)
        .flat_map(|configured| &configured.alarms)
        .map(|alarm| AlarmSeen {
            alarm: alarm.clone(),
            state: AlarmState::Alarm,
            voice: Voice::Heard,
            changed_at: *NOW,
            reason: "threshold crossed".to_owned(),
        })
        .collect()
}

fn asked(stage: &StageName) -> Vec<Fact> {
    let (release, stage) = (ReleaseNumber(1), || stage.clone());
    let reason = || "errors".to_owned();
    [
        Request::Approve {
            stage: stage(),
            release,
            reason: None,
        },
        Request::Promote {
            stage: stage(),
            release,
            despite: Despite::default(),
        },
        Request::Rollback {
            stage: stage(),
            to: None,
            reason: reason(),
        },
        Request::Cancel {
            stage: stage(),
            release,
            reason: reason(),
        },
        Request::Freeze {
            stage: Some(stage()),
            reason: reason(),
            until: None,
        },
        Request::Thaw {
            stage: Some(stage()),
        },
        Request::Announce,
    ]
    .into_iter()
    .map(|request| {
        let by = Identity("arn:aws:iam::111122223333:user/alice".to_owned());
        Fact::Asked(Asked {
            id: RequestId("request-1".to_owned()),
            by,
            request,
        })
    })
    .collect()
}

fn observed(
    pipeline: &Pipeline,
    stage: &StageName,
    active: &Active,
    alarms: &[AlarmSeen],
) -> Vec<Fact> {
    let (platform_id, started_at) = ("d-1".to_owned(), *NOW);
    let why = "said so".to_owned();
    let runs = pipeline
        .content(active.offer.release)
        .map_or(Running::Unknown, Running::All);
    let of = |progress, running| {
        Fact::Observed(Observed {
            stage: stage.clone(),
            attempt: active.attempt.clone(),
            progress,
            running,
            alarms: alarms.to_vec(),
        })
    };
    let answer = Answer::Begun {
        platform_id: platform_id.clone(),
        started_at,
    };
    vec![
        of(Progress::NotFound, Running::Nothing),
        of(
            Progress::Succeeded {
                platform_id: platform_id.clone(),
                started_at,
            },
            runs.clone(),
        ),
        of(
            Progress::Failed {
                platform_id: platform_id.clone(),
                why: why.clone(),
            },
            runs,
        ),
        of(
            Progress::Undone { platform_id, why },
            Running::Mixed(Vec::new()),
        ),
        Fact::Acted(Acted {
            stage: stage.clone(),
            attempt: active.attempt.clone(),
            answer,
        }),
    ]
}
