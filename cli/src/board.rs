//! How things are: what each stage runs, what it does and what it waits for, out of a snapshot.
//! What happened before is [`crate::verb::history`].

use domain::config::StageConfig;
use domain::drift::Drift;
use domain::entry::Purpose;
use domain::peril::Peril;
use domain::pipeline::{Active, Freeze, Offer, Phase, Pipeline, Stage, WaitingOn};
use domain::{EntryId, ReleaseNumber, ServiceName, StageName, Timestamp};
use serde::Serialize;

use crate::times::Times;
use crate::words;

/// A service and its stages.
#[derive(Debug, Serialize)]
pub(crate) struct ServiceView {
    pub(crate) service: ServiceName,
    /// The number of its last entry.
    pub(crate) entries: u64,
    /// A freeze of the whole service, or of everything, while it holds.
    pub(crate) freeze: Option<Freeze>,
    pub(crate) stages: Vec<StageView>,
}

/// A stage.
#[derive(Debug, Serialize)]
pub(crate) struct StageView {
    pub(crate) stage: StageName,
    /// In a word: `empty`, `good`, `unsettled`, `drifted`, or the deployment's own state.
    pub(crate) state: State,
    /// What runs there, as far as the ledger brought it about.
    pub(crate) runs: Option<ReleaseView>,
    /// What to say when no release of ours runs there.
    #[serde(skip)]
    pub(crate) else_runs: &'static str,
    /// The release a rollback goes to.
    pub(crate) last_good: Option<ReleaseView>,
    /// The one deployment that is being done.
    pub(crate) active: Option<ActiveView>,
    /// Deployments that wait, oldest first.
    pub(crate) waiting: Vec<WaitingView>,
    /// The stage's own freeze, while it holds.
    pub(crate) freeze: Option<Freeze>,
    /// What runs there instead of what should.
    pub(crate) drift: Option<Drift>,
    /// What leaves it unprotected.
    pub(crate) perils: Vec<Peril>,
    /// The names of its alarms that fire.
    pub(crate) firing: Vec<String>,
    /// Releases that were rolled back here.
    pub(crate) quarantined: Vec<ReleaseNumber>,
}

/// A stage's state in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Empty,
    Good,
    Unsettled,
    Drifted,
    Waiting,
    Starting,
    InProgress,
    Baking,
    RollingBack,
}

/// A release.
#[derive(Debug, Serialize)]
pub(crate) struct ReleaseView {
    pub(crate) number: ReleaseNumber,
    pub(crate) label: Option<String>,
    pub(crate) recorded_at: Option<Timestamp>,
}

/// A deployment that is being done.
#[derive(Debug, Serialize)]
pub(crate) struct ActiveView {
    pub(crate) deployment: EntryId,
    pub(crate) release: ReleaseView,
    pub(crate) purpose: Purpose,
    pub(crate) state: State,
    /// Since when it is in this state.
    pub(crate) since: Timestamp,
    /// When the bake ends.
    pub(crate) until: Option<Timestamp>,
    /// Where it goes back to, and why.
    pub(crate) back_to: Option<ReleaseNumber>,
    pub(crate) because: Option<String>,
}

/// A deployment that waits.
#[derive(Debug, Serialize)]
pub(crate) struct WaitingView {
    pub(crate) deployment: EntryId,
    pub(crate) release: ReleaseView,
    pub(crate) since: Timestamp,
    pub(crate) on: Option<WaitingOn>,
}

impl ServiceView {
    /// How a service is now; `None` before it was described.
    pub(crate) fn of(pipeline: &Pipeline, now: Timestamp) -> Option<Self> {
        let config = pipeline.config.as_ref()?;
        let stages = config.stages.iter().map(|stage| {
            let state = pipeline
                .stages
                .get(&stage.name)
                .cloned()
                .unwrap_or_default();
            StageView::of(pipeline, stage, &state, now)
        });
        Some(Self {
            service: pipeline.service.clone(),
            entries: pipeline.seq,
            freeze: [&pipeline.freeze, &pipeline.switch.freeze]
                .into_iter()
                .flatten()
                .find(|freeze| freeze.holds(now))
                .cloned(),
            stages: stages.collect(),
        })
    }
}

impl StageView {
    fn of(pipeline: &Pipeline, config: &StageConfig, stage: &Stage, now: Timestamp) -> Self {
        let release = |number| ReleaseView::of(pipeline, number);
        let active = stage
            .active
            .as_ref()
            .map(|active| ActiveView::of(pipeline, active));
        let waiting: Vec<WaitingView> = stage
            .waiting
            .iter()
            .map(|offer| WaitingView::of(pipeline, offer))
            .collect();
        let state = match (&active, stage.runs) {
            (Some(active), _) => active.state,
            (None, _) if stage.drift.is_some() => State::Drifted,
            (None, _) if !waiting.is_empty() => State::Waiting,
            (None, Some(runs)) if Some(runs) == stage.last_good() => State::Good,
            (None, Some(_)) => State::Unsettled,
            (None, None) if stage.newest.is_some() => State::Unsettled,
            (None, None) => State::Empty,
        };
        // Before the first deployment has ended, nothing of ours can run there.
        let first = stage.active.as_ref().filter(|active| active.over.is_none());
        let first = first.map(|active| active.offer.release);
        let untouched = stage.newest.is_none() || stage.newest == first;
        Self {
            stage: config.name.clone(),
            state,
            runs: stage.runs.map(release),
            else_runs: if stage.drift.is_some() {
                "something else"
            } else if untouched {
                "nothing yet"
            } else {
                "unknown"
            },
            last_good: stage.last_good().map(release),
            active,
            waiting,
            freeze: stage.freeze.clone().filter(|freeze| freeze.holds(now)),
            drift: stage.drift.clone(),
            perils: stage.perils.clone(),
            firing: pipeline.firing(config),
            quarantined: stage.quarantined.iter().copied().collect(),
        }
    }

    /// What the stage runs, for a cell.
    pub(crate) fn runs(&self, times: &Times) -> String {
        let Some(runs) = &self.runs else {
            return self.else_runs.to_owned();
        };
        let age = runs
            .recorded_at
            .map(|at| format!(", {}", times.ago(at)))
            .unwrap_or_default();
        format!("{}{age}", runs.words())
    }

    /// What goes on there, a line for each thing.
    pub(crate) fn lines(&self, times: &Times) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.active.as_ref().map(|active| active.words(times)));
        lines.extend(
            self.drift
                .as_ref()
                .map(|one| words::drift::drift(one, times)),
        );
        if !self.perils.is_empty() {
            lines.push(format!(
                "unprotected: {}",
                words::drift::perils(&self.perils)
            ));
        }
        lines.extend(self.waiting.iter().map(|waiting| waiting.words(times)));
        lines.extend(
            self.freeze
                .as_ref()
                .map(|freeze| format!("frozen {}", words::freeze(freeze, times))),
        );
        if !self.firing.is_empty() {
            lines.push(format!("firing: {}", self.firing.join(", ")));
        }
        if lines.is_empty() {
            lines.push(match self.state {
                State::Empty => "waits for a release".to_owned(),
                State::Good => "good".to_owned(),
                State::Unsettled
                | State::Drifted
                | State::Waiting
                | State::Starting
                | State::InProgress
                | State::Baking
                | State::RollingBack => self.last_good.as_ref().map_or_else(
                    || "not good, and there is nothing to go back to".to_owned(),
                    |good| format!("not good; last good is {}", good.words()),
                ),
            });
        }
        lines
    }

    /// What a person can do about it, as it is typed.
    pub(crate) fn next(&self, service: &ServiceName) -> Option<String> {
        let stage = &self.stage;
        if self.state == State::Drifted {
            return Some(format!(
                "lastgood restore {service} {stage}, or lastgood adopt {service} {stage} --reason …"
            ));
        }
        self.waiting.iter().find_map(|waiting| match &waiting.on {
            Some(WaitingOn::Approval { .. }) => {
                let release = waiting.release.number;
                Some(format!("lastgood approve {service} {stage} {release}"))
            }
            Some(WaitingOn::Scan { problem: Some(_) }) => {
                let release = waiting.release.number;
                Some(format!(
                    "lastgood promote {service} {stage} {release} --despite-findings \"why\""
                ))
            }
            Some(
                WaitingOn::Scan { problem: None }
                | WaitingOn::Drift { .. }
                | WaitingOn::Freeze { .. }
                | WaitingOn::Window { .. }
                | WaitingOn::Alarm { .. }
                | WaitingOn::Stage { .. }
                | WaitingOn::Turn { .. }
                | WaitingOn::Target { .. }
                | WaitingOn::Switch { .. },
            )
            | None => None,
        })
    }
}

impl ReleaseView {
    fn of(pipeline: &Pipeline, number: ReleaseNumber) -> Self {
        let release = pipeline.release(number);
        Self {
            number,
            label: release.and_then(domain::Release::label),
            recorded_at: release.map(|release| release.recorded_at),
        }
    }

    fn words(&self) -> String {
        words::numbered(self.number, self.label.as_deref())
    }
}

impl ActiveView {
    fn of(pipeline: &Pipeline, active: &Active) -> Self {
        let (state, since, until, back_to, because) = match &active.phase {
            Phase::Starting { asked_at, .. } => (State::Starting, *asked_at, None, None, None),
            Phase::InProgress { started_at, .. } => {
                (State::InProgress, *started_at, None, None, None)
            }
            Phase::Baking {
                started_at, until, ..
            } => (State::Baking, *started_at, Some(*until), None, None),
            Phase::RollingBack {
                cause,
                to,
                asked_at,
                ..
            } => (
                State::RollingBack,
                *asked_at,
                None,
                *to,
                Some(words::cause(cause)),
            ),
        };
        Self {
            deployment: active.offer.id.clone(),
            release: ReleaseView::of(pipeline, active.offer.release),
            purpose: active.offer.purpose,
            state,
            since,
            until,
            back_to,
            because: because.or_else(|| active.condemned.clone()),
        }
    }

    fn words(&self, times: &Times) -> String {
        let release = self.release.words();
        let because = self
            .because
            .as_ref()
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        match self.state {
            State::Baking => {
                let until = self.until.map(|until| {
                    if until > times.now {
                        format!(", ends {}", times.ago(until))
                    } else {
                        ", ends any moment".to_owned()
                    }
                });
                format!("{release} bakes{}", until.unwrap_or_default())
            }
            State::RollingBack => {
                let to = self
                    .back_to
                    .map_or_else(|| "goes back".to_owned(), |to| format!("goes back to {to}"));
                format!("{release} {to}{because}")
            }
            State::Starting => format!("{release} starts, asked {}", times.ago(self.since)),
            State::InProgress
            | State::Empty
            | State::Good
            | State::Unsettled
            | State::Drifted
            | State::Waiting => {
                let verb = match self.purpose {
                    Purpose::Release => "is being deployed",
                    Purpose::Rollback => "is being gone back to",
                };
                format!(
                    "{release} {verb} since {}{because}",
                    times.at_and_ago(self.since)
                )
            }
        }
    }
}

impl WaitingView {
    fn of(pipeline: &Pipeline, offer: &Offer) -> Self {
        Self {
            deployment: offer.id.clone(),
            release: ReleaseView::of(pipeline, offer.release),
            since: offer.offered_at,
            on: offer.on.clone(),
        }
    }

    fn words(&self, times: &Times) -> String {
        let on = self.on.as_ref().map_or_else(
            || "to be looked at".to_owned(),
            |on| words::waiting_on(on, times),
        );
        format!("{} waits {on}", self.release.words())
    }
}
