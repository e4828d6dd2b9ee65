//! What happens in a world, drawn from its seed: services, bursts of artefacts, people at bad
//! moments, alarms that flap, and somebody who deploys behind the ledger's back.

use domain::alarm::{AlarmState, MissingData};
use domain::artefact::BuildFacts;
use domain::config::{
    ApprovalRule, AuthorMay, Gate, Place, Queue, ServiceConfig, Source, StageConfig, Target,
    TaskBase,
};
use domain::fact::{Despite, Request};
use domain::{AlarmArn, Hint, ReleaseNumber, ServiceName, SignedDuration, StageName};
use fastrand::Rng;

/// How long things keep happening, in seconds.
pub(crate) const STORM_SECONDS: i64 = 4 * 3600;

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A build server uploads.
    Upload {
        hint: Hint,
        version: String,
        build: BuildFacts,
    },
    /// A person asks; the release is chosen when it comes to it.
    Ask {
        service: ServiceName,
        stage: StageName,
        wish: Wish,
    },
    /// An alarm changes.
    Alarm { alarm: AlarmArn, state: AlarmState },
    /// Somebody deploys behind the ledger's back.
    Meddle { target: Target },
    /// The configuration changes, in the middle of whatever is going on.
    Configure { config: Box<ServiceConfig> },
}

/// What a person wants of a stage.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    Approve,
    Reject,
    Cancel,
    Promote,
    Rollback,
    RollbackFar,
    Freeze,
    FreezeAWhile,
    Thaw,
}

impl Wish {
    /// The request, about a release.
    pub(crate) fn request(
        self,
        stage: StageName,
        release: ReleaseNumber,
        now: domain::Timestamp,
    ) -> Request {
        let reason = || "the adversary says so".to_owned();
        match self {
            Self::Approve => Request::Approve {
                stage,
                release,
                reason: None,
            },
            Self::Reject => Request::Reject {
                stage,
                release,
                reason: reason(),
            },
            Self::Cancel => Request::Cancel {
                stage,
                release,
                reason: reason(),
            },
            Self::Promote => Request::Promote {
                stage,
                release,
                despite: Despite {
                    quarantine: Some(reason()),
                    alarm: release.0.is_multiple_of(2).then(reason),
                },
            },
            Self::Rollback | Self::RollbackFar => Request::Rollback {
                stage,
                to: matches!(self, Self::RollbackFar).then_some(release),
                reason: reason(),
            },
            Self::Freeze | Self::FreezeAWhile => Request::Freeze {
                stage: release.0.is_multiple_of(2).then_some(stage),
                reason: reason(),
                until: matches!(self, Self::FreezeAWhile)
                    .then(|| domain::due::after(now, SignedDuration::from_mins(20))),
            },
            Self::Thaw => Request::Thaw {
                stage: release.0.is_multiple_of(2).then_some(stage),
            },
        }
    }
}

/// The configurations of a world's services.
///
/// # Errors
/// When a name made here is no name.
pub(crate) fn services(rng: &mut Rng) -> anyhow::Result<Vec<ServiceConfig>> {
    (0..rng.usize(1..=3)).map(|at| service(rng, at)).collect()
}

fn service(rng: &mut Rng, at: usize) -> anyhow::Result<ServiceConfig> {
    let name = format!("s{at}");
    let queue = if rng.u32(0..4) == 0 {
        Queue::All
    } else {
        Queue::Newest
    };
    let stages = ["dev", "test", "production"];
    let count = rng.usize(1..=3);
    let stages = stages
        .iter()
        .take(count)
        .map(|stage| one_stage(rng, &name, stage));
    Ok(ServiceConfig {
        service: name.parse()?,
        source: Source::S3 {
            bucket: "artefacts".into(),
            prefix: format!("{name}/"),
        },
        queue,
        flood_per_minute: 5,
        stages: stages.collect::<anyhow::Result<_>>()?,
    })
}

fn one_stage(rng: &mut Rng, service: &str, stage: &str) -> anyhow::Result<StageConfig> {
    let (account, region) = ("111122223333".parse()?, "ap-south-1".parse()?);
    let alarm = AlarmArn::of(&region, &account, &format!("{service}-{stage}"))?;
    let shared = AlarmArn::of(&region, &account, "everybody")?;
    let target = if rng.bool() {
        Target::Ecs {
            cluster: stage.to_owned(),
            service: service.to_owned(),
            containers: vec!["app".into()],
            base: TaskBase::Running,
        }
    } else {
        Target::CodeDeploy {
            application: service.to_owned(),
            group: stage.to_owned(),
        }
    };
    let rule = ApprovalRule {
        approvers: vec!["*".into()],
        count: rng.u32(1..=2),
        author: AuthorMay::Approve,
        expires_after: SignedDuration::from_hours(2),
    };
    let gated = stage != "dev" && rng.bool();
    Ok(StageConfig {
        name: stage.parse()?,
        place: Place {
            account,
            region,
            role: None,
        },
        target,
        gate: if gated {
            Gate::Approval(rule)
        } else {
            Gate::Automatic
        },
        windows: Vec::new(),
        alarms: vec![alarm, shared],
        missing_data: if rng.bool() {
            MissingData::Alarm
        } else {
            MissingData::Ignore
        },
        bake: SignedDuration::from_mins(rng.i64(0..=15)),
        timeout: SignedDuration::from_mins(30),
        rollbacks_per_day: 3,
        smoke: Vec::new(),
    })
}

/// What happens, and after how many seconds.
pub(crate) fn steps(rng: &mut Rng, services: &[ServiceConfig]) -> Vec<(i64, Step)> {
    let mut steps = Vec::new();
    for config in services {
        for _ in 0..rng.usize(3..=8) {
            let at = rng.i64(60..STORM_SECONDS);
            let burst = if rng.u32(0..5) == 0 {
                rng.u64(2..=8)
            } else {
                1
            };
            for _ in 0..burst {
                // Builds are numbered by time, and the object versions are all different.
                let at = at + rng.i64(0..40);
                let version = format!("v{}", steps.len());
                steps.push((at, upload(rng, config, version, at)));
            }
        }
        for _ in 0..rng.usize(4..=24) {
            let at = rng.i64(60..STORM_SECONDS);
            if let Some(stage) = rng.choice(&config.stages) {
                let step = trouble(rng, config, stage);
                steps.push((at, step));
            }
        }
    }
    for config in services {
        for _ in 0..rng.usize(0..=2) {
            let at = rng.i64(60..STORM_SECONDS);
            let config = Box::new(changed(rng, config));
            steps.push((at, Step::Configure { config }));
        }
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}

/// The same service with a stage less, other gates, another queue, other bakes.
fn changed(rng: &mut Rng, config: &ServiceConfig) -> ServiceConfig {
    let mut config = config.clone();
    if rng.bool() && config.stages.len() > 1 {
        config.stages.remove(rng.usize(0..config.stages.len()));
    }
    if rng.bool() {
        config.queue = Queue::All;
    }
    for stage in &mut config.stages {
        if rng.bool() {
            stage.gate = Gate::Automatic;
        }
        if rng.bool() {
            stage.bake = SignedDuration::from_mins(3);
        }
        if rng.u32(0..4) == 0 {
            stage.alarms.truncate(1);
        }
    }
    config
}

fn upload(rng: &mut Rng, config: &ServiceConfig, version: String, at: i64) -> Step {
    // Some builds are older than what came before them.
    let older = if rng.u32(0..6) == 0 { 3600 } else { 0 };
    let number = u64::try_from(at).unwrap_or_default();
    let build = BuildFacts {
        job: Some("build".into()),
        build_number: Some(number.saturating_sub(older)),
        irreversible: rng.u32(0..25) == 0,
        ..BuildFacts::default()
    };
    let hint = Hint::Object {
        bucket: "artefacts".into(),
        key: format!("{}/app.zip", config.service),
        version: Some(version.clone()),
        bytes: Some(4096),
    };
    Step::Upload {
        hint,
        version,
        build,
    }
}

fn trouble(rng: &mut Rng, config: &ServiceConfig, stage: &StageConfig) -> Step {
    let ask = |wish| Step::Ask {
        service: config.service.clone(),
        stage: stage.name.clone(),
        wish,
    };
    match rng.u32(0..100) {
        0..35 => {
            let state = match rng.u32(0..5) {
                0 | 1 => AlarmState::Alarm,
                2 => AlarmState::InsufficientData,
                _ => AlarmState::Ok,
            };
            match rng.choice(&stage.alarms) {
                Some(alarm) => Step::Alarm {
                    alarm: alarm.clone(),
                    state,
                },
                None => ask(Wish::Approve),
            }
        }
        35..55 => ask(Wish::Approve),
        55..59 => ask(Wish::Reject),
        59..64 => ask(Wish::Cancel),
        64..72 => ask(Wish::Promote),
        72..79 => ask(Wish::Rollback),
        79..83 => ask(Wish::RollbackFar),
        83..86 => ask(Wish::Freeze),
        86..89 => ask(Wish::FreezeAWhile),
        89..97 => ask(Wish::Thaw),
        _ => Step::Meddle {
            target: stage.target.clone(),
        },
    }
}
