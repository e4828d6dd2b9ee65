//! CodeDeploy: deployments of a group of instances, and of an ECS service blue/green. A group takes
//! one deployment at a time, and a rollback is a deployment of its own.

mod create;
mod history;
mod running;
pub(crate) mod survey;
mod targets;
mod units;

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{DeploymentInfo, DeploymentStatus, ErrorInformation};
use domain::config::Target;
use domain::entry::{Order, StopOrder};
use domain::fact::{Answer, Progress, Running};
use domain::peril::Reflexes;
use domain::{Artefact, EntryId, SignedDuration, Timestamp};
use engine::{PlatformError, Units};

use self::history::{Group, History, is_unfinished};
use crate::ecs::{self, Wanted};
use crate::errors::{self, Trouble, cut};
use crate::places::Clients;
use crate::survey::Unseen;
use crate::{artefacts, time};

/// How long after a bad end CodeDeploy may take to begin its rollback: until then it is not over.
const ROLLBACK_WITHIN: SignedDuration = SignedDuration::from_secs(60);

fn group(target: &Target) -> Result<Group<'_>, PlatformError> {
    match target {
        Target::CodeDeploy { application, group }
        | Target::CodeDeployEcs {
            application, group, ..
        } => Ok(Group {
            application,
            name: group,
        }),
        Target::Ecs { .. } => Err(PlatformError::Terminal(
            "the target is no deployment group".to_owned(),
        )),
    }
}

/// Begins a deployment, or finds the one begun before.
pub(crate) async fn deploy(clients: &Clients, order: &Order) -> Result<Answer, PlatformError> {
    let client = clients.codedeploy();
    let group = group(&order.target)?;
    let mut history = History::read(client, group).await?;
    if let Some(own) = history.own(client, &order.attempt).await? {
        return begun(&own);
    }
    if let Some(by) = history.busy() {
        return Ok(Answer::Occupied { by: by.to_owned() });
    }
    let revision = match Wanted::of(&order.target) {
        None => create::of_object(&order.artefact)?,
        Some(_) => create::of_service(clients.ecs(), order).await?,
    };
    let created = create::request(client, group, order, revision).send().await;
    let id = match created {
        Ok(created) => created.deployment_id,
        Err(error) => {
            let trouble = Trouble::of("codedeploy:CreateDeployment", &error);
            if !trouble.is(&["DeploymentLimitExceededException"]) {
                return Err(trouble.into());
            }
            return occupied(client, group, order, &trouble.words).await;
        }
    };
    let id = id.ok_or_else(|| {
        PlatformError::Transient("codedeploy:CreateDeployment: an answer without an id".to_owned())
    })?;
    begun(&get(client, &id).await?)
}

/// Somebody was faster: another try of ours, or somebody else.
async fn occupied(
    client: &Client,
    group: Group<'_>,
    order: &Order,
    words: &str,
) -> Result<Answer, PlatformError> {
    let mut history = History::read(client, group).await?;
    if let Some(own) = history.own(client, &order.attempt).await? {
        return begun(&own);
    }
    // The id stands in the message only, and its wording has changed before.
    let by = named(words)
        .or(history.busy())
        .unwrap_or("that cannot be seen")
        .to_owned();
    Ok(Answer::Occupied { by })
}

/// A deployment's id in a sentence: `… already has an active Deployment 'd-ABCDEF123'`.
fn named(words: &str) -> Option<&str> {
    words
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .find(|word| word.strip_prefix("d-").is_some_and(|rest| rest.len() >= 6))
}

fn begun(info: &DeploymentInfo) -> Result<Answer, PlatformError> {
    let (platform_id, started_at) = identity(info)?;
    Ok(Answer::Begun {
        platform_id,
        started_at,
    })
}

/// A deployment's id and beginning.
fn identity(info: &DeploymentInfo) -> Result<(String, Timestamp), PlatformError> {
    let id = info.deployment_id().map(ToOwned::to_owned);
    let created = info.create_time().and_then(time::timestamp);
    id.zip(created).ok_or_else(|| {
        PlatformError::Transient("CodeDeploy describes a deployment without id or time".to_owned())
    })
}

async fn get(client: &Client, id: &str) -> Result<DeploymentInfo, PlatformError> {
    let answer = client
        .get_deployment()
        .deployment_id(id)
        .send()
        .await
        .map_err(errors::platform("codedeploy:GetDeployment"))?;
    answer.deployment_info.ok_or_else(|| {
        PlatformError::Transient(format!("CodeDeploy says nothing about the deployment {id}"))
    })
}

/// Stops an attempt; CodeDeploy deploys the last good revision over it.
pub(crate) async fn stop(clients: &Clients, order: &StopOrder) -> Result<Answer, PlatformError> {
    let client = clients.codedeploy();
    let group = group(&order.target)?;
    let named = order.platform_id.clone().filter(|id| id.starts_with("d-"));
    let id = match named {
        Some(id) => id,
        None => {
            let mut history = History::read(client, group).await?;
            let Some(own) = history.own(client, &order.attempt).await? else {
                return Ok(Answer::NeverBegun);
            };
            identity(&own)?.0
        }
    };
    let stopped = client
        .stop_deployment()
        .deployment_id(id)
        .auto_rollback_enabled(true)
        .send()
        .await;
    if let Err(error) = stopped {
        let trouble = Trouble::of("codedeploy:StopDeployment", &error);
        // Nothing is left to stop: what became of it is to be observed.
        let over = [
            "DeploymentAlreadyCompletedException",
            "DeploymentDoesNotExistException",
        ];
        if !trouble.is(&over) {
            return Err(trouble.into());
        }
    }
    Ok(Answer::Stopping)
}

/// What CodeDeploy itself does on alarms.
pub(crate) async fn reflexes(
    clients: &Clients,
    target: &Target,
) -> Result<Reflexes, PlatformError> {
    let Group { application, name } = group(target)?;
    let seen = survey::group(clients.codedeploy(), application, name).await;
    match seen {
        Ok(seen) => Ok(Reflexes {
            alarms: seen.alarms,
            goes_back: seen.returns_on_alarm,
        }),
        Err(Unseen::Missing(words) | Unseen::Forbidden(words)) => {
            Err(PlatformError::Terminal(words))
        }
        Err(Unseen::Unclear(words)) => Err(PlatformError::Transient(words)),
    }
}

/// How far an attempt is, and what the target runs.
pub(crate) async fn observe(
    clients: &Clients,
    target: &Target,
    attempt: &EntryId,
) -> Result<(Progress, Running), PlatformError> {
    let client = clients.codedeploy();
    let mut history = History::read(client, group(target)?).await?;
    let progress = match history.own(client, attempt).await? {
        Some(own) => progress(client, &history, &own).await?,
        None => Progress::NotFound,
    };
    let running = match Wanted::of(target) {
        Some(wanted) => ecs::running(clients.ecs(), &wanted).await?,
        None => running::running(client, history.newest()).await?,
    };
    Ok((progress, running))
}

/// The instances an attempt deploys to, or those that get back what it took away.
pub(crate) async fn units(
    clients: &Clients,
    target: &Target,
    attempt: &EntryId,
) -> Result<Units, PlatformError> {
    let client = clients.codedeploy();
    let mut history = History::read(client, group(target)?).await?;
    let Some(own) = history.own(client, attempt).await? else {
        return Ok(Units::default());
    };
    let (id, _) = identity(&own)?;
    let undoing = own
        .rollback_info()
        .and_then(|info| info.rollback_deployment_id())
        .or_else(|| history.undoing(&id));
    let undoing = match undoing {
        Some(undoing) => Some(get(client, undoing).await?),
        None => None,
    };
    units::units(client, &own, undoing.as_ref()).await
}

/// Which application and group a deployment is of.
pub(crate) async fn group_of(
    clients: &Clients,
    deployment: &str,
) -> Result<Option<(String, String)>, PlatformError> {
    let info = get(clients.codedeploy(), deployment).await?;
    Ok(info.application_name.zip(info.deployment_group_name))
}

/// What a group's instances run.
pub(crate) async fn running(clients: &Clients, target: &Target) -> Result<Running, PlatformError> {
    let client = clients.codedeploy();
    let history = History::read(client, group(target)?).await?;
    running::running(client, history.newest()).await
}

async fn progress(
    client: &Client,
    history: &History,
    own: &DeploymentInfo,
) -> Result<Progress, PlatformError> {
    let (platform_id, started_at) = identity(own)?;
    let ended_well = match own.status() {
        Some(DeploymentStatus::Succeeded) => true,
        Some(DeploymentStatus::Failed | DeploymentStatus::Stopped) => false,
        _ => {
            return Ok(Progress::Underway {
                platform_id,
                started_at,
            });
        }
    };
    // A deployment that succeeded may be undone all the same, by an alarm of its group.
    let undoing = own
        .rollback_info()
        .and_then(|info| info.rollback_deployment_id())
        .or_else(|| history.undoing(&platform_id));
    let Some(undoing) = undoing else {
        if ended_well {
            return Ok(Progress::Succeeded {
                platform_id,
                started_at,
            });
        }
        if may_be_undone(own, Timestamp::now()) {
            return Ok(Progress::Underway {
                platform_id,
                started_at,
            });
        }
        return Ok(Progress::Failed {
            why: why(client, own).await?,
            platform_id,
        });
    };
    let undoing = get(client, undoing).await?;
    let why = why(client, own).await?;
    Ok(match undoing.status() {
        Some(DeploymentStatus::Succeeded) => Progress::Undone { platform_id, why },
        Some(DeploymentStatus::Failed | DeploymentStatus::Stopped) => Progress::Failed {
            why: cut(&format!(
                "{why}; its rollback failed too: {}",
                error_words(&undoing)
            )),
            platform_id,
        },
        _ => Progress::Undoing { platform_id, why },
    })
}

/// Whether CodeDeploy may still be about to undo what has just ended badly: because its group says
/// so, or because it was stopped, which is how we ask for it.
fn may_be_undone(own: &DeploymentInfo, now: Timestamp) -> bool {
    let by_group = own
        .auto_rollback_configuration()
        .is_some_and(|auto| auto.enabled());
    let stopped = own.status() == Some(&DeploymentStatus::Stopped);
    let ended = own.complete_time().and_then(time::timestamp);
    (by_group || stopped) && ended.is_none_or(|ended| now.duration_since(ended) < ROLLBACK_WITHIN)
}

/// CodeDeploy's words, and those of the scripts that failed.
async fn why(client: &Client, own: &DeploymentInfo) -> Result<String, PlatformError> {
    let mut words = vec![error_words(own)];
    let on_instances = own
        .revision()
        .is_some_and(|revision| revision.s3_location().is_some());
    if let (true, Some(id)) = (on_instances, own.deployment_id()) {
        let instances = targets::instances(client, id).await?;
        words.extend(targets::diagnoses(&instances));
    }
    let undone = own.rollback_info().and_then(|info| info.rollback_message());
    words.extend(undone.map(ToOwned::to_owned));
    Ok(cut(&words.join("; ")))
}

fn error_words(info: &DeploymentInfo) -> String {
    let error = info.error_information();
    let code = error
        .and_then(ErrorInformation::code)
        .map(|code| code.as_str());
    match (code, error.and_then(ErrorInformation::message)) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(words), None) | (None, Some(words)) => words.to_owned(),
        (None, None) => "CodeDeploy gives no reason".to_owned(),
    }
}

/// What a group's instances run now, as an artefact, when that can be proved: by one version of one
/// object that succeeded on all of them.
pub(crate) async fn find_running(
    clients: &Clients,
    home: &Clients,
    target: &Target,
) -> Result<Option<Artefact>, PlatformError> {
    let client = clients.codedeploy();
    let history = History::read(client, group(target)?).await?;
    if history
        .newest()
        .iter()
        .any(|info| info.status().is_some_and(is_unfinished))
    {
        return Ok(None);
    }
    let Running::All(content) = running::running(client, history.newest()).await? else {
        return Ok(None);
    };
    let location = history
        .newest()
        .iter()
        .find(|info| running::content(info.revision()).as_ref() == Some(&content))
        .and_then(|info| info.revision()?.s3_location());
    let parts = location.and_then(|found| Some((found.bucket()?, found.key()?, found.version()?)));
    let Some((bucket, key, version)) = parts else {
        return Ok(None);
    };
    match artefacts::recorded(home.s3(), bucket, key, version).await {
        // An object we may not read cannot be proved, and would not be deployed again either.
        Err(PlatformError::Terminal(problem)) => {
            tracing::info!(bucket, key, problem, "what runs cannot be read");
            Ok(None)
        }
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_codedeploy::types::AutoRollbackConfiguration;
    use aws_smithy_types::DateTime;

    use super::*;

    #[test]
    fn the_occupant_is_named_in_the_message() {
        let words = "codedeploy:CreateDeployment: DeploymentLimitExceededException: The Deployment \
                     Group 'web-d-ev' already has an active Deployment 'd-ABCDE1234'";
        assert_eq!(named(words), Some("d-ABCDE1234"));
        assert_eq!(named("too many deployments"), None);
    }

    #[test]
    fn a_bad_end_is_not_the_end_while_a_rollback_may_come() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ended = |status| {
            DeploymentInfo::builder()
                .status(status)
                .complete_time(DateTime::from_secs(1000))
        };
        let auto = AutoRollbackConfiguration::builder().enabled(true).build();
        let failed = ended(DeploymentStatus::Failed).build();
        assert!(!may_be_undone(&failed, at(1001)));
        let undone = ended(DeploymentStatus::Failed)
            .auto_rollback_configuration(auto)
            .build();
        assert!(may_be_undone(&undone, at(1001)));
        assert!(!may_be_undone(&undone, at(1061)));
        let stopped = ended(DeploymentStatus::Stopped).build();
        assert!(may_be_undone(&stopped, at(1059)));
    }
}
