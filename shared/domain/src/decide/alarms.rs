//! An alarm changed: what that means for every stage that watches it. The undoing itself is in
//! `undo`.

use super::{Draft, undo};
use crate::alarm::AlarmSeen;
use crate::entry::{Purpose, What};
use crate::name::StageName;
use crate::pipeline::{Cause, Phase};
use crate::reason::Reason;

pub(super) fn changed(draft: &mut Draft, seen: &AlarmSeen) -> Reason {
    let Some(config) = &draft.pipeline.config else {
        return Reason::NoSuchService;
    };
    let watching: Vec<(StageName, bool, bool)> = config
        .stages
        .iter()
        .filter(|stage| stage.alarms.contains(&seen.alarm))
        .map(|stage| {
            let believed = draft.pipeline.alarms.get(&seen.alarm);
            let was = believed.is_some_and(|seen| seen.fires(stage.missing_data));
            (stage.name.clone(), seen.fires(stage.missing_data), was)
        })
        .collect();
    if watching.is_empty() {
        return Reason::AlarmNotWatched;
    }
    // Events come late and out of order: CloudWatch's own time decides what is newer.
    if let Some(believed) = draft.pipeline.alarms.get(&seen.alarm) {
        let same = believed.state == seen.state && believed.voice == seen.voice;
        if believed.changed_at > seen.changed_at || (believed.changed_at == seen.changed_at && same)
        {
            return Reason::AlarmStale {
                believed: believed.changed_at,
            };
        }
    }
    draft.write(
        What::AlarmNoted {
            seen: seen.clone().cut(),
        },
        Reason::AlarmNoted,
    );
    let mut reason = Reason::AlarmNoted;
    for (name, fires, was_firing) in watching {
        if fires {
            reason = fired(draft, &name, seen, was_firing);
        }
    }
    reason
}

fn fired(draft: &mut Draft, name: &StageName, seen: &AlarmSeen, was_firing: bool) -> Reason {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return Reason::AlarmNoted;
    };
    let Some(active) = &stage.active else {
        if let Some(release) = stage.should_run()
            && !was_firing
            && stage.recovers_until.is_none()
        {
            let what = What::AlarmAfterBake {
                stage: name.clone(),
                release,
                seen: seen.clone().cut(),
            };
            draft.write(what, Reason::AfterBake);
        }
        return Reason::AfterBake;
    };
    // A rollback is never itself rolled back.
    if active.offer.purpose == Purpose::Rollback {
        return Reason::RollbackUnderWay;
    }
    // Who shipped a fix into a fire knows that it burns: only a fresh outbreak counts.
    if was_firing && active.offer.despite.alarm.is_some() {
        return Reason::AlarmNoted;
    }
    match &active.phase {
        Phase::RollingBack { .. } => Reason::RollbackUnderWay,
        Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. }
            if seen.changed_at < *started_at =>
        {
            Reason::AlarmOlderThanDeployment
        }
        Phase::Starting { .. } | Phase::InProgress { .. } | Phase::Baking { .. } => {
            let alarm = seen.alarm.name().to_owned();
            let cause = Cause::Alarm {
                name: alarm.clone(),
            };
            undo::roll_back(draft, name, cause, None);
            Reason::AlarmFired { alarm }
        }
    }
}
