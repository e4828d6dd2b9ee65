//! A service's configuration as the ledger holds it: complete, every default filled in, every
//! alarm an ARN. What people write is [`crate::file`].

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::alarm::MissingData;
use crate::name::{AccountId, AlarmArn, Region, Registry, ServiceName, StageName};
use crate::scan;
use crate::window::Window;

/// Most stages of one service.
pub const STAGES_MAX: usize = 12;
/// Most alarms of one stage.
pub const ALARMS_MAX: usize = 10;

/// One service's pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// The service.
    pub service: ServiceName,
    /// Where its artefacts come from.
    pub source: Source,
    /// What happens to offers while a stage is busy.
    pub queue: Queue,
    /// More new releases than this within a minute, and people are told.
    pub flood_per_minute: u32,
    /// The stages, in order.
    pub stages: Vec<StageConfig>,
}

impl ServiceConfig {
    /// The stage of that name.
    #[must_use]
    pub fn stage(&self, name: &StageName) -> Option<&StageConfig> {
        self.stages.iter().find(|stage| stage.name == *name)
    }

    /// The stage that comes after `name`.
    #[must_use]
    pub fn stage_after(&self, name: &StageName) -> Option<&StageConfig> {
        let at = self.stages.iter().position(|stage| stage.name == *name)?;
        self.stages.get(at + 1)
    }

    /// The stage that comes before `name`.
    #[must_use]
    pub fn stage_before(&self, name: &StageName) -> Option<&StageConfig> {
        let at = self.stages.iter().position(|stage| stage.name == *name)?;
        self.stages.get(at.checked_sub(1)?)
    }
}

/// Where artefacts come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Objects of a bucket whose key begins with a prefix.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix; the longest one that fits claims an object.
        prefix: String,
    },
    /// Images of a repository of ECR.
    Ecr {
        /// The registry's account.
        account: AccountId,
        /// The registry's Region.
        region: Region,
        /// The repository.
        repository: String,
        /// Tags that make releases, `*` for any run of characters. Untagged pushes never do.
        tags: Vec<String>,
        /// The worst that a scan may find; none when no scan is asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_severity: Option<scan::Severity>,
    },
    /// Images of a repository in any other registry.
    Oci {
        /// The registry.
        registry: Registry,
        /// The repository.
        repository: String,
        /// Tags that make releases, `*` for any run of characters.
        tags: Vec<String>,
    },
}

/// What happens to offers while a stage is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Queue {
    /// Only the newest waits; older ones are superseded.
    Newest,
    /// All wait, in order.
    All,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageConfig {
    /// Its name.
    pub name: StageName,
    /// Account, Region and the role to assume there.
    pub place: Place,
    /// What it deploys to.
    pub target: Target,
    /// What lets a release in.
    pub gate: Gate,
    /// When deployments may start; empty means always.
    pub windows: Vec<Window>,
    /// Alarms that roll a deployment back.
    pub alarms: Vec<AlarmArn>,
    /// How INSUFFICIENT_DATA is read.
    pub missing_data: MissingData,
    /// How long after a deployment an alarm still rolls it back.
    pub bake: SignedDuration,
    /// How long a deployment may take before it counts as failed.
    pub timeout: SignedDuration,
    /// So many automatic rollbacks within a day freeze the stage.
    pub rollbacks_per_day: u32,
    /// HTTP checks that a lifecycle hook makes.
    pub smoke: Vec<SmokeCheck>,
}

impl StageConfig {
    /// Whether both deploy to the very same target: what was good on another one is not good here.
    #[must_use]
    pub fn same_target(&self, other: &Self) -> bool {
        self.place.account == other.place.account
            && self.place.region == other.place.region
            && self.target.names() == other.target.names()
    }
}

/// Where a target lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Its account.
    pub account: AccountId,
    /// Its Region.
    pub region: Region,
    /// The role to assume there; none means the function's own.
    pub role: Option<AssumedRole>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AssumedRole {
    /// The role's ARN.
    pub arn: String,
    /// What the role's trust policy asks for (the confused deputy's remedy).
    pub external_id: Option<String>,
}

/// What a stage deploys to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An ECS service with ECS's own deployment controller.
    Ecs {
        /// The cluster's name.
        cluster: String,
        /// The ECS service's name.
        service: String,
        /// Containers whose image is replaced, by name; sidecars are left alone.
        containers: Vec<String>,
        /// What the next task definition is made from.
        base: TaskBase,
    },
    /// A CodeDeploy deployment group on EC2, Auto Scaling or on-premises instances.
    CodeDeploy {
        /// The application.
        application: String,
        /// The deployment group.
        group: String,
    },
    /// An ECS service that CodeDeploy deploys blue/green.
    CodeDeployEcs {
        /// The application.
        application: String,
        /// The deployment group.
        group: String,
        /// The cluster's name.
        cluster: String,
        /// The ECS service's name.
        service: String,
        /// Containers whose image is replaced, by name.
        containers: Vec<String>,
        /// What the next task definition is made from.
        base: TaskBase,
        /// The container that takes the traffic.
        container: String,
        /// Its port.
        port: u16,
        /// Lambda functions CodeDeploy calls, by lifecycle event.
        hooks: Vec<Hook>,
    },
}

impl Target {
    /// What AWS calls it; how it is deployed to may change.
    #[must_use]
    pub fn names(&self) -> (&str, &str) {
        match self {
            Self::Ecs {
                cluster, service, ..
            } => (cluster, service),
            Self::CodeDeploy { application, group }
            | Self::CodeDeployEcs {
                application, group, ..
            } => (application, group),
        }
    }
}

/// One lifecycle hook of an AppSpec for ECS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Hook {
    /// The lifecycle event, such as `AfterAllowTestTraffic`.
    pub event: String,
    /// The function's name or ARN.
    pub function: String,
}

/// What the next task definition is made from. Stated, because Terraform may own the task
/// definition while delivery owns the image (terraform-provider-aws#632).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TaskBase {
    /// The one the service runs now.
    Running,
    /// The newest revision of its family.
    Newest,
}

/// What lets a release enter a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Nothing has to be asked.
    Automatic,
    /// A person says yes.
    Approval(ApprovalRule),
}

/// Who may approve, how many must, and for how long the question stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// IAM ARN patterns, `*` for any run of characters.
    pub approvers: Vec<String>,
    /// How many different people.
    pub count: u32,
    /// Whether the commit's author may approve.
    pub author: AuthorMay,
    /// How long after the offer the request expires.
    pub expires_after: SignedDuration,
    /// Whether buttons in Slack count.
    #[serde(default, skip_serializing_if = "SlackMay::is_not")]
    pub slack: SlackMay,
}

/// Whether the gate takes what people press in Slack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlackMay {
    /// Only requests signed with one's own IAM credentials count.
    #[default]
    NotDecide,
    /// The approvers may press buttons too.
    Decide,
}

impl SlackMay {
    fn is_not(&self) -> bool {
        *self == Self::NotDecide
    }
}

/// Whether the commit's author may approve own work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorMay {
    /// The author's approval counts.
    Approve,
    /// The author's approval is refused.
    NotApprove,
}

/// One HTTP check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SmokeCheck {
    /// What is fetched.
    pub url: String,
    /// The status it must answer with.
    #[serde(default = "status_ok")]
    pub status: u16,
    /// A text its body must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
}

fn status_ok() -> u16 {
    200
}
