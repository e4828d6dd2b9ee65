//! The services of a world, as service files, and what runs on their targets before.

use domain::alarm::MissingData;
use domain::artefact::{Artefact, BuildFacts, Content};
use domain::config::{Queue, TaskBase};
use domain::file::{
    ApprovalFile, ArtefactSource, CodeDeployEcsFile, CodeDeployFile, EcrSource, EcsFile, GateFile,
    OciSource, S3Source, ServiceFile, StageFile, TargetFile,
};
use domain::hint::Subject;
use domain::scan::Severity;
use fastrand::Rng;

use super::Planned;
use crate::cloud::{Habits, Kind, Stored, Unit};
use crate::functions::home;
use crate::render::{ACCOUNT, REGION};

const STAGES: [&str; 5] = ["dev", "test", "load", "production", "production-mumbai"];
/// The world begins on a Monday at noon, UTC. The last one never opens within a world.
const WINDOWS: [&str; 4] = [
    "Mon-Fri 12:30-14:00 UTC",
    "Mon,Tue 17:00-19:30 Asia/Kolkata",
    "Mon 13:00-24:00 UTC",
    "Sat-Sun 00:00-24:00 UTC",
];

/// Draws the services of a world.
///
/// # Errors
/// When what is drawn here is no service.
pub(crate) fn draw(rng: &mut Rng) -> anyhow::Result<Vec<Planned>> {
    let names = ["web", "shop", "billing", "mail"];
    let count = rng.usize(1..=names.len());
    let names = names.iter().take(count);
    names.map(|name| service(rng, name)).collect()
}

/// Where the artefacts of a service come from.
pub(super) fn artefact(name: &str, images: bool) -> ArtefactSource {
    if images {
        ArtefactSource::Ecr(EcrSource {
            repository: format!("shop/{name}"),
            tags: vec!["main-*".to_owned()],
            account: None,
            region: None,
            max_severity: None,
        })
    } else {
        ArtefactSource::S3(S3Source {
            bucket: "artefacts".to_owned(),
            prefix: format!("{name}/"),
        })
    }
}

fn service(rng: &mut Rng, name: &str) -> anyhow::Result<Planned> {
    let images = rng.bool();
    let mut artefact = artefact(name, images);
    if let ArtefactSource::Ecr(source) = &mut artefact {
        source.max_severity = most(rng);
    }
    let count = rng.usize(1..=STAGES.len());
    let stages = STAGES.iter().take(count);
    let stages: Vec<StageFile> = stages
        .map(|stage| self::stage(rng, name, stage, images))
        .collect();
    let file = ServiceFile {
        service: name.to_owned(),
        artefact,
        queue: if rng.u32(0..4) == 0 {
            Queue::All
        } else {
            Queue::Newest
        },
        flood_per_minute: 5,
        stages,
    };
    planned(rng, file)
}

/// Half of the image sources ask for scans.
pub(super) fn most(rng: &mut Rng) -> Option<Severity> {
    rng.bool().then_some(Severity::High)
}

/// A service file with targets drawn for its stages.
///
/// # Errors
/// When the file is wrong.
pub(crate) fn planned(rng: &mut Rng, file: ServiceFile) -> anyhow::Result<Planned> {
    let home = home().map_err(anyhow::Error::msg)?;
    let config = file.clone().resolve(&home).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{}: {}", file.service, problems.join("; "))
    })?;
    let mut before = Vec::new();
    let mut sites = Vec::new();
    for stage in &config.stages {
        let kind = match stage.target {
            domain::config::Target::Ecs { .. } => Kind::Ecs,
            domain::config::Target::CodeDeploy { .. } => Kind::Group,
            domain::config::Target::CodeDeployEcs { .. } => Kind::GroupOfEcs,
        };
        let habits = Habits {
            kind,
            undoes: rng.bool(),
            alarms: match rng.u32(0..3) {
                0 => stage.alarms.clone(),
                _ => Vec::new(),
            },
            hook: kind != Kind::Group && rng.u32(0..4) == 0,
        };
        let units = running_before(rng, &file, &mut before);
        sites.push((stage.subject(), habits, units));
    }
    // Apart, so that it moves nothing else that is drawn.
    let mut apart = rng.clone();
    let named = config.stages.iter().flat_map(|stage| &stage.alarms);
    let alarms = named.filter(|_| apart.u32(0..4) > 0).cloned().collect();
    let planned = Planned {
        file,
        config,
        sites,
        before,
        alarms,
    };
    Ok(planned)
}

/// One to four tasks or instances; on half of the targets something runs already.
fn running_before(rng: &mut Rng, file: &ServiceFile, before: &mut Vec<Stored>) -> Vec<Unit> {
    let count = rng.usize(1..=4);
    let known = rng.u32(0..3) > 0;
    if !known {
        return vec![None; count];
    }
    let stored = legacy(file);
    let content = stored.artefact.content();
    before.push(stored);
    let mut units: Vec<Unit> = vec![Some(content); count];
    if rng.u32(0..5) == 0
        && let Some(one) = units.first_mut()
    {
        *one = Some(Content("nobody-knows".to_owned()));
    }
    units
}

/// What ran before Lastgood came.
pub(crate) fn legacy(file: &ServiceFile) -> Stored {
    let artefact = match &file.artefact {
        ArtefactSource::S3(source) => {
            object(&source.bucket, &format!("{}old.zip", source.prefix), "v0")
        }
        // Its images are pushed to ECR; other registries send no events that could be lost.
        ArtefactSource::Ecr(EcrSource { repository, .. })
        | ArtefactSource::Oci(OciSource { repository, .. }) => image(repository, 0, "main-0"),
    };
    Stored {
        artefact,
        build: BuildFacts::default(),
        broken: None,
        gone: false,
    }
}

/// One version of an object.
pub(crate) fn object(bucket: &str, key: &str, version: &str) -> Artefact {
    Artefact::Object {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        version: version.to_owned(),
        sha256: None,
        bytes: 4096,
    }
}

/// An image of a repository; `number` makes its digest.
///
/// # Panics
/// Never: account and Region are names.
pub(crate) fn image(repository: &str, number: u64, tag: &str) -> Artefact {
    #[expect(clippy::expect_used, reason = "constants that a test reads")]
    let (account, region) = (
        ACCOUNT.parse().expect("an account"),
        REGION.parse().expect("a Region"),
    );
    let salt: u64 = repository.bytes().map(u64::from).sum();
    Artefact::Image {
        account,
        region,
        repository: repository.to_owned(),
        digest: format!("sha256:{:064x}", number + (salt << 32)),
        tag: Some(tag.to_owned()),
    }
}

fn target(rng: &mut Rng, service: &str, stage: &str, images: bool) -> TargetFile {
    let (application, group) = (service.to_owned(), stage.to_owned());
    if !images {
        return TargetFile::CodeDeploy(CodeDeployFile { application, group });
    }
    let (cluster, service) = (stage.to_owned(), service.to_owned());
    let containers = vec!["app".to_owned()];
    let base = if rng.bool() {
        TaskBase::Running
    } else {
        TaskBase::Newest
    };
    if rng.u32(0..3) > 0 {
        return TargetFile::Ecs(EcsFile {
            cluster,
            service,
            containers,
            base,
        });
    }
    TargetFile::CodeDeployEcs(CodeDeployEcsFile {
        application,
        group,
        cluster,
        service,
        containers,
        base,
        container: "app".to_owned(),
        port: 8080,
        hooks: Vec::new(),
    })
}

fn stage(rng: &mut Rng, service: &str, name: &str, images: bool) -> StageFile {
    let approval = ApprovalFile {
        approvers: vec![
            "arn:aws:iam::*:user/alice".to_owned(),
            "arn:aws:iam::*:user/bob".to_owned(),
        ],
        count: rng.u32(1..=2),
        author_may_approve: rng.bool(),
        expires_after: if rng.u32(0..3) == 0 { "15m" } else { "2h" }.to_owned(),
        from_slack: rng.bool(),
    };
    let gated = name != "dev" && rng.bool();
    let elsewhere = rng.u32(0..6) == 0;
    StageFile {
        name: name.to_owned(),
        target: target(rng, service, name, images),
        account: elsewhere.then(|| "444455556666".to_owned()),
        region: None,
        role: elsewhere.then(|| "arn:aws:iam::444455556666:role/lastgood".to_owned()),
        external_id: None,
        gate: if gated {
            GateFile::Approval(approval)
        } else {
            GateFile::Automatic
        },
        windows: match rng.usize(0..20) {
            at if at < WINDOWS.len() => WINDOWS
                .get(at)
                .map(|one| (*one).to_owned())
                .into_iter()
                .collect(),
            _ => Vec::new(),
        },
        alarms: vec![
            format!("{service}-{name}"),
            format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:everybody"),
        ],
        missing_data: if rng.bool() {
            MissingData::Alarm
        } else {
            MissingData::Ignore
        },
        bake: format!("{}m", rng.i64(1..=15)),
        timeout: "30m".to_owned(),
        rollbacks_per_day: 3,
        smoke: Vec::new(),
    }
}

/// A subject's account, for what happens there.
pub(crate) fn is_code_deploy(subject: &Subject) -> bool {
    matches!(subject, Subject::DeploymentGroup { .. })
}
