//! Invariant 4: what alarms do, and what they must not.

use domain::alarm::{AlarmSeen, AlarmState, MissingData, Voice};
use domain::entry::Purpose;
use domain::pipeline::Phase;
use domain::{Entry, StageName, What};

use super::Book;
use crate::cloud::Cloud;

/// Whether a stage has to act on an alarm, said once more.
fn fires(seen: &AlarmSeen, missing: MissingData) -> bool {
    let bad = match (seen.state, missing) {
        (AlarmState::Alarm, _) | (AlarmState::InsufficientData, MissingData::Alarm) => true,
        (AlarmState::Ok, _) | (AlarmState::InsufficientData, MissingData::Ignore) => false,
    };
    bad && seen.voice == Voice::Heard
}

impl Book {
    /// Whether an alarm of a stage fires, as far as entries say.
    pub(super) fn fires_on(&self, stage: &StageName) -> bool {
        let config = self.pipeline.config.as_ref();
        let Some(config) = config.and_then(|config| config.stage(stage)) else {
            return false;
        };
        let seen = config.alarms.iter().filter_map(|arn| self.alarms.get(arn));
        seen.into_iter()
            .any(|seen| fires(seen, config.missing_data))
    }

    /// A rollback for an alarm: it must be one that fires, that is heard, and not one from before.
    pub(super) fn check_alarm_cause(
        &self,
        stage: &StageName,
        name: &str,
        object: &mut impl FnMut(&str),
    ) {
        let Some((config, state)) = self.pipeline.stage(stage) else {
            return;
        };
        let Some(active) = &state.active else {
            return object("4: an alarm rolls back what is not under way");
        };
        let started = match &active.phase {
            Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. } => *started_at,
            // It is asked for again.
            Phase::RollingBack { .. } | Phase::Starting { .. } => return,
        };
        let mut seen = config.alarms.iter().filter_map(|arn| self.alarms.get(arn));
        let Some(seen) = seen.find(|seen| seen.alarm.name() == name) else {
            return object("4: a rollback for an alarm of which nothing is noted");
        };
        if !fires(seen, config.missing_data) {
            object("4: a rollback for an alarm that is muted or does not fire");
        }
        if seen.changed_at < started {
            object("4: a rollback for an alarm from before the deployment");
        }
    }

    /// What is noted of an alarm must have been true, and must be newer than what was noted before.
    /// One that fires in a deployment or its bake must not end in success.
    pub(super) fn note_alarm(&mut self, entry: &Entry, cloud: &Cloud, wrong: &mut Vec<String>) {
        let What::AlarmNoted { seen } = &entry.what else {
            return;
        };
        let true_once = cloud.alarms_past.iter().any(|past| {
            past.alarm == seen.alarm
                && past.state == seen.state
                && past.voice == seen.voice
                && past.changed_at == seen.changed_at
        });
        if !true_once {
            wrong.push(format!("4: {} was never like that", seen.alarm.name()));
        }
        let before = self.alarms.get(&seen.alarm);
        if before.is_some_and(|before| before.changed_at > seen.changed_at) {
            wrong.push(format!(
                "4: an older change of {} counts",
                seen.alarm.name()
            ));
        }
        for id in self.struck_by(seen) {
            if let Some(offer) = self.offers.get_mut(&id) {
                offer.alarmed = true;
            }
        }
        self.alarms.insert(seen.alarm.clone(), seen.clone());
    }

    /// Deployments that an alarm strikes: under way or baking, begun before it.
    fn struck_by(&self, seen: &AlarmSeen) -> Vec<domain::EntryId> {
        let mut struck = Vec::new();
        for stage in self
            .pipeline
            .config
            .iter()
            .flat_map(|config| &config.stages)
        {
            let active = self.pipeline.stages.get(&stage.name);
            let Some(active) = active.and_then(|state| state.active.as_ref()) else {
                continue;
            };
            let started = match &active.phase {
                Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. } => {
                    *started_at
                }
                Phase::Starting { .. } | Phase::RollingBack { .. } => continue,
            };
            if stage.alarms.contains(&seen.alarm)
                && fires(seen, stage.missing_data)
                && seen.changed_at >= started
                && active.offer.purpose == Purpose::Release
                && active.offer.despite.alarm.is_none()
            {
                struck.push(active.offer.id.clone());
            }
        }
        struck
    }

    /// After the commit that notes it, what an alarm strikes is being undone, or a person knows why
    /// not.
    pub(super) fn after_alarm(&self, seen: &AlarmSeen, wrong: &mut Vec<String>) {
        for id in self.struck_by(seen) {
            let mut stages = self.pipeline.stages.values();
            let active = stages.find_map(|stage| {
                let active = stage.active.as_ref();
                active.filter(|active| active.offer.id == id)
            });
            if active.is_some_and(|active| active.condemned.is_none()) {
                let alarm = seen.alarm.name();
                wrong.push(format!("4: {alarm} fires on {id}, and nothing is done"));
            }
        }
    }
}
