//! What people write: a service file. Every field that has a sensible default may be left out.
//! [`ServiceFile::resolve`] makes the complete [`crate::config`] of it, or names all that is wrong
//! at once. Reading YAML is not here: it is done where files are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alarm::MissingData;
use crate::config::{Hook, Queue, SmokeCheck, TaskBase};
use crate::name::{AccountId, Region};
use crate::scan::Severity;

mod check;
mod resolve;
mod span;
#[cfg(test)]
mod tests;
mod write;

/// Where the ledger lives: what a file leaves out is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// The ledger's account.
    pub account: AccountId,
    /// The ledger's Region.
    pub region: Region,
}

/// Something wrong in a service file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Where, as a JSON pointer (RFC 6901): `/stages/1/alarms/0`. Empty means the whole file.
    pub path: String,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)?;
        } else {
            write!(f, "{}: {}", self.path, self.message)?;
        }
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// One service: where its artefacts come from and the stages they go through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(title = "Lastgood service")
)]
pub struct ServiceFile {
    /// The service's name: lower-case letters, digits and hyphens.
    pub service: String,
    /// Where its artefacts come from.
    pub artefact: ArtefactSource,
    /// What happens to releases while a stage is busy: only the newest waits, or all do, in order.
    #[serde(default = "queue_newest")]
    pub queue: Queue,
    /// More new releases than this within a minute, and people are told.
    #[serde(default = "flood_per_minute")]
    pub flood_per_minute: u32,
    /// The stages, in the order releases go through them.
    pub stages: Vec<StageFile>,
}

/// Where artefacts come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ArtefactSource {
    /// Objects of a bucket.
    S3(S3Source),
    /// Images of a repository of ECR.
    Ecr(EcrSource),
    /// Images of a repository of any other registry: Docker Hub, GHCR, Harbor, Artifactory.
    Oci(OciSource),
}

/// Objects of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct S3Source {
    /// The bucket.
    pub bucket: String,
    /// What the keys of this service's artefacts begin with, such as `web/`.
    #[serde(default)]
    pub prefix: String,
}

/// Images of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EcrSource {
    /// The repository, such as `shop/web`.
    pub repository: String,
    /// Tags that make releases, `*` for any run of characters. Untagged pushes never do.
    #[serde(default = "any_tag")]
    pub tags: Vec<String>,
    /// The registry's account; the ledger's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The registry's Region; the ledger's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The worst that ECR's or Inspector's scan may find. A release is held until its image's scan
    /// is complete, and refused when it found worse. No scan is asked for when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_severity: Option<Severity>,
}

/// Images of a repository of any registry that speaks the OCI distribution API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OciSource {
    /// The registry's host, such as `docker.io` or `ghcr.io`; `docker.io` is Docker Hub's.
    pub registry: String,
    /// The repository, such as `shop/web`.
    pub repository: String,
    /// Tags that make releases, `*` for any run of characters.
    #[serde(default = "any_tag")]
    pub tags: Vec<String>,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StageFile {
    /// Its name, such as `dev` or `production-mumbai`.
    pub name: String,
    /// What it deploys to.
    pub target: TargetFile,
    /// The target's account; the ledger's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The target's Region; the ledger's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The ARN of a role to assume there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The external id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// What lets a release in.
    #[serde(default = "gate_automatic")]
    pub gate: GateFile,
    /// When deployments may start, such as `Mon-Fri 10:00-17:00 Asia/Kolkata`; always when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<String>,
    /// Alarms that roll a deployment back: names in the stage's own account and Region, or ARNs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
    /// How INSUFFICIENT_DATA is read.
    #[serde(default = "missing_data_ignored")]
    pub missing_data: MissingData,
    /// How long after a deployment an alarm still rolls it back, such as `5m`.
    #[serde(default = "bake_default")]
    pub bake: String,
    /// How long a deployment may take before it counts as failed, such as `60m`.
    #[serde(default = "timeout_default")]
    pub timeout: String,
    /// So many automatic rollbacks within a day freeze the stage.
    #[serde(default = "rollbacks_per_day")]
    pub rollbacks_per_day: u32,
    /// HTTP checks that the lifecycle hook makes before traffic is shifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub smoke: Vec<SmokeCheck>,
}

/// What a stage deploys to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TargetFile {
    /// An ECS service with ECS's own deployment controller.
    #[serde(rename = "ecs")]
    Ecs(EcsFile),
    /// A CodeDeploy deployment group on EC2, Auto Scaling or on-premises instances.
    #[serde(rename = "codedeploy")]
    CodeDeploy(CodeDeployFile),
    /// An ECS service that CodeDeploy deploys blue/green.
    #[serde(rename = "codedeploy_ecs")]
    CodeDeployEcs(CodeDeployEcsFile),
}

/// An ECS service with ECS's own deployment controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EcsFile {
    /// The cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub service: String,
    /// Containers whose image is replaced, by name; sidecars are left alone.
    pub containers: Vec<String>,
    /// What the next task definition is made from: the one that runs, or the newest of its family.
    #[serde(default = "base_running")]
    pub base: TaskBase,
}

/// A CodeDeploy deployment group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeDeployFile {
    /// The application.
    pub application: String,
    /// The deployment group.
    pub group: String,
}

/// An ECS service that CodeDeploy deploys blue/green.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CodeDeployEcsFile {
    /// The application.
    pub application: String,
    /// The deployment group.
    pub group: String,
    /// The cluster's name.
    pub cluster: String,
    /// The ECS service's name.
    pub service: String,
    /// Containers whose image is replaced, by name.
    pub containers: Vec<String>,
    /// What the next task definition is made from.
    #[serde(default = "base_running")]
    pub base: TaskBase,
    /// The container that takes the traffic.
    pub container: String,
    /// Its port.
    pub port: u16,
    /// Lambda functions CodeDeploy calls, by lifecycle event.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
}

/// What lets a release enter a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GateFile {
    /// Nothing has to be asked.
    Automatic,
    /// A person says yes.
    Approval(ApprovalFile),
}

/// Who may approve, how many must, and for how long the question stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApprovalFile {
    /// IAM ARN patterns, `*` for any run of characters.
    pub approvers: Vec<String>,
    /// How many different people.
    #[serde(default = "one_person")]
    pub count: u32,
    /// Whether the commit's author may approve own work.
    #[serde(default)]
    pub author_may_approve: bool,
    /// How long after the offer the request expires, such as `7d`.
    #[serde(default = "expires_after_default")]
    pub expires_after: String,
    /// Whether the approvers may also decide with the buttons in Slack.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_slack: bool,
}

fn queue_newest() -> Queue {
    Queue::Newest
}

fn flood_per_minute() -> u32 {
    20
}

fn any_tag() -> Vec<String> {
    vec!["*".to_owned()]
}

fn gate_automatic() -> GateFile {
    GateFile::Automatic
}

fn missing_data_ignored() -> MissingData {
    MissingData::Ignore
}

fn bake_default() -> String {
    "5m".to_owned()
}

fn timeout_default() -> String {
    "60m".to_owned()
}

fn rollbacks_per_day() -> u32 {
    3
}

fn base_running() -> TaskBase {
    TaskBase::Running
}

fn one_person() -> u32 {
    1
}

fn expires_after_default() -> String {
    "7d".to_owned()
}
