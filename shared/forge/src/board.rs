//! What GitHub shows of a service, and what changes there with an entry. Kept in the table between
//! events, so that a new instance goes on with the same deployments.
//!
//! A deployment there is one of ours, from when it was asked for. GitHub can say of older ones that
//! they are inactive by itself, but only where users do not work, and by the name of an
//! environment, which services may share; so that is always said here.

use std::collections::BTreeMap;

use domain::announce::Announcement;
use domain::entry::{Entry, What};
use domain::{EntryId, ReleaseNumber, StageName};
use serde::{Deserialize, Serialize};

use crate::Repository;

/// Longest description of a status, in characters (REST API, "Create a deployment status").
pub const DESCRIPTION_LENGTH_MAX: usize = 140;

/// What GitHub shows of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Board {
    stages: BTreeMap<StageName, Place>,
}

/// What it shows of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// What runs there as far as people were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runs: Option<Shown>,
    /// What is on its way there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    moves: Option<Shown>,
}

/// A deployment of ours that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The number of the entry that it has its id from.
    pub deployment: u64,
    /// The release.
    pub release: ReleaseNumber,
    /// Where; none while it is nowhere, or when its build named no commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<Spot>,
}

/// Where a deployment is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// In which repository.
    pub repository: Repository,
    /// GitHub's id of it.
    pub id: u64,
}

/// How a deployment stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is under way.
    InProgress,
    /// It runs.
    Success,
    /// It went wrong.
    Failure,
    /// Nobody knows that it is good.
    Error,
    /// It does not run, or no longer.
    Inactive,
}

impl State {
    /// GitHub's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Inactive => "inactive",
        }
    }
}

/// One thing to change there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The stage.
    pub stage: StageName,
    /// The deployment.
    pub shown: Shown,
    /// How it stands now.
    pub state: State,
    /// What happened, in one line.
    pub description: String,
}

/// What an entry says of a stage.
enum Turn {
    /// Something is on its way.
    Starts(Shown),
    /// What was on its way, or was found there, runs.
    Runs(Shown),
    /// What was on its way is not done yet, and goes badly.
    Fails(Shown),
    /// What was on its way did not come to run; what runs instead, when that is known.
    Ends(Shown, State, Option<ReleaseNumber>),
    /// What ran does so no more, or again.
    Turns(State),
}

impl Board {
    /// What changes with an entry, what ends first. Hearing it again before it is
    /// [settled](Self::settle) says the same, but for what has its spot meanwhile.
    #[must_use]
    pub fn hear(
        &self,
        entry: &Entry,
        id: &EntryId,
        announced: Option<&Announcement>,
    ) -> Vec<Change> {
        let Some((stage, turn)) = turn(entry) else {
            return Vec::new();
        };
        let place = self.stages.get(stage);
        let runs = place.and_then(|place| place.runs.as_ref());
        let moves = place.and_then(|place| place.moves.as_ref());
        let mut changes = Vec::new();
        let mut change = |shown: &Shown, state: State| {
            changes.push(Change {
                stage: stage.clone(),
                shown: shown.clone(),
                state,
                description: description(id, stage, shown, state, announced),
            });
        };
        let others = |shown: &Shown| {
            let other = shown.deployment;
            move |it: &&Shown| it.deployment != other
        };
        match turn {
            Turn::Starts(shown) => {
                if let Some(old) = moves.filter(others(&shown)) {
                    change(old, State::Inactive);
                }
                change(&self.known(stage, shown), State::InProgress);
            }
            Turn::Runs(shown) => {
                if let Some(old) = runs.filter(others(&shown)) {
                    change(old, State::Inactive);
                }
                change(&self.known(stage, shown), State::Success);
            }
            Turn::Fails(shown) => change(&self.known(stage, shown), State::Failure),
            Turn::Ends(shown, state, now) => {
                if let Some(old) = runs.filter(|old| is_gone(old, now)) {
                    change(old, State::Inactive);
                }
                let shown = self.known(stage, shown);
                // What never started is nowhere, and nobody misses it.
                if state != State::Inactive || shown.spot.is_some() {
                    change(&shown, state);
                }
            }
            Turn::Turns(state) => {
                if let Some(runs) = runs {
                    change(runs, state);
                }
            }
        }
        changes
    }

    /// Remembers where a deployment is shown.
    pub fn place(&mut self, stage: &StageName, shown: &Shown, spot: Spot) {
        let place = self.stages.entry(stage.clone()).or_default();
        let is = |it: &&mut Shown| it.deployment == shown.deployment;
        let runs = place.runs.as_mut().filter(is);
        if let Some(known) = runs.or(place.moves.as_mut().filter(is)) {
            known.spot = Some(spot);
            return;
        }
        place.moves = Some(Shown {
            spot: Some(spot),
            ..shown.clone()
        });
    }

    /// Takes note that an entry was heard, and all that it changes done.
    pub fn settle(&mut self, entry: &Entry) {
        let Some((stage, turn)) = turn(entry) else {
            return;
        };
        match turn {
            Turn::Starts(shown) => {
                let shown = self.known(stage, shown);
                self.stages.entry(stage.clone()).or_default().moves = Some(shown);
            }
            Turn::Runs(shown) => {
                let shown = self.known(stage, shown);
                let place = self.stages.entry(stage.clone()).or_default();
                place.runs = Some(shown);
                place.moves = None;
            }
            Turn::Ends(_, _, now) => {
                if let Some(place) = self.stages.get_mut(stage) {
                    place.moves = None;
                    place.runs.take_if(|old| is_gone(old, now));
                }
            }
            Turn::Fails(_) | Turn::Turns(_) => {}
        }
    }

    /// A deployment as it is known already.
    fn known(&self, stage: &StageName, shown: Shown) -> Shown {
        let place = self.stages.get(stage);
        let known = place.into_iter().flat_map(|it| [&it.runs, &it.moves]);
        let mut known = known.flatten();
        let found = known.find(|it| it.deployment == shown.deployment);
        found.cloned().unwrap_or(shown)
    }
}

/// Whether something else is known to run now.
fn is_gone(old: &Shown, now: Option<ReleaseNumber>) -> bool {
    now.is_some_and(|now| now != old.release)
}

#[expect(clippy::too_many_lines, reason = "one arm for each entry")]
fn turn(entry: &Entry) -> Option<(&StageName, Turn)> {
    let shown = |deployment: &EntryId, release: ReleaseNumber| Shown {
        deployment: deployment.seq,
        release,
        spot: None,
    };
    let ends = |deployment: &EntryId, release, state, now| {
        Turn::Ends(shown(deployment, release), state, now)
    };
    Some(match &entry.what {
        What::StartAsked { deployment, order } => {
            (&order.stage, Turn::Starts(shown(deployment, order.release)))
        }
        What::Succeeded {
            stage,
            deployment,
            release,
        } => (stage, Turn::Runs(shown(deployment, *release))),
        // What was found running has no deployment; it goes by the entry that says so.
        What::Adopted { stage, release, .. } => {
            let shown = Shown {
                deployment: entry.seq,
                release: *release,
                spot: None,
            };
            (stage, Turn::Runs(shown))
        }
        What::StopAsked {
            deployment,
            release,
            order,
            ..
        } => (&order.stage, Turn::Fails(shown(deployment, *release))),
        What::ReturnAsked {
            deployment,
            release,
            order,
            ..
        } => (&order.stage, Turn::Fails(shown(deployment, *release))),
        What::RollbackAdopted {
            stage,
            deployment,
            release,
            ..
        } => (stage, Turn::Fails(shown(deployment, *release))),
        What::Unproven {
            stage,
            deployment,
            release,
        } => (
            stage,
            ends(deployment, *release, State::Error, Some(*release)),
        ),
        What::Failed {
            stage,
            deployment,
            release,
            runs,
            ..
        } => (stage, ends(deployment, *release, State::Failure, *runs)),
        What::RolledBack {
            stage,
            deployment,
            release,
            to,
            ..
        } => (stage, ends(deployment, *release, State::Failure, *to)),
        What::RollbackFailed {
            stage,
            deployment,
            release,
            ..
        } => (stage, ends(deployment, *release, State::Failure, None)),
        What::Dropped {
            stage,
            deployment,
            release,
            ..
        } => (stage, ends(deployment, *release, State::Inactive, None)),
        What::Drifted { stage, .. } => (stage, Turn::Turns(State::Inactive)),
        What::DriftEnded { stage, .. } => (stage, Turn::Turns(State::Success)),
        What::Configured { .. }
        | What::Unclaimed { .. }
        | What::ArtefactRejected { .. }
        | What::Released { .. }
        | What::Recalled { .. }
        | What::Scanned { .. }
        | What::NothingToAdopt { .. }
        | What::Flooded { .. }
        | What::HeldBack { .. }
        | What::Offered { .. }
        | What::Overridden { .. }
        | What::Waits { .. }
        | What::Approved { .. }
        | What::ApprovalsVoided { .. }
        | What::Begun { .. }
        | What::BakeBegun { .. }
        | What::Quarantined { .. }
        | What::Frozen { .. }
        | What::Thawed { .. }
        | What::Switched { .. }
        | What::SwitchNoted { .. }
        | What::AllTold { .. }
        | What::TestAnnounced { .. }
        | What::AlarmNoted { .. }
        | What::AlarmAfterBake { .. }
        | What::MixtureSeen { .. }
        | What::CallSeen { .. }
        | What::Unprotected { .. }
        | What::Protected { .. }
        | What::PersonCalled { .. } => return None,
    })
}

/// What is said of a deployment: what people are told, when it is about this one.
fn description(
    id: &EntryId,
    stage: &StageName,
    shown: &Shown,
    state: State,
    announced: Option<&Announcement>,
) -> String {
    let about = announced.filter(|it| it.release == Some(shown.release));
    let words = about.map_or_else(
        || {
            let word = match state {
                State::InProgress => "is being deployed",
                State::Success => "runs",
                State::Failure => "failed",
                State::Error => "is not proved good",
                State::Inactive => "does not run there any more",
            };
            let release = shown.release;
            format!("{} {stage} release {release}: {word} ({id})", id.service)
        },
        |it| it.subject.clone(),
    );
    words.chars().take(DESCRIPTION_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests;
