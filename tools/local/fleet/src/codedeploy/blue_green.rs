//! Deploying to an ECS service by blue/green.

use std::sync::Arc;

use super::{CodeDeploy, deployment::Order, progress::Ending};

impl CodeDeploy {
    pub(super) async fn deploy_to_ecs(self: &Arc<Self>, order: &Order) -> Result<Ending, Ending> {
        let _ = (&self.ecs, order);
        Err(Ending::failed("INVALID_ECS_SERVICE", "none"))
    }
}
