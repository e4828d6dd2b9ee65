//! Deployment alarms: looked at for as long as a deployment goes forward. One that fires at its
//! start has all of them ignored until its end, which is how AWS lets a fix through.

use std::{collections::BTreeSet, sync::Weak};

use super::{
    Ecs,
    state::{AlarmWatch, Status},
};
use crate::alarms;

/// Watches the alarms of a service deployment until it ends or turns back.
pub(super) async fn watch(ecs: Weak<Ecs>, arn: String) {
    loop {
        let Some(ecs) = ecs.upgrade() else { return };
        let Some((place, names)) = ecs.watched(&arn) else {
            return;
        };
        match alarms::firing(&ecs.world, &place, &names).await {
            Ok(firing) => ecs.saw_firing(&arn, firing),
            // AWS misses alarms while it cannot poll them, and goes on.
            Err(error) => tracing::debug!(%error, "deployment alarms could not be read"),
        }
        let pause = ecs.world.pace.alarm_poll;
        drop(ecs);
        tokio::time::sleep(pause).await;
    }
}

impl Ecs {
    /// What to look at, as long as there is a point in looking.
    fn watched(&self, arn: &str) -> Option<(crate::envelope::Place, Vec<String>)> {
        let state = self.state();
        let deployment = state.deployments.get(arn)?;
        if deployment.status != Status::InProgress {
            return None;
        }
        match deployment.alarms {
            AlarmWatch::Unchecked | AlarmWatch::Watching => {}
            AlarmWatch::Disabled | AlarmWatch::Ignored | AlarmWatch::Triggered(_) => return None,
        }
        let place = state.services.get(&deployment.service)?.place.clone();
        Some((
            place,
            deployment.configuration.alarms.as_ref()?.names.clone(),
        ))
    }

    fn saw_firing(&self, arn: &str, firing: BTreeSet<String>) {
        let mut state = self.state();
        let Some(deployment) = state.deployments.get_mut(arn) else {
            return;
        };
        deployment.alarms = match (&deployment.alarms, firing.is_empty()) {
            (AlarmWatch::Unchecked | AlarmWatch::Watching, true) => AlarmWatch::Watching,
            (AlarmWatch::Unchecked, false) => AlarmWatch::Ignored,
            (AlarmWatch::Watching, false) => AlarmWatch::Triggered(firing.into_iter().collect()),
            (AlarmWatch::Disabled | AlarmWatch::Ignored | AlarmWatch::Triggered(_), _) => return,
        };
    }
}
