//! CodeDeploy's control plane.

use std::sync::Arc;

use crate::{
    api::{ApiError, Call, Reply},
    ecs::Ecs,
    world::World,
};

/// CodeDeploy's control plane.
pub(crate) struct CodeDeploy {
    world: Arc<World>,
    ecs: Arc<Ecs>,
}

impl CodeDeploy {
    /// An empty control plane.
    pub(crate) fn start(world: Arc<World>, ecs: Arc<Ecs>) -> Arc<Self> {
        Arc::new(Self { world, ecs })
    }

    /// Carries out one call.
    pub(crate) async fn handle(&self, call: Call) -> Reply {
        let action = format!("codedeploy:{}", call.operation);
        let refused = self.world.authorise(&call.caller, &action, "*").await;
        Reply::from_result(refused.and(Err(ApiError::client(
            "UnknownOperationException",
            format!("{} is not an operation", call.operation),
        ))))
    }

    /// Stops every instance and balancer.
    pub(crate) async fn shutdown(&self) {
        self.ecs.shutdown().await;
    }
}
