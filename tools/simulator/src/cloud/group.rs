//! A CodeDeploy deployment group.

use domain::fact::Progress;
use domain::{SignedDuration, Timestamp, due};

use super::site::{Begin, Begun, Deployment, Fate, Kind, Nature, Site, State};
use super::{HookCall, Moved, Word};

/// How long after a bad end the adapter takes a rollback to be still to come.
const ROLLBACK_WITHIN: SignedDuration = SignedDuration::from_secs(60);

/// "Concurrent deployments per deployment group: 1, not adjustable" (CodeDeploy limits): whatever
/// is open is in the way, rollbacks and Auto Scaling's deployments too.
pub(super) fn begin(site: &mut Site, begin: Begin, moved: &mut Moved<'_>) -> Begun {
    if let Some(open) = site.open() {
        return Begun::Occupied(open.id.clone());
    }
    *moved.serial += 1;
    let id = format!("d-{:09}", *moved.serial);
    let begun = site.push(begin, id, moved);
    // An alarm that fires already stops it at once, unless told otherwise.
    site.notice_alarms(moved);
    begun
}

pub(super) fn advance(site: &mut Site, at: usize, moved: &mut Moved<'_>) {
    let Some(one) = site.deployments.get(at) else {
        return;
    };
    let (content, state, fate) = (one.content.clone(), one.state.clone(), one.fate);
    let scaling = one.nature == Nature::Scaling;
    match state {
        State::Begun if fate == Fate::Hangs => {
            // CodeDeploy ends everything at last (12 h for in-place deployments, 1 h per event).
            let next_at = Some(moved.later(3600, 3600));
            if let Some(one) = site.at(at) {
                one.fate = Fate::Fails;
                one.state = State::Half;
                one.next_at = next_at;
            }
            site.replace_half(&content);
        }
        State::Begun => {
            let hook = site.habits.hook && site.habits.kind == Kind::GroupOfEcs;
            // Blue/green replaces nothing before the traffic is shifted.
            if site.habits.kind == Kind::Group && !scaling {
                site.replace_half(&content);
            }
            let next_at = Some(if hook {
                // "within 1 hour or the deployment fails".
                moved.later(3600, 3600)
            } else {
                moved.later(10, 200)
            });
            let subject = site.subject.clone();
            if let Some(one) = site.at(at) {
                one.state = if hook { State::Hooked } else { State::Half };
                one.next_at = next_at;
                if hook {
                    moved.hooks.push(HookCall {
                        subject,
                        deployment: one.id.clone(),
                        back: false,
                    });
                }
            }
        }
        State::Half if fate == Fate::Succeeds => {
            let now = moved.now;
            if let Some(one) = site.at(at) {
                one.state = State::Succeeded;
                one.ended_at = Some(now);
            }
            site.ended_well(at);
            site.say(at, Word::Success, moved);
        }
        State::Half => {
            let why = "HEALTH_CONSTRAINTS: too few healthy instances".to_owned();
            end_badly(site, at, State::Failed(why), moved);
        }
        State::Hooked => {
            let why = "HOOK_EXECUTION_FAILURE: no answer within an hour".to_owned();
            end_badly(site, at, State::Failed(why), moved);
        }
        State::Undoing(_)
        | State::Succeeded
        | State::Failed(_)
        | State::Stopped(_)
        | State::Undone(_) => {}
    }
}

/// Ends a deployment badly. Whether it is undone says the group's automatic rollback.
pub(super) fn end_badly(site: &mut Site, at: usize, state: State, moved: &mut Moved<'_>) {
    let undoes = site.habits.undoes;
    end_with(site, at, state, undoes, moved);
}

fn end_with(site: &mut Site, at: usize, state: State, undoes: bool, moved: &mut Moved<'_>) {
    let now = moved.now;
    let can = undoes && site.completed.is_some();
    let undo_at = can.then(|| moved.later(1, 30));
    let word = if matches!(state, State::Stopped(_)) {
        Word::Stop
    } else {
        Word::Failure
    };
    let mut half_way = false;
    if let Some(one) = site.at(at) {
        half_way = one.state != State::Begun;
        let forward = match one.nature {
            Nature::Ours(_) | Nature::Foreign => true,
            Nature::Undoing(_) | Nature::Scaling => false,
        };
        one.state = state;
        one.next_at = None;
        one.ended_at = Some(now);
        // A rollback is not itself rolled back.
        one.undo_at = undo_at.filter(|_| forward);
    }
    let scaling = site
        .deployments
        .get(at)
        .is_some_and(|one| one.nature == Nature::Scaling);
    // Auto Scaling gives up an instance that cannot be brought up to date.
    if scaling {
        site.units.retain(Option::is_some);
    }
    // The instance it was working on may run anything.
    if half_way
        && !scaling
        && site.habits.kind == Kind::Group
        && let Some(unit) = site.units.last_mut()
    {
        *unit = None;
    }
    site.say(at, word, moved);
}

/// The rollback: "last known good" as a new deployment with a new id (CodeDeploy user guide,
/// "deployments-rollback-and-redeploy").
pub(super) fn undo(site: &mut Site, at: usize, moved: &mut Moved<'_>) {
    let (Some(of), Some(content)) = (site.deployments.get(at), site.completed.clone()) else {
        return;
    };
    if site.open().is_some() {
        // Somebody was faster: it gets no deployment, and none is made later.
        return;
    }
    let of = of.id.clone();
    *moved.serial += 1;
    let id = format!("d-{:09}", *moved.serial);
    let begin = Begin {
        nature: Nature::Undoing(of),
        content,
        deaf: true,
    };
    let fails = moved.fails;
    moved.fails = fails / 4;
    site.push(begin, id.clone(), moved);
    moved.fails = fails;
    if let Some(one) = site.at(at) {
        one.undone_by = Some(id);
    }
}

/// StopDeployment with automatic rollback; what has ended is left alone
/// (DeploymentAlreadyCompletedException).
pub(super) fn stop(site: &mut Site, id: &str, why: &str, moved: &mut Moved<'_>) {
    let at = site
        .deployments
        .iter()
        .position(|one| one.id == id && one.state.is_open());
    if let Some(at) = at {
        end_with(site, at, State::Stopped(why.to_owned()), true, moved);
    }
}

/// As the adapter reads CodeDeploy's statuses: only the rollback's own deployment says how it went.
pub(super) fn progress(
    site: &Site,
    own: &Deployment,
    platform_id: String,
    now: Timestamp,
) -> Progress {
    let started_at = own.begun_at;
    let underway = Progress::Underway {
        platform_id: platform_id.clone(),
        started_at,
    };
    let (State::Failed(why) | State::Stopped(why)) = own.state.clone() else {
        return match own.state {
            State::Succeeded => Progress::Succeeded {
                platform_id,
                started_at,
            },
            State::Begun
            | State::Half
            | State::Hooked
            | State::Undoing(_)
            | State::Failed(_)
            | State::Stopped(_)
            | State::Undone(_) => underway,
        };
    };
    let undoing = own.undone_by.as_deref().and_then(|id| site.by_id(id));
    let Some(undoing) = undoing else {
        let may_be_undone = site.habits.undoes || matches!(own.state, State::Stopped(_));
        let ended = own.ended_at.unwrap_or(now);
        if may_be_undone && due::after(ended, ROLLBACK_WITHIN) > now {
            return underway;
        }
        return Progress::Failed { platform_id, why };
    };
    match undoing.state {
        State::Succeeded => Progress::Undone { platform_id, why },
        State::Failed(_) | State::Stopped(_) => Progress::Failed {
            platform_id,
            why: format!("{why}; its rollback failed too"),
        },
        State::Begun | State::Half | State::Hooked | State::Undoing(_) | State::Undone(_) => {
            Progress::Undoing { platform_id, why }
        }
    }
}
