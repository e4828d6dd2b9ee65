//! The engine's handlers over the world in memory, one call after the other. Each call of a port
//! has a point before and one after its effect; there a handler can be killed, or get an error
//! although what it asked for was done, or wait while another one goes on.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use domain::alarm::{AlarmSeen, AlarmState};
use domain::fact::{Asked, Request, RequestId, Running};
use domain::hint::{Input, Subject};
use domain::{
    Entry, Hint, Identity, Pipeline, ReleaseNumber, ServiceName, SignedDuration, Timestamp,
};
use engine::carry_out::carry_out;
use engine::memory::contract::noon;
use engine::memory::{MemoryLedger, MemoryPlatform};
use engine::receive::receive;
use engine::tell::tell;
use engine::{EngineError, Ledger as _, Mention};

use super::law::{self, AtRest};
use super::model::{APPROVER, Books, Model};
use super::ports::Ports;

/// How often an event is tried; the third time nothing strikes any more.
const TRIES_MAX: u32 = 4;

/// What strikes a handler at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strike {
    /// The function dies.
    Killed,
    /// The call fails: before its effect it was not done, after its effect only its answer is lost.
    Error,
}

/// The strikes: at which point, counted from the story's beginning, and what.
pub(crate) type Strikes = Vec<(u64, Strike)>;

/// A handler that is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Job {
    /// A function is invoked with an event.
    Receive(Input),
    /// The deployer is given what the stream has for it.
    Deployer,
    /// The stream brings once more what the deployer has done.
    DeployerAgain,
    /// The notifier is given what the stream has for it.
    Notifier,
    /// The reconciler's minute.
    Reconcile,
}

/// How a handler ended: how many records of the stream it has done.
pub(crate) type Ended = Result<usize, EngineError>;
/// Commits that the stream brings.
type Batch = Vec<Rc<Vec<Entry>>>;
/// A handler under way.
pub(crate) type Handler = Pin<Box<dyn Future<Output = Ended>>>;

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct Scene {
    pub(crate) model: Rc<Model>,
    pub(crate) ledger: MemoryLedger,
    pub(crate) platform: MemoryPlatform,
    pub(crate) now: Cell<Timestamp>,
    /// Announcements that were heard, by id.
    pub(crate) heard: RefCell<BTreeSet<String>>,
    /// Points passed.
    pub(crate) points: Cell<u64>,
    pub(crate) strikes: RefCell<Strikes>,
    /// Whether the handler that is polled has just died.
    pub(crate) killed: Cell<bool>,
    /// Whether handlers wait before each effect for others to go on.
    pub(crate) takes_turns: Cell<bool>,
    pub(crate) audit: RefCell<Audit>,
    /// The table's stream: each commit's entries.
    pub(crate) stream: RefCell<Vec<Rc<Vec<Entry>>>>,
    /// How far the stream's two readers are, and how far the deployer was before.
    cursors: Cell<(usize, usize, usize)>,
    events: RefCell<VecDeque<Input>>,
    asked: Cell<u64>,
}

/// What is kept to judge commits by.
#[derive(Clone)]
pub(crate) struct Audit {
    pub(crate) pipeline: Pipeline,
    pub(crate) books: Books,
    pub(crate) wrong: Vec<String>,
    pub(crate) commits: u64,
}

impl Scene {
    /// A world in which the service is configured and nothing else has happened.
    pub(crate) fn new(model: &Rc<Model>) -> Rc<Self> {
        let scene = Rc::new(Self {
            model: Rc::clone(model),
            ledger: MemoryLedger::default(),
            platform: MemoryPlatform::default(),
            now: Cell::new(noon()),
            heard: RefCell::default(),
            points: Cell::new(0),
            strikes: RefCell::default(),
            killed: Cell::new(false),
            takes_turns: Cell::new(false),
            audit: RefCell::new(Audit {
                pipeline: Pipeline::new(model.config.service.clone()),
                books: Books::default(),
                wrong: Vec::new(),
                commits: 0,
            }),
            stream: RefCell::default(),
            cursors: Cell::new((0, 0, 0)),
            events: RefCell::default(),
            asked: Cell::new(0),
        });
        scene.platform.world.borrow_mut().now = noon();
        let config = Box::new(model.config.clone());
        let found = Vec::new();
        scene.ask(Request::Configure { config, found });
        scene.settle();
        scene
    }

    pub(crate) fn service(&self) -> ServiceName {
        self.model.config.service.clone()
    }

    /// The same world once more, for another way on.
    pub(crate) fn fork(&self) -> Rc<Self> {
        Rc::new(self.clone())
    }

    /// An event on its way.
    pub(crate) fn send(&self, input: Input) {
        self.events.borrow_mut().push_back(input);
    }

    /// A person's request on its way.
    pub(crate) fn ask(&self, request: Request) {
        let input = self.asking(request);
        self.send(input);
    }

    pub(crate) fn asking(&self, request: Request) -> Input {
        self.asked.set(self.asked.get() + 1);
        let asked = Asked {
            id: RequestId(format!("request-{}", self.asked.get())),
            by: Identity(APPROVER.to_owned()),
            request,
        };
        Input::Asked {
            service: self.service(),
            asked,
        }
    }

    /// What an event about a stage's target says.
    pub(crate) fn hint(&self, at: usize) -> Option<Input> {
        let Subject::DeploymentGroup {
            account,
            region,
            application,
            group,
        } = self.model.stage(at)?.subject()
        else {
            return None;
        };
        Some(Input::Hint(Hint::CodeDeployDeployment {
            account,
            region,
            application,
            group,
            deployment: "d".into(),
        }))
    }

    /// The alarm changes now; the event that says so.
    pub(crate) fn alarm(&self, state: AlarmState) -> Input {
        self.pass(SignedDuration::from_secs(1));
        let mut world = self.platform.world.borrow_mut();
        Input::Alarm(world.alarm(&self.model.alarm, state))
    }

    /// Time passes, everywhere.
    pub(crate) fn pass(&self, by: SignedDuration) {
        self.now.set(domain::due::after(self.now.get(), by));
        self.platform.world.borrow_mut().now = self.now.get();
    }

    /// Minutes pass, and the reconciler looks in each.
    pub(crate) fn minutes(self: &Rc<Self>, count: u32) {
        for _ in 0..count {
            self.pass(SignedDuration::from_mins(1));
            self.once(&Job::Reconcile);
            self.settle();
        }
    }

    /// Delivers all there is, until nothing is left.
    pub(crate) fn settle(self: &Rc<Self>) {
        loop {
            let event = self.events.borrow_mut().pop_front();
            if let Some(event) = event {
                self.tried(&Job::Receive(event));
                continue;
            }
            let (deployer, notifier, _) = self.cursors.get();
            let stream = self.stream.borrow().len();
            if deployer < stream {
                self.tried(&Job::Deployer);
            } else if notifier < stream {
                self.tried(&Job::Notifier);
            } else {
                return;
            }
        }
    }

    /// Delivers the events, and leaves the stream unread.
    pub(crate) fn settle_events(self: &Rc<Self>) {
        loop {
            let event = self.events.borrow_mut().pop_front();
            let Some(event) = event else { return };
            self.tried(&Job::Receive(event));
        }
    }

    /// Whether the stream has something for the deployer.
    pub(crate) fn has_unread(&self) -> bool {
        self.cursors.get().0 < self.stream.borrow().len()
    }

    /// Whether nothing is due, and nothing happens without one of us.
    pub(crate) fn is_quiet(&self) -> bool {
        domain::due::due_at(&self.audit.borrow().pipeline).is_none()
    }

    /// Whether the alarm fires.
    pub(crate) fn alarms(&self) -> bool {
        let world = self.platform.world.borrow();
        let seen = world.alarms.get(&self.model.alarm);
        seen.is_some_and(|seen| seen.state == AlarmState::Alarm)
    }

    /// Runs a job until it goes through, as asynchronous calls and the stream do.
    pub(crate) fn tried(self: &Rc<Self>, job: &Job) {
        for _ in 0..TRIES_MAX {
            if self.once(job) {
                return;
            }
        }
        self.object(format!("liveness: {job:?} never goes through"));
    }

    /// Runs a job once, alone; whether it went through.
    fn once(self: &Rc<Self>, job: &Job) -> bool {
        let mut handler = self.start(job);
        let ended = poll(&mut handler);
        if ended.is_none() && !self.killed.take() {
            self.object(format!("a handler waits for nobody: {job:?}"));
        }
        self.ended(job, ended)
    }

    /// A handler for a job.
    pub(crate) fn start(self: &Rc<Self>, job: &Job) -> Handler {
        let ports = Ports(Rc::clone(self));
        let (deployer, notifier, before) = self.cursors.get();
        match job.clone() {
            Job::Receive(input) => {
                Box::pin(async move { Ok(receive(&ports, &ports, &ports, input).await?.len()) })
            }
            Job::Deployer => Box::pin(deploying(ports, self.unread(deployer))),
            Job::DeployerAgain => Box::pin(deploying(ports, self.unread(before))),
            Job::Notifier => Box::pin(notifying(ports, self.unread(notifier))),
            Job::Reconcile => Box::pin(reconciling(ports)),
        }
    }

    /// What follows from a handler's end; whether it went through. `None`: it was killed.
    pub(crate) fn ended(&self, job: &Job, ended: Option<Ended>) -> bool {
        if let Some(Err(EngineError::Ledger(engine::LedgerError::Corrupt(problem)))) = &ended {
            self.object(format!("7: corrupt: {problem}"));
        }
        let Some(Ok(done)) = ended else { return false };
        let (deployer, notifier, before) = self.cursors.get();
        match job {
            Job::Deployer => self.cursors.set((deployer + done, notifier, deployer)),
            Job::Notifier => self.cursors.set((deployer, notifier + done, before)),
            Job::Receive(_) | Job::DeployerAgain | Job::Reconcile => {}
        }
        true
    }

    fn unread(&self, from: usize) -> Batch {
        self.stream.borrow().iter().skip(from).cloned().collect()
    }

    pub(crate) fn object(&self, what: String) {
        self.audit.borrow_mut().wrong.push(what);
    }

    /// What is wrong, now that all should be at rest.
    pub(crate) fn objections(&self) -> Vec<String> {
        let audit = self.audit.borrow();
        let mut wrong = audit.wrong.clone();
        let world = self.platform.world.borrow();
        let running = |at: &domain::config::StageConfig| world.running.get(&at.target);
        let quiet: AlarmSeen = self.model.alarm_at(AlarmState::Ok, noon());
        let rest = AtRest {
            pipeline: &audit.pipeline,
            running: self.model.config.stages.iter().map(running).collect(),
            alarm: world.alarms.get(&self.model.alarm).unwrap_or(&quiet),
        };
        wrong.extend(law::of_rest(&self.model, &rest));
        for (target, attempts) in &world.attempts {
            let marks: BTreeSet<_> = attempts.iter().map(|one| &one.mark).collect();
            if marks.len() != attempts.len() {
                wrong.push(format!("2: an attempt was begun twice on {target:?}"));
            }
        }
        let (service, stream) = (self.service(), self.stream.borrow());
        let entries = stream.iter().flat_map(|entries| entries.iter());
        let told = entries.filter_map(|entry| domain::announce::announcement(&service, entry));
        let heard = self.heard.borrow();
        wrong.extend(
            told.filter(|one| !heard.contains(&one.id.to_string()))
                .map(|one| format!("8: nobody heard of {}: {}", one.id, one.kind)),
        );
        wrong
    }

    /// Everything from which something follows; when two print alike, the same does.
    pub(crate) fn print(&self) -> String {
        let audit = self.audit.borrow();
        let world = self.platform.world.borrow();
        let (pipeline, wrong) = (&audit.pipeline, &audit.wrong);
        format!("{pipeline:?} {world:?} {:?} {wrong:?}", self.cursors.get())
    }

    /// What it all came to, without numbers and times of entries: what must not depend on who was
    /// struck, or on who was faster.
    pub(crate) fn outcome(&self) -> String {
        let audit = self.audit.borrow();
        let world = self.platform.world.borrow();
        let mut lines = vec![format!("{} releases", audit.pipeline.last_release)];
        for config in &self.model.config.stages {
            let Some(stage) = audit.pipeline.stages.get(&config.name) else {
                continue;
            };
            let waiting: Vec<(u64, bool)> = stage
                .waiting
                .iter()
                .map(|offer| (offer.release.0, offer.approvals.is_empty()))
                .collect();
            let running: Option<&Running> = world.running.get(&config.target);
            lines.push(format!(
                "{}: runs {:?}, really {running:?}, good {:?}, quarantined {:?}, waiting {waiting:?}, \
                 frozen {}, rolled back {} times",
                config.name,
                stage.runs,
                stage.good,
                stage.quarantined,
                stage.freeze.is_some(),
                stage.rollbacks.len()
            ));
        }
        lines.join("\n")
    }

    /// The newest release that waits on a stage.
    pub(crate) fn waits(&self, at: usize) -> Option<ReleaseNumber> {
        let audit = self.audit.borrow();
        let stage = audit.pipeline.stages.get(&self.model.stage(at)?.name)?;
        stage.waiting.last().map(|offer| offer.release)
    }
}

/// Polls once; `None` while it waits, or for ever when it was killed.
pub(crate) fn poll(handler: &mut Handler) -> Option<Ended> {
    match handler
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(ended) => Some(ended),
        Poll::Pending => None,
    }
}

async fn deploying(ports: Ports, batch: Batch) -> Ended {
    let service = ports.0.service();
    for entry in batch.iter().flat_map(|entries| entries.iter()) {
        carry_out(&ports, &ports, &ports, &service, entry).await?;
    }
    Ok(batch.len())
}

async fn notifying(ports: Ports, batch: Batch) -> Ended {
    let service = ports.0.service();
    for entries in &batch {
        // What it has told is told again when it fails: at least once.
        if tell(&ports, &service, entries.iter()).await.is_err() {
            return Err(engine::PlatformError::Transient("not told".into()).into());
        }
    }
    Ok(batch.len())
}

async fn reconciling(ports: Ports) -> Ended {
    let now = engine::Clock::now(&ports);
    let overdue = ports.overdue(now, 100).await?;
    for service in &overdue {
        // One in trouble keeps no other waiting.
        let due = Input::Hint(Hint::Due {
            service: service.clone(),
        });
        let _ = receive(&ports, &ports, &ports, due).await;
    }
    let _ = ports.load(&ports.0.service(), &Mention::Nothing).await?;
    Ok(overdue.len())
}
