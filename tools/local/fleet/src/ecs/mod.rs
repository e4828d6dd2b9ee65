//! ECS's control plane.

use std::sync::Arc;

use crate::{
    api::{ApiError, Call, Reply},
    world::World,
};

/// ECS's control plane.
pub(crate) struct Ecs {
    world: Arc<World>,
}

impl Ecs {
    /// An empty control plane.
    pub(crate) fn start(world: Arc<World>) -> Arc<Self> {
        Arc::new(Self { world })
    }

    /// Carries out one call.
    pub(crate) async fn handle(&self, call: Call) -> Reply {
        let action = format!("ecs:{}", call.operation);
        let refused = self.world.authorise(&call.caller, &action, "*").await;
        Reply::from_result(refused.and(Err(ApiError::client(
            "UnknownOperationException",
            format!("{} is not an operation", call.operation),
        ))))
    }

    /// Stops every task and balancer.
    pub(crate) async fn shutdown(&self) {
        tokio::task::yield_now().await;
    }
}
