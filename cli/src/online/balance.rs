//! Whether the target groups that bring a target its traffic are there and take what it has to
//! give. Neither ECS nor CodeDeploy looks again after they were named.

use aws::survey::{TargetKind, Unseen};
use domain::config::Target;

use super::About;
use super::see::SeenStage;

impl About<'_> {
    pub(super) fn target_groups(&mut self, seen: &SeenStage) {
        let path = match self.stage.target {
            Target::Ecs { .. } => "/target/ecs/service",
            Target::CodeDeploy { .. } => "/target/codedeploy/group",
            Target::CodeDeployEcs { .. } => "/target/codedeploy_ecs/group",
        };
        let own_addresses = match &seen.service {
            // Instances are registered by their ids.
            None => false,
            Some(Ok(service)) => service.own_addresses,
            // What its tasks have cannot be told; only whether the groups are there.
            Some(Err(_)) => return self.are_there(path, seen),
        };
        self.are_there(path, seen);
        for (named, kind) in &seen.target_groups {
            let Ok(kind) = kind else { continue };
            let (takes, hint) = match (kind, own_addresses) {
                (TargetKind::Address, true) | (TargetKind::Instance, false) => continue,
                (TargetKind::Instance, true) => (
                    "instances",
                    "its tasks have addresses of their own (awsvpc): use target type ip",
                ),
                (TargetKind::Address, false) => ("addresses", "use target type instance"),
                (TargetKind::Other(other), _) => (other.as_str(), "use target type ip or instance"),
            };
            self.wrong(
                path,
                format!("the target group {} takes {takes}", short(named)),
                hint,
            );
        }
    }

    fn are_there(&mut self, path: &str, seen: &SeenStage) {
        for (named, kind) in &seen.target_groups {
            match kind {
                Ok(_) => {}
                Err(Unseen::Missing(words)) => self.wrong(
                    path,
                    words.clone(),
                    "no traffic would come: make it, or name another",
                ),
                Err(unseen @ (Unseen::Forbidden(_) | Unseen::Unclear(_))) => {
                    let named = short(named);
                    let message = format!("the target group {named} was not looked at: {unseen}");
                    self.doubt(path, message, None);
                }
            }
        }
    }
}

/// `targetgroup/NAME/ID` of an ARN is called NAME.
fn short(named: &str) -> &str {
    let parts = named.split_once(":targetgroup/");
    parts.map_or(named, |(_, rest)| rest.split('/').next().unwrap_or(rest))
}
