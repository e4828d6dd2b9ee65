//! What a plan would do to its target, step by step, and what no rollback of such a target brings
//! back.

use domain::config::{StageConfig, Target};
use domain::decide::Plan;
use domain::entry::{AlarmsAtStart, Order, Purpose, What};

use crate::times::rough;

/// The steps; none when nothing would be done to the target.
pub(super) fn of(plan: &Plan, config: &StageConfig, base: Option<&str>) -> Vec<String> {
    let stops = plan.decision.entries.iter().any(|sealed| {
        let What::StopAsked { order, .. } = &sealed.entry.what else {
            return false;
        };
        order.stage == config.name
    });
    let mut steps = Vec::new();
    if stops {
        steps.push("stop what is being deployed; the platform brings back what ran".to_owned());
    } else if let Some(order) = &plan.order {
        steps.extend(deployment(order, base));
        if order.alarms == AlarmsAtStart::PassOver {
            steps.push("alarms that fire already do not hold it".to_owned());
        }
    } else {
        return steps;
    }
    let hours = rough(config.timeout);
    steps.push(format!("after {hours} it counts as failed"));
    if plan.purpose() == Purpose::Release {
        steps.push(bake(plan, config));
    }
    steps
}

fn deployment(order: &Order, base: Option<&str>) -> Vec<String> {
    let definition = |containers: &[String]| {
        let from = base.map(|base| format!(" from {base}")).unwrap_or_default();
        format!(
            "register a task definition{from} with {} in {}",
            order.artefact,
            containers.join(", ")
        )
    };
    match &order.target {
        Target::Ecs {
            cluster,
            service,
            containers,
            ..
        } => vec![
            definition(containers),
            format!("let ECS deploy it to {cluster}/{service} as the service is configured"),
        ],
        Target::CodeDeploy { application, group } => vec![format!(
            "let CodeDeploy deploy {} to {application}/{group} as the group is configured",
            order.artefact
        )],
        Target::CodeDeployEcs {
            application,
            group,
            cluster,
            service,
            containers,
            ..
        } => vec![
            definition(containers),
            format!(
                "let CodeDeploy shift {cluster}/{service} to it by {application}/{group}, blue/green"
            ),
        ],
    }
}

fn bake(plan: &Plan, config: &StageConfig) -> String {
    let bake = rough(config.bake);
    let names: Vec<&str> = config.alarms.iter().map(|alarm| alarm.name()).collect();
    match (names.as_slice(), plan.back_to) {
        ([], _) => format!("bake for {bake}, with no alarm that could take it back"),
        (_, Some(back)) => format!(
            "bake for {bake}: {} takes it back to release {back}",
            names.join(" or ")
        ),
        (_, None) => format!(
            "bake for {bake}: {} calls a person, because there is nothing to go back to",
            names.join(" or ")
        ),
    }
}

/// What a rollback leaves as it is.
pub(super) fn not_restored(target: &Target) -> impl Iterator<Item = &'static str> {
    let of_target: &[&str] = match target {
        Target::Ecs { .. } | Target::CodeDeployEcs { .. } => &[
            "the service's own settings: load balancer, health checks, scaling, network",
            "secrets and parameters: the older code reads today's values",
        ],
        Target::CodeDeploy { .. } => &[
            "what deployment scripts changed outside of the files that the appspec names",
            "secrets and parameters: the older code reads today's values",
        ],
    };
    of_target
        .iter()
        .copied()
        .chain(["data: a migration stays done"])
}
