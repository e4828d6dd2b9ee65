//! The invariants that are checked at every commit and every act, on books of its own that are kept
//! from entries alone. What can only be judged when all is quiet is in `settled`.

mod alarms;
mod buttons;
mod everything;
mod keep;
mod starts;
mod truth;
mod undoing;

use std::collections::{BTreeMap, BTreeSet};

use domain::alarm::AlarmSeen;
use domain::apply::apply;
use domain::artefact::Content;
use domain::chain::Sealed;
use domain::entry::{Order, Purpose};
use domain::fact::RequestId;
use domain::pipeline::Freeze;
use domain::scan::Scan;
use domain::{
    AlarmArn, ArtefactId, Commit, Entry, EntryId, Identity, Pipeline, ReleaseNumber, ServiceName,
    SignedDuration, StageName, Timestamp, What, due,
};
use engine::memory::Keep;

use crate::cloud::Cloud;
pub(crate) use buttons::{BY_COMMAND, Press};
use everything::Everything;

/// What a handler acts on is as old as the handler at most, and a call may go through late.
pub(crate) const LOOKED_WITHIN: SignedDuration = SignedDuration::from_secs(120);
/// How much clocks differ.
pub(crate) const SKEW: SignedDuration = SignedDuration::from_secs(150);

/// The auditor's books, and what it objects to.
#[derive(Debug)]
pub(crate) struct Audit {
    keep: Keep,
    pub(crate) books: BTreeMap<ServiceName, Book>,
    everything: Everything,
    pub(crate) violations: Vec<String>,
}

/// Whether who decided could read the switch for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Sees,
    /// It was written by a version that is too new for the reader.
    Blind,
}

/// What is known of one service.
#[derive(Debug)]
pub(crate) struct Book {
    /// The fold of all entries.
    pub(crate) pipeline: Pipeline,
    pub(crate) entries: Vec<Entry>,
    /// Deployments by id.
    pub(crate) offers: BTreeMap<EntryId, Offered>,
    pub(crate) requests: BTreeSet<RequestId>,
    /// Buttons that people pressed, by the requests they make.
    presses: BTreeMap<RequestId, Press>,
    good: BTreeMap<StageName, BTreeSet<ReleaseNumber>>,
    ever_good: BTreeSet<(StageName, ReleaseNumber)>,
    quarantined: BTreeSet<(StageName, ReleaseNumber)>,
    /// Releases that were begun on a stage, going forward.
    begun: BTreeMap<StageName, BTreeSet<ReleaseNumber>>,
    /// Automatic rollbacks of a stage.
    rollbacks: BTreeMap<StageName, Vec<Timestamp>>,
    artefacts: BTreeMap<ArtefactId, ReleaseNumber>,
    /// Freezes of the service and of stages.
    freezes: BTreeMap<Option<StageName>, Freeze>,
    alarms: BTreeMap<AlarmArn, AlarmSeen>,
    /// What is known of scans of images.
    scans: BTreeMap<ReleaseNumber, Scan>,
    config: Option<domain::ServiceConfig>,
    /// Attempts that are wanted now.
    current: BTreeSet<EntryId>,
    /// Attempts that are no longer wanted, since when.
    ceased: BTreeMap<EntryId, Timestamp>,
}

/// One deployment.
#[derive(Debug)]
pub(crate) struct Offered {
    pub(crate) stage: StageName,
    pub(crate) release: ReleaseNumber,
    pub(crate) ends: u32,
    purpose: Purpose,
    offered_at: Timestamp,
    by_hand: bool,
    /// Whether a person lets it in whatever its scan found.
    despite_findings: bool,
    /// Who said yes, over what.
    approvals: BTreeMap<Identity, Option<ReleaseNumber>>,
    /// An alarm fired on it that must not end in success.
    alarmed: bool,
    undone: bool,
    /// Whether what undoes it came without a person.
    automatic: bool,
    /// Marks of deployments over it.
    returns: BTreeSet<EntryId>,
}

impl Audit {
    /// Empty books. When all is kept as it is written, entries are read back here.
    pub(crate) fn new(keep: Keep) -> Self {
        Self {
            keep,
            books: BTreeMap::new(),
            everything: Everything::default(),
            violations: Vec::new(),
        }
    }

    /// The number of a service's last entry.
    pub(crate) fn version(&self, service: &ServiceName) -> u64 {
        self.books.get(service).map_or(0, |book| book.pipeline.seq)
    }

    /// Checks a commit that was just stored; whether it was new. Who could not read the switch for
    /// all may ask for a start, and nobody begins it.
    pub(crate) fn committed(
        &mut self,
        commit: &Commit,
        cloud: &Cloud,
        sight: Sight,
        now: Timestamp,
    ) -> bool {
        let service = commit.service.clone();
        let book = self
            .books
            .entry(service.clone())
            .or_insert_with(|| Book::new(service));
        if book.pipeline.head == commit.after.head {
            return false;
        }
        let mut wrong = Vec::new();
        let frozen = sight == Sight::Sees && self.everything.holds(now);
        self.everything.note(commit, now);
        for sealed in &commit.entries {
            if let What::StartAsked { deployment, order } = &sealed.entry.what
                && frozen
                && book.begins(deployment, order)
            {
                wrong.push("9: a start while everything is frozen".to_owned());
            }
            if self.keep == Keep::AsWritten {
                book.read_back(sealed, &mut wrong);
            }
            book.follow(sealed, cloud, now, &mut wrong);
        }
        let format = commit.after.format;
        book.pipeline.format = format;
        if book.pipeline != commit.after {
            wrong.push("7: folding the entries does not give the snapshot".to_owned());
        }
        if commit.due_at != due::due_at(&book.pipeline) {
            wrong.push("7: the due time is not the snapshot's".to_owned());
        }
        book.after(commit, &mut wrong);
        let at = format!("{}/{}", commit.service, commit.after.seq);
        let found = wrong.into_iter().map(|what| format!("{at}: {what}"));
        self.violations.extend(found);
        true
    }

    /// Checks an act on the platform at the moment it takes effect.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    pub(crate) fn acts(&self, order: &Order, content: &Content, now: Timestamp) -> Vec<String> {
        let mut wrong = Vec::new();
        let (attempt, stage) = (&order.attempt, &order.stage);
        let mut object = |what: &str| wrong.push(format!("{attempt} on {stage}: {what}"));
        if order.artefact.content() != *content {
            object("3: what is deployed is not what was ordered");
        }
        let Some(book) = self.books.get(&attempt.service) else {
            object("2: an act without any entry");
            return wrong;
        };
        let asked = book.entries.iter().rev().find(|entry| match &entry.what {
            What::StartAsked { order: one, .. } | What::ReturnAsked { order: one, .. } => {
                **one == *order
            }
            _ => false,
        });
        if let Some(What::StartAsked { deployment, .. }) = asked.map(|entry| &entry.what)
            && self.begins_frozen(book, deployment, now)
        {
            object("9: a deployment begins while everything is frozen");
        }
        if asked.is_none() {
            object("2: no entry asks for this");
        }
        let ceased = book.ceased.get(attempt);
        if ceased.is_some_and(|since| due::after(*since, LOOKED_WITHIN) < now) {
            object("2: an action is taken long after it was no longer wanted");
        }
        wrong
    }

    /// The content of a service's newest release, for a planted bug.
    pub(crate) fn newest_content(&self, service: &ServiceName) -> Option<Content> {
        let pipeline = &self.books.get(service)?.pipeline;
        pipeline.content(ReleaseNumber(pipeline.last_release))
    }
}

impl Book {
    fn new(service: ServiceName) -> Self {
        Self {
            pipeline: Pipeline::new(service),
            entries: Vec::new(),
            offers: BTreeMap::new(),
            requests: BTreeSet::new(),
            presses: BTreeMap::new(),
            good: BTreeMap::new(),
            ever_good: BTreeSet::new(),
            quarantined: BTreeSet::new(),
            begun: BTreeMap::new(),
            rollbacks: BTreeMap::new(),
            artefacts: BTreeMap::new(),
            freezes: BTreeMap::new(),
            alarms: BTreeMap::new(),
            scans: BTreeMap::new(),
            config: None,
            current: BTreeSet::new(),
            ceased: BTreeMap::new(),
        }
    }

    /// What is stored of an entry is the entry.
    fn read_back(&self, sealed: &Sealed, wrong: &mut Vec<String>) {
        match Sealed::follow(&sealed.stored, self.pipeline.seq + 1, &self.pipeline.head) {
            Ok(read) if read.entry != sealed.entry || read.hash != sealed.hash => {
                wrong.push("7: an entry reads back otherwise than it was decided".to_owned());
            }
            Ok(_) => {}
            Err(error) => wrong.push(format!("7: {error}")),
        }
    }

    fn follow(&mut self, sealed: &Sealed, cloud: &Cloud, now: Timestamp, wrong: &mut Vec<String>) {
        let entry = &sealed.entry;
        if entry.before != self.pipeline.head {
            wrong.push("7: an entry does not follow the one before it".to_owned());
        }
        if let Some(request) = &entry.request {
            self.requests.insert(request.clone());
        }
        self.check(entry, now, wrong);
        self.check_truth(entry, cloud, now, wrong);
        self.note_alarm(entry, cloud, wrong);
        if must_be_heard(&entry.what)
            && domain::announce::announcement(&self.pipeline.service, entry).is_none()
        {
            wrong.push("8: this is told to nobody".to_owned());
        }
        if let Err(error) = apply(&mut self.pipeline, sealed) {
            wrong.push(format!("7: {error}"));
        }
        self.keep(entry, now);
        self.entries.push(entry.clone());
    }

    /// What must be true before an entry.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    fn check(&self, entry: &Entry, now: Timestamp, wrong: &mut Vec<String>) {
        let mut object = |what: &str| wrong.push(what.to_owned());
        self.check_press(entry, now, &mut object);
        self.check_rejection(entry, &mut object);
        match &entry.what {
            What::StartAsked { deployment, order } => {
                self.check_start(deployment, order, now, &mut object);
            }
            What::Offered {
                stage,
                release,
                purpose,
                despite,
            } => self.check_offer(stage, *release, (*purpose, despite), &mut object),
            What::Approved {
                stage,
                deployment,
                by,
                ..
            } => self.check_approval(entry, stage, deployment, by, &mut object),
            What::StopAsked {
                deployment,
                to,
                cause,
                order,
                ..
            } => self.check_undo(deployment, &order.stage, *to, cause, &mut object),
            What::ReturnAsked {
                deployment,
                cause,
                order,
                ..
            } => {
                self.check_undo(deployment, &order.stage, order.release, cause, &mut object);
                self.check_return(deployment, order, &mut object);
            }
            What::Succeeded { deployment, .. }
                if self.offers.get(deployment).is_some_and(|one| one.alarmed) =>
            {
                object("4: a deployment succeeded although its alarm fired");
            }
            _ => {}
        }
    }

    /// What must be true after all entries of a commit.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    fn after(&self, commit: &Commit, wrong: &mut Vec<String>) {
        for sealed in &commit.entries {
            match &sealed.entry.what {
                What::Released { release } if sealed.entry.why != domain::Reason::FoundRunning => {
                    let config = self.pipeline.config.as_ref();
                    if let Some(first) = config.and_then(|config| config.stages.first()) {
                        self.goes_on(commit, &first.name, release.number, wrong);
                    }
                }
                What::Succeeded {
                    stage,
                    release,
                    deployment,
                } => {
                    let forward = self.offers.get(deployment);
                    let forward = forward.is_some_and(|one| one.purpose == Purpose::Release);
                    let config = self.pipeline.config.as_ref();
                    if let Some(next) = config.and_then(|config| config.stage_after(stage))
                        && forward
                    {
                        self.goes_on(commit, &next.name, *release, wrong);
                    }
                }
                What::RolledBack {
                    stage,
                    deployment,
                    release,
                    to,
                    ..
                } => self.after_rollback(commit, stage, deployment, (*release, *to), wrong),
                What::AlarmNoted { seen } => self.after_alarm(seen, wrong),
                _ => {}
            }
        }
        self.after_persons_rollback(commit, wrong);
    }

    /// A release that got so far has to have a place on the next stage in the same commit.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    fn goes_on(
        &self,
        commit: &Commit,
        next: &StageName,
        release: ReleaseNumber,
        wrong: &mut Vec<String>,
    ) {
        let placed = commit.entries.iter().any(|one| match &one.entry.what {
            What::Offered {
                stage,
                release: one,
                ..
            }
            | What::HeldBack {
                stage,
                release: one,
            } => stage == next && *one == release,
            _ => false,
        });
        let there = self.pipeline.stages.get(next).is_some_and(|stage| {
            let waits = stage.waiting.iter().any(|offer| offer.release == release);
            let active = stage.active.as_ref();
            let active = active.is_some_and(|active| active.offer.release == release);
            waits || active || stage.should_run() == Some(release)
        });
        if !placed && !there {
            wrong.push(format!("1: release {release} gets no place on {next}"));
        }
    }
}

/// What people must hear of, whatever else they hear.
fn must_be_heard(what: &What) -> bool {
    matches!(
        what,
        What::PersonCalled { .. }
            | What::RolledBack { .. }
            | What::RollbackFailed { .. }
            | What::Failed { .. }
            | What::StopAsked { .. }
            | What::ReturnAsked { .. }
            | What::ArtefactRejected { .. }
            | What::Unclaimed { .. }
            | What::Flooded { .. }
            | What::AlarmAfterBake { .. }
            | What::MixtureSeen { .. }
    )
}
