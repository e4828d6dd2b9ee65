//! The AppSpec file of a bundle (`appspec.yml` in its root) and of an ECS deployment: reading and
//! checking it. Nothing is run or copied here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::revision::Content;

/// The only version that exists.
const VERSION: f64 = 0.0;

/// How long a script may take when its `timeout` is left out, in seconds.
/// Source: CodeDeploy user guide, "AppSpec 'hooks' section".
const TIMEOUT_DEFAULT_SECONDS: u64 = 3600;

/// The longest that all scripts of one lifecycle event together may be given, in seconds.
const TIMEOUT_MAX_SECONDS: u64 = 3600;

/// What is to be done with a file that exists already and was not installed by the deployment
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum FileExists {
    /// The deployment fails.
    #[default]
    Disallow,
    /// The bundle's file replaces it.
    Overwrite,
    /// It stays.
    Retain,
}

/// The AppSpec file of a bundle for EC2 and on-premises instances.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct AppSpec {
    version: f64,
    os: String,
    /// What to copy where, in this order.
    #[serde(default)]
    pub(super) files: Vec<Copying>,
    /// Scripts by the name of the lifecycle event.
    #[serde(default)]
    hooks: BTreeMap<String, Option<Vec<Script>>>,
    /// Overrides what the deployment says.
    #[serde(default)]
    pub(super) file_exists_behavior: Option<FileExists>,
}

/// One entry of `files`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Copying {
    /// A file or folder of the bundle; `/` is all of it.
    pub(super) source: String,
    /// The folder on the instance that it goes to.
    pub(super) destination: String,
}

/// One script of a lifecycle event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Script {
    /// Where it is, relative to the bundle's root.
    pub(super) location: String,
    /// How long it may take, in seconds.
    #[serde(default = "timeout_default")]
    pub(super) timeout: u64,
}

fn timeout_default() -> u64 {
    TIMEOUT_DEFAULT_SECONDS
}

/// Why an AppSpec file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppSpecError {
    /// It is not the YAML of an AppSpec file.
    #[error("the application specification file is not valid: {0}")]
    Yaml(String),
    /// Its version is none that exists.
    #[error(
        "the application specification file has an invalid version value ({0}); it must be 0.0"
    )]
    Version(f64),
    /// It is for another operating system.
    #[error("the application specification file has an unsupported os value ({0})")]
    Os(String),
    /// The scripts of an event have too much time.
    #[error(
        "the scripts of {event} may take {seconds} seconds; at most {TIMEOUT_MAX_SECONDS} are allowed"
    )]
    Timeout {
        /// The lifecycle event.
        event: String,
        /// The sum of its timeouts.
        seconds: u64,
    },
    /// An ECS AppSpec names no or several services.
    #[error("the AppSpec content must name exactly one TargetService")]
    Services,
}

impl AppSpec {
    /// Reads `appspec.yml`.
    pub(super) fn parse(text: &str) -> Result<Self, AppSpecError> {
        let spec: Self = yaml(text)?;
        if spec.version != VERSION {
            return Err(AppSpecError::Version(spec.version));
        }
        if spec.os != "linux" {
            return Err(AppSpecError::Os(spec.os));
        }
        for (event, scripts) in &spec.hooks {
            let seconds = scripts.iter().flatten().map(|script| script.timeout).sum();
            let explicit = scripts
                .iter()
                .flatten()
                .any(|s| s.timeout != TIMEOUT_DEFAULT_SECONDS);
            if explicit && seconds > TIMEOUT_MAX_SECONDS {
                return Err(AppSpecError::Timeout {
                    event: event.clone(),
                    seconds,
                });
            }
        }
        Ok(spec)
    }

    /// The scripts of a lifecycle event.
    pub(super) fn scripts(&self, event: &str) -> &[Script] {
        self.hooks
            .get(event)
            .and_then(Option::as_deref)
            .unwrap_or_default()
    }
}

/// The AppSpec content of an ECS deployment: the new task definition and its hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EcsSpec {
    /// The ARN (or `family:revision`) of the new task definition.
    pub(super) task_definition: String,
    /// Lambda functions, name or ARN, by the name of the lifecycle event.
    pub(super) hooks: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct EcsWire {
    #[serde(rename = "Resources")]
    resources: Vec<BTreeMap<String, EcsResource>>,
    #[serde(rename = "Hooks", default)]
    hooks: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EcsResource {
    properties: EcsProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EcsProperties {
    task_definition: String,
    load_balancer_info: EcsContainer,
}

/// Which container gets the traffic; read so that its absence is refused, as AWS does.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EcsContainer {
    #[serde(rename = "ContainerName")]
    _name: String,
    #[serde(rename = "ContainerPort")]
    _port: u16,
}

impl EcsSpec {
    /// The same AppSpec content with another task definition; `None` when it cannot be read.
    pub(super) fn with_task_definition(text: &str, task_definition: &str) -> Option<Content> {
        let mut value: Value = yaml(text).ok()?;
        let resources = value.get_mut("Resources")?.get_mut(0)?.as_object_mut()?;
        for resource in resources.values_mut() {
            *resource.get_mut("Properties")?.get_mut("TaskDefinition")? = json!(task_definition);
        }
        Some(Content {
            content: value.to_string(),
            sha256: None,
        })
    }

    /// Reads AppSpec content, YAML or JSON.
    pub(super) fn parse(text: &str) -> Result<Self, AppSpecError> {
        let wire: EcsWire = yaml(text)?;
        let mut resources = wire.resources.into_iter().flatten();
        let (Some((_, only)), None) = (resources.next(), resources.next()) else {
            return Err(AppSpecError::Services);
        };
        let EcsProperties {
            task_definition,
            load_balancer_info: EcsContainer { .. },
        } = only.properties;
        Ok(Self {
            task_definition,
            hooks: wire.hooks.into_iter().flatten().collect(),
        })
    }
}

fn yaml<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, AppSpecError> {
    serde_saphyr::from_str(text).map_err(|error| AppSpecError::Yaml(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_file_is_read() {
        let spec = AppSpec::parse(
            "version: 0.0\nos: linux\nfiles:\n  - source: /\n    destination: /var/www\n\
             permissions:\n  - object: /var/www\n    owner: web\n\
             hooks:\n  ValidateService:\n    - location: check.sh\n      timeout: 30\n      \
             runas: root\n  ApplicationStop:\n    - location: stop.sh\n",
        )
        .unwrap();
        assert_eq!(spec.files[0].destination, "/var/www");
        assert_eq!(spec.scripts("ValidateService")[0].timeout, 30);
        assert_eq!(spec.scripts("ApplicationStop")[0].timeout, 3600);
        assert!(spec.scripts("AfterInstall").is_empty());
    }

    #[test]
    fn what_is_wrong_is_said() {
        let versions = AppSpec::parse("version: 1.0\nos: linux").unwrap_err();
        assert!(matches!(versions, AppSpecError::Version(_)), "{versions}");
        assert!(matches!(
            AppSpec::parse("version: 0.0\nos: plan9"),
            Err(AppSpecError::Os(_))
        ));
        assert!(matches!(AppSpec::parse("{{{"), Err(AppSpecError::Yaml(_))));
        let slow = "version: 0.0\nos: linux\nhooks:\n  AfterInstall:\n    - location: a\n      \
                    timeout: 3000\n    - location: b\n      timeout: 3000\n";
        assert!(matches!(
            AppSpec::parse(slow),
            Err(AppSpecError::Timeout { .. })
        ));
    }

    #[test]
    fn ecs_content_is_read_as_json_and_as_yaml() {
        let json = r#"{"version":0.0,"Resources":[{"TargetService":{"Type":"AWS::ECS::Service",
            "Properties":{"TaskDefinition":"web:7","LoadBalancerInfo":
            {"ContainerName":"web","ContainerPort":8080}}}}],
            "Hooks":[{"BeforeAllowTraffic":"check"},{"AfterAllowTraffic":"look"}]}"#;
        let spec = EcsSpec::parse(json).unwrap();
        assert_eq!(spec.task_definition, "web:7");
        assert_eq!(spec.hooks["AfterAllowTraffic"], "look");
        let yaml = [
            "version: 0.0",
            "Resources:",
            "  - TargetService:",
            "      Type: AWS::ECS::Service",
            "      Properties:",
            "        TaskDefinition: web:8",
            "        LoadBalancerInfo:",
            "          ContainerName: web",
            "          ContainerPort: 80",
        ];
        let yaml = &yaml.join("\n");
        assert_eq!(EcsSpec::parse(yaml).unwrap().task_definition, "web:8");
        assert!(matches!(
            EcsSpec::parse(r#"{"Resources":[]}"#),
            Err(AppSpecError::Services)
        ));
    }
}
