//! Bytes of one kind of event to an input, a reason to ignore it, or a refusal.
//!
//! Pure: no clock, no network, no `async`. One module per sender, each with a `decode` that takes
//! the whole event as it was delivered; the shapes are written by hand from what AWS sends, because
//! a generated shape that is stricter than AWS loses events. Nothing here asks AWS anything: an
//! event that says too little becomes a [`domain::Hint`], and looking is the engine's work.
//!
//! | function | module | comes to |
//! | --- | --- | --- |
//! | `artefact-uploaded` | [`s3`] | [`Decoded`] |
//! | `image-pushed` | [`image`], that is [`ecr`] and [`dockerhub`] | [`image::Received`] |
//! | `alarm-changed` | [`cloudwatch`] | [`Decoded`] |
//! | `deployment-changed` | [`deployment`], that is [`ecs`] and [`codedeploy`] | [`Decoded`] |
//! | `api-call-recorded` | [`cloudtrail`] | [`Decoded`] |
//! | `lifecycle-hook` | [`hook`] | [`hook::HookCall`] |
//! | `command` | [`command`], with the types of [`wire`] | [`command::Called`] |
//! | `button-pressed` | [`slack`] | [`slack::Call`] |
//! | `deployer`, `notifier` | [`stream`] | [`stream::StreamRecord`]s |
//! | `slack` | [`queue`] | [`queue::QueueRecord`]s |
//! | `reconciler` | [`schedule`] | [`schedule::Tick`] |

pub mod call;
pub mod cloudtrail;
pub mod cloudwatch;
pub mod codedeploy;
pub mod command;
pub mod deployment;
pub mod dockerhub;
pub mod ecr;
pub mod ecs;
mod envelope;
pub mod hook;
pub mod image;
pub mod queue;
mod read;
pub mod refusal;
pub mod s3;
pub mod schedule;
pub mod slack;
pub mod stream;
pub mod versions;
pub mod wire;

use domain::hint::Input;

pub use refusal::{Ignored, Refusal};

/// What an event that could be understood comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// Something to go on with.
    Input(Input),
    /// A true event from which nothing follows: acknowledge it, and say no more.
    Ignored(Ignored),
}

/// Largest event of EventBridge or an asynchronous call, in bytes (Lambda: "asynchronous: 1 MB").
pub const EVENT_BYTES_MAX: usize = 1024 * 1024;
