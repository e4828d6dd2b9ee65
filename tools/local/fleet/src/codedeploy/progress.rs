//! Entering in the state what happens to a deployment and its targets, and telling it. What has
//! ended stays as it ended: whoever comes late changes nothing.

use jiff::Timestamp;
use serde_json::json;

use super::{
    CodeDeploy,
    deployment::{Deployment, Halt, Order, Status},
    events::Told,
    group::Last,
    hooks::Diagnostics,
    instance::Machine,
    revision::Revision,
    settings::Occasion,
    state::{Standing, State},
    target::{Target, TargetKind, TargetStatus},
};
use crate::envelope::epoch;

pub(super) use super::deployment::ErrorInformation;

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// Well.
    Succeeded,
    /// Badly.
    Failed(ErrorInformation),
    /// It was stopped.
    Halted(Halt),
}

impl Ending {
    /// It failed, for CodeDeploy's reason of this name.
    pub(super) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::Failed(ErrorInformation {
            code,
            message: message.into(),
        })
    }

    fn status(&self) -> Status {
        match self {
            Self::Succeeded => Status::Succeeded,
            Self::Failed(_) => Status::Failed,
            Self::Halted(_) => Status::Stopped,
        }
    }

    fn told(&self) -> Told {
        match self {
            Self::Succeeded => Told::Success,
            Self::Failed(_) => Told::Failure,
            Self::Halted(_) => Told::Stop,
        }
    }

    fn error(&self) -> Option<ErrorInformation> {
        let alarm = |message| {
            Some(ErrorInformation {
                code: "ALARM_ACTIVE",
                message,
            })
        };
        match self {
            Self::Succeeded => None,
            Self::Failed(error) => Some(error.clone()),
            Self::Halted(Halt::Request { .. }) => Some(ErrorInformation {
                code: "MANUAL_STOP",
                message: "The deployment was stopped by a user request.".to_owned(),
            }),
            Self::Halted(Halt::Alarm(names)) => {
                let names: Vec<_> = names.iter().map(|name| format!("<{name}>")).collect();
                alarm(format!(
                    "One or more alarms have been activated according to the Amazon CloudWatch \
                     metrics you selected, and the affected deployments have been stopped. \
                     Activated alarms: {}",
                    names.join(" ")
                ))
            }
            Self::Halted(Halt::NotContinued) => Some(ErrorInformation {
                code: "TIMEOUT",
                message: "The deployment was stopped because traffic rerouting was not started \
                          before the end of the wait period."
                    .to_owned(),
            }),
            Self::Halted(Halt::AlarmsUnknown) => alarm(
                "The state of the alarms of this deployment could not be retrieved from Amazon \
                 CloudWatch, and the deployment has been stopped."
                    .to_owned(),
            ),
        }
    }

    /// Whether this ending is to be rolled back.
    fn rolls_back(&self, order: &Order) -> bool {
        let on = |occasion| {
            order
                .auto_rollback
                .as_ref()
                .is_some_and(|auto| auto.on(occasion))
        };
        match self {
            Self::Succeeded => false,
            Self::Failed(_) => on(Occasion::Failure),
            Self::Halted(Halt::Request {
                roll_back: Some(wanted),
            }) => *wanted,
            Self::Halted(Halt::Request { roll_back: None } | Halt::NotContinued) => {
                on(Occasion::Request)
            }
            Self::Halted(Halt::Alarm(_) | Halt::AlarmsUnknown) => on(Occasion::Alarm),
        }
    }
}

impl CodeDeploy {
    /// A deployment begins.
    pub(super) fn begins(&self, order: &Order) {
        let mut state = self.state();
        if let Some(deployment) = state.deployments.get_mut(&order.id) {
            deployment.status = Status::InProgress;
            deployment.started = Some(Timestamp::now());
            self.tell_deployment(order, Told::Start);
        }
    }

    /// A deployment goes to these targets.
    pub(super) fn set_targets(&self, order: &Order, targets: Vec<Target>) {
        if let Some(deployment) = self.state().deployments.get_mut(&order.id) {
            deployment.targets = targets;
        }
    }

    /// An instance's turn begins.
    pub(super) fn target_begins(&self, order: &Order, machine: &Machine) {
        let mut state = self.state();
        if let Some(target) = state.live_target(&order.id, &machine.id) {
            target.set(TargetStatus::InProgress);
            self.tell_instance(order, &machine.arn, &machine.id, Told::Start);
        }
    }

    /// An instance's turn ends.
    pub(super) fn target_ends(&self, order: &Order, machine: &Machine, well: Standing) {
        let mut state = self.state();
        let Some(target) = state.live_target(&order.id, &machine.id) else {
            return;
        };
        let told = match well {
            Standing::Well(_) => {
                target.set(TargetStatus::Succeeded);
                Told::Success
            }
            Standing::Ill => {
                target.break_off(TargetStatus::Failed);
                Told::Failure
            }
        };
        self.tell_instance(order, &machine.arn, &machine.id, told);
        stands(&mut state, order, &machine.id, well);
    }

    /// A lifecycle event of a target begins.
    pub(super) fn event_begins(&self, deployment: &str, target: &str, event: &str) {
        if let Some(target) = self.state().live_target(deployment, target) {
            target.begin(event);
        }
    }

    /// A lifecycle event of a target ends.
    pub(super) fn event_ends(
        &self,
        deployment: &str,
        target: &str,
        event: &str,
        result: Result<(), Diagnostics>,
    ) {
        if let Some(target) = self.state().live_target(deployment, target) {
            target.end(event, result);
        }
    }

    /// A deployment ends. Its rollback, if there is to be one, is made in the same breath, so that
    /// nobody gets in between; the answer is the rollback's id.
    pub(super) fn ends(&self, order: &Order, ending: &Ending) -> Option<String> {
        let mut state = self.state();
        let deployment = state
            .deployments
            .get_mut(&order.id)
            .filter(|d| !d.status.is_over())?;
        let broken_off = break_off(deployment);
        deployment.status = ending.status();
        deployment.error = ending.error();
        deployment.completed = Some(Timestamp::now());
        if let Some((execution, _)) = deployment.hook.take() {
            deployment.answered_hooks.push(execution);
        }
        let last = last(deployment);
        for target in broken_off {
            self.tell_instance(order, &target.arn, &target.id, Told::Failure);
            stands(&mut state, order, &target.id, Standing::Ill);
        }
        self.tell_deployment(order, ending.told());
        if let Some(group) = state.group_of(order) {
            group.last_attempted = Some(last.clone());
            if *ending == Ending::Succeeded {
                group.last_successful = Some(last);
            }
        }
        if ending.rolls_back(order) {
            self.roll_back(&mut state, order)
        } else {
            None
        }
    }
}

/// What is under way on targets has failed, what has not begun is skipped. Answers with the
/// instances among those whose turn had begun.
fn break_off(deployment: &mut Deployment) -> Vec<Target> {
    let mut begun = Vec::new();
    for target in &mut deployment.targets {
        match target.status {
            TargetStatus::Pending => target.break_off(TargetStatus::Skipped),
            TargetStatus::InProgress | TargetStatus::Ready => {
                target.break_off(TargetStatus::Failed);
                if target.kind == TargetKind::Instance {
                    begun.push(target.clone());
                }
            }
            TargetStatus::Succeeded | TargetStatus::Failed | TargetStatus::Skipped => {}
        }
    }
    begun
}

fn stands(state: &mut State, order: &Order, machine: &str, standing: Standing) {
    let key = (order.place.clone(), machine.to_owned());
    if let Some(known) = state.machines.get_mut(&key) {
        known.standing.insert(order.group_id.clone(), standing);
    }
}

/// What the group remembers of a deployment that has ended.
fn last(deployment: &Deployment) -> Last {
    let revision: Revision = deployment.order.revision.clone();
    Last {
        deployment: deployment.order.id.clone(),
        revision,
        told: json!({
            "deploymentId": deployment.order.id,
            "status": deployment.status,
            "createTime": epoch(deployment.created),
            "endTime": deployment.completed.map(epoch),
        }),
    }
}
