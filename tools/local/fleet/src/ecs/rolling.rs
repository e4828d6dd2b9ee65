//! Rolling updates: old tasks are replaced by new ones within the bounds of `minimumHealthyPercent`
//! and `maximumPercent`. A rollback is a rolling update to the last completed revision.

use tokio::time::Instant;

use super::{
    scale::Census,
    state::{AlarmWatch, RolloutState, Service, ServiceDeployment, State},
    worker::Step,
};

/// What a rolling update looks at.
#[derive(Debug, Clone, Copy)]
struct Look {
    desired: u32,
    minimum_percent: u32,
    maximum_percent: u32,
    primary: Census,
    others: Census,
    /// The primary deployment has failed: nothing of it is started, nothing stopped for it.
    stalled: bool,
}

/// What it does next, in tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Plan {
    launch: u32,
    retire_primary: u32,
    retire_others: u32,
}

impl Look {
    /// The next move. Old tasks go as new ones become healthy; only where `maximumPercent` leaves
    /// no room for a new task do old ones go before, down to `minimumHealthyPercent`.
    fn plan(&self) -> Plan {
        if self.stalled {
            return Plan::default();
        }
        let share = |percent: u32| u64::from(percent) * u64::from(self.desired);
        let most = u32::try_from(share(self.maximum_percent) / 100).unwrap_or(u32::MAX);
        let least = u32::try_from(share(self.minimum_percent).div_ceil(100)).unwrap_or(u32::MAX);
        let missing = self.desired.saturating_sub(self.primary.wanted());
        let room = most.saturating_sub(self.primary.wanted() + self.others.wanted());
        let launch = missing.min(room);
        let retire_primary = self.primary.wanted().saturating_sub(self.desired);
        // What the new tasks do not carry yet, the old ones must.
        let to_carry = self.desired.saturating_sub(self.primary.healthy);
        let replaced = self.others.healthy.saturating_sub(to_carry);
        let blocked = missing - launch;
        let spare = (self.primary.healthy + self.others.healthy).saturating_sub(least);
        let make_room = blocked.min(spare).min(self.others.healthy);
        // Superseded tasks that never became healthy carry nothing.
        let retire_others = self.others.unready + replaced.max(make_room);
        Plan {
            launch,
            retire_primary,
            retire_others,
        }
    }

    /// Whether the service is as the primary deployment wants it.
    fn is_done(&self) -> bool {
        let all = Census {
            healthy: self.desired,
            ..Census::default()
        };
        self.primary == all && self.others.is_empty()
    }
}

impl State {
    /// The next move of a service with rolling updates, in a deployment and between them.
    pub(super) fn roll(&mut self, step: &mut Step<'_>) {
        let Some(service) = self.services.get(step.service) else {
            return;
        };
        let Some(primary) = service.primary().map(|rollout| rollout.id.clone()) else {
            return;
        };
        let others: Vec<String> = service
            .rollouts
            .iter()
            .skip(1)
            .map(|rollout| rollout.id.clone())
            .collect();
        let look = self.look(service, &primary, &others);
        let plan = look.plan();
        if let Some(rollout) = self.service_mut(step).and_then(|s| s.rollout_mut(&primary)) {
            rollout.wanted = look.desired;
        }
        self.launch(step, &primary, plan.launch);
        self.retire(step, &primary, plan.retire_primary);
        let mut left = plan.retire_others;
        for other in others.iter().rev() {
            let has = self.census(other).wanted();
            if let Some(rollout) = self.service_mut(step).and_then(|s| s.rollout_mut(other)) {
                rollout.wanted = has.saturating_sub(left);
            }
            self.retire(step, other, has.min(left));
            left = left.saturating_sub(has);
        }
        if look.is_done() {
            self.rolled(step);
        }
    }

    fn look(&self, service: &Service, primary: &str, others: &[String]) -> Look {
        let failed = |rollout: &str| {
            service
                .rollout(rollout)
                .is_some_and(|found| found.state == RolloutState::Failed)
        };
        let others = others.iter().map(|other| self.census(other));
        Look {
            desired: service.desired,
            minimum_percent: service.configuration.minimum_percent,
            maximum_percent: service.configuration.maximum_percent,
            primary: self.census(primary),
            others: others.fold(Census::default(), Census::and),
            stalled: failed(primary),
        }
    }

    /// The service is as wanted: the deployment bakes if it has alarms or a bake time, and is
    /// complete after that.
    fn rolled(&mut self, step: &Step<'_>) {
        let Some(arn) = self
            .services
            .get(step.service)
            .and_then(|s| s.current.clone())
        else {
            return;
        };
        let Some(deployment) = self.deployments.get_mut(&arn) else {
            return;
        };
        if deployment.status.is_terminal() || !deployment.bakes(step) {
            self.complete(step, &arn);
        }
    }
}

impl ServiceDeployment {
    /// Whether the deployment has to go on baking. The time begins with the first question. A
    /// rollback does not bake.
    fn bakes(&mut self, step: &Step<'_>) -> bool {
        if self.rollback.is_some() {
            return false;
        }
        let minutes = match (&self.alarms, self.configuration.bake_minutes) {
            (AlarmWatch::Unchecked, _) => return true,
            (_, Some(minutes)) => minutes,
            // Without a setting AWS derives a time "less than 5 minutes" from the alarms.
            (AlarmWatch::Watching | AlarmWatch::Triggered(_), None) => 1,
            (AlarmWatch::Disabled | AlarmWatch::Ignored, None) => 0,
        };
        if minutes == 0 {
            return false;
        }
        let end = Instant::now() + step.world.pace.minute * minutes;
        Instant::now() < *self.bake_until.get_or_insert(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(desired: u32, percents: (u32, u32), primary: (u32, u32), others: (u32, u32)) -> Look {
        let census = |(unready, healthy)| Census {
            unready,
            healthy,
            stopping: 0,
        };
        Look {
            desired,
            minimum_percent: percents.0,
            maximum_percent: percents.1,
            primary: census(primary),
            others: census(others),
            stalled: false,
        }
    }

    #[test]
    fn new_tasks_come_first_and_old_ones_go_as_they_become_healthy() {
        let plan = |primary, others| look(4, (100, 200), primary, others).plan();
        assert_eq!(
            plan((0, 0), (0, 4)),
            Plan {
                launch: 4,
                ..Plan::default()
            }
        );
        assert_eq!(plan((4, 0), (0, 4)), Plan::default());
        assert_eq!(
            plan((3, 1), (0, 4)),
            Plan {
                retire_others: 1,
                ..Plan::default()
            }
        );
        assert_eq!(
            plan((0, 4), (0, 3)),
            Plan {
                retire_others: 3,
                ..Plan::default()
            }
        );
    }

    #[test]
    fn without_room_old_tasks_go_first_down_to_the_minimum() {
        let plan = |primary, others| look(4, (50, 100), primary, others).plan();
        assert_eq!(
            plan((0, 0), (0, 4)),
            Plan {
                retire_others: 2,
                ..Plan::default()
            }
        );
        assert_eq!(
            plan((0, 0), (0, 2)),
            Plan {
                launch: 2,
                ..Plan::default()
            }
        );
        assert_eq!(plan((2, 0), (0, 2)), Plan::default());
        assert_eq!(
            plan((0, 2), (0, 2)),
            Plan {
                retire_others: 2,
                ..Plan::default()
            }
        );
    }

    #[test]
    fn superseded_tasks_that_never_served_go_at_once() {
        let plan = look(2, (100, 200), (0, 0), (2, 2)).plan();
        assert_eq!(
            plan,
            Plan {
                launch: 0,
                retire_primary: 0,
                retire_others: 2
            }
        );
    }

    #[test]
    fn the_desired_count_is_followed_down_to_nothing() {
        assert_eq!(look(1, (100, 200), (0, 3), (0, 0)).plan().retire_primary, 2);
        let none = look(0, (100, 200), (0, 0), (0, 3));
        assert_eq!(
            none.plan(),
            Plan {
                retire_others: 3,
                ..Plan::default()
            }
        );
        assert!(look(0, (100, 200), (0, 0), (0, 0)).is_done());
    }

    #[test]
    fn a_stalled_deployment_moves_nothing() {
        let stalled = Look {
            stalled: true,
            ..look(4, (100, 200), (0, 1), (0, 4))
        };
        assert_eq!(stalled.plan(), Plan::default());
    }
}
