//! An ECS service that deploys itself.

use domain::fact::Progress;

use super::site::{Begin, Begun, Fate, Nature, Site, State};
use super::{HookCall, Moved, Word};

/// Begins a deployment. One that somebody else began, or that is being taken back, is in the way
/// for us; for anybody else the new one replaces it: "STOP_REQUESTED", then "STOPPED" (ECS
/// developer guide, "service-deployment").
pub(super) fn begin(site: &mut Site, begin: Begin, moved: &mut Moved<'_>) -> Begun {
    if let (Nature::Ours(mark), Some(at)) = (&begin.nature, site.open_at()) {
        let (mine, open) = (mark.service.clone(), site.deployments.get(at));
        let replaceable = open.is_some_and(|open| {
            let ours = matches!(&open.nature, Nature::Ours(mark) if mark.service == mine);
            ours && !matches!(open.state, State::Undoing(_))
        });
        if let (false, Some(open)) = (replaceable, open) {
            return Begun::Occupied(open.id.clone());
        }
    }
    if let Some(at) = site.open_at() {
        let now = moved.now;
        if let Some(open) = site.at(at) {
            open.state = State::Stopped("a newer deployment replaced it".to_owned());
            open.next_at = None;
            open.ended_at = Some(now);
        }
    }
    *moved.serial += 1;
    let id = format!("ecs-svc/{}", *moved.serial);
    // "if any alarm is in ALARM at the start, alarms are ignored for that deployment".
    let deaf = site.habits.alarms.iter().any(|one| moved.fires(one));
    site.push(Begin { deaf, ..begin }, id, moved)
}

pub(super) fn advance(site: &mut Site, at: usize, moved: &mut Moved<'_>) {
    let Some(one) = site.deployments.get(at) else {
        return;
    };
    let content = one.content.clone();
    match one.state.clone() {
        State::Begun => {
            site.replace_half(&content);
            let (hook, hangs) = (site.habits.hook, one_hangs(site, at));
            let next_at = (!hook && !hangs).then(|| moved.later(10, 200));
            if let Some(one) = site.at(at) {
                one.state = if hook { State::Hooked } else { State::Half };
                one.next_at = next_at;
            }
            if hook {
                call_hook(site, at, false, moved);
            }
        }
        State::Half => match site.deployments.get(at).map(|one| one.fate) {
            Some(Fate::Fails) if site.habits.undoes => {
                take_back(site, at, "the circuit breaker tripped", moved);
            }
            Some(Fate::Succeeds) => end(site, at, State::Succeeded, Word::Success, moved),
            // Without a circuit breaker ECS goes on trying for ever.
            Some(Fate::Fails | Fate::Hangs) | None => {}
        },
        // The hook did not answer in time: ROLLBACK is the default (ECS, `timeoutConfiguration`).
        State::Hooked => take_back(site, at, "the lifecycle hook did not answer", moved),
        State::Undoing(why) => taken_back(site, at, &why, moved),
        State::Succeeded | State::Failed(_) | State::Stopped(_) | State::Undone(_) => {}
    }
}

fn one_hangs(site: &Site, at: usize) -> bool {
    site.deployments
        .get(at)
        .is_some_and(|one| one.fate == Fate::Hangs)
}

fn call_hook(site: &mut Site, at: usize, back: bool, moved: &mut Moved<'_>) {
    let next_at = Some(moved.later(3600, 3600));
    let subject = site.subject.clone();
    if let Some(one) = site.at(at) {
        if !back {
            one.next_at = next_at;
        }
        moved.hooks.push(HookCall {
            subject,
            deployment: one.id.clone(),
            back,
        });
    }
}

fn end(site: &mut Site, at: usize, state: State, word: Word, moved: &mut Moved<'_>) {
    let well = state == State::Succeeded;
    let now = moved.now;
    if let Some(one) = site.at(at) {
        one.state = state;
        one.next_at = None;
        one.ended_at = Some(now);
    }
    if well {
        site.ended_well(at);
    }
    site.say(at, word, moved);
}

/// ECS goes back to the revision before. It says IN_PROGRESS again, and COMPLETED when it has
/// arrived there: "a rollback produces a new deployment whose COMPLETED must not be read as success
/// of the release".
pub(super) fn take_back(site: &mut Site, at: usize, why: &str, moved: &mut Moved<'_>) {
    let next_at = Some(moved.later(10, 300));
    if let Some(one) = site.at(at) {
        one.state = State::Undoing(why.to_owned());
        one.next_at = next_at;
    }
    site.say(at, Word::Failure, moved);
    if site.habits.hook {
        // "TEST_TRAFFIC_SHIFT and PRODUCTION_TRAFFIC_SHIFT hooks run again".
        call_hook(site, at, true, moved);
    }
}

fn taken_back(site: &mut Site, at: usize, why: &str, moved: &mut Moved<'_>) {
    let fails = moved.fails / 4;
    let before = site.completed.clone();
    match before.filter(|_| !moved.chance(fails)) {
        Some(before) => {
            site.replace_all(&before);
            end(
                site,
                at,
                State::Undone(why.to_owned()),
                Word::Success,
                moved,
            );
        }
        None => {
            let why = format!("its rollback failed: {why}");
            end(site, at, State::Failed(why), Word::Failure, moved);
        }
    }
}

/// StopServiceDeployment with ROLLBACK: allowed while it runs, no news while it is taken back.
pub(super) fn stop(site: &mut Site, id: &str, why: &str, moved: &mut Moved<'_>) {
    let at = site.deployments.iter().position(|one| {
        one.id == id && one.state.is_open() && !matches!(one.state, State::Undoing(_))
    });
    if let Some(at) = at {
        take_back(site, at, why, moved);
    }
}

/// As the adapter reads ECS's statuses.
pub(super) fn progress(own: &super::Deployment, platform_id: String) -> Progress {
    let started_at = own.begun_at;
    match own.state.clone() {
        State::Begun | State::Half | State::Hooked => Progress::Underway {
            platform_id,
            started_at,
        },
        State::Undoing(why) => Progress::Undoing { platform_id, why },
        State::Succeeded => Progress::Succeeded {
            platform_id,
            started_at,
        },
        State::Failed(why) | State::Stopped(why) => Progress::Failed { platform_id, why },
        State::Undone(why) => Progress::Undone { platform_id, why },
    }
}
