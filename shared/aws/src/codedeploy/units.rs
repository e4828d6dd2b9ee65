//! A deployment's instances one by one, with the step each is at and why some of them failed. For
//! people who watch.

use std::collections::BTreeMap;

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{
    DeploymentInfo, InstanceTarget, LifecycleEventStatus, TargetLabel, TargetStatus,
};
use domain::artefact::Content;
use engine::{PlatformError, Unit, UnitState, Units};

use super::{running, targets};

/// The instances of an attempt's deployment, and over them those of the one that undoes it.
pub(super) async fn units(
    client: &Client,
    own: &DeploymentInfo,
    undoing: Option<&DeploymentInfo>,
) -> Result<Units, PlatformError> {
    let mut all: BTreeMap<String, Unit> = BTreeMap::new();
    for deployment in std::iter::once(own).chain(undoing) {
        let Some(id) = deployment.deployment_id() else {
            continue;
        };
        let brings = running::content(deployment.revision());
        for instance in targets::instances(client, id).await? {
            // The original instances of a blue/green deployment take no traffic any more.
            if instance.instance_label() == Some(&TargetLabel::Blue) {
                continue;
            }
            let unit = unit(&instance, brings.as_ref());
            // What has not been reached by the undoing is as it was left.
            if unit.state != UnitState::Waiting || !all.contains_key(&unit.name) {
                all.insert(unit.name.clone(), unit);
            }
        }
    }
    Ok(Units {
        wanted: all.len(),
        all: all.into_values().collect(),
        notes: Vec::new(),
    })
}

fn unit(instance: &InstanceTarget, brings: Option<&Content>) -> Unit {
    let state = match instance.status() {
        Some(TargetStatus::Succeeded) => UnitState::Running,
        Some(TargetStatus::Failed) => UnitState::Died,
        Some(TargetStatus::InProgress | TargetStatus::Ready) => UnitState::Starting,
        _ => UnitState::Waiting,
    };
    let words = match state {
        UnitState::Died => targets::failure(instance).or(Some("failed".to_owned())),
        UnitState::Starting => step(instance),
        UnitState::Waiting | UnitState::Running | UnitState::Stopping => None,
    };
    Unit {
        name: targets::name(instance).to_owned(),
        state,
        runs: brings.filter(|_| state == UnitState::Running).cloned(),
        words,
    }
}

/// The lifecycle event an instance is at.
fn step(instance: &InstanceTarget) -> Option<String> {
    let events = instance.lifecycle_events().iter();
    let mut at = events.filter(|event| event.status() == Some(&LifecycleEventStatus::InProgress));
    at.next()?.lifecycle_event_name().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use aws_sdk_codedeploy::types::LifecycleEvent;

    use super::*;

    #[test]
    fn an_instance_says_at_which_step_it_is() {
        let event = |name: &str, status| {
            LifecycleEvent::builder()
                .lifecycle_event_name(name)
                .status(status)
                .build()
        };
        let instance = InstanceTarget::builder()
            .target_id("arn:aws:ec2:ap-south-1:111122223333:instance/i-1")
            .status(TargetStatus::InProgress)
            .lifecycle_events(event("ApplicationStop", LifecycleEventStatus::Succeeded))
            .lifecycle_events(event("BeforeInstall", LifecycleEventStatus::InProgress))
            .build();
        let seen = unit(&instance, None);
        assert_eq!(
            (seen.name.as_str(), seen.state),
            ("i-1", UnitState::Starting)
        );
        assert_eq!(seen.words.as_deref(), Some("BeforeInstall"));
    }

    #[test]
    fn an_instance_runs_what_was_brought_only_once_that_succeeded() {
        let brings = Content("b/k@v".into());
        let at = |status| {
            let instance = InstanceTarget::builder().target_id("i-1").status(status);
            unit(&instance.build(), Some(&brings)).runs
        };
        assert_eq!(at(TargetStatus::Succeeded), Some(brings.clone()));
        assert_eq!(at(TargetStatus::InProgress), None);
        assert_eq!(at(TargetStatus::Pending), None);
    }
}
