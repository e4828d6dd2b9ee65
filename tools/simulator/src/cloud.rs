//! ECS and CodeDeploy as the platform port sees them: one deployment at a time on a target, which
//! takes its time, fails, or is undone by the platform itself. No rule of Lastgood lives here.

use std::collections::BTreeMap;

use domain::alarm::AlarmSeen;
use domain::artefact::{BuildFacts, Content};
use domain::config::Target;
use domain::entry::Order;
use domain::fact::{Answer, Progress, Running};
use domain::{AlarmArn, EntryId, Hint, SignedDuration, Timestamp, due};
use fastrand::Rng;

/// Everything behind the platform port.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    pub(crate) sites: BTreeMap<Target, Site>,
    pub(crate) alarms: BTreeMap<AlarmArn, AlarmSeen>,
    pub(crate) builds: BTreeMap<String, BuildFacts>,
    begun: u64,
}

/// One target.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) running: Running,
    pub(crate) deployments: Vec<Deployment>,
    /// What the platform says when something moves here.
    pub(crate) hint: Hint,
    /// Whether somebody else deployed here last.
    pub(crate) meddled: bool,
}

/// One deployment; somebody else's has no mark.
#[derive(Debug)]
pub(crate) struct Deployment {
    pub(crate) mark: Option<EntryId>,
    id: String,
    started_at: Timestamp,
    content: Content,
    before: Running,
    state: State,
    fate: State,
    ends_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Underway,
    Undoing,
    Succeeded,
    Failed,
    Undone,
}

impl Deployment {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Underway | State::Undoing)
    }

    fn progress(&self) -> Progress {
        let platform_id = self.id.clone();
        let started_at = self.started_at;
        let why = "the deployment failed".to_owned();
        match self.state {
            State::Underway => Progress::Underway {
                platform_id,
                started_at,
            },
            State::Undoing => Progress::Undoing { platform_id, why },
            State::Succeeded => Progress::Succeeded {
                platform_id,
                started_at,
            },
            State::Failed => Progress::Failed { platform_id, why },
            State::Undone => Progress::Undone { platform_id, why },
        }
    }
}

impl Site {
    pub(crate) fn new(hint: Hint) -> Self {
        Self {
            running: Running::Nothing,
            deployments: Vec::new(),
            hint,
            meddled: false,
        }
    }

    fn open(&mut self) -> Option<&mut Deployment> {
        self.deployments.iter_mut().find(|one| one.is_open())
    }

    pub(crate) fn find(&self, mark: &EntryId) -> Option<&Deployment> {
        let mut all = self.deployments.iter();
        all.find(|one| one.mark.as_ref() == Some(mark))
    }

    pub(crate) fn progress(&self, mark: &EntryId) -> Progress {
        self.find(mark)
            .map_or(Progress::NotFound, Deployment::progress)
    }

    /// Moves on what is due; whether something did.
    fn advance(&mut self, now: Timestamp, rng: &mut Rng, wakes: &mut Vec<Timestamp>) -> bool {
        let Some(open) = self.open().filter(|open| open.ends_at <= now) else {
            return false;
        };
        let (content, before) = (open.content.clone(), open.before.clone());
        let foreign = open.mark.is_none();
        if open.state == State::Underway && open.fate == State::Undone {
            open.state = State::Undoing;
            open.ends_at = due::after(now, seconds(rng, 5, 300));
            wakes.push(open.ends_at);
            return true;
        }
        open.state = if open.state == State::Undoing {
            State::Undone
        } else {
            open.fate
        };
        let state = open.state;
        self.running = match state {
            State::Succeeded => Running::All(content),
            State::Undone => before,
            State::Failed | State::Underway | State::Undoing => mixed(&before, content),
        };
        self.meddled = foreign || (self.meddled && state != State::Succeeded);
        true
    }
}

fn mixed(before: &Running, new: Content) -> Running {
    match before {
        Running::All(old) => Running::Mixed(vec![old.clone(), new]),
        Running::Mixed(_) | Running::Nothing | Running::Unknown => Running::Mixed(vec![new]),
    }
}

fn seconds(rng: &mut Rng, from: i64, to: i64) -> SignedDuration {
    SignedDuration::from_secs(rng.i64(from..=to))
}

impl Cloud {
    /// Moves on what is due; the hints that go out.
    pub(crate) fn advance(
        &mut self,
        now: Timestamp,
        rng: &mut Rng,
        wakes: &mut Vec<Timestamp>,
    ) -> Vec<Hint> {
        let mut hints = Vec::new();
        for site in self.sites.values_mut() {
            if site.advance(now, rng, wakes) {
                hints.push(site.hint.clone());
            }
        }
        hints
    }

    /// Begins a deployment, or says what is in the way. Until it ends the target is a mixture.
    pub(crate) fn deploy(
        &mut self,
        now: Timestamp,
        rng: &mut Rng,
        target: &Target,
        mark: Option<EntryId>,
        content: Content,
    ) -> (Answer, Option<Timestamp>) {
        let Some(site) = self.sites.get_mut(target) else {
            return (Answer::Refused("no such target".into()), None);
        };
        if let Some(open) = site.open() {
            let by = open.id.clone();
            return (Answer::Occupied { by }, None);
        }
        self.begun += 1;
        let platform_id = format!("d-{}", self.begun);
        // One in forty takes longer than the stages allow.
        let slowest = if rng.u32(0..40) == 0 { 4000 } else { 400 };
        let ends_at = due::after(now, seconds(rng, 5, slowest));
        let fate = match rng.u32(0..100) {
            0..10 => State::Failed,
            10..25 => State::Undone,
            _ => State::Succeeded,
        };
        let before = site.running.clone();
        site.running = mixed(&before, content.clone());
        site.deployments.push(Deployment {
            mark,
            id: platform_id.clone(),
            started_at: now,
            content,
            before,
            state: State::Underway,
            fate,
            ends_at,
        });
        let answer = Answer::Begun {
            platform_id,
            started_at: now,
        };
        (answer, Some(ends_at))
    }

    /// The answer to an order whose mark was begun before.
    pub(crate) fn begun_before(&self, order: &Order) -> Option<Answer> {
        let found = self.sites.get(&order.target)?.find(&order.attempt)?;
        Some(Answer::Begun {
            platform_id: found.id.clone(),
            started_at: found.started_at,
        })
    }

    /// Stops an attempt: the platform undoes it, unless it has ended.
    pub(crate) fn stop(
        &mut self,
        now: Timestamp,
        rng: &mut Rng,
        target: &Target,
        mark: &EntryId,
    ) -> (Answer, Option<Timestamp>) {
        let Some(site) = self.sites.get_mut(target) else {
            return (Answer::NeverBegun, None);
        };
        if site.find(mark).is_none() {
            return (Answer::NeverBegun, None);
        }
        let open = site.open().filter(|open| open.mark.as_ref() == Some(mark));
        let Some(open) = open.filter(|open| open.state == State::Underway) else {
            return (Answer::Stopping, None);
        };
        open.state = State::Undoing;
        open.ends_at = due::after(now, seconds(rng, 5, 300));
        (Answer::Stopping, Some(open.ends_at))
    }

    /// Whether two deployments of one target are underway, or one mark was begun twice.
    pub(crate) fn trouble(&self) -> Option<String> {
        for (target, site) in &self.sites {
            let open = site.deployments.iter().filter(|one| one.is_open()).count();
            if open > 1 {
                return Some(format!("{open} deployments at once on {target:?}"));
            }
            let mut marks: Vec<&EntryId> = site.deployments.iter().flat_map(|d| &d.mark).collect();
            let all = marks.len();
            marks.sort();
            marks.dedup();
            if marks.len() != all {
                return Some(format!("an attempt was begun twice on {target:?}"));
            }
        }
        None
    }

    pub(crate) fn is_quiet(&self) -> bool {
        let mut all = self.sites.values().flat_map(|site| &site.deployments);
        all.all(|one| !one.is_open())
    }
}
