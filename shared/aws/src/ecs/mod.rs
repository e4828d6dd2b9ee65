//! ECS services that deploy themselves: the next task definition is their own with another image,
//! and ECS rolls, shifts traffic, watches and undoes as the service is configured to. The desired
//! count is never sent.

mod definition;
mod deployments;
mod own;
mod raw;
mod running;
pub(crate) mod survey;
mod units;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{
    DeploymentControllerType, Service, StopServiceDeploymentStopType, TaskSet,
};
use domain::config::{Target, TaskBase};
use domain::entry::{AlarmsAtStart, Order, StopOrder};
use domain::fact::{Answer, Progress, Running};
use domain::{Artefact, EntryId, Timestamp};
use engine::{PlatformError, Units};

use self::definition::Definition;
use self::deployments::Deployment;
use crate::artefacts::image_name;
use crate::errors::{self, Trouble};
use crate::mark::{TAG_DEPLOYMENT, TAG_RELEASE, TAG_STAGE, release_tag};
use crate::places::Clients;
use crate::time;

/// What a service deployment's ARN has in it, and an `ecs-svc/…` id has not.
const SERVICE_DEPLOYMENT: &str = ":service-deployment/";
/// The deployment, or task set, that is to stay.
const PRIMARY: &str = "PRIMARY";

/// The parts of a target that name an ECS service and what of it is deployed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) service: &'a str,
    pub(crate) containers: &'a [String],
    pub(crate) base: TaskBase,
}

impl<'a> Wanted<'a> {
    /// `None` for a target without an ECS service.
    pub(crate) fn of(target: &'a Target) -> Option<Self> {
        match target {
            Target::Ecs {
                cluster,
                service,
                containers,
                base,
            }
            | Target::CodeDeployEcs {
                cluster,
                service,
                containers,
                base,
                ..
            } => Some(Self {
                cluster,
                service,
                containers,
                base: *base,
            }),
            Target::CodeDeploy { .. } => None,
        }
    }

    fn of_service(target: &'a Target) -> Result<Self, PlatformError> {
        Self::of(target)
            .ok_or_else(|| PlatformError::Terminal("the target is no ECS service".to_owned()))
    }
}

/// Begins a deployment, or finds the one begun before.
pub(crate) async fn deploy(clients: &Clients, order: &Order) -> Result<Answer, PlatformError> {
    let client = clients.ecs();
    let wanted = Wanted::of_service(&order.target)?;
    let service = describe(client, &wanted).await?;
    deploys_itself(&service)?;
    let known = deployments::newest(client, &wanted).await?;
    let own = own_definition(client, &service, &order.attempt).await?;
    if let Some(own) = &own
        && let Some(begun) = begun(&service, &known, own)
    {
        return Ok(begun);
    }
    if let Some(by) = occupant(client, &known, order).await? {
        return Ok(Answer::Occupied { by });
    }
    let definition = match own {
        Some(own) => own,
        None => register(client, &wanted, &service, order).await?,
    };
    let updated = client
        .update_service()
        .cluster(wanted.cluster)
        .service(wanted.service)
        .task_definition(&definition)
        .send()
        .await
        .map_err(errors::platform("ecs:UpdateService"))?;
    // UpdateService does not name the service deployment it made (containers-roadmap#2709).
    let known = deployments::newest(client, &wanted).await?;
    updated
        .service()
        .and_then(|service| begun(service, &known, &definition))
        .ok_or_else(|| PlatformError::Transient("the deployment cannot be seen yet".to_owned()))
}

/// The task definition an order deploys: its own from an earlier try, else a new one.
pub(crate) async fn prepare(
    client: &Client,
    wanted: &Wanted<'_>,
    service: &Service,
    order: &Order,
) -> Result<String, PlatformError> {
    match own_definition(client, service, &order.attempt).await? {
        Some(own) => Ok(own),
        None => register(client, wanted, service, order).await,
    }
}

/// Stops an attempt; ECS brings back the revision before it.
pub(crate) async fn stop(clients: &Clients, order: &StopOrder) -> Result<Answer, PlatformError> {
    let client = clients.ecs();
    let wanted = Wanted::of_service(&order.target)?;
    let known = deployments::newest(client, &wanted).await?;
    let named = order
        .platform_id
        .as_deref()
        .filter(|id| id.contains(SERVICE_DEPLOYMENT));
    // By the mark first: should two tries have raced, the one that won bears it too.
    let ours = match deployments::of_attempt(client, &known, &order.attempt).await? {
        Some(ours) => Some(ours),
        None => known.iter().find(|one| Some(one.arn.as_str()) == named),
    };
    let arn = match (ours, named) {
        (Some(ours), _) if !ours.is_unfinished() || ours.is_being_undone() => {
            return Ok(Answer::Stopping);
        }
        (Some(ours), _) => ours.arn.as_str(),
        (None, Some(arn)) => arn,
        (None, None) => return unseen(client, &wanted, &order.attempt).await,
    };
    let stopped = client
        .stop_service_deployment()
        .service_deployment_arn(arn)
        .stop_type(StopServiceDeploymentStopType::Rollback)
        .send()
        .await;
    if let Err(error) = stopped {
        let trouble = Trouble::of("ecs:StopServiceDeployment", &error);
        // It ended meanwhile, or is gone: what became of it is to be observed.
        if !trouble.is(&["ConflictException", "ServiceDeploymentNotFoundException"]) {
            return Err(trouble.into());
        }
    }
    Ok(Answer::Stopping)
}

/// A stop that sees no deployment of the attempt: either there is none, or it cannot be seen yet.
async fn unseen(
    client: &Client,
    wanted: &Wanted<'_>,
    attempt: &EntryId,
) -> Result<Answer, PlatformError> {
    let service = describe(client, wanted).await?;
    match primary_of_attempt(client, &service, attempt).await? {
        None => Ok(Answer::NeverBegun),
        Some(_) => Err(PlatformError::Transient(
            "the deployment cannot be stopped yet".to_owned(),
        )),
    }
}

/// How far an attempt is, and what the service runs.
pub(crate) async fn observe(
    clients: &Clients,
    target: &Target,
    attempt: &EntryId,
) -> Result<(Progress, Running), PlatformError> {
    let client = clients.ecs();
    let wanted = Wanted::of_service(target)?;
    let service = describe(client, &wanted).await?;
    let known = deployments::newest(client, &wanted).await?;
    let progress = match deployments::of_attempt(client, &known, attempt).await? {
        Some(ours) => deployments::progress(client, ours).await?,
        None => match primary_of_attempt(client, &service, attempt).await? {
            Some((platform_id, started_at)) => Progress::Underway {
                platform_id,
                started_at,
            },
            None => Progress::NotFound,
        },
    };
    Ok((progress, running::running(client, &wanted, &service).await?))
}

/// What a service's tasks run now.
pub(crate) async fn running(
    client: &Client,
    wanted: &Wanted<'_>,
) -> Result<Running, PlatformError> {
    let service = describe(client, wanted).await?;
    running::running(client, wanted, &service).await
}

/// What a service's tasks run now, as an artefact, when that can be proved.
pub(crate) async fn find_running(
    clients: &Clients,
    target: &Target,
) -> Result<Option<Artefact>, PlatformError> {
    let client = clients.ecs();
    let wanted = Wanted::of_service(target)?;
    let service = describe(client, &wanted).await?;
    running::artefact(client, &wanted, &service).await
}

/// A service's tasks, one by one.
pub(crate) async fn units(
    clients: &Clients,
    target: &Target,
    since: Timestamp,
) -> Result<Units, PlatformError> {
    let wanted = Wanted::of_service(target)?;
    units::units(clients.ecs(), &wanted, since).await
}

/// A service as it is.
pub(crate) async fn describe(
    client: &Client,
    wanted: &Wanted<'_>,
) -> Result<Service, PlatformError> {
    let missing = || {
        let words = format!(
            "there is no service {} in the cluster {}",
            wanted.service, wanted.cluster
        );
        PlatformError::Terminal(words)
    };
    let answer = client
        .describe_services()
        .cluster(wanted.cluster)
        .services(wanted.service)
        .send()
        .await
        .map_err(|error| {
            let trouble = Trouble::of("ecs:DescribeServices", &error);
            if trouble.is(&["ClusterNotFoundException"]) {
                missing()
            } else {
                trouble.into()
            }
        })?;
    let service = answer
        .services
        .unwrap_or_default()
        .into_iter()
        .next()
        .ok_or_else(missing)?;
    if service.status() == Some("INACTIVE") {
        return Err(missing());
    }
    Ok(service)
}

/// ECS refuses a task definition for a service that CodeDeploy deploys.
fn deploys_itself(service: &Service) -> Result<(), PlatformError> {
    let controller = service
        .deployment_controller()
        .map(|controller| controller.r#type());
    match controller {
        None | Some(DeploymentControllerType::Ecs) => Ok(()),
        Some(other) => Err(PlatformError::Terminal(format!(
            "the service {} is deployed by {}, not by ECS itself",
            service.service_name().unwrap_or_default(),
            other.as_str()
        ))),
    }
}

/// The task set that is to stay, of a service that CodeDeploy deploys.
pub(crate) fn primary_set(service: &Service) -> Option<&TaskSet> {
    service
        .task_sets()
        .iter()
        .find(|set| set.status() == Some(PRIMARY))
}

/// The definition a service runs.
fn running_definition(service: &Service) -> Result<&str, PlatformError> {
    let of_set = primary_set(service).and_then(|set| set.task_definition());
    of_set.or(service.task_definition()).ok_or_else(|| {
        PlatformError::Terminal("the service has no task definition to go on from".to_owned())
    })
}

/// The definition that was registered for an attempt.
async fn own_definition(
    client: &Client,
    service: &Service,
    attempt: &EntryId,
) -> Result<Option<String>, PlatformError> {
    let family = definition::family(running_definition(service)?);
    let is_own = |definition: &Definition| own::is_of(definition, attempt);
    Ok(own::newest(client, family, own::RECENT, is_own)
        .await?
        .map(|own| own.arn))
}

/// The image that an order deploys.
fn image(order: &Order) -> Result<String, PlatformError> {
    image_name(&order.artefact).ok_or_else(|| {
        let words = "an ECS service runs images, and the artefact is an object".to_owned();
        PlatformError::Terminal(words)
    })
}

/// Registers the next definition.
async fn register(
    client: &Client,
    wanted: &Wanted<'_>,
    service: &Service,
    order: &Order,
) -> Result<String, PlatformError> {
    let image = image(order)?;
    let base = base(client, wanted, service, order).await?;
    definition::register(client, &base, &image, wanted.containers, order).await
}

/// What the next definition is made from. On the way back it is the very definition the release ran
/// with before: what else came with the bad one goes with it.
async fn base(
    client: &Client,
    wanted: &Wanted<'_>,
    service: &Service,
    order: &Order,
) -> Result<Definition, PlatformError> {
    let running = running_definition(service)?;
    let family = definition::family(running);
    if order.alarms == AlarmsAtStart::PassOver {
        let release = release_tag(&order.attempt, order.release);
        let ran_before = |definition: &Definition| {
            definition.tag(TAG_RELEASE) == Some(&release)
                && definition.tag(TAG_STAGE) == Some(order.stage.as_str())
        };
        if let Some(before) = own::newest(client, family, own::OLDER, ran_before).await? {
            return Ok(before);
        }
    }
    match wanted.base {
        TaskBase::Running => definition::describe(client, running).await,
        TaskBase::Newest => definition::describe(client, family).await,
    }
}

/// The deployment that brings a definition, as an answer.
fn begun(service: &Service, known: &[Deployment], definition: &str) -> Option<Answer> {
    if let Some(ours) = deployments::of_definition(known, definition) {
        return Some(Answer::Begun {
            platform_id: ours.arn.clone(),
            started_at: ours.begun_at,
        });
    }
    // The list lags: the service itself knows already.
    let (found, platform_id, started_at) = primary(service)?;
    (found == definition).then_some(Answer::Begun {
        platform_id,
        started_at,
    })
}

/// A service's primary deployment: its definition, `ecs-svc/…` id and beginning.
fn primary(service: &Service) -> Option<(&str, String, Timestamp)> {
    let primary = service
        .deployments()
        .iter()
        .find(|one| one.status() == Some(PRIMARY))?;
    let started_at = time::timestamp(primary.created_at()?)?;
    Some((
        primary.task_definition()?,
        primary.id()?.to_owned(),
        started_at,
    ))
}

/// A service's primary deployment, when it brings an attempt's definition.
async fn primary_of_attempt(
    client: &Client,
    service: &Service,
    attempt: &EntryId,
) -> Result<Option<(String, Timestamp)>, PlatformError> {
    let Some((definition, platform_id, started_at)) = primary(service) else {
        return Ok(None);
    };
    let definition = definition::describe(client, definition).await?;
    Ok(own::is_of(&definition, attempt).then_some((platform_id, started_at)))
}

/// Who occupies the service: a deployment that somebody else began, or one that ECS is taking back.
/// An earlier one of our own for the same stage is given up by whoever orders the next, and ECS
/// replaces it: it may never end by itself.
async fn occupant(
    client: &Client,
    known: &[Deployment],
    order: &Order,
) -> Result<Option<String>, PlatformError> {
    for busy in known.iter().filter(|one| one.is_unfinished()) {
        if busy.is_being_undone() {
            return Ok(Some(busy.arn.clone()));
        }
        let definition = definition::describe(client, &busy.definition).await?;
        let attempt: Option<EntryId> = definition
            .tag(TAG_DEPLOYMENT)
            .and_then(|tag| tag.parse().ok());
        let is_ours = attempt.is_some_and(|attempt| attempt.service == order.attempt.service)
            && definition.tag(TAG_STAGE) == Some(order.stage.as_str());
        if !is_ours {
            return Ok(Some(busy.arn.clone()));
        }
    }
    Ok(None)
}
