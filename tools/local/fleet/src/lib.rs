//! ECS and CodeDeploy on one machine.
//!
//! Two control planes speak AWS's own JSON protocol ([`Fleet::handle`]) and obey callers only as
//! far as a [`Guard`] lets them. A data plane (`plane`) really serves HTTP: every task or instance
//! is a small server of the release it was given, behind a small load balancer. What happens is
//! told as the events AWS would send. Who calls is established elsewhere (the gateway), and events
//! are carried elsewhere (the delivery); everything here is held in memory.

mod alarms;
mod api;
mod codedeploy;
mod ecs;
mod envelope;
mod fleet;
mod metrics;
pub mod plane;
mod remote;
mod unkind;
mod world;

pub use api::{Api, ApiError, BoxFuture, Call, Caller, Guard, Options, Pace, Reply};
pub use fleet::{Fleet, StartError};
pub use unkind::Unkind;
