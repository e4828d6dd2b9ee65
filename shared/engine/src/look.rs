//! One look: of a hint it makes facts, by asking the platform what is true now. Whoever brought the
//! hint, the truth about a deployment or an artefact is read here and nowhere else.

use std::collections::BTreeSet;

use domain::commit::Watcher;
use domain::config::{ServiceConfig, Source, StageConfig};
use domain::fact::{Found, Observed, Progress, Running};
use domain::hint::Subject;
use domain::name::UNCLAIMED;
use domain::pipeline::{How, Phase, Pipeline, WaitingOn};
use domain::scan::{ScanFound, Scanned};
use domain::{Artefact, Fact, Hint, ReleaseNumber, ServiceName, StageName};

use crate::EngineError;
use crate::behind::{alarm_set_up, called, compare, compare_stage};
use crate::ports::{Ledger, LedgerError, Mention, Platform, PlatformError};

/// Looks; what it finds is a fact for each service concerned.
///
/// # Errors
/// When the ledger or the platform cannot be asked.
pub async fn look(
    ledger: &impl Ledger,
    platform: &impl Platform,
    hint: &Hint,
) -> Result<Vec<(ServiceName, Fact)>, EngineError> {
    match hint {
        Hint::Object { .. } | Hint::Image { .. } | Hint::Tag { .. } => {
            artefact(ledger, platform, hint).await
        }
        Hint::Scan {
            account,
            region,
            repository,
            digest,
        } => {
            let subject = Subject::Repository {
                account: account.clone(),
                region: region.clone(),
                repository: repository.clone(),
            };
            scans_told(ledger, platform, &subject, digest).await
        }
        Hint::EcsDeployment { service_arn, .. } => {
            deployment(ledger, platform, &Subject::EcsService(service_arn.clone())).await
        }
        Hint::CodeDeployDeployment {
            account,
            region,
            application,
            group,
            ..
        } => {
            let subject = Subject::DeploymentGroup {
                account: account.clone(),
                region: region.clone(),
                application: application.clone(),
                group: group.clone(),
            };
            deployment(ledger, platform, &subject).await
        }
        Hint::Due { service } => due(ledger, platform, service).await,
        Hint::Compare { service } => {
            let pipeline = ledger.load(service, &Mention::Nothing).await?.pipeline;
            Ok(compare(platform, &pipeline).await)
        }
        Hint::AlarmSetUp { alarm } => alarm_set_up(ledger, platform, alarm).await,
        Hint::Call { target, call } => called(ledger, platform, target, call).await,
    }
}

async fn artefact(
    ledger: &impl Ledger,
    platform: &impl Platform,
    hint: &Hint,
) -> Result<Vec<(ServiceName, Fact)>, EngineError> {
    let claimants = claimants(ledger, hint).await?;
    let untagged = matches!(hint, Hint::Image { tag: None, .. });
    // An untagged push is a child of a multi-architecture image, or a leftover: nobody has to claim
    // it.
    if claimants.is_empty() && untagged {
        return Ok(Vec::new());
    }
    let Some(found) = platform.examine(hint).await? else {
        return Ok(Vec::new());
    };
    let claimants = if claimants.is_empty() {
        vec![unclaimed()?]
    } else {
        claimants
    };
    Ok(claimants
        .into_iter()
        .map(|service| (service, Fact::Artefact(found.clone())))
        .collect())
}

/// The services whose source the artefact comes from: for objects, those with the longest prefix
/// that fits.
async fn claimants(ledger: &impl Ledger, hint: &Hint) -> Result<Vec<ServiceName>, LedgerError> {
    let (subject, key) = match hint {
        Hint::Object { bucket, key, .. } => (Subject::Bucket(bucket.clone()), key.as_str()),
        Hint::Image {
            account,
            region,
            repository,
            ..
        } => {
            let (account, region) = (account.clone(), region.clone());
            (
                Subject::Repository {
                    account,
                    region,
                    repository: repository.clone(),
                },
                "",
            )
        }
        Hint::Tag {
            registry,
            repository,
            ..
        } => {
            let (registry, repository) = (registry.clone(), repository.clone());
            let subject = Subject::OciRepository {
                registry,
                repository,
            };
            (subject, "")
        }
        Hint::Scan { .. }
        | Hint::EcsDeployment { .. }
        | Hint::CodeDeployDeployment { .. }
        | Hint::Due { .. }
        | Hint::Compare { .. }
        | Hint::AlarmSetUp { .. }
        | Hint::Call { .. } => return Ok(Vec::new()),
    };
    let mut fitting: Vec<(usize, ServiceName)> = ledger
        .watchers(&subject)
        .await?
        .into_iter()
        .filter_map(|watcher| match watcher {
            Watcher::Source { service, narrow } => {
                key.starts_with(&narrow).then_some((narrow.len(), service))
            }
            Watcher::Stage { .. } => None,
        })
        .collect();
    let longest = fitting.iter().map(|(length, _)| *length).max();
    fitting.retain(|(length, _)| Some(*length) == longest);
    Ok(fitting.into_iter().map(|(_, service)| service).collect())
}

fn unclaimed() -> Result<ServiceName, LedgerError> {
    UNCLAIMED
        .parse()
        .map_err(|error| LedgerError::Corrupt(format!("{error}")))
}

async fn deployment(
    ledger: &impl Ledger,
    platform: &impl Platform,
    subject: &Subject,
) -> Result<Vec<(ServiceName, Fact)>, EngineError> {
    let mut facts = Vec::new();
    for watcher in ledger.watchers(subject).await? {
        let Watcher::Stage { service, stage } = watcher else {
            continue;
        };
        let pipeline = ledger.load(&service, &Mention::Nothing).await?.pipeline;
        // A deployment that is not ours moved on, or one of ours that has ended long ago.
        let fact = match observe(platform, &pipeline, &stage).await? {
            Some(fact) => Some(fact),
            None => compare_stage(platform, &pipeline, &stage).await?,
        };
        facts.extend(fact.map(|fact| (service, fact)));
    }
    Ok(facts)
}

/// A scan of a repository's image moved on: looks at the release with that digest, and at those
/// that wait for their scan. What is scanned of a multi-architecture image are its parts, whose
/// digests no release has.
async fn scans_told(
    ledger: &impl Ledger,
    platform: &impl Platform,
    subject: &Subject,
    digest: &str,
) -> Result<Vec<(ServiceName, Fact)>, EngineError> {
    let mut facts = Vec::new();
    for watcher in ledger.watchers(subject).await? {
        let Watcher::Source { service, .. } = watcher else {
            continue;
        };
        let pipeline = ledger.load(&service, &Mention::Nothing).await?.pipeline;
        if !pipeline.config.as_deref().is_some_and(asks_for_scans) {
            continue;
        }
        let mut asked = waiting_for_scans(&pipeline);
        let mut releases = pipeline.releases.values();
        let told = releases.find(|release| {
            matches!(&release.artefact, Artefact::Image { digest: of, .. } if of == digest)
        });
        asked.extend(told.map(|release| release.number));
        for number in asked {
            let fact = scan(platform, &pipeline, number).await?;
            facts.extend(fact.map(|fact| (service.clone(), fact)));
        }
    }
    Ok(facts)
}

fn asks_for_scans(config: &ServiceConfig) -> bool {
    matches!(
        &config.source,
        Source::Ecr {
            max_severity: Some(_),
            ..
        }
    )
}

fn waiting_for_scans(pipeline: &Pipeline) -> BTreeSet<ReleaseNumber> {
    let offers = pipeline.stages.values().flat_map(|stage| &stage.waiting);
    offers
        .filter(|offer| matches!(offer.on, Some(WaitingOn::Scan { .. })))
        .map(|offer| offer.release)
        .collect()
}

/// What a release's scan found. A registry that will never tell is an answer too.
async fn scan(
    platform: &impl Platform,
    pipeline: &Pipeline,
    number: ReleaseNumber,
) -> Result<Option<Fact>, EngineError> {
    let Some(release) = pipeline.releases.get(&number) else {
        return Ok(None);
    };
    let found = match platform.scan(&release.artefact).await {
        Err(PlatformError::Terminal(problem)) => ScanFound::Unclear(problem),
        asked => asked?,
    };
    Ok(Some(Fact::Scanned(Scanned {
        artefact: release.artefact.id(),
        found,
    })))
}

/// Everything about a service that is overdue: each active deployment, each scan that is waited
/// for, and the passing of time. What cannot be looked at now keeps nothing else waiting; it is due
/// again in a minute.
async fn due(
    ledger: &impl Ledger,
    platform: &impl Platform,
    service: &ServiceName,
) -> Result<Vec<(ServiceName, Fact)>, EngineError> {
    let pipeline = ledger.load(service, &Mention::Nothing).await?.pipeline;
    let mut facts = Vec::new();
    for stage in pipeline.stages.keys() {
        match observe(platform, &pipeline, stage).await {
            Ok(fact) => facts.extend(fact.map(|fact| (service.clone(), fact))),
            Err(error) => {
                tracing::error!(%service, %stage, %error, "the stage cannot be looked at")
            }
        }
    }
    for number in waiting_for_scans(&pipeline) {
        match scan(platform, &pipeline, number).await {
            Ok(fact) => facts.extend(fact.map(|fact| (service.clone(), fact))),
            Err(error) => {
                tracing::error!(%service, release = %number, %error, "the scan cannot be looked for")
            }
        }
    }
    facts.push((service.clone(), Fact::TimePassed));
    Ok(facts)
}

/// What is true about a stage's current attempt; nothing when the stage does nothing.
async fn observe(
    platform: &impl Platform,
    pipeline: &Pipeline,
    name: &StageName,
) -> Result<Option<Fact>, EngineError> {
    let Some((config, stage)) = pipeline.stage(name) else {
        return Ok(None);
    };
    let Some(active) = &stage.active else {
        return Ok(None);
    };
    let release = match &active.phase {
        Phase::RollingBack {
            how: How::Return,
            to: Some(to),
            ..
        } => *to,
        Phase::Starting { .. }
        | Phase::InProgress { .. }
        | Phase::Baking { .. }
        | Phase::RollingBack { .. } => active.offer.release,
    };
    let release = pipeline
        .releases
        .get(&release)
        .ok_or_else(|| LedgerError::Corrupt(format!("release {release} is not in the snapshot")))?;
    // What will never be told is as good as not there: the deployment's own time limit decides.
    let seen = platform
        .observe(
            &config.place,
            &config.target,
            &active.attempt,
            &release.artefact,
        )
        .await;
    let (progress, running) = unless_never(seen, (Progress::NotFound, Running::Unknown))?;
    let alarms = platform.alarms(&config.place, &config.alarms).await;
    let alarms = unless_never(alarms, Vec::new())?;
    Ok(Some(Fact::Observed(Observed {
        stage: name.clone(),
        attempt: active.attempt.clone(),
        progress,
        running,
        alarms,
    })))
}

/// What runs on the stages of a service that is taken over, and how their alarms are. A target that
/// cannot be asked for good (it does not exist yet, say) is one where nothing can be proved.
///
/// # Errors
/// When the platform cannot be asked now.
pub async fn find(
    platform: &impl Platform,
    config: &ServiceConfig,
) -> Result<Vec<Found>, EngineError> {
    let mut all = Vec::new();
    for stage in &config.stages {
        let (artefact, problem) = match platform.find_running(stage).await {
            Err(PlatformError::Terminal(problem)) => (None, Some(problem)),
            asked => (asked?, None),
        };
        let alarms = platform.alarms(&stage.place, &stage.alarms).await;
        let alarms = unless_never(alarms, Vec::new())?;
        all.push(Found {
            stage: stage.name.clone(),
            artefact,
            problem,
            alarms,
        });
    }
    Ok(all)
}

/// What runs on a stage, when it can be proved.
///
/// # Errors
/// When the platform cannot be asked now.
pub async fn find_running(
    platform: &impl Platform,
    stage: &StageConfig,
) -> Result<Option<Artefact>, EngineError> {
    Ok(unless_never(platform.find_running(stage).await, None)?)
}

pub(crate) fn unless_never<T>(
    asked: Result<T, PlatformError>,
    otherwise: T,
) -> Result<T, PlatformError> {
    match asked {
        Err(PlatformError::Terminal(problem)) => {
            tracing::warn!(problem, "a stage cannot be looked at");
            Ok(otherwise)
        }
        asked => asked,
    }
}
