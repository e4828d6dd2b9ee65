//! Timers: when a pipeline wants to be looked at again. Each is a value; nothing waits.

use jiff::{SignedDuration, Timestamp};

use crate::config::StageConfig;
use crate::pipeline::{Active, Offer, Phase, Pipeline, Stage, WaitingOn};
use crate::scan::{SCAN_WITHIN, Scan};

/// How long the platform may leave a request unanswered before it is looked for.
pub const ANSWER_WITHIN: SignedDuration = SignedDuration::from_secs(60);
/// How long a deployment may be silent before it is looked at: events of CodeDeploy may be lost.
pub const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// How long alarms may take to clear after a rollback before a person is called: CloudWatch needs
/// minutes to see that things are well again.
pub const CLEAR_WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// How often a target that nothing is done to is compared with the ledger. It costs a few calls of
/// the platform that only read, and one write of a small item, for each service.
pub const COMPARE_EVERY: SignedDuration = SignedDuration::from_mins(15);
/// How often the platform is asked for the same thing before it counts as refused.
pub const TRIES_MAX: u32 = 5;

/// When to look at a pipeline again; `None` when nothing is due without an event.
#[must_use]
pub fn due_at(pipeline: &Pipeline) -> Option<Timestamp> {
    let stages = pipeline.config.iter().flat_map(|config| &config.stages);
    stages
        .filter_map(|stage| Some((stage, pipeline.stages.get(&stage.name)?)))
        .filter_map(|(config, stage)| stage_due_at(pipeline, config, stage))
        .chain(switch_due_at(pipeline))
        .min()
}

/// Only the reserved pipeline turns the switch; what waits for it elsewhere knows its end itself.
fn switch_due_at(pipeline: &Pipeline) -> Option<Timestamp> {
    if !pipeline.service.is_everything() {
        return None;
    }
    // When to go on telling pipelines of the switch, because who began it may have died.
    let telling = pipeline
        .telling_since
        .map(|since| after(since, ANSWER_WITHIN));
    // When the freeze of everything ends.
    let ends = pipeline.switch.freeze.as_ref();
    telling
        .into_iter()
        .chain(ends.and_then(|freeze| freeze.until))
        .min()
}

fn stage_due_at(pipeline: &Pipeline, config: &StageConfig, stage: &Stage) -> Option<Timestamp> {
    let active = stage
        .active
        .as_ref()
        .map(|active| active_due_at(config, active));
    let waiting = stage.waiting.iter();
    let waiting = waiting
        .filter_map(|offer| waiting_due_at(pipeline, offer))
        .min();
    // When to call a person because an alarm did not clear after a rollback.
    let recovers = stage.recovers_until;
    active.into_iter().chain(waiting).chain(recovers).min()
}

fn active_due_at(config: &StageConfig, active: &Active) -> Timestamp {
    match &active.phase {
        // When to look what became of a request.
        Phase::Starting { asked_at, .. } | Phase::RollingBack { asked_at, .. } => {
            after(*asked_at, ANSWER_WITHIN)
        }
        // When to look whether an event was lost, or the deployment takes too long.
        Phase::InProgress { started_at, .. } => after(*started_at, LOOK_EVERY.min(config.timeout)),
        // When to end the bake.
        Phase::Baking { until, .. } => *until,
    }
}

/// When to ask for the scan of an offer that waits for it; none when it waits for no scan.
#[must_use]
pub fn scan_due_at(pipeline: &Pipeline, waiting: &Offer) -> Option<Timestamp> {
    matches!(waiting.on, Some(WaitingOn::Scan { .. })).then(|| {
        let known = pipeline.scans.get(&waiting.release);
        known
            .and_then(Scan::again_at)
            .unwrap_or_else(|| after(waiting.offered_at, SCAN_WITHIN))
    })
}

fn waiting_due_at(pipeline: &Pipeline, waiting: &Offer) -> Option<Timestamp> {
    match waiting.on.as_ref()? {
        // When to ask for a scan of which nothing was heard.
        WaitingOn::Scan { .. } => scan_due_at(pipeline, waiting),
        // When to let the request expire.
        WaitingOn::Approval { expires_at, .. } => Some(*expires_at),
        // When to try again because a freeze ended.
        WaitingOn::Freeze { until, .. } => *until,
        // When to try again because a window opened.
        WaitingOn::Window { opens_at } => *opens_at,
        // When to try again whether the target is free, or the switch can be read.
        WaitingOn::Target { again_at, .. } | WaitingOn::Switch { again_at } => Some(*again_at),
        // An event, or the end of what is active, wakes these.
        WaitingOn::Alarm { .. }
        | WaitingOn::Drift { .. }
        | WaitingOn::Stage { .. }
        | WaitingOn::Turn { .. } => None,
    }
}

/// A moment later; the end of time when there is none.
#[must_use]
pub fn after(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::AlarmState;
    use crate::decide::tests::story::Story;

    /// In how many seconds something is due.
    fn due_in(story: &Story) -> Option<i64> {
        due_at(&story.pipeline).map(|at| at.duration_since(story.now).as_secs())
    }

    #[test]
    fn what_was_asked_or_begun_is_looked_at_after_a_minute_and_a_bake_when_it_ends() {
        let mut story = Story::new();
        assert_eq!(due_in(&story), None);
        story.upload(1);
        assert_eq!(due_in(&story), Some(60), "asked for");
        story.begins("dev");
        assert_eq!(due_in(&story), Some(60), "begun");
        let mut baking = story.clone();
        baking.finishes("dev");
        assert_eq!(due_in(&baking), Some(5 * 60), "it bakes for five minutes");
    }

    #[test]
    fn what_is_to_be_undone_is_looked_at_after_a_minute() {
        let mut story = Story::released_everywhere(1);
        assert_eq!(due_in(&story), None);
        story.upload(2);
        story.begins("dev");
        story.alarm("dev", AlarmState::Alarm);
        assert_eq!(due_in(&story), Some(60), "stopping");
    }
}
