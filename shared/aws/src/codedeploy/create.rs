//! What CreateDeployment is asked: the revision, the mark, and what is passed over on the way back.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::operation::create_deployment::builders::CreateDeploymentFluentBuilder;
use aws_sdk_codedeploy::types::{
    AlarmConfiguration, AppSpecContent, BundleType, RevisionLocation, RevisionLocationType,
    S3Location,
};
use domain::Artefact;
use domain::bundle::Bundle;
use domain::config::{Hook, Target};
use domain::entry::{AlarmsAtStart, Order};
use engine::PlatformError;
use serde_json::{Map, Value, json};

use super::history::Group;
use crate::ecs::{self, Wanted};
use crate::mark;

/// The platform version that CodeDeploy takes when it is told none.
const LATEST: &str = "LATEST";

/// The request for an order.
pub(super) fn request(
    client: &Client,
    group: Group<'_>,
    order: &Order,
    revision: RevisionLocation,
) -> CreateDeploymentFluentBuilder {
    let request = client
        .create_deployment()
        .application_name(group.application)
        .deployment_group_name(group.name)
        .description(mark::description(&order.attempt, order.release))
        .revision(revision);
    match order.alarms {
        AlarmsAtStart::Hold => request,
        // CodeDeploy would stop at once what is deployed into a fire, and a bad release's own stop
        // script would hold up the way back.
        AlarmsAtStart::PassOver => request
            .ignore_application_stop_failures(true)
            .override_alarm_configuration(AlarmConfiguration::builder().enabled(false).build()),
    }
}

/// An object's revision. Its version is always named: CodeDeploy takes the newest otherwise.
pub(super) fn of_object(artefact: &Artefact) -> Result<RevisionLocation, PlatformError> {
    let Artefact::Object {
        bucket,
        key,
        version,
        ..
    } = artefact
    else {
        let words = "instances run archives, and the artefact is an image".to_owned();
        return Err(PlatformError::Terminal(words));
    };
    let bundle = Bundle::of(key).ok_or_else(|| {
        PlatformError::Terminal(format!("{key} is no archive that CodeDeploy unpacks"))
    })?;
    let location = S3Location::builder()
        .bucket(bucket)
        .key(key)
        .version(version)
        .bundle_type(bundle_type(bundle));
    Ok(RevisionLocation::builder()
        .revision_type(RevisionLocationType::S3)
        .s3_location(location.build())
        .build())
}

/// CodeDeploy's word for how an object is packed.
fn bundle_type(bundle: Bundle) -> BundleType {
    match bundle {
        Bundle::Zip => BundleType::Zip,
        Bundle::Tar => BundleType::Tar,
        Bundle::TarGz => BundleType::TarGZip,
    }
}

/// The revision of an ECS service: an AppSpec that names the next task definition.
pub(super) async fn of_service(
    ecs: &aws_sdk_ecs::Client,
    order: &Order,
) -> Result<RevisionLocation, PlatformError> {
    let (
        Some(wanted),
        Target::CodeDeployEcs {
            container,
            port,
            hooks,
            ..
        },
    ) = (Wanted::of(&order.target), &order.target)
    else {
        return Err(PlatformError::Terminal(
            "the target is no ECS service".to_owned(),
        ));
    };
    let service = ecs::describe(ecs, &wanted).await?;
    let definition = ecs::prepare(ecs, &wanted, &service, order).await?;
    let version = ecs::primary_set(&service)
        .and_then(|set| set.platform_version())
        .filter(|version| *version != LATEST);
    let content = appspec(&definition, container, *port, version, hooks).to_string();
    Ok(RevisionLocation::builder()
        .revision_type(RevisionLocationType::AppSpecContent)
        .app_spec_content(AppSpecContent::builder().content(content).build())
        .build())
}

/// An AppSpec for ECS (CodeDeploy User Guide, "AppSpec file structure for Amazon ECS").
fn appspec(
    definition: &str,
    container: &str,
    port: u16,
    platform_version: Option<&str>,
    hooks: &[Hook],
) -> Value {
    let mut properties = json!({
        "TaskDefinition": definition,
        "LoadBalancerInfo": { "ContainerName": container, "ContainerPort": port },
    });
    if let (Some(version), Some(properties)) = (platform_version, properties.as_object_mut()) {
        properties.insert("PlatformVersion".to_owned(), version.into());
    }
    let hooks: Vec<Value> = hooks
        .iter()
        .map(|hook| {
            Map::from_iter([(hook.event.clone(), Value::from(hook.function.clone()))]).into()
        })
        .collect();
    json!({
        "version": 0.0,
        "Resources": [
            { "TargetService": { "Type": "AWS::ECS::Service", "Properties": properties } },
        ],
        "Hooks": hooks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(key: &str) -> Artefact {
        Artefact::Object {
            bucket: "artefacts".into(),
            key: key.into(),
            version: "v1".into(),
            sha256: None,
            bytes: 1,
        }
    }

    #[test]
    fn the_version_is_always_named() {
        let revision = of_object(&object("web/1.tar.gz")).unwrap();
        let location = revision.s3_location().unwrap();
        assert_eq!(location.version(), Some("v1"));
        assert_eq!(
            location.bundle_type().map(|bundle| bundle.as_str()),
            Some("tgz")
        );
        assert!(of_object(&object("web/1.rpm")).is_err());
    }

    #[test]
    fn the_appspec_names_definition_container_and_hooks() {
        let hooks = [Hook {
            event: "AfterAllowTestTraffic".into(),
            function: "lastgood-hook".into(),
        }];
        let spec = appspec("arn:web:8", "web", 8080, Some("1.4.0"), &hooks);
        let properties = &spec["Resources"][0]["TargetService"]["Properties"];
        assert_eq!(properties["TaskDefinition"], "arn:web:8");
        assert_eq!(properties["LoadBalancerInfo"]["ContainerPort"], 8080);
        assert_eq!(properties["PlatformVersion"], "1.4.0");
        assert_eq!(spec["Hooks"][0]["AfterAllowTestTraffic"], "lastgood-hook");
        let plain = appspec("arn:web:8", "web", 8080, None, &[]);
        assert!(
            plain["Resources"][0]["TargetService"]["Properties"]
                .get("PlatformVersion")
                .is_none()
        );
    }
}
