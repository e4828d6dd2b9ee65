//! The scheduler: one seed, virtual time, and handlers that are switched, delayed, killed and begun
//! again at every call they make.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use domain::alarm::{AlarmSeen, Voice};
use domain::artefact::Content;
use domain::config::ServiceConfig;
use domain::fact::{Asked, Request, RequestId};
use domain::hint::Input;
use domain::{Entry, Hint, Identity, ReleaseNumber, ServiceName, SignedDuration, Timestamp, due};
use engine::carry_out::carry_out;
use engine::receive::receive;
use engine::tell::tell;
use engine::{EngineError, Ledger, LedgerError};

use crate::cloud::Site;
use crate::ports::Ports;
use crate::scenario::{STORM_SECONDS, Step};
use crate::shared::{Bug, Shared, Weather, count};

/// How often an asynchronous invocation is tried before it becomes a dead letter.
const TRIES_MAX: u32 = 3;
/// How long a handler may run (the template's timeout).
const HANDLER_MAX: SignedDuration = SignedDuration::from_secs(60);
/// The bound of the liveness phase: everything has settled so long after the faults ended.
pub(crate) const SETTLES_WITHIN: SignedDuration = SignedDuration::from_hours(12);
/// Records of the stream that come in one batch.
const BATCH: usize = 5;

/// Who reads the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    Deployer,
    Notifier,
}

/// What a handler was begun for, so that it can be begun again.
#[derive(Debug, Clone)]
enum Job {
    Receive {
        input: Input,
        tries: u32,
    },
    Read {
        service: ServiceName,
        reader: Reader,
    },
    Reconcile,
}

enum Event {
    Wake(u64),
    Begin(Job),
    Cloud,
    Happen(Box<Step>),
    Minute,
}

/// How a handler ended; a reader says how many records it has done.
type Ended = Result<usize, EngineError>;

struct Task {
    job: Job,
    until: Timestamp,
    future: Pin<Box<dyn Future<Output = Ended>>>,
}

/// A world.
pub(crate) struct World {
    pub(crate) shared: Rc<Shared>,
    events: BTreeMap<(Timestamp, u64), Event>,
    tasks: BTreeMap<u64, Task>,
    cursors: BTreeMap<(ServiceName, Reader), (usize, bool)>,
    dead: Vec<Input>,
    pub(crate) uploads: Vec<String>,
    serial: u64,
    begin: Timestamp,
}

impl World {
    /// A world in which `services` are configured first and `steps` happen then.
    pub(crate) fn new(
        shared: Rc<Shared>,
        services: Vec<ServiceConfig>,
        steps: Vec<(i64, Step)>,
    ) -> Self {
        let begin = shared.now.get();
        let mut world = Self {
            shared,
            events: BTreeMap::new(),
            tasks: BTreeMap::new(),
            cursors: BTreeMap::new(),
            dead: Vec::new(),
            uploads: Vec::new(),
            serial: 0,
            begin,
        };
        for config in services {
            world.configure(config);
        }
        for (at, step) in steps {
            let at = due::after(begin, SignedDuration::from_secs(at));
            world.at(at, Event::Happen(Box::new(step)));
        }
        world.at(begin, Event::Minute);
        world
    }

    fn configure(&mut self, config: ServiceConfig) {
        let mut cloud = self.shared.cloud.borrow_mut();
        for stage in &config.stages {
            let site = Site::new(hint_of(stage));
            cloud.sites.insert(stage.target.clone(), site);
        }
        drop(cloud);
        let service = config.service.clone();
        let request = Request::Configure {
            config: Box::new(config),
            found: Vec::new(),
        };
        self.ask(service, request);
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.serial += 1;
        self.events.insert((at, self.serial), event);
    }

    fn soon(&mut self, most: i64, event: Event) {
        let by = SignedDuration::from_secs(most);
        let by = self.shared.between(SignedDuration::from_millis(10), by);
        self.at(due::after(self.shared.now.get(), by), event);
    }

    /// Runs the storm, then the calm, until the bound of the liveness phase.
    pub(crate) fn run(&mut self) {
        let calm = due::after(self.begin, SignedDuration::from_secs(STORM_SECONDS));
        let end = due::after(calm, SETTLES_WITHIN);
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end || !self.shared.audit.borrow().violations.is_empty() {
                return;
            }
            if at >= calm && self.shared.weather.get() == Weather::Foul {
                self.shared.weather.set(Weather::Fair);
                self.shared.say("the faults end");
                // People look at the dead letters and send them again.
                for input in std::mem::take(&mut self.dead) {
                    self.soon(60, Event::Begin(Job::Receive { input, tries: 0 }));
                }
            }
            self.shared.now.set(at);
            self.shared.tally.borrow_mut().steps += 1;
            self.happen(event);
            self.after_step();
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(id) => self.poll(id),
            Event::Begin(job) => self.start(job),
            Event::Cloud => {
                let (now, shared) = (self.shared.now.get(), Rc::clone(&self.shared));
                let rng = &mut shared.rng.borrow_mut();
                let wakes = &mut shared.wakes.borrow_mut();
                let hints = shared.cloud.borrow_mut().advance(now, rng, wakes);
                shared
                    .sent
                    .borrow_mut()
                    .extend(hints.into_iter().map(Input::Hint));
            }
            Event::Happen(step) => self.step(*step),
            Event::Minute => {
                self.start(Job::Reconcile);
                let next = due::after(self.shared.now.get(), SignedDuration::from_mins(1));
                self.at(next, Event::Minute);
            }
        }
    }

    /// Takes up what the step left behind: events of the cloud, its own timers, the stream.
    fn after_step(&mut self) {
        let wakes = std::mem::take(&mut *self.shared.wakes.borrow_mut());
        for wake in wakes {
            self.at(wake, Event::Cloud);
        }
        let sent = std::mem::take(&mut *self.shared.sent.borrow_mut());
        for input in sent {
            self.deliver(input);
        }
        let outbox = self.shared.outbox.borrow();
        let mut behind = Vec::new();
        for (service, stream) in outbox.iter() {
            for reader in [Reader::Deployer, Reader::Notifier] {
                let key = (service.clone(), reader);
                let cursor = self.cursors.entry(key).or_insert((0, false));
                if cursor.0 < stream.len() && !cursor.1 {
                    cursor.1 = true;
                    behind.push((service.clone(), reader));
                }
            }
        }
        drop(outbox);
        for (service, reader) in behind {
            let stalled = self.shared.fault("stream: stalled", 20);
            let most = if stalled { 1500 } else { 1 };
            self.soon(most, Event::Begin(Job::Read { service, reader }));
        }
        if let Some(trouble) = self.shared.cloud.borrow().trouble() {
            let mut audit = self.shared.audit.borrow_mut();
            audit.violations.push(format!("2: {trouble}"));
        }
    }

    /// Sends an event on its way: late, twice, or, where its source is best effort, never.
    fn deliver(&mut self, input: Input) {
        let best_effort = matches!(input, Input::Hint(Hint::CodeDeployDeployment { .. }));
        if best_effort && self.shared.fault("event: never delivered", 150) {
            return;
        }
        let times = if self.shared.fault("event: delivered twice", 100) {
            2
        } else {
            1
        };
        for _ in 0..times {
            let late = if self.shared.fault("event: late", 80) {
                900
            } else {
                2
            };
            let input = input.clone();
            self.soon(late, Event::Begin(Job::Receive { input, tries: 0 }));
        }
    }

    fn start(&mut self, job: Job) {
        let ports = Ports::new(&self.shared);
        let future: Pin<Box<dyn Future<Output = Ended>>> = match &job {
            Job::Receive { input, .. } => Box::pin(receiving(ports, input.clone())),
            Job::Reconcile => Box::pin(reconciling(ports)),
            Job::Read { service, reader } => {
                let from = self
                    .cursors
                    .get(&(service.clone(), *reader))
                    .map_or(0, |at| at.0);
                let outbox = self.shared.outbox.borrow();
                let stream = outbox.get(service).into_iter().flatten();
                let batch: Vec<_> = stream.skip(from).take(BATCH).cloned().collect();
                match reader {
                    Reader::Deployer => Box::pin(deploying(ports, service.clone(), batch)),
                    Reader::Notifier => Box::pin(notifying(ports, service.clone(), batch)),
                }
            }
        };
        self.serial += 1;
        let id = self.serial;
        let until = due::after(self.shared.now.get(), HANDLER_MAX);
        self.tasks.insert(id, Task { job, until, future });
        self.poll(id);
    }

    fn poll(&mut self, id: u64) {
        let Some(mut task) = self.tasks.remove(&id) else {
            return;
        };
        let killed = task.until < self.shared.now.get() || self.shared.fault("handler: killed", 4);
        if killed {
            drop(task.future);
            return self.ended(task.job, None);
        }
        match task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(ended) => self.ended(task.job, Some(ended)),
            Poll::Pending => {
                let at = due::after(self.shared.now.get(), self.shared.nap.get());
                self.tasks.insert(id, task);
                self.at(at, Event::Wake(id));
            }
        }
    }

    /// What follows from a handler's end; `None` when it was killed.
    fn ended(&mut self, job: Job, ended: Option<Ended>) {
        if let Some(Err(EngineError::Ledger(LedgerError::Corrupt(problem)))) = &ended {
            let mut audit = self.shared.audit.borrow_mut();
            audit.violations.push(format!("7: corrupt: {problem}"));
        }
        match job {
            Job::Reconcile => {}
            Job::Receive { input, tries } => {
                let lost = self.shared.bug == Some(Bug::LoseArtefact)
                    && matches!(input, Input::Hint(Hint::Object { .. }));
                if matches!(ended, Some(Ok(_))) || lost {
                    return;
                }
                let tries = tries + 1;
                if tries < TRIES_MAX {
                    self.soon(120, Event::Begin(Job::Receive { input, tries }));
                } else {
                    count(&mut self.shared.tally.borrow_mut().faults, "dead letter");
                    self.dead.push(input);
                }
            }
            Job::Read { service, reader } => {
                let done = match ended {
                    Some(Ok(done)) => done,
                    Some(Err(_)) | None => 0,
                };
                // A batch that was done may come again all the same.
                let again = self.shared.fault("stream: batch again", 30);
                if let Some(cursor) = self.cursors.get_mut(&(service, reader)) {
                    cursor.1 = false;
                    cursor.0 += if again { 0 } else { done };
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Upload {
                hint,
                version,
                build,
            } => {
                self.shared.say(&format!("{version} is uploaded"));
                self.uploads.push(version.clone());
                self.shared.cloud.borrow_mut().builds.insert(version, build);
                self.deliver(Input::Hint(hint));
            }
            Step::Alarm { alarm, state } => {
                self.shared
                    .say(&format!("{} becomes {state:?}", alarm.name()));
                let seen = AlarmSeen {
                    alarm: alarm.clone(),
                    state,
                    voice: Voice::Heard,
                    changed_at: self.shared.now.get(),
                    reason: "threshold crossed".into(),
                };
                self.shared
                    .cloud
                    .borrow_mut()
                    .alarms
                    .insert(alarm, seen.clone());
                self.deliver(Input::Alarm(seen));
            }
            Step::Meddle { target } => {
                let (now, shared) = (self.shared.now.get(), Rc::clone(&self.shared));
                let rng = &mut shared.rng.borrow_mut();
                let content = Content("somebody-elses".into());
                let mut cloud = shared.cloud.borrow_mut();
                let (_, wake) = cloud.deploy(now, rng, &target, None, content);
                if let Some(site) = cloud.sites.get_mut(&target) {
                    site.meddled |= wake.is_some();
                }
                shared.wakes.borrow_mut().extend(wake);
                shared.say("somebody deploys behind the ledger's back");
            }
            Step::Configure { config } => {
                let (service, found) = (config.service.clone(), Vec::new());
                self.ask(service, Request::Configure { config, found });
            }
            Step::Ask {
                service,
                stage,
                wish,
            } => {
                let now = self.shared.now.get();
                let release = self.some_release(&service, &stage);
                self.ask(service, wish.request(stage, release, now));
            }
        }
    }

    /// Mostly what waits on the stage, else any release.
    fn some_release(&self, service: &ServiceName, stage: &domain::StageName) -> ReleaseNumber {
        let audit = self.shared.audit.borrow();
        let Some(book) = audit.books.get(service) else {
            return ReleaseNumber(1);
        };
        let state = book.pipeline.stages.get(stage);
        let waiting = state.and_then(|state| state.waiting.first());
        match waiting.filter(|_| !self.shared.chance(200)) {
            Some(offer) => offer.release,
            None => {
                let last = book.pipeline.last_release.max(1);
                ReleaseNumber(self.shared.rng.borrow_mut().u64(1..=last))
            }
        }
    }

    fn ask(&mut self, service: ServiceName, request: Request) {
        self.serial += 1;
        let id = RequestId(format!("request-{}", self.serial));
        let who = if self.shared.chance(500) {
            "alice"
        } else {
            "bob"
        };
        let by = Identity(format!("arn:aws:iam::111122223333:user/{who}"));
        self.shared.say(&format!(
            "{who} asks of {service}: {:.120}",
            format!("{request:?}")
        ));
        let asked = Asked { id, by, request };
        self.deliver(Input::Asked { service, asked });
    }
}

fn hint_of(stage: &domain::config::StageConfig) -> Hint {
    use domain::hint::Subject;
    match stage.subject() {
        Subject::DeploymentGroup {
            account,
            region,
            application,
            group,
        } => Hint::CodeDeployDeployment {
            account,
            region,
            application,
            group,
            deployment: "d".into(),
        },
        Subject::EcsService(service_arn) => Hint::EcsDeployment {
            service_arn,
            deployment: "ecs-svc/1".into(),
        },
        Subject::Alarm(_) | Subject::Bucket(_) | Subject::Repository { .. } => {
            Hint::EcsDeployment {
                service_arn: String::new(),
                deployment: String::new(),
            }
        }
    }
}

async fn receiving(ports: Ports, input: Input) -> Ended {
    let mut input = input;
    if let (Some(Bug::StaleAlarms), Input::Alarm(seen)) = (ports.shared.bug, &mut input) {
        seen.changed_at = ports.shared.now.get();
    }
    let turned = receive(&ports, &ports, &ports, input).await?;
    let mut tally = ports.shared.tally.borrow_mut();
    for one in &turned {
        count(&mut tally.verdicts, &crate::audit::name_of(&one.reason));
    }
    Ok(turned.len())
}

async fn reconciling(ports: Ports) -> Ended {
    let now = engine::Clock::now(&ports);
    let mut done = 0;
    for service in ports.overdue(now, 100).await? {
        let input = Input::Hint(Hint::Due { service });
        // One in trouble keeps no other waiting.
        match receive(&ports, &ports, &ports, input).await {
            Err(EngineError::Ledger(LedgerError::Corrupt(problem))) => {
                return Err(LedgerError::Corrupt(problem).into());
            }
            Ok(_) | Err(_) => done += 1,
        }
    }
    Ok(done)
}

async fn deploying(ports: Ports, service: ServiceName, batch: Vec<Rc<Vec<Entry>>>) -> Ended {
    for (done, entries) in batch.iter().enumerate() {
        for entry in entries.iter() {
            match carry_out(&ports, &ports, &ports, &service, entry).await {
                Ok(_) => {}
                Err(EngineError::Ledger(LedgerError::Corrupt(problem))) => {
                    return Err(LedgerError::Corrupt(problem).into());
                }
                Err(_) => return Ok(done),
            }
        }
    }
    Ok(batch.len())
}

async fn notifying(ports: Ports, service: ServiceName, batch: Vec<Rc<Vec<Entry>>>) -> Ended {
    for (done, entries) in batch.iter().enumerate() {
        if tell(&ports, &service, entries.iter()).await.is_err() {
            return Ok(done);
        }
    }
    Ok(batch.len())
}
