//! What is true about an attempt: how far the platform is, what the target runs. Success is what
//! was observed, never what was promised.

use jiff::Timestamp;

use super::undoing::{Undoing, adopt, adopted, adopted_end, returning, stopping};
use super::{Draft, alarms, arrive, gate, undo};
use crate::artefact::Content;
use crate::due::{ANSWER_WITHIN, TRIES_MAX, after};
use crate::entry::{AlarmsAtStart, Call, Purpose, What};
use crate::fact::{Observed, Progress, Running};
use crate::name::{ReleaseNumber, StageName};
use crate::pipeline::{Active, Cause, How, Phase};
use crate::reason::Reason;

pub(super) fn observed(draft: &mut Draft, observed: &Observed) -> Reason {
    let name = &observed.stage;
    if draft.pipeline.stage(name).is_none() {
        return Reason::NoSuchStage {
            stage: name.clone(),
        };
    }
    for seen in &observed.alarms {
        let _ = alarms::changed(draft, seen);
    }
    let Some(active) = draft
        .active(name)
        .cloned()
        .filter(|active| active.attempt == observed.attempt)
    else {
        return Reason::AttemptNotCurrent {
            attempt: observed.attempt.clone(),
        };
    };
    if let Phase::Starting { asked_at, tries } = active.phase {
        if observed.progress == Progress::NotFound {
            return unanswered_start(draft, name, asked_at, tries);
        }
        begin(draft, name, &active, &observed.progress);
    }
    let Some(active) = draft.active(name).cloned() else {
        return Reason::NothingNew;
    };
    let sight = Sight {
        name,
        progress: &observed.progress,
        running: &observed.running,
    };
    match active.phase.clone() {
        Phase::Starting { .. } => Reason::NotYet,
        Phase::InProgress { started_at, .. } => in_progress(draft, &sight, &active, started_at),
        Phase::Baking { until, .. } => baking(draft, &sight, &active, until),
        Phase::RollingBack {
            cause,
            how,
            to,
            asked_at,
            tries,
        } => {
            let undoing = Undoing {
                cause,
                to,
                asked_at,
                tries,
            };
            match how {
                How::Stop => stopping(draft, &sight, undoing),
                How::Return => returning(draft, &sight, &active, undoing),
                How::Adopted => adopted(draft, &sight, &undoing),
            }
        }
    }
}

pub(super) struct Sight<'a> {
    pub(super) name: &'a StageName,
    pub(super) progress: &'a Progress,
    pub(super) running: &'a Running,
}

pub(super) fn is_late(draft: &Draft, name: &StageName, since: Timestamp) -> bool {
    let timeout = draft.pipeline.stage(name).map(|(config, _)| config.timeout);
    timeout.is_some_and(|timeout| after(since, timeout) <= draft.now)
}

pub(super) fn runs(draft: &Draft, running: &Running, release: ReleaseNumber) -> bool {
    let content: Option<Content> = draft.pipeline.content(release);
    matches!((running, content), (Running::All(all), Some(content)) if *all == content)
}

/// Which release the target runs, if it is one we know.
pub(super) fn release_of(draft: &Draft, running: &Running) -> Option<ReleaseNumber> {
    let Running::All(content) = running else {
        return None;
    };
    let mut newest_first = draft.pipeline.releases.values().rev();
    newest_first
        .find(|release| release.artefact.content() == *content)
        .map(|found| found.number)
}

/// Nothing is known of the start. After a while it is asked for again, with the same mark: if the
/// first one went through after all, the second finds it.
fn unanswered_start(
    draft: &mut Draft,
    name: &StageName,
    asked_at: Timestamp,
    tries: u32,
) -> Reason {
    if draft.now < after(asked_at, ANSWER_WITHIN) {
        return Reason::NotYet;
    }
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return Reason::NotYet;
    };
    let Some(active) = &stage.active else {
        return Reason::NotYet;
    };
    let offer = &active.offer;
    if tries >= TRIES_MAX {
        let problem = format!("the platform did not begin it, asked {tries} times");
        refused(draft, name, problem);
        return Reason::NoAnswerInTime;
    }
    let alarms = if offer.purpose == Purpose::Rollback || offer.despite.alarm.is_some() {
        AlarmsAtStart::PassOver
    } else {
        AlarmsAtStart::Hold
    };
    let mark = active.attempt.clone();
    let Some(order) = gate::order(&draft.pipeline, config, offer.release, mark, alarms) else {
        return Reason::NotYet;
    };
    let what = What::StartAsked {
        deployment: offer.id.clone(),
        order: Box::new(order),
    };
    draft.write(what, Reason::NoAnswerInTime);
    Reason::NoAnswerInTime
}

/// The platform refuses for good what was asked.
pub(super) fn refused(draft: &mut Draft, name: &StageName, problem: String) {
    let Some(active) = draft.active(name).cloned() else {
        return;
    };
    if active.offer.purpose == Purpose::Rollback {
        undo::rollback_failed(draft, name, problem);
        return;
    }
    let release = active.offer.release;
    let over = active.over;
    undo::fail(draft, name, problem.clone(), Reason::DeploymentFailed, over);
    let call = Call::ActionRefused { release, problem };
    draft.write(
        What::PersonCalled {
            stage: name.clone(),
            call,
        },
        Reason::DeploymentFailed,
    );
}

fn begin(draft: &mut Draft, name: &StageName, active: &Active, progress: &Progress) {
    let (platform_id, started_at) = match progress {
        Progress::NotFound => return,
        Progress::Underway {
            platform_id,
            started_at,
        }
        | Progress::Succeeded {
            platform_id,
            started_at,
        } => (platform_id, *started_at),
        Progress::Failed { platform_id, .. }
        | Progress::Undoing { platform_id, .. }
        | Progress::Undone { platform_id, .. } => (platform_id, draft.now),
    };
    let what = What::Begun {
        stage: name.clone(),
        deployment: active.offer.id.clone(),
        release: active.offer.release,
        platform_id: platform_id.clone(),
        started_at,
    };
    draft.write(what, Reason::PlatformReported);
}

fn in_progress(
    draft: &mut Draft,
    sight: &Sight<'_>,
    active: &Active,
    started_at: Timestamp,
) -> Reason {
    match sight.progress {
        Progress::NotFound | Progress::Underway { .. } => {
            if !is_late(draft, sight.name, started_at) {
                return Reason::NothingNew;
            }
            too_late(draft, sight.name, active);
            Reason::DeploymentTimedOut
        }
        Progress::Succeeded { .. } => finished(draft, sight, active, started_at),
        Progress::Failed { why, .. } => {
            failed(draft, sight.name, active, why);
            Reason::DeploymentFailed
        }
        Progress::Undoing { why, .. } => {
            adopt(draft, sight.name, active, why);
            Reason::PlatformRollsBack
        }
        Progress::Undone { why, .. } => {
            adopt(draft, sight.name, active, why);
            adopted_end(draft, sight);
            Reason::PlatformRollsBack
        }
    }
}

/// It takes longer than the stage allows. A bad one that nothing can undo may never end by itself
/// (ECS without circuit breaker goes on trying): it must not keep the fix out of the stage.
fn too_late(draft: &mut Draft, name: &StageName, active: &Active) {
    if active.offer.purpose == Purpose::Rollback {
        let problem = "it took longer than the stage allows".to_owned();
        undo::rollback_failed(draft, name, problem);
        return;
    }
    if active.condemned.is_none() {
        undo::roll_back(draft, name, Cause::Timeout, None);
    }
    let condemned = draft
        .active(name)
        .and_then(|active| active.condemned.clone());
    if let Some(problem) = condemned {
        undo::fail(draft, name, problem, Reason::DeploymentTimedOut, None);
    }
}

/// The platform failed it and undoes nothing: last good is deployed over it.
fn failed(draft: &mut Draft, name: &StageName, active: &Active, problem: &str) {
    if active.offer.purpose == Purpose::Rollback {
        undo::rollback_failed(draft, name, problem.to_owned());
        return;
    }
    if let Some(condemned) = &active.condemned {
        undo::fail(
            draft,
            name,
            condemned.clone(),
            Reason::DeploymentFailed,
            None,
        );
        return;
    }
    over_it(draft, name, active.offer.release, problem);
}

/// Deploys last good over what has ended badly; fails it when there is none.
fn over_it(draft: &mut Draft, name: &StageName, release: ReleaseNumber, problem: &str) {
    let cause = Cause::Platform {
        problem: problem.to_owned(),
    };
    let Some(stage) = draft.pipeline.stages.get(name) else {
        return;
    };
    let irreversible = draft
        .pipeline
        .releases
        .get(&release)
        .is_some_and(|release| release.build.irreversible);
    let to = stage.good_without(Some(release));
    match to.filter(|_| !irreversible) {
        Some(to) => undo::go_back(draft, name, cause, to, None),
        None => {
            undo::roll_back(draft, name, cause, None);
            undo::fail(
                draft,
                name,
                problem.to_owned(),
                Reason::DeploymentFailed,
                None,
            );
        }
    }
}

fn finished(
    draft: &mut Draft,
    sight: &Sight<'_>,
    active: &Active,
    started_at: Timestamp,
) -> Reason {
    let release = active.offer.release;
    if let Some(problem) = &active.condemned {
        let runs = release_of(draft, sight.running);
        undo::fail(
            draft,
            sight.name,
            problem.clone(),
            Reason::DeploymentFailed,
            runs,
        );
        return Reason::DeploymentFailed;
    }
    if runs(draft, sight.running, release) {
        let bake = draft
            .pipeline
            .stage(sight.name)
            .map(|(config, _)| config.bake);
        let bake = bake.filter(|bake| bake.is_positive());
        match bake.filter(|_| active.offer.purpose == Purpose::Release) {
            Some(bake) => {
                let what = What::BakeBegun {
                    stage: sight.name.clone(),
                    deployment: active.offer.id.clone(),
                    release,
                    until: after(draft.now, bake),
                };
                draft.write(what, Reason::RunsEverywhere);
            }
            None => succeed(draft, sight.name, active, Reason::RunsEverywhere),
        }
        return Reason::RunsEverywhere;
    }
    not_all_run_it(draft, sight, active, started_at)
}

/// The platform says done, and the target says otherwise.
fn not_all_run_it(
    draft: &mut Draft,
    sight: &Sight<'_>,
    active: &Active,
    since: Timestamp,
) -> Reason {
    let release = active.offer.release;
    let (stage, deployment) = (sight.name.clone(), active.offer.id.clone());
    match sight.running {
        Running::Nothing => {
            draft.write(
                What::Unproven {
                    stage,
                    deployment,
                    release,
                },
                Reason::NothingRuns,
            );
            Reason::NothingRuns
        }
        Running::All(_) => {
            let problem = "the target runs something else".to_owned();
            let runs = release_of(draft, sight.running);
            undo::fail(draft, sight.name, problem, Reason::RunsSomethingElse, runs);
            let call = Call::RunsSomethingElse { release };
            draft.write(
                What::PersonCalled { stage, call },
                Reason::RunsSomethingElse,
            );
            Reason::RunsSomethingElse
        }
        Running::Mixed(_) | Running::Unknown => {
            if is_late(draft, sight.name, since) {
                let problem = "not all of the target came to run it".to_owned();
                if active.offer.purpose == Purpose::Rollback {
                    undo::rollback_failed(draft, sight.name, problem);
                } else {
                    over_it(draft, sight.name, release, &problem);
                }
                return Reason::RunsMixed;
            }
            if active.mixed_since.is_none() && matches!(sight.running, Running::Mixed(_)) {
                draft.write(
                    What::MixtureSeen {
                        stage,
                        deployment,
                        release,
                    },
                    Reason::RunsMixed,
                );
            }
            Reason::RunsMixed
        }
    }
}

fn baking(draft: &mut Draft, sight: &Sight<'_>, active: &Active, until: Timestamp) -> Reason {
    match sight.progress {
        Progress::Undoing { why, .. } => {
            adopt(draft, sight.name, active, why);
            return Reason::PlatformRollsBack;
        }
        Progress::Undone { why, .. } => {
            adopt(draft, sight.name, active, why);
            adopted_end(draft, sight);
            return Reason::PlatformRollsBack;
        }
        Progress::NotFound
        | Progress::Underway { .. }
        | Progress::Succeeded { .. }
        | Progress::Failed { .. } => {}
    }
    if draft.now < until {
        return Reason::NotYet;
    }
    let firing = draft
        .pipeline
        .stage(sight.name)
        .map(|(config, _)| draft.pipeline.firing(config));
    let firing = firing.unwrap_or_default();
    if let Some(alarm) = firing.first().cloned() {
        // It was pushed through its alarm, or the alarm is older than it: it runs, and proved
        // nothing.
        let why = Reason::AlarmFiringBefore { alarm };
        let what = What::Unproven {
            stage: sight.name.clone(),
            deployment: active.offer.id.clone(),
            release: active.offer.release,
        };
        draft.write(what, why.clone());
        let call = Call::StillFiring { alarms: firing };
        let stage = sight.name.clone();
        draft.write(What::PersonCalled { stage, call }, why.clone());
        return why;
    }
    if runs(draft, sight.running, active.offer.release) {
        succeed(draft, sight.name, active, Reason::BakeEnded);
        return Reason::BakeEnded;
    }
    not_all_run_it(draft, sight, active, until)
}

fn succeed(draft: &mut Draft, name: &StageName, active: &Active, why: Reason) {
    let release = active.offer.release;
    let what = What::Succeeded {
        stage: name.clone(),
        deployment: active.offer.id.clone(),
        release,
    };
    draft.write(what, why);
    if active.offer.purpose == Purpose::Rollback {
        return;
    }
    let next = draft
        .pipeline
        .config
        .as_ref()
        .and_then(|config| config.stage_after(name));
    if let Some(next) = next.map(|stage| stage.name.clone()) {
        arrive::offer(draft, &next, release, Reason::GoodOnStageBefore);
    }
}
