//! The invariants that are checked at every commit, on books of its own that are kept from entries
//! alone. What can only be judged when all is quiet is in `settled`.

use std::collections::{BTreeMap, BTreeSet};

use domain::alarm::{AlarmSeen, AlarmState};
use domain::apply::apply;
use domain::chain::Sealed;
use domain::config::Gate;
use domain::entry::{Order, Purpose};
use domain::pipeline::{Cause, Phase};
use domain::{
    AlarmArn, Commit, Entry, EntryId, Identity, Pipeline, ReleaseNumber, ServiceName,
    SignedDuration, StageName, Timestamp, What, due,
};

/// What a handler saw of an alarm is as old as the handler at most.
const LOOKED_WITHIN: SignedDuration = SignedDuration::from_secs(90);

/// The auditor's books, and what it objects to.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pub(crate) books: BTreeMap<ServiceName, Book>,
    pub(crate) violations: Vec<String>,
    pub(crate) reasons: BTreeSet<String>,
}

/// What is known of one service.
#[derive(Debug)]
pub(crate) struct Book {
    /// The fold of all entries.
    pub(crate) pipeline: Pipeline,
    pub(crate) entries: Vec<Entry>,
    /// Deployments by id: where, what, what for.
    pub(crate) offers: BTreeMap<EntryId, Offered>,
    good: BTreeMap<StageName, BTreeSet<ReleaseNumber>>,
    ever_good: BTreeSet<(StageName, ReleaseNumber)>,
}

/// One deployment.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) stage: StageName,
    pub(crate) release: ReleaseNumber,
    purpose: Purpose,
    by_hand: bool,
    approvals: BTreeSet<Identity>,
    pub(crate) ends: u32,
    alarmed: bool,
    undone: bool,
}

impl Audit {
    /// The number of a service's last entry.
    pub(crate) fn version(&self, service: &ServiceName) -> u64 {
        self.books.get(service).map_or(0, |book| book.pipeline.seq)
    }

    /// Objects to a success that is about to be booked although an alarm fires in truth, since the
    /// deployment began and for longer than a handler may have looked before it committed.
    pub(crate) fn check_truth(
        &mut self,
        commit: &Commit,
        truth: &BTreeMap<AlarmArn, AlarmSeen>,
        now: Timestamp,
    ) {
        let Some(book) = self.books.get(&commit.service) else {
            return;
        };
        for sealed in &commit.entries {
            let What::Succeeded { stage, .. } = &sealed.entry.what else {
                continue;
            };
            let Some((config, state)) = book.pipeline.stage(stage) else {
                continue;
            };
            let Some(active) = &state.active else {
                continue;
            };
            let started = match &active.phase {
                Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. } => {
                    *started_at
                }
                Phase::Starting { .. } | Phase::RollingBack { .. } => continue,
            };
            if active.offer.purpose == Purpose::Rollback || active.offer.despite.alarm.is_some() {
                continue;
            }
            let missed = config
                .alarms
                .iter()
                .flat_map(|arn| truth.get(arn))
                .find(|seen| {
                    seen.state == AlarmState::Alarm
                        && seen.changed_at >= started
                        && due::after(seen.changed_at, LOOKED_WITHIN) < now
                });
            if let Some(seen) = missed {
                let (seq, alarm) = (sealed.entry.seq, seen.alarm.name());
                let what = format!("{}/{seq}: 4: success while {alarm} fires", commit.service);
                self.violations.push(what);
            }
        }
    }

    /// Checks a commit that was just stored; whether it was new.
    pub(crate) fn committed(&mut self, commit: &Commit) -> bool {
        let service = commit.service.clone();
        let book = self.books.entry(service.clone()).or_insert_with(|| Book {
            pipeline: Pipeline::new(service),
            entries: Vec::new(),
            offers: BTreeMap::new(),
            good: BTreeMap::new(),
            ever_good: BTreeSet::new(),
        });
        if book.pipeline.head == commit.after.head {
            return false;
        }
        let mut objections = Vec::new();
        for sealed in &commit.entries {
            self.reasons.insert(name_of(&sealed.entry.why));
            book.follow(sealed, &mut objections);
        }
        if book.pipeline != commit.after {
            objections.push("7: folding the entries does not give the snapshot".to_owned());
        }
        let at = format!("{}/{}", commit.service, commit.after.seq);
        let found = objections.into_iter().map(|what| format!("{at}: {what}"));
        self.violations.extend(found);
        true
    }
}

/// The variant's name of a value.
pub(crate) fn name_of(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text.get(..end.unwrap_or(text.len()))
        .unwrap_or_default()
        .to_owned()
}

impl Book {
    fn follow(&mut self, sealed: &Sealed, objections: &mut Vec<String>) {
        let mut object = |what: &str| objections.push(what.to_owned());
        let (seq, head) = (self.pipeline.seq + 1, self.pipeline.head.clone());
        if let Err(error) = Sealed::follow(&sealed.stored, seq, &head) {
            object(&format!("7: {error}"));
        }
        self.note_alarm(&sealed.entry);
        self.check(&sealed.entry, &mut object);
        if let Err(error) = apply(&mut self.pipeline, sealed) {
            object(&format!("7: {error}"));
        }
        self.keep(&sealed.entry);
        self.entries.push(sealed.entry.clone());
    }

    /// What must be true before an entry.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    fn check(&self, entry: &Entry, object: &mut impl FnMut(&str)) {
        match &entry.what {
            What::StartAsked { deployment, order } => {
                self.check_start(entry, deployment, order, object);
            }
            What::Offered { stage, release, .. } => {
                self.check_offer(entry, stage, *release, object)
            }
            What::StopAsked {
                deployment,
                to,
                cause,
                order,
                ..
            } => self.check_undo(deployment, &order.stage, *to, cause, object),
            What::ReturnAsked {
                deployment,
                cause,
                order,
                ..
            } => self.check_undo(deployment, &order.stage, order.release, cause, object),
            What::Succeeded { deployment, .. }
                if self.offers.get(deployment).is_some_and(|one| one.alarmed) =>
            {
                object("4: a deployment succeeded although its alarm fired");
            }
            _ => {}
        }
    }

    fn check_start(
        &self,
        entry: &Entry,
        deployment: &EntryId,
        order: &Order,
        object: &mut impl FnMut(&str),
    ) {
        let Some(offer) = self.offers.get(deployment) else {
            return object("3: a start without an offer");
        };
        let Some((config, stage)) = self.pipeline.stage(&order.stage) else {
            return object("3: a start on a stage that is not configured");
        };
        if offer.release != order.release || offer.stage != order.stage {
            object("3: what starts is not what was offered");
        }
        let released = self.pipeline.releases.get(&order.release);
        if released.is_none_or(|release| release.artefact != order.artefact) {
            object("3: what starts is not the release's artefact");
        }
        let other = stage.active.as_ref();
        if other.is_some_and(|active| active.offer.id != *deployment) {
            object("2: two deployments on a stage");
        }
        if offer.purpose == Purpose::Rollback {
            return;
        }
        if let Gate::Approval(rule) = &config.gate
            && offer.approvals.len() < rule.count as usize
        {
            object("3: a start without its approvals");
        }
        // A start that is asked for again began before the freeze.
        let again = other.is_some();
        if !again && self.pipeline.freeze_of(stage, entry.at).is_some() {
            object("9: a start during a freeze");
        }
        if stage.quarantined.contains(&order.release) && !offer.by_hand {
            object("5: a quarantined release starts by itself");
        }
    }

    fn check_offer(
        &self,
        entry: &Entry,
        stage: &StageName,
        release: ReleaseNumber,
        object: &mut impl FnMut(&str),
    ) {
        let by_hand = matches!(entry.actor, domain::entry::Actor::Person(_));
        let config = self.pipeline.config.as_ref();
        let before = config.and_then(|config| config.stage_before(stage));
        if let Some(before) = before
            && !by_hand
            && !self.ever_good.contains(&(before.name.clone(), release))
        {
            object("3: offered without being good on the stage before");
        }
    }

    fn check_undo(
        &self,
        deployment: &EntryId,
        stage: &StageName,
        to: ReleaseNumber,
        cause: &Cause,
        object: &mut impl FnMut(&str),
    ) {
        if !self.good.get(stage).is_some_and(|good| good.contains(&to)) {
            object("5: a rollback to a release that is not good there");
        }
        let Some(offer) = self.offers.get(deployment) else {
            return object("5: a rollback of nothing");
        };
        if offer.purpose == Purpose::Rollback && cause.is_automatic() {
            object("5: a rollback is rolled back");
        }
        if offer.undone {
            object("5: a deployment is rolled back twice");
        }
    }

    /// An alarm that fires in a deployment or its bake must not end in success.
    fn note_alarm(&mut self, entry: &Entry) {
        let What::AlarmNoted { seen } = &entry.what else {
            return;
        };
        let Some(config) = &self.pipeline.config else {
            return;
        };
        for stage in config
            .stages
            .iter()
            .filter(|one| one.alarms.contains(&seen.alarm))
        {
            let active = self.pipeline.stages.get(&stage.name);
            let Some(active) = active.and_then(|state| state.active.as_ref()) else {
                continue;
            };
            let started = match &active.phase {
                Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. } => {
                    *started_at
                }
                Phase::Starting { .. } | Phase::RollingBack { .. } => continue,
            };
            let counts = seen.state == AlarmState::Alarm
                && seen.changed_at >= started
                && active.offer.purpose == Purpose::Release
                && active.offer.despite.alarm.is_none();
            if let Some(offer) = self.offers.get_mut(&active.offer.id) {
                offer.alarmed |= counts;
            }
        }
    }

    /// Books an entry.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    fn keep(&mut self, entry: &Entry) {
        let service = self.pipeline.service.clone();
        let id = |seq| EntryId {
            service: service.clone(),
            seq,
        };
        match &entry.what {
            What::Offered {
                stage,
                release,
                purpose,
                ..
            } => {
                let offered = Offered {
                    stage: stage.clone(),
                    release: *release,
                    purpose: *purpose,
                    by_hand: matches!(entry.actor, domain::entry::Actor::Person(_)),
                    approvals: BTreeSet::new(),
                    ends: 0,
                    alarmed: false,
                    undone: false,
                };
                self.offers.insert(id(entry.seq), offered);
            }
            What::Overridden { deployment, .. } => {
                self.change(deployment, |offer| offer.by_hand = true);
            }
            What::Approved { deployment, by, .. } => self.change(deployment, |offer| {
                offer.approvals.insert(by.clone());
            }),
            What::ApprovalsVoided { deployment, .. } => {
                self.change(deployment, |offer| offer.approvals.clear());
            }
            What::Adopted { stage, release } => self.good(stage, *release),
            What::Succeeded {
                stage,
                deployment,
                release,
            } => {
                self.good(stage, *release);
                self.change(deployment, |offer| offer.ends += 1);
            }
            What::Quarantined { stage, release } => {
                self.good.entry(stage.clone()).or_default().remove(release);
            }
            What::RolledBack { deployment, .. } => self.change(deployment, |offer| {
                offer.undone = true;
                offer.ends += 1;
            }),
            What::Failed { deployment, .. }
            | What::Unproven { deployment, .. }
            | What::RollbackFailed { deployment, .. }
            | What::Dropped { deployment, .. } => {
                self.change(deployment, |offer| offer.ends += 1);
            }
            _ => {}
        }
    }

    fn change(&mut self, deployment: &EntryId, by: impl FnOnce(&mut Offered)) {
        if let Some(offer) = self.offers.get_mut(deployment) {
            by(offer);
        }
    }

    fn good(&mut self, stage: &StageName, release: ReleaseNumber) {
        self.good.entry(stage.clone()).or_default().insert(release);
        self.ever_good.insert((stage.clone(), release));
    }
}
