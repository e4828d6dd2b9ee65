//! The design's invariants, as far as a decision, a state, or a state at rest can break them. The
//! numbers are the design's.

use domain::alarm::{AlarmSeen, AlarmState};
use domain::apply::apply;
use domain::artefact::Content;
use domain::chain::Sealed;
use domain::config::Gate;
use domain::decide::Recalled;
use domain::entry::{Actor, Order, Purpose};
use domain::fact::Running;
use domain::pipeline::{Active, Cause, Phase, Stage, WaitingOn};
use domain::{Entry, EntryId, Fact, Pipeline, ReleaseNumber, StageName, Timestamp, What, decide};

use super::model::{Books, Model, Site, State};

/// Judges a decision entry by entry, and keeps the books.
pub(crate) fn of_decision(
    before: &Pipeline,
    books: &mut Books,
    entries: &[Sealed],
    after: &Pipeline,
    wrong: &mut Vec<String>,
) {
    let mut folded = before.clone();
    for sealed in entries {
        let (seq, head) = (folded.seq + 1, folded.head.clone());
        if let Err(error) = Sealed::follow(&sealed.stored, seq, &head) {
            wrong.push(format!("7: {error}"));
        }
        Before {
            pipeline: &folded,
            books,
        }
        .check(&sealed.entry, wrong);
        books.keep(&folded, &sealed.entry);
        if let Err(error) = apply(&mut folded, sealed) {
            wrong.push(format!("7: {error}"));
        }
    }
    if folded != *after {
        wrong.push("7: folding the entries does not give the snapshot".to_owned());
    }
    for id in &books.alarmed {
        if let Some(active) = deployment(after, id)
            && matches!(
                active.phase,
                Phase::InProgress { .. } | Phase::Baking { .. }
            )
            && active.condemned.is_none()
        {
            wrong.push(format!("4: the alarm of {id} fired and nothing is done"));
        }
    }
    books.forget(after);
}

/// The same fact again must change nothing.
pub(crate) fn of_repetition(
    after: &Pipeline,
    recalled: &Recalled,
    fact: &Fact,
    now: Timestamp,
    wrong: &mut Vec<String>,
) {
    match decide(after, recalled, fact, now) {
        Ok(again) => wrong.extend(again.entries.first().map(|first| {
            let what = &first.entry.what;
            format!("7: the same fact again wrote {what:?}")
        })),
        Err(illegal) => wrong.push(format!("7: the same fact again: {illegal}")),
    }
}

/// What must be true in every state.
pub(crate) fn of_state(model: &Model, state: &State) -> Vec<String> {
    let mut wrong = Vec::new();
    for (config, site) in model.config.stages.iter().zip(&state.sites) {
        let name = &config.name;
        if site.attempts.iter().filter(|one| one.is_open()).count() > 1 {
            wrong.push(format!("2: two deployments at once on {name}"));
        }
        let Some(stage) = state.pipeline.stages.get(name) else {
            continue;
        };
        let good = stage.good.to_vec();
        let mut booked: Vec<_> = state.books.good.get(name).into_iter().flatten().collect();
        booked.retain(|one| !good.contains(*one));
        if !booked.is_empty() {
            wrong.push(format!("5: {name} has forgotten that {booked:?} is good"));
        }
        let known = state.books.good.get(name);
        if good
            .iter()
            .any(|one| known.is_none_or(|known| !known.contains(one)))
        {
            wrong.push(format!("5: {name} takes for good what is not: {good:?}"));
        }
        if let Some(last) = stage.last_good()
            && stage.quarantined.contains(&last)
        {
            wrong.push(format!("5: last good of {name} is quarantined"));
        }
        let held = stage.waiting.iter().map(|offer| offer.release);
        for release in held.chain(stage.active.iter().map(|one| one.offer.release)) {
            if !state.pipeline.releases.contains_key(&release) {
                wrong.push(format!("1: {release} is in use and forgotten"));
            }
        }
        if let Some(Phase::RollingBack { to, .. }) = stage.active.as_ref().map(|one| &one.phase)
            && *to == stage.active.as_ref().map(|one| one.offer.release)
        {
            wrong.push(format!("5: a rollback on {name} leads to itself"));
        }
    }
    wrong
}

/// A world in which nothing is on its way any more.
pub(crate) struct AtRest<'a> {
    pub(crate) pipeline: &'a Pipeline,
    /// What each stage's target runs; none where somebody else changed it last.
    pub(crate) running: Vec<Option<&'a Running>>,
    pub(crate) alarm: &'a AlarmSeen,
}

impl<'a> AtRest<'a> {
    /// A state that has come to rest.
    pub(crate) fn of(state: &'a State) -> Self {
        let running = |site: &'a Site| (!site.meddled).then_some(&site.running);
        Self {
            pipeline: &state.pipeline,
            running: state.sites.iter().map(running).collect(),
            alarm: &state.alarm,
        }
    }
}

/// What must be true when nothing is on its way any more.
pub(crate) fn of_rest(model: &Model, rest: &AtRest<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let pipeline = rest.pipeline;
    for (config, running) in model.config.stages.iter().zip(&rest.running) {
        let Some(stage) = pipeline.stages.get(&config.name) else {
            continue;
        };
        let name = &config.name;
        if let Some(active) = &stage.active {
            wrong.push(format!("liveness: {name} stays in {:?}", active.phase));
        }
        for offer in &stage.waiting {
            if !may_wait(pipeline, config, stage, offer.on.as_ref()) {
                wrong.push(format!("liveness: {name} waits on {:?} for ever", offer.on));
            }
        }
        if let Some(believed) = config
            .alarms
            .iter()
            .find_map(|arn| pipeline.alarms.get(arn))
            && believed.state != rest.alarm.state
        {
            wrong.push(format!("liveness: {name} believes {:?}", believed.state));
        }
        if let (Some(release), Some(running)) = (stage.runs, running)
            && !runs(running, pipeline.content(release).as_ref())
        {
            wrong.push(format!(
                "6: {name} should run {release} and runs {running:?}"
            ));
        }
    }
    wrong
}

fn may_wait(
    pipeline: &Pipeline,
    config: &domain::config::StageConfig,
    stage: &Stage,
    on: Option<&WaitingOn>,
) -> bool {
    match on {
        Some(WaitingOn::Freeze { until: None, .. }) => {
            stage.freeze.is_some() || pipeline.freeze.is_some()
        }
        Some(WaitingOn::Drift { .. }) => stage.drift.is_some(),
        Some(WaitingOn::Alarm { .. }) => !pipeline.firing(config).is_empty(),
        Some(WaitingOn::Turn { .. }) => stage.waiting.len() > 1,
        Some(
            WaitingOn::Scan { .. }
            | WaitingOn::Approval { .. }
            | WaitingOn::Freeze { .. }
            | WaitingOn::Window { .. }
            | WaitingOn::Stage { .. }
            | WaitingOn::Target { .. }
            | WaitingOn::Switch { .. },
        )
        | None => false,
    }
}

fn runs(running: &Running, content: Option<&Content>) -> bool {
    matches!((running, content), (Running::All(all), Some(content)) if all == content)
}

fn deployment<'a>(pipeline: &'a Pipeline, id: &EntryId) -> Option<&'a Active> {
    let mut all = pipeline
        .stages
        .values()
        .filter_map(|one| one.active.as_ref());
    all.find(|active| active.offer.id == *id)
}

/// What is true before an entry.
struct Before<'a> {
    pipeline: &'a Pipeline,
    books: &'a Books,
}

impl Before<'_> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "entries that no law is about are passed over"
    )]
    fn check(&self, entry: &Entry, wrong: &mut Vec<String>) {
        let found = match &entry.what {
            What::StartAsked { deployment, order } => self.start(entry, deployment, order),
            What::Offered { stage, release, .. } => self.offer(entry, stage, *release),
            What::StopAsked {
                deployment,
                cause,
                to,
                order,
                ..
            } => self.undo(deployment, &order.stage, *to, cause),
            What::ReturnAsked {
                deployment,
                cause,
                order,
                ..
            } => self.undo(deployment, &order.stage, order.release, cause),
            What::Succeeded { deployment, .. } if self.books.alarmed.contains(deployment) => {
                Some("4: success after its alarm fired".to_owned())
            }
            _ => None,
        };
        wrong.extend(found.map(|what| format!("{what} (entry {})", entry.seq)));
    }

    fn start(&self, entry: &Entry, deployment: &EntryId, order: &Order) -> Option<String> {
        let (config, stage) = self.pipeline.stage(&order.stage)?;
        let release = self.pipeline.releases.get(&order.release);
        if release.is_none_or(|release| release.artefact != order.artefact) {
            return Some("3: what starts is not the release's artefact".to_owned());
        }
        if let Some(active) = &stage.active {
            // Asked again: it began before whatever holds others now.
            let again = active.offer.id == *deployment;
            return (!again).then(|| "2: two deployments on a stage".to_owned());
        }
        let offer = stage.waiting.iter().find(|offer| offer.id == *deployment)?;
        if offer.purpose == Purpose::Rollback {
            return None;
        }
        let yes = self.books.yes.get(deployment).map_or(0, |yes| yes.len());
        if let Gate::Approval(rule) = &config.gate
            && yes < rule.count as usize
        {
            return Some("3: a start without its approvals".to_owned());
        }
        if self.pipeline.freeze_of(stage, entry.at).is_some() {
            return Some("9: a start during a freeze".to_owned());
        }
        let by_hand = self.books.by_hand.contains(deployment);
        (stage.quarantined.contains(&order.release) && !by_hand)
            .then(|| "5: a quarantined release starts by itself".to_owned())
    }

    fn offer(&self, entry: &Entry, stage: &StageName, release: ReleaseNumber) -> Option<String> {
        let before = self.pipeline.config.as_ref()?.stage_before(stage)?;
        let good = self.books.ever_good.get(&before.name);
        let good = good.is_some_and(|good| good.contains(&release));
        (!good && !matches!(entry.actor, Actor::Person(_)))
            .then(|| "3: offered without being good on the stage before".to_owned())
    }

    fn undo(
        &self,
        deployment: &EntryId,
        stage: &StageName,
        to: ReleaseNumber,
        cause: &Cause,
    ) -> Option<String> {
        let good = self.books.good.get(stage);
        if !good.is_some_and(|good| good.contains(&to)) {
            return Some("5: a rollback to a release that is not good there".to_owned());
        }
        let active = self.pipeline.stages.get(stage)?.active.as_ref();
        let Some(active) = active.filter(|active| active.offer.id == *deployment) else {
            return Some("5: a rollback of nothing".to_owned());
        };
        (active.offer.purpose == Purpose::Rollback && cause.is_automatic())
            .then(|| "5: a rollback is rolled back".to_owned())
    }
}

impl Books {
    /// Books an entry; `before` is the snapshot it is written to.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "entries that no law is about are passed over"
    )]
    fn keep(&mut self, before: &Pipeline, entry: &Entry) {
        match &entry.what {
            What::Offered { .. } if matches!(entry.actor, Actor::Person(_)) => {
                let (service, seq) = (before.service.clone(), entry.seq);
                self.by_hand.insert(EntryId { service, seq });
            }
            What::Overridden { deployment, .. } => {
                self.by_hand.insert(deployment.clone());
            }
            What::Approved { deployment, by, .. } => {
                let yes = self.yes.entry(deployment.clone()).or_default();
                yes.insert(by.clone());
            }
            What::ApprovalsVoided { deployment, .. } => {
                self.yes.remove(deployment);
            }
            What::Adopted { stage, release, .. } | What::Succeeded { stage, release, .. } => {
                let (good, ever) = (&mut self.good, &mut self.ever_good);
                good.entry(stage.clone()).or_default().insert(*release);
                ever.entry(stage.clone()).or_default().insert(*release);
            }
            What::Quarantined { stage, release } => {
                self.good.entry(stage.clone()).or_default().remove(release);
            }
            What::AlarmNoted { seen } if seen.state == AlarmState::Alarm => {
                for config in before.config.iter().flat_map(|config| &config.stages) {
                    let stage = before.stages.get(&config.name);
                    let active = stage.and_then(|stage| stage.active.as_ref());
                    if let Some(active) = active
                        && config.alarms.contains(&seen.alarm)
                        && counts(active, seen.changed_at)
                    {
                        self.alarmed.insert(active.offer.id.clone());
                    }
                }
            }
            _ => {}
        }
    }

    /// Forgets deployments that have ended.
    fn forget(&mut self, after: &Pipeline) {
        let mut held: Vec<&EntryId> = Vec::new();
        for stage in after.stages.values() {
            held.extend(stage.waiting.iter().map(|offer| &offer.id));
            held.extend(stage.active.iter().map(|active| &active.offer.id));
        }
        self.yes.retain(|id, _| held.contains(&id));
        self.alarmed.retain(|id| held.contains(&id));
        self.by_hand.retain(|id| held.contains(&id));
    }
}

/// Whether an alarm that changed then has to undo a deployment.
fn counts(active: &Active, changed_at: Timestamp) -> bool {
    let started = match &active.phase {
        Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. } => *started_at,
        Phase::Starting { .. } | Phase::RollingBack { .. } => return false,
    };
    changed_at >= started
        && active.offer.purpose == Purpose::Release
        && active.offer.despite.alarm.is_none()
}
