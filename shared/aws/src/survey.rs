//! How targets, buckets and repositories are configured: for those who write a service file from
//! what exists, check one, or want to see what a deployment would change. It only reads, with the
//! rights of who asks; what it may not see it says.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use domain::alarm::AlarmState;
use domain::config::Place;
use domain::entry::Order;
use domain::{AccountId, Region, SignedDuration};
use engine::PlatformError;
use serde_json::Value;

use crate::errors::Trouble;
use crate::platform::AwsPlatform;
use crate::{codedeploy, ecs};

/// Why something could not be seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unseen {
    /// It does not exist.
    #[error("{0}")]
    Missing(String),
    /// AWS does not let this identity look.
    #[error("{0}")]
    Forbidden(String),
    /// It cannot be told now.
    #[error("{0}")]
    Unclear(String),
}

impl Unseen {
    /// Reads an SDK error; `missing` are the codes that mean that there is no such thing.
    pub(crate) fn of<E>(asked: &str, missing: &[&str], error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let trouble = Trouble::of(asked, error);
        if trouble.is(missing) {
            return Self::Missing(trouble.words);
        }
        let forbidden = trouble.status == Some(403)
            || trouble.code.as_ref().is_some_and(|code| {
                code.contains("AccessDenied") || code.contains("NotAuthorized")
            });
        if forbidden {
            Self::Forbidden(trouble.words)
        } else {
            Self::Unclear(trouble.words)
        }
    }
}

impl From<PlatformError> for Unseen {
    fn from(error: PlatformError) -> Self {
        match error {
            PlatformError::Transient(words) => Self::Unclear(words),
            PlatformError::Terminal(words) if words.contains("AccessDenied") => {
                Self::Forbidden(words)
            }
            PlatformError::Terminal(words) => Self::Unclear(words),
        }
    }
}

/// Who deploys an ECS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Controller {
    /// ECS itself.
    Ecs,
    /// CodeDeploy, blue/green.
    CodeDeploy,
    /// Something else; its name.
    Other(String),
}

/// An ECS service as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenService {
    /// Who deploys it.
    pub controller: Controller,
    /// How many tasks are wanted.
    pub desired: u32,
    /// The task definition it runs, as `family:revision`.
    pub definition: String,
    /// Its containers with their images.
    pub containers: Vec<(String, String)>,
    /// Containers and ports that take traffic.
    pub doors: Vec<(String, u16)>,
    /// The ARNs of the target groups that bring it.
    pub target_groups: Vec<String>,
    /// Whether each task has an address of its own (network mode `awsvpc`, as Fargate has it).
    pub own_addresses: bool,
    /// Names of alarms that ECS itself fails a deployment on.
    pub alarms: Vec<String>,
    /// How long ECS itself bakes.
    pub bake: SignedDuration,
}

/// What a group's application deploys to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compute {
    /// EC2 and on-premises instances.
    Server,
    /// An ECS service.
    Ecs {
        /// The cluster's name.
        cluster: String,
        /// The service's name.
        service: String,
    },
    /// Something else; its name.
    Other(String),
}

/// What a target group takes for targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetKind {
    /// Instances, by their ids.
    Instance,
    /// IP addresses.
    Address,
    /// Something else; its name.
    Other(String),
}

/// A CodeDeploy deployment group as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenGroup {
    /// What it deploys to.
    pub compute: Compute,
    /// Names of alarms that CodeDeploy itself stops a deployment on.
    pub alarms: Vec<String>,
    /// Whether CodeDeploy goes back by itself when an alarm stopped a deployment.
    pub returns_on_alarm: bool,
    /// The names of the target groups that it takes traffic from and gives traffic to.
    pub target_groups: Vec<String>,
    /// The bucket and key of what it last deployed from S3.
    pub last_object: Option<(String, String)>,
}

/// A bucket as far as Lastgood depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenBucket {
    /// Whether it keeps versions.
    pub keeps_versions: bool,
    /// Whether it tells EventBridge what happens to its objects.
    pub tells_events: bool,
}

/// What an order would change in an ECS service's task definition.
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionChange {
    /// What runs, as `family:revision`.
    pub running: String,
    /// What the next one is made from, as `family:revision`.
    pub base: String,
    /// What runs, without what AWS adds and what marks it as ours.
    pub before: Value,
    /// What would be registered, without what marks it as ours.
    pub after: Value,
}

/// An alarm, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAlarm {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// CloudWatch's words on it.
    pub reason: String,
}

impl AwsPlatform {
    /// Our own account's metric alarms whose names begin so.
    ///
    /// # Errors
    /// When they cannot be seen.
    pub async fn survey_alarms(
        &self,
        region: &Region,
        prefix: &str,
    ) -> Result<Vec<NamedAlarm>, Unseen> {
        let clients = self.places().own(region.clone()).await?;
        let mut pages = clients
            .cloudwatch()
            .describe_alarms()
            .alarm_name_prefix(prefix)
            .into_paginator()
            .send();
        let mut alarms = Vec::new();
        while let Some(page) = pages.next().await {
            let asked = "cloudwatch:DescribeAlarms";
            let page = page.map_err(|error| Unseen::of(asked, &[], &error))?;
            alarms.extend(page.metric_alarms().iter().filter_map(|alarm| {
                Some(NamedAlarm {
                    name: alarm.alarm_name()?.to_owned(),
                    state: match alarm.state_value()?.as_str() {
                        "ALARM" => AlarmState::Alarm,
                        "OK" => AlarmState::Ok,
                        _ => AlarmState::InsufficientData,
                    },
                    reason: alarm.state_reason().unwrap_or_default().to_owned(),
                })
            }));
        }
        Ok(alarms)
    }

    /// An ECS service.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub async fn survey_service(
        &self,
        place: &Place,
        cluster: &str,
        service: &str,
    ) -> Result<SeenService, Unseen> {
        let clients = self.places().at(place).await?;
        ecs::survey::service(clients.ecs(), cluster, service).await
    }

    /// A deployment group.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub async fn survey_group(
        &self,
        place: &Place,
        application: &str,
        group: &str,
    ) -> Result<SeenGroup, Unseen> {
        let clients = self.places().at(place).await?;
        codedeploy::survey::group(clients.codedeploy(), application, group).await
    }

    /// Whether a place's role can be had by who asks.
    ///
    /// # Errors
    /// When it cannot: a role that does not exist and one that does not trust who asks look alike.
    pub async fn survey_place(&self, place: &Place) -> Result<(), Unseen> {
        self.places().at(place).await?;
        Ok(())
    }

    /// A bucket.
    ///
    /// # Errors
    /// When it cannot be seen.
    pub async fn survey_bucket(&self, bucket: &str) -> Result<SeenBucket, Unseen> {
        let clients = self.places().home().await?;
        let s3 = clients.s3();
        let versions = s3
            .get_bucket_versioning()
            .bucket(bucket)
            .send()
            .await
            .map_err(|error| Unseen::of("s3:GetBucketVersioning", &["NoSuchBucket"], &error))?;
        let notifications = s3
            .get_bucket_notification_configuration()
            .bucket(bucket)
            .send()
            .await
            .map_err(|error| Unseen::of("s3:GetBucketNotification", &["NoSuchBucket"], &error))?;
        let status = versions.status().map(|status| status.as_str());
        Ok(SeenBucket {
            keeps_versions: status == Some("Enabled"),
            tells_events: notifications.event_bridge_configuration().is_some(),
        })
    }

    /// Whether a repository of images is there.
    ///
    /// # Errors
    /// When it is not, or cannot be seen.
    pub async fn survey_repository(
        &self,
        account: &AccountId,
        region: &Region,
        repository: &str,
    ) -> Result<(), Unseen> {
        let clients = self.places().own(region.clone()).await?;
        let asked = clients
            .ecr()
            .describe_repositories()
            .registry_id(account.as_str())
            .repository_names(repository)
            .send()
            .await;
        let missing = ["RepositoryNotFoundException"];
        match asked {
            Ok(_) => Ok(()),
            Err(error) => Err(Unseen::of("ecr:DescribeRepositories", &missing, &error)),
        }
    }

    /// What an order would change in a task definition; `None` when its target has none.
    ///
    /// # Errors
    /// When that cannot be seen.
    pub async fn preview(&self, order: &Order) -> Result<Option<DefinitionChange>, Unseen> {
        let clients = self.places().at(&order.place).await?;
        Ok(ecs::survey::preview(clients.ecs(), order).await?)
    }

    /// What a target group, by its name or ARN, takes for targets.
    ///
    /// # Errors
    /// When it cannot be seen.
    #[cfg(feature = "balancers")]
    pub async fn survey_target_group(
        &self,
        place: &Place,
        named: &str,
    ) -> Result<TargetKind, Unseen> {
        let clients = self.places().at(place).await?;
        let ask = clients.balancers().describe_target_groups();
        let ask = if named.starts_with("arn:") {
            ask.target_group_arns(named)
        } else {
            ask.names(named)
        };
        let missing = || Unseen::Missing(format!("there is no target group {named}"));
        let answer = ask.send().await.map_err(|error| {
            let absent = ["TargetGroupNotFound"];
            let asked = "elasticloadbalancing:DescribeTargetGroups";
            match Unseen::of(asked, &absent, &error) {
                Unseen::Missing(_) => missing(),
                unseen @ (Unseen::Forbidden(_) | Unseen::Unclear(_)) => unseen,
            }
        })?;
        let group = answer.target_groups().first().ok_or_else(missing)?;
        // Left out where targets are instances (ELB API, TargetGroup).
        Ok(
            match group.target_type().map_or("instance", |it| it.as_str()) {
                "instance" => TargetKind::Instance,
                "ip" => TargetKind::Address,
                other => TargetKind::Other(other.to_owned()),
            },
        )
    }
}
