//! Deployments that shift traffic (blue/green, canary, linear): the new tasks stand beside the old
//! ones, stage by stage, and hooks are asked on the way. Rolling back goes the short way home.

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{
    configuration::{Shift, Strategy},
    outcome::Cause,
    scale::Census,
    stage::Stage,
    state::{HookRun, ServiceDeployment, State, Traffic},
    worker::{Effect, Step},
};
use crate::plane::Listener;

/// What is left to do at a stage.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Not done yet.
    Wait,
    /// Done: the next stage.
    Go(Stage),
    /// Done: the next step of shifting begins at this stage.
    Again(Stage),
    /// The whole deployment is done.
    Complete,
    /// A hook said no.
    Fail(String),
}

impl Traffic {
    /// Whether the traffic goes back to the old tasks.
    fn is_returning(&self) -> bool {
        self.reached.is_some()
    }

    /// The share of production traffic of the new tasks, 0 to 100, at a stage.
    fn green_share(&self, shifts: &[Shift]) -> f64 {
        let at = |step: usize| shifts.get(step).map_or(100.0, |shift| shift.percent);
        match (
            self.is_returning(),
            self.stage >= Stage::ProductionTrafficShift,
        ) {
            (true, _) => 0.0,
            (false, true) => at(self.step),
            (false, false) => self.step.checked_sub(1).map_or(0.0, at),
        }
    }

    /// The stage after this one on the way back: only what was reached is undone.
    fn next_back(&self) -> Stage {
        let undone = |stage| self.reached.is_some_and(|reached| reached >= stage);
        match self.stage {
            Stage::ScaleUp if undone(Stage::ProductionTrafficShift) => {
                Stage::ProductionTrafficShift
            }
            Stage::ScaleUp | Stage::ProductionTrafficShift
                if undone(Stage::TestTrafficShift) && self.stage != Stage::TestTrafficShift =>
            {
                Stage::TestTrafficShift
            }
            Stage::ReconcileService
            | Stage::PreScaleUp
            | Stage::ScaleUp
            | Stage::PostScaleUp
            | Stage::TestTrafficShift
            | Stage::PostTestTrafficShift
            | Stage::PreProductionTrafficShift
            | Stage::ProductionTrafficShift
            | Stage::PostProductionTrafficShift
            | Stage::BakeTime
            | Stage::CleanUp => Stage::CleanUp,
        }
    }
}

impl State {
    /// The next move of a deployment that shifts traffic.
    pub(super) fn shift(&mut self, step: &mut Step<'_>, arn: &str) {
        self.scale_both(step, arn);
        self.enter(step, arn);
        match self.next(step, arn) {
            Next::Wait => {}
            Next::Go(stage) => self.go(arn, stage, 0),
            Next::Again(stage) => self.go(arn, stage, 1),
            Next::Complete => self.complete(step, arn),
            Next::Fail(reason) => self.fail(step, arn, &Cause::Hook(reason)),
        }
    }

    /// Between deployments, and for the tasks that stay: the primary rollout has as many tasks as
    /// desired.
    pub(super) fn keep(&mut self, step: &mut Step<'_>) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let desired = service.desired;
        // After a failure without rollback the completed rollout goes on serving.
        let stable = service
            .stable
            .as_ref()
            .and_then(|stable| service.rollout(&stable.rollout));
        let kept = stable
            .or_else(|| service.primary())
            .map(|rollout| rollout.id.clone());
        let others: Vec<String> = service.rollouts.iter().map(|one| one.id.clone()).collect();
        for other in others.iter().filter(|other| Some(*other) != kept.as_ref()) {
            self.scale(step, other, 0);
        }
        if let Some(kept) = kept {
            self.scale(step, &kept, desired);
        }
    }

    fn go(&mut self, arn: &str, stage: Stage, steps: usize) {
        let traffic = self
            .deployments
            .get_mut(arn)
            .and_then(|one| one.traffic.as_mut());
        if let Some(traffic) = traffic {
            traffic.stage = stage;
            traffic.step += steps;
            traffic.entered = false;
            traffic.hooks = HookRun::Unasked;
            traffic.until = None;
        }
    }

    /// As many old and new tasks as the stage needs; what else is there goes.
    fn scale_both(&mut self, step: &mut Step<'_>, arn: &str) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let desired = service.desired;
        let all: Vec<String> = service.rollouts.iter().map(|one| one.id.clone()).collect();
        let Some(traffic) = self
            .deployments
            .get(arn)
            .and_then(|one| one.traffic.as_ref())
        else {
            return;
        };
        let ends = traffic.stage == Stage::CleanUp;
        let (green, blue) = match traffic.is_returning() {
            true => (if ends { 0 } else { desired }, desired),
            false => (
                if traffic.stage >= Stage::ScaleUp {
                    desired
                } else {
                    0
                },
                if ends { 0 } else { desired },
            ),
        };
        let (blue_id, green_id) = (traffic.blue.clone(), traffic.green.clone());
        for id in all {
            let wanted = match () {
                () if id == green_id => green,
                () if Some(&id) == blue_id.as_ref() => blue,
                () => 0,
            };
            self.scale(step, &id, wanted);
        }
    }

    /// What a stage does when it is entered: moving traffic, starting a pause.
    fn enter(&mut self, step: &Step<'_>, arn: &str) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let Some(deployment) = self.deployments.get_mut(arn) else {
            return;
        };
        let shifts = deployment.shifts();
        let bake_minutes = deployment.configuration.bake_minutes.unwrap_or(0);
        let Some(traffic) = deployment
            .traffic
            .as_mut()
            .filter(|traffic| !traffic.entered)
        else {
            return;
        };
        traffic.entered = true;
        let group = |id: &str| service.rollout(id).map(|rollout| rollout.group.as_str());
        let green = group(&traffic.green);
        let blue = traffic.blue.as_deref().and_then(group);
        let share = traffic.green_share(&shifts);
        let last = traffic.step + 1 >= shifts.len();
        match traffic.stage {
            Stage::TestTrafficShift => {
                let to = if traffic.is_returning() { blue } else { green };
                let weights: Vec<(&str, f64)> =
                    to.map(|group| (group, 100.0)).into_iter().collect();
                service.balancer.route(Listener::Test, &weights);
                deployment.target.test_weight = Some(if deployment.rollback.is_some() {
                    0.0
                } else {
                    100.0
                });
            }
            Stage::ProductionTrafficShift => {
                let mut weights = Vec::new();
                weights
                    .extend(green.map(|group| (group, if blue.is_none() { 100.0 } else { share })));
                weights.extend(blue.map(|group| (group, 100.0 - share)));
                service.balancer.route(Listener::Production, &weights);
                let pause = shifts
                    .get(traffic.step)
                    .filter(|_| !last && !traffic.is_returning());
                traffic.until =
                    pause.map(|shift| Instant::now() + step.world.pace.minute * shift.bake_minutes);
                deployment.target.production_weight = Some(share);
                for source in &mut deployment.sources {
                    source.production_weight = Some(100.0 - share);
                }
            }
            Stage::BakeTime => {
                traffic.until = Some(Instant::now() + step.world.pace.minute * bake_minutes);
            }
            Stage::CleanUp => service.balancer.route(Listener::Test, &[]),
            Stage::ReconcileService
            | Stage::PreScaleUp
            | Stage::ScaleUp
            | Stage::PostScaleUp
            | Stage::PostTestTrafficShift
            | Stage::PreProductionTrafficShift
            | Stage::PostProductionTrafficShift => {}
        }
    }

    /// What comes after a stage, once its work, its hooks and its pause are over.
    fn next(&mut self, step: &mut Step<'_>, arn: &str) -> Next {
        let desired = self
            .services
            .get(step.service)
            .map_or(0, |service| service.desired);
        let Some(deployment) = self.deployments.get(arn) else {
            return Next::Wait;
        };
        let Some(traffic) = &deployment.traffic else {
            return Next::Wait;
        };
        let all = Census {
            healthy: desired,
            ..Census::default()
        };
        let returning = traffic.is_returning();
        let (green, blue) = (traffic.green.clone(), traffic.blue.clone());
        let blue_census = blue
            .as_deref()
            .map(|id| self.census(id))
            .unwrap_or_default();
        let ready = match (traffic.stage, returning) {
            (Stage::ScaleUp, false) => self.census(&green) == all,
            (Stage::ScaleUp, true) => blue_census.healthy >= desired,
            (Stage::CleanUp, true) => self.census(&green).is_empty() && blue_census == all,
            (Stage::CleanUp, false) => blue_census.is_empty() && self.census(&green) == all,
            (Stage::ReconcileService, _) => self.superseded_are_gone(step, &green, blue.as_deref()),
            _ => true,
        };
        let over = traffic.until.is_none_or(|until| Instant::now() >= until);
        if !ready || !over {
            return Next::Wait;
        }
        let (stage, last) = (traffic.stage, traffic.step + 1 >= deployment.shifts().len());
        match self.hooks(step, arn) {
            HookRun::Passed => {}
            HookRun::Failed(reason) if !returning => return Next::Fail(reason),
            HookRun::Failed(reason) => step.note_hook(self, &reason),
            HookRun::Unasked | HookRun::Asked(_) => return Next::Wait,
        }
        let back = self
            .deployments
            .get(arn)
            .and_then(|one| one.traffic.as_ref());
        match (stage, returning) {
            (Stage::CleanUp, _) => Next::Complete,
            (_, true) => back.map_or(Next::Wait, |traffic| Next::Go(traffic.next_back())),
            (Stage::ProductionTrafficShift, false) if !last => {
                Next::Again(Stage::PreProductionTrafficShift)
            }
            (stage, false) => stage.next().map_or(Next::Complete, Next::Go),
        }
    }

    /// Whether only the two rollouts concerned still have tasks.
    fn superseded_are_gone(&self, step: &Step<'_>, green: &str, blue: Option<&str>) -> bool {
        let rollouts = self
            .services
            .get(step.service)
            .map(|service| &service.rollouts);
        let others = rollouts
            .into_iter()
            .flatten()
            .map(|rollout| rollout.id.as_str());
        let mut others = others.filter(|id| *id != green && Some(*id) != blue);
        others.all(|id| self.census(id).is_empty())
    }

    /// Asks the hooks of a stage, and says what they answered so far.
    fn hooks(&mut self, step: &mut Step<'_>, arn: &str) -> HookRun {
        let Some(deployment) = self.deployments.get(arn) else {
            return HookRun::Unasked;
        };
        let Some(traffic) = &deployment.traffic else {
            return HookRun::Unasked;
        };
        if traffic.hooks != HookRun::Unasked {
            return traffic.hooks.clone();
        }
        let stage = traffic.stage;
        let hooks = deployment.configuration.hooks.iter();
        let hooks: Vec<_> = hooks
            .filter(|hook| hook.stages.contains(&stage))
            .cloned()
            .collect();
        // Reconciling happens only where there is something to reconcile.
        let idle = stage == Stage::ReconcileService && deployment.sources.len() < 2;
        if hooks.is_empty() || idle {
            return HookRun::Passed;
        }
        let ticket = fastrand::u64(..);
        let payload = self.payload(deployment, stage);
        step.effects.push(Effect::Hooks {
            deployment: arn.to_owned(),
            ticket,
            hooks,
            payload,
        });
        let traffic = self
            .deployments
            .get_mut(arn)
            .and_then(|one| one.traffic.as_mut());
        if let Some(traffic) = traffic {
            traffic.hooks = HookRun::Asked(ticket);
        }
        HookRun::Asked(ticket)
    }

    /// What hooks are told, without what belongs to one call. The target stays the new revision on
    /// the way back, with weight 0.
    fn payload(&self, deployment: &ServiceDeployment, stage: Stage) -> Value {
        let Some(traffic) = &deployment.traffic else {
            return Value::Null;
        };
        let service = self.services.get(&deployment.service);
        let revision = |id: Option<&str>| {
            let rollout = id.and_then(|id| service?.rollout(id));
            rollout.map(|rollout| rollout.revision.clone())
        };
        let weights = |green: f64| {
            let mut weights = Map::new();
            weights.insert(deployment.target.revision.clone(), weight(green));
            if let Some(blue) = revision(traffic.blue.as_deref()) {
                weights.insert(blue, weight(100.0 - green));
            }
            Value::Object(weights)
        };
        let none = json!({});
        let share = traffic.green_share(&deployment.shifts());
        let test = if traffic.is_returning() { 0.0 } else { 100.0 };
        let (test, production) = match stage {
            Stage::TestTrafficShift => (weights(test), none),
            Stage::PreProductionTrafficShift | Stage::ProductionTrafficShift => {
                (none, weights(share))
            }
            Stage::ReconcileService
            | Stage::PreScaleUp
            | Stage::ScaleUp
            | Stage::PostScaleUp
            | Stage::PostTestTrafficShift
            | Stage::PostProductionTrafficShift
            | Stage::BakeTime
            | Stage::CleanUp => (none.clone(), none),
        };
        json!({
            "lifecycleStage": stage.name(),
            "resourceArn": deployment.arn,
            "executionDetails": {
                "serviceArn": deployment.service,
                "targetServiceRevisionArn": deployment.target.revision,
                "testTrafficWeights": test,
                "productionTrafficWeights": production,
            },
        })
    }
}

/// A weight as AWS writes it: whole numbers without a point.
fn weight(percent: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "a percentage")]
    match percent.fract() == 0.0 {
        true => json!(percent as i64),
        false => json!(percent),
    }
}

impl ServiceDeployment {
    /// The steps in which traffic is shifted.
    fn shifts(&self) -> Vec<Shift> {
        match &self.configuration.strategy {
            Strategy::Shift(shifts) => shifts.clone(),
            Strategy::Rolling => Vec::new(),
        }
    }
}
