//! What happens in a drawn world, and when.

use domain::ServiceName;
use domain::alarm::{AlarmState, Voice};
use domain::artefact::BuildFacts;
use domain::config::{Queue, StageConfig};
use domain::file::{ArtefactSource, EcrSource, GateFile, OciSource, ServiceFile};
use domain::question::Choice;
use fastrand::Rng;

use super::people::{Who, Wish};
use super::services::{image, is_code_deploy, most, object};
use super::{Glance, Happens, Meddling, Planned, Pushed, STORM_SECONDS, Step, Turn};
use crate::adversary::{Adversaries, Adversary};
use crate::cloud::Stored;

/// Draws what happens. All is drawn, and what is not wanted is left out, so that a seed without an
/// adversary is the same seed.
///
/// # Errors
/// When a name made here is no name.
pub(crate) fn draw(
    rng: &mut Rng,
    services: &[Planned],
    among: Adversaries,
) -> anyhow::Result<Vec<Step>> {
    let mut steps = Steps::default();
    for planned in services {
        pushes(rng, planned, &mut steps);
        troubles(rng, planned, &mut steps);
        fire(rng, planned, &mut steps);
        for _ in 0..rng.usize(0..=2) {
            let file = Box::new(changed(rng, &planned.file));
            let what = Happens::Configure { file };
            steps.add(rng, planned, Some(Adversary::Reconfigure), what);
        }
        // Approvers look in every twenty minutes.
        for minute in (20..STORM_SECONDS / 60).step_by(20) {
            steps.push(planned, minute * 60, None, Happens::ApproveAll);
        }
        if rng.bool() {
            roll_out(rng, planned, &mut steps);
        }
    }
    switch(rng, &mut steps);
    for planned in services {
        for _ in 0..rng.usize(0..=4) {
            let by = Some(Adversary::People);
            steps.add(rng, planned, by, Happens::ThinkBetter);
        }
    }
    let mut steps = steps.0;
    steps.sort_by_key(|step| step.at);
    for (number, step) in steps.iter_mut().enumerate() {
        step.number = number;
    }
    steps.retain(|step| step.by.is_none_or(|by| among.has(by)));
    Ok(steps)
}

#[derive(Default)]
struct Steps(Vec<Step>);

impl Steps {
    fn add(&mut self, rng: &mut Rng, planned: &Planned, by: Option<Adversary>, what: Happens) {
        let at = rng.i64(60..STORM_SECONDS);
        self.push(planned, at, by, what);
    }

    fn push(&mut self, planned: &Planned, at: i64, by: Option<Adversary>, what: Happens) {
        self.of(planned.config.service.clone(), at, by, what);
    }

    fn of(&mut self, service: ServiceName, at: i64, by: Option<Adversary>, what: Happens) {
        self.0.push(Step {
            number: 0,
            at,
            by,
            service,
            what,
        });
    }
}

/// Now and then somebody freezes everything, and mostly thaws it again: what is frozen for long
/// shows nothing else.
fn switch(rng: &mut Rng, steps: &mut Steps) {
    if rng.u32(0..3) > 0 {
        return;
    }
    let by = Some(Adversary::Switch);
    for _ in 0..rng.usize(1..=3) {
        let at = rng.i64(60..STORM_SECONDS);
        let minutes = rng.i64(1..30);
        let (how, end) = match rng.u32(0..8) {
            0..3 => (Turn::FreezeFor(minutes), None),
            3 => (Turn::FreezeFor(-minutes), None),
            4 => (Turn::Thaw, None),
            _ => (Turn::Freeze, Some(at + minutes * 60)),
        };
        let who = if rng.bool() { Who::Alice } else { Who::Carol };
        let all = ServiceName::everything;
        steps.of(all(), at, by, Happens::Switch { how, who });
        if let Some(end) = end {
            let how = Turn::Thaw;
            steps.of(all(), end, by, Happens::Switch { how, who });
        }
    }
}

/// A newer version rolls out. Whoever turns the switch meanwhile may do so with the newer version,
/// and what that writes no older one can read.
fn roll_out(rng: &mut Rng, planned: &Planned, steps: &mut Steps) {
    let (at, minutes) = (rng.i64(60..STORM_SECONDS), rng.i64(5..40));
    let by = Some(Adversary::OldFunction);
    steps.push(planned, at, by, Happens::RollOut { minutes });
    if rng.bool() {
        let (by, who) = (Some(Adversary::Switch), Who::Alice);
        for (after, how) in [(60, Turn::Freeze), (120, Turn::Thaw)] {
            let what = Happens::Switch { how, who };
            steps.of(ServiceName::everything(), at + after, by, what);
        }
    }
}

fn pushes(rng: &mut Rng, planned: &Planned, steps: &mut Steps) {
    let mut serial = 0;
    for _ in 0..rng.usize(3..=8) {
        let at = rng.i64(60..STORM_SECONDS);
        let burst = if rng.u32(0..5) == 0 {
            rng.u64(2..=9)
        } else {
            1
        };
        for more in 0..burst {
            serial += 1;
            let at = at + rng.i64(0..40);
            let odd = match rng.u32(0..12) {
                0 => Odd::Old,
                1 => Odd::Broken,
                2 => Odd::OtherTag,
                3 => Odd::Irreversible,
                _ => Odd::No,
            };
            let by = (more > 0 || odd != Odd::No).then_some(Adversary::Artefacts);
            let (pushed, stored) = artefact(rng, &planned.file, serial, at, odd);
            let content = stored.artefact.content();
            let stored = Box::new(stored);
            steps.push(planned, at, by, Happens::Push { pushed, stored });
            if rng.u32(0..8) == 0 {
                let at = at + rng.i64(0..3600);
                let by = Some(Adversary::Artefacts);
                steps.push(planned, at, by, Happens::Vanish { content });
            }
        }
    }
}

/// What is odd about an artefact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Odd {
    No,
    /// Its build is older than what came before it.
    Old,
    /// It cannot be deployed.
    Broken,
    /// Its tag makes no release.
    OtherTag,
    Irreversible,
}

/// An artefact of a service.
pub(crate) fn artefact(
    rng: &mut Rng,
    file: &ServiceFile,
    serial: u64,
    at: i64,
    odd: Odd,
) -> (Pushed, Stored) {
    let number = u64::try_from(at).unwrap_or_default();
    let older = if odd == Odd::Old { 3600 } else { 0 };
    let build = BuildFacts {
        version: Some(format!("1.{serial}")),
        author: (rng.u32(0..3) == 0).then(|| "Bob <bob@shop.example>".to_owned()),
        job: Some("build".into()),
        build_number: Some(number.saturating_sub(older)),
        irreversible: odd == Odd::Irreversible,
        ..BuildFacts::default()
    };
    let (pushed, artefact) = match &file.artefact {
        ArtefactSource::S3(source) => {
            let (key, version) = (format!("{}app.zip", source.prefix), format!("v{serial}"));
            let artefact = object(&source.bucket, &key, &version);
            let bucket = source.bucket.clone();
            (
                Pushed::Object {
                    bucket,
                    key,
                    version,
                },
                artefact,
            )
        }
        // Its images are pushed to ECR; other registries send no events that could be lost.
        ArtefactSource::Ecr(EcrSource { repository, .. })
        | ArtefactSource::Oci(OciSource { repository, .. }) => {
            let tag = match odd {
                Odd::OtherTag => format!("try-{serial}"),
                Odd::No | Odd::Old | Odd::Broken | Odd::Irreversible => format!("main-{serial}"),
            };
            let artefact = image(repository, serial, &tag);
            let digest = artefact.content().0;
            let repository = repository.clone();
            (
                Pushed::Image {
                    repository,
                    digest,
                    tag,
                },
                artefact,
            )
        }
    };
    let broken = (odd == Odd::Broken).then(|| "its archive has no appspec.yml".to_owned());
    let stored = Stored {
        artefact,
        build,
        broken,
        gone: false,
    };
    (pushed, stored)
}

fn troubles(rng: &mut Rng, planned: &Planned, steps: &mut Steps) {
    for _ in 0..rng.usize(8..=48) {
        let Some(stage) = rng.choice(&planned.config.stages) else {
            return;
        };
        let (by, what) = trouble(rng, stage);
        steps.add(rng, planned, Some(by), what);
    }
}

fn trouble(rng: &mut Rng, stage: &StageConfig) -> (Adversary, Happens) {
    let wish = match rng.u32(0..100) {
        0..32 => return (Adversary::Alarms, alarm(rng, stage)),
        32..38 => return (Adversary::Meddle, meddle(rng, stage)),
        38..50 => return (Adversary::People, press(rng, stage)),
        50..53 => Wish::Approve,
        53..56 => Wish::Reject,
        56..58 => Wish::Cancel,
        58..63 => Wish::Promote,
        63..68 => Wish::PromoteDespite,
        68..76 => Wish::Rollback,
        76..80 => Wish::RollbackFar,
        80..82 => Wish::Freeze,
        82..85 => Wish::FreezeAwhile,
        85..87 => Wish::FreezeStage,
        87..88 => Wish::FreezeInThePast,
        88..92 => Wish::Thaw,
        92..96 => Wish::ThawStage,
        96 => Wish::Adopt,
        97 => Wish::Restore,
        _ => Wish::Lost,
    };
    let who = somebody(rng);
    let stage = stage.name.clone();
    let release = None;
    let what = Happens::Ask {
        stage,
        wish,
        who,
        release,
    };
    (Adversary::People, what)
}

fn somebody(rng: &mut Rng) -> Who {
    match rng.u32(0..10) {
        0..5 => Who::Alice,
        5..8 => Who::Bob,
        8 => Who::Carol,
        _ => Who::Nobody,
    }
}

/// A button is pressed, mostly the newest; whatever was asked once still has its message.
fn press(rng: &mut Rng, stage: &StageConfig) -> Happens {
    Happens::Press {
        stage: stage.name.clone(),
        who: somebody(rng),
        choice: match rng.u32(0..4) {
            0 => Choice::Reject,
            _ => Choice::Approve,
        },
        glance: match rng.u32(0..4) {
            0 | 1 => Glance::Newest,
            2 => Glance::First,
            _ => Glance::Any,
        },
    }
}

/// A fix is shipped into a fire: an alarm fires, and before much is heard of it somebody promotes.
fn fire(rng: &mut Rng, planned: &Planned, steps: &mut Steps) {
    let (Some(stage), 0) = (rng.choice(&planned.config.stages), rng.u32(0..3)) else {
        return;
    };
    let Some(alarm) = stage.alarms.first() else {
        return;
    };
    let at = rng.i64(60..STORM_SECONDS);
    let what = Happens::Alarm {
        alarm: alarm.clone(),
        state: AlarmState::Alarm,
        voice: Voice::Heard,
    };
    steps.push(planned, at, Some(Adversary::Alarms), what);
    let what = Happens::Ask {
        stage: stage.name.clone(),
        wish: Wish::PromoteDespite,
        who: Who::Alice,
        release: None,
    };
    let at = at + rng.i64(1..60);
    steps.push(planned, at, Some(Adversary::People), what);
}

fn alarm(rng: &mut Rng, stage: &StageConfig) -> Happens {
    let state = match rng.u32(0..5) {
        0 | 1 => AlarmState::Alarm,
        2 => AlarmState::InsufficientData,
        _ => AlarmState::Ok,
    };
    let voice = if rng.u32(0..6) == 0 {
        Voice::Muted
    } else {
        Voice::Heard
    };
    // Mostly the stage's own; the last one is everybody's.
    let alarm = match rng.u32(0..4) {
        0 => stage.alarms.last(),
        _ => stage.alarms.first(),
    };
    match alarm {
        Some(alarm) => Happens::Alarm {
            alarm: alarm.clone(),
            state,
            voice,
        },
        None => Happens::ApproveAll,
    }
}

fn meddle(rng: &mut Rng, stage: &StageConfig) -> Happens {
    let subject = stage.subject();
    let how = match rng.u32(0..10) {
        0..3 => Meddling::Deploy,
        3..5 => Meddling::Stop,
        5..6 => Meddling::ScaleAway,
        6..8 => Meddling::ScaleBack,
        _ if is_code_deploy(&subject) => Meddling::AutoScale,
        _ => Meddling::Deploy,
    };
    Happens::Meddle { subject, how }
}

/// The same service with a stage less, other gates, another queue, other bakes.
fn changed(rng: &mut Rng, file: &ServiceFile) -> ServiceFile {
    let mut file = file.clone();
    if rng.bool() && file.stages.len() > 1 {
        file.stages.remove(rng.usize(0..file.stages.len()));
    }
    if rng.bool() {
        file.queue = Queue::All;
    }
    if let ArtefactSource::Ecr(source) = &mut file.artefact
        && rng.u32(0..4) == 0
    {
        source.max_severity = most(rng);
    }
    for stage in &mut file.stages {
        match rng.u32(0..7) {
            0 => stage.gate = GateFile::Automatic,
            1 => "3m".clone_into(&mut stage.bake),
            2 => stage.alarms.truncate(1),
            3 => stage.windows.clear(),
            4 => {
                if let GateFile::Approval(rule) = &mut stage.gate {
                    rule.from_slack = !rule.from_slack;
                }
            }
            _ => {}
        }
    }
    file
}
