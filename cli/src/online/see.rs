//! Looking at what a service file names, all stages at once.

use aws::AwsPlatform;
use aws::survey::{SeenBucket, SeenGroup, SeenService, TargetKind, Unseen};
use domain::alarm::AlarmSeen;
use domain::config::{ServiceConfig, Source, StageConfig, Target};
use engine::Platform as _;

/// What was seen of all that a file names.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(super) source: Result<SeenSource, Unseen>,
    pub(super) stages: Vec<SeenStage>,
}

/// Where artefacts come from.
#[derive(Debug)]
pub(super) enum SeenSource {
    Bucket(SeenBucket),
    Repository,
}

/// One stage's target and alarms.
#[derive(Debug)]
pub(super) struct SeenStage {
    /// Whether its account can be looked into from here.
    pub(super) place: Result<(), Unseen>,
    pub(super) service: Option<Result<SeenService, Unseen>>,
    pub(super) group: Option<Result<SeenGroup, Unseen>>,
    /// Target groups that service and group name, by name or ARN.
    pub(super) target_groups: Vec<(String, Result<TargetKind, Unseen>)>,
    pub(super) alarms: Result<Vec<AlarmSeen>, Unseen>,
}

/// Looks at everything, stage by stage.
pub(crate) async fn see(platform: &AwsPlatform, config: &ServiceConfig) -> Seen {
    let source = match &config.source {
        Source::S3 { bucket, .. } => {
            let seen = platform.survey_bucket(bucket).await;
            seen.map(SeenSource::Bucket)
        }
        Source::Ecr {
            account,
            region,
            repository,
            ..
        } => {
            let seen = platform.survey_repository(account, region, repository);
            seen.await.map(|()| SeenSource::Repository)
        }
        Source::Oci { .. } => {
            let listed = platform.listing(&config.source).await;
            listed.map(|_| SeenSource::Repository).map_err(Unseen::from)
        }
    };
    let stages = config.stages.iter().map(|stage| see_stage(platform, stage));
    Seen {
        source,
        stages: futures_util::future::join_all(stages).await,
    }
}

async fn see_stage(platform: &AwsPlatform, stage: &StageConfig) -> SeenStage {
    let place = &stage.place;
    let (service, group) = match &stage.target {
        Target::Ecs {
            cluster, service, ..
        } => (Some((cluster, service)), None),
        Target::CodeDeploy { application, group } => (None, Some((application, group))),
        Target::CodeDeployEcs {
            application,
            group,
            cluster,
            service,
            ..
        } => (Some((cluster, service)), Some((application, group))),
    };
    let service = match service {
        Some((cluster, service)) => Some(platform.survey_service(place, cluster, service).await),
        None => None,
    };
    let group = match group {
        Some((application, group)) => Some(platform.survey_group(place, application, group).await),
        None => None,
    };
    let mut named = Vec::new();
    if let Some(Ok(group)) = &group {
        named.extend(group.target_groups.iter().cloned());
    }
    if let Some(Ok(service)) = &service {
        // Behind CodeDeploy the service has one of the group's own, or an old one.
        let behind = named.is_empty();
        named.extend(service.target_groups.iter().filter(|_| behind).cloned());
    }
    let look = named.into_iter().map(async |named| {
        let seen = platform.survey_target_group(place, &named).await;
        (named, seen)
    });
    SeenStage {
        place: platform.survey_place(place).await,
        service,
        group,
        target_groups: futures_util::future::join_all(look).await,
        alarms: platform
            .alarms(place, &stage.alarms)
            .await
            .map_err(Unseen::from),
    }
}
