//! The engine's traits on AWS: [`Ledger`](engine::Ledger) on DynamoDB,
//! [`Platform`](engine::Platform) on ECS, CodeDeploy, S3, ECR, other registries and CloudWatch,
//! [`Announcer`](engine::Announcer) on SNS.
//!
//! No rule lives here and no type of an SDK leaves: what AWS says is mapped to the domain's words,
//! and nothing is decided on it. Each call that AWS would do twice when asked twice (registering,
//! deploying) first looks for its own earlier attempt, by the mark the order carries.
//!
//! ```text
//! connect    who we are, where targets live, which role opens them
//! ledger     snapshots, commits, claims and watches in one table
//! artefacts  what an upload or an image is, and whether it can be deployed
//! ecs        rolling a service to a task definition with another image
//! codedeploy deployments of a group: instances, or ECS blue/green
//! alarms     alarms as they are
//! survey     how things are configured, for those who write or check a service file
//! sns        announcements
//! secret     Slack's settings, credentials of registries, the key of a webhook
//! ```
//!
//! Each part is a feature, so that a function compiles what it wires up and nothing else.

#[cfg(feature = "platform")]
mod alarms;
#[cfg(feature = "platform")]
mod artefacts;
#[cfg(feature = "platform")]
mod codedeploy;
pub mod connect;
#[cfg(feature = "platform")]
mod ecs;
#[cfg(any(
    feature = "announcer",
    feature = "ledger",
    feature = "platform",
    feature = "secret"
))]
mod errors;
#[cfg(feature = "platform")]
mod hooks;
#[cfg(feature = "ledger")]
pub mod ledger;
#[cfg(feature = "platform")]
mod mark;
#[cfg(feature = "platform")]
pub mod places;
#[cfg(feature = "platform")]
pub mod platform;
#[cfg(feature = "secret")]
pub mod secret;
#[cfg(feature = "announcer")]
pub mod sns;
#[cfg(feature = "platform")]
pub mod survey;
#[cfg(feature = "telemetry")]
pub mod telemetry;
mod time;

pub use connect::{Home, HomeError};
#[cfg(feature = "ledger")]
pub use ledger::DynamoLedger;
#[cfg(feature = "platform")]
pub use platform::AwsPlatform;
#[cfg(feature = "announcer")]
pub use sns::SnsAnnouncer;
pub use time::SystemClock;
