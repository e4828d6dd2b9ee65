//! One target: its tasks or instances, and the deployments that went over it. What ECS and
//! CodeDeploy do differently is in `ecs` and `group`.

use std::collections::BTreeSet;

use domain::artefact::Content;
use domain::fact::{Progress, Running};
use domain::hint::Subject;
use domain::{AlarmArn, EntryId, SignedDuration, Timestamp, due};

use super::{Happening, Moved, Word, ecs, group};

/// What a task or an instance runs; `None` when it failed half-way and nobody can tell.
pub(crate) type Unit = Option<Content>;

/// How long the past of a target is remembered: as long as a handler may have looked at it.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An ECS service that deploys itself.
    Ecs,
    /// A CodeDeploy group of instances.
    Group,
    /// An ECS service that a CodeDeploy group deploys blue/green.
    GroupOfEcs,
}

/// How a target is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Habits {
    pub(crate) kind: Kind,
    /// The circuit breaker with rollback, or the group's automatic rollback.
    pub(crate) undoes: bool,
    /// Alarms that the platform itself watches while it deploys.
    pub(crate) alarms: Vec<AlarmArn>,
    /// Whether a lifecycle hook is called before traffic is shifted.
    pub(crate) hook: bool,
}

/// Who made a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Nature {
    /// We did, with this mark.
    Ours(EntryId),
    /// Somebody behind our back.
    Foreign,
    /// The platform, to undo the deployment of this id.
    Undoing(String),
    /// Auto Scaling, to bring a new instance up to date.
    Scaling,
}

/// How far a deployment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is replaced yet.
    Begun,
    /// Half of it is.
    Half,
    /// It waits for a lifecycle hook's answer.
    Hooked,
    /// ECS takes it back, within the same deployment.
    Undoing(String),
    Succeeded,
    /// Over, and why.
    Failed(String),
    /// Stopped, by us or by somebody.
    Stopped(String),
    /// ECS took it back.
    Undone(String),
}

impl State {
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Begun | Self::Half | Self::Hooked | Self::Undoing(_) => true,
            Self::Succeeded | Self::Failed(_) | Self::Stopped(_) | Self::Undone(_) => false,
        }
    }
}

/// How a deployment would end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Succeeds,
    Fails,
    /// It never ends by itself.
    Hangs,
}

/// One deployment.
#[derive(Debug, Clone)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) nature: Nature,
    pub(crate) content: Content,
    pub(crate) begun_at: Timestamp,
    pub(crate) state: State,
    pub(super) fate: Fate,
    /// When it moves on; none when only something else moves it.
    pub(super) next_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    /// Whether alarms are ignored for it: ECS does so for the whole deployment when one fired at
    /// its start (ECS developer guide, "deployment-alarm-failure"); CodeDeploy when told so.
    pub(super) deaf: bool,
    /// CodeDeploy's rollback of it.
    pub(super) undone_by: Option<String>,
    /// When CodeDeploy begins that rollback.
    pub(super) undo_at: Option<Timestamp>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Begin {
    pub(crate) nature: Nature,
    pub(crate) content: Content,
    pub(crate) deaf: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Begun {
    Yes(String, Timestamp),
    Occupied(String),
}

/// One target.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) subject: Subject,
    pub(crate) habits: Habits,
    pub(crate) units: Vec<Unit>,
    /// Its tasks or instances while it is scaled to nothing.
    pub(crate) scaled_away: Option<Vec<Unit>>,
    pub(crate) deployments: Vec<Deployment>,
    /// What the last deployment that succeeded brought: where the platform goes back to.
    pub(crate) completed: Option<Content>,
    /// Whether somebody else changed what runs here since our last deployment succeeded.
    pub(crate) meddled: bool,
    /// Whether the next deployment fails, whoever makes it.
    pub(crate) fails_next: bool,
    /// What ran until when, lately.
    past: Vec<(Timestamp, Running)>,
}

impl Site {
    pub(crate) fn new(subject: Subject, habits: Habits, units: Vec<Unit>) -> Self {
        let all: BTreeSet<&Unit> = units.iter().collect();
        let completed = match all.into_iter().collect::<Vec<_>>().as_slice() {
            [Some(one)] => Some(one.clone()),
            [] | [None] | [_, _, ..] => None,
        };
        Self {
            subject,
            habits,
            units,
            scaled_away: None,
            deployments: Vec::new(),
            completed,
            meddled: false,
            fails_next: false,
            past: Vec::new(),
        }
    }

    pub(crate) fn open(&self) -> Option<&Deployment> {
        self.deployments
            .iter()
            .rev()
            .find(|one| one.state.is_open())
    }

    pub(super) fn open_at(&self) -> Option<usize> {
        self.deployments.iter().rposition(|one| one.state.is_open())
    }

    pub(crate) fn own(&self, mark: &EntryId) -> Option<&Deployment> {
        self.deployments
            .iter()
            .find(|one| one.nature == Nature::Ours(mark.clone()))
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Deployment> {
        self.deployments.iter().find(|one| one.id == id)
    }

    pub(super) fn at(&mut self, at: usize) -> Option<&mut Deployment> {
        self.deployments.get_mut(at)
    }

    /// What runs: as the platform port tells it of tasks by digest, of instances by the last
    /// deployment that succeeded on each.
    pub(crate) fn running(&self) -> Running {
        if self.scaled_away.is_some() || self.units.is_empty() {
            return Running::Nothing;
        }
        let known: BTreeSet<&Content> = self.units.iter().flatten().collect();
        let unclear = self.units.iter().any(Option::is_none);
        let known: Vec<Content> = known.into_iter().cloned().collect();
        match known.as_slice() {
            [one] if !unclear => Running::All(one.clone()),
            [_] if self.habits.kind == Kind::Group => Running::Mixed(known),
            [] | [_] => Running::Unknown,
            [_, _, ..] => Running::Mixed(known),
        }
    }

    /// What can be proved to run, when the service is taken over.
    pub(super) fn provable(&self) -> Option<Content> {
        match self.running() {
            Running::All(content) if self.open().is_none() => Some(content),
            Running::All(_) | Running::Mixed(_) | Running::Nothing | Running::Unknown => None,
        }
    }

    /// Whether exactly this ran everywhere at some time since `since`.
    pub(crate) fn ran_since(&self, content: &Content, since: Timestamp) -> bool {
        let all = Running::All(content.clone());
        self.running() == all
            || self
                .past
                .iter()
                .any(|(until, ran)| *until >= since && *ran == all)
    }

    /// Whether any of it ran this at some time since `since`.
    pub(crate) fn had_since(&self, content: &Content, since: Timestamp) -> bool {
        let holds = |running: &Running| match running {
            Running::All(one) => one == content,
            Running::Mixed(several) => several.contains(content),
            Running::Nothing | Running::Unknown => false,
        };
        let mut past = self.past.iter();
        holds(&self.running()) || past.any(|(until, ran)| *until >= since && holds(ran))
    }

    /// Whether a site ran nothing at some time since `since`.
    pub(crate) fn idle_since(&self, since: Timestamp) -> bool {
        self.running() == Running::Nothing
            || self
                .past
                .iter()
                .any(|(until, ran)| *until >= since && *ran == Running::Nothing)
    }

    pub(super) fn remember(&mut self, now: Timestamp) {
        let running = self.running();
        self.past
            .retain(|(until, _)| due::after(*until, REMEMBERED) >= now);
        match self.past.last_mut() {
            Some((until, ran)) if *ran == running => *until = now,
            Some(_) | None => self.past.push((now, running)),
        }
    }

    /// Begins a deployment, or says what is in the way.
    pub(crate) fn begin(&mut self, begin: Begin, moved: &mut Moved<'_>) -> Begun {
        match self.habits.kind {
            Kind::Ecs => ecs::begin(self, begin, moved),
            Kind::Group | Kind::GroupOfEcs => group::begin(self, begin, moved),
        }
    }

    pub(super) fn push(&mut self, begin: Begin, id: String, moved: &mut Moved<'_>) -> Begun {
        let there = moved.registry.is_there(&begin.content);
        let fails = moved.fails;
        let chosen = std::mem::take(&mut self.fails_next);
        let fate = if !there || moved.chance(fails) || chosen {
            Fate::Fails
        } else {
            Fate::Succeeds
        };
        let endless = moved.endless;
        let (fate, slowest) = match moved.chance(endless) {
            true if moved.rng.bool() => (Fate::Hangs, 400),
            true => (fate, 4000),
            false => (fate, 400),
        };
        let next_at = Some(moved.later(20, slowest));
        moved.said.push(Happening {
            subject: self.subject.clone(),
            deployment: id.clone(),
            word: Word::Start,
        });
        self.deployments.push(Deployment {
            id: id.clone(),
            nature: begin.nature,
            content: begin.content,
            begun_at: moved.now,
            state: State::Begun,
            fate,
            next_at,
            ended_at: None,
            deaf: begin.deaf,
            undone_by: None,
            undo_at: None,
        });
        Begun::Yes(id, moved.now)
    }

    /// Stops a deployment and has it undone.
    pub(crate) fn stop(&mut self, id: &str, why: &str, moved: &mut Moved<'_>) {
        match self.habits.kind {
            Kind::Ecs => ecs::stop(self, id, why, moved),
            Kind::Group | Kind::GroupOfEcs => group::stop(self, id, why, moved),
        }
    }

    /// Half of the tasks or instances run the new content.
    pub(super) fn replace_half(&mut self, content: &Content) {
        let half = self.units.len().div_ceil(2);
        for unit in self.units.iter_mut().take(half) {
            *unit = Some(content.clone());
        }
    }

    pub(super) fn replace_all(&mut self, content: &Content) {
        for unit in self
            .units
            .iter_mut()
            .chain(self.scaled_away.iter_mut().flatten())
        {
            *unit = Some(content.clone());
        }
    }

    /// A deployment's end: what it means for who changed what runs here.
    pub(super) fn ended_well(&mut self, at: usize) {
        if let Some(one) = self.deployments.get(at) {
            let (content, nature) = (one.content.clone(), one.nature.clone());
            self.completed = Some(content.clone());
            self.replace_all(&content);
            match nature {
                Nature::Ours(_) => self.meddled = false,
                Nature::Foreign => self.meddled = true,
                Nature::Undoing(_) | Nature::Scaling => {}
            }
        }
    }

    pub(super) fn say(&self, at: usize, word: Word, moved: &mut Moved<'_>) {
        if let Some(one) = self.deployments.get(at) {
            moved.said.push(Happening {
                subject: self.subject.clone(),
                deployment: one.id.clone(),
                word,
            });
        }
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.deployments
            .iter()
            .rev()
            .take(4)
            .flat_map(|one| [one.next_at, one.undo_at])
            .flatten()
            .min()
    }

    /// Moves on what is due.
    pub(super) fn advance(&mut self, moved: &mut Moved<'_>) {
        for at in (0..self.deployments.len()).rev().take(4) {
            let Some(one) = self.deployments.get_mut(at) else {
                continue;
            };
            let due = |when: Option<Timestamp>| when.is_some_and(|when| when <= moved.now);
            if due(one.undo_at) {
                one.undo_at = None;
                group::undo(self, at, moved);
            } else if due(one.next_at) {
                one.next_at = None;
                match self.habits.kind {
                    Kind::Ecs => ecs::advance(self, at, moved),
                    Kind::Group | Kind::GroupOfEcs => group::advance(self, at, moved),
                }
            }
        }
    }

    /// An alarm changed that the platform may watch itself.
    pub(super) fn notice_alarms(&mut self, moved: &mut Moved<'_>) {
        let Some(at) = self.open_at() else { return };
        let firing = self.habits.alarms.iter().find(|one| moved.fires(one));
        let (Some(firing), Some(open)) = (firing.cloned(), self.deployments.get(at)) else {
            return;
        };
        let forward = match open.nature {
            Nature::Ours(_) | Nature::Foreign | Nature::Scaling => true,
            Nature::Undoing(_) => false,
        };
        if open.deaf || !forward || matches!(open.state, State::Undoing(_)) {
            return;
        }
        let why = format!("alarm {} fired", firing.name());
        match self.habits.kind {
            Kind::Ecs => ecs::take_back(self, at, &why, moved),
            Kind::Group | Kind::GroupOfEcs => {
                group::end_badly(self, at, State::Stopped(why), moved)
            }
        }
    }

    /// The lifecycle hook answered, or never will.
    pub(crate) fn hook_answered(&mut self, id: &str, goes_on: bool, moved: &mut Moved<'_>) {
        let at = self
            .deployments
            .iter()
            .position(|one| one.id == id && one.state == State::Hooked);
        let Some(at) = at else { return };
        let next_at = Some(moved.later(5, 60));
        if let Some(one) = self.at(at) {
            one.state = State::Half;
            one.next_at = next_at;
        }
        if goes_on {
            return;
        }
        let why = "a lifecycle hook said no".to_owned();
        match self.habits.kind {
            Kind::Ecs => ecs::take_back(self, at, &why, moved),
            Kind::Group | Kind::GroupOfEcs => group::end_badly(self, at, State::Failed(why), moved),
        }
    }

    /// How far an attempt is, as the platform port tells it.
    pub(super) fn progress(&self, mark: &EntryId, now: Timestamp) -> Progress {
        let Some(own) = self.own(mark) else {
            return Progress::NotFound;
        };
        let platform_id = own.id.clone();
        match self.habits.kind {
            Kind::Ecs => ecs::progress(own, platform_id),
            Kind::Group | Kind::GroupOfEcs => group::progress(self, own, platform_id, now),
        }
    }
}
