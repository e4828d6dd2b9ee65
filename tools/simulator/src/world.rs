//! The scheduler: one seed, virtual time, and handlers that are switched, delayed, killed and begun
//! again at every call they make. How events travel is in `bus`, what people and others do in
//! `doing`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use domain::{EntryId, SignedDuration, Timestamp, due};
use engine::memory::Keep;
use engine::{Catalogues as _, Ledger as _};

use crate::adversary::Adversary;
use crate::bus::Delivery;
use crate::buttons::Finger;
use crate::doing::People;
use crate::functions::{self, Ended, Event as Called};
use crate::point::{Function, Point};
use crate::ports::Ports;
use crate::render;
use crate::scenario::{Plan, Step};
use crate::shared::{LateCall, Shared};
use crate::stream::{Batch, Stream};

/// How long a handler may run (the template's timeout).
const HANDLER_MAX: SignedDuration = SignedDuration::from_secs(60);
/// The bound of the liveness phase: everything has settled so long after the faults ended.
pub(crate) const SETTLES_WITHIN: SignedDuration = SignedDuration::from_hours(12);

pub(crate) enum Event {
    /// A handler that paused goes on.
    Wake(Box<Task>),
    Begin(Box<Delivery>),
    /// Something is told of by an event.
    Send(Box<Delivery>),
    Read(Function, usize),
    Late(LateCall),
    Cloud,
    Happen(Box<Step>),
    /// Somebody presses a button again.
    Press(Box<Finger>),
    Minute,
}

/// What a handler works on.
pub(crate) enum Work {
    Delivery(Delivery),
    Batch(Batch),
}

/// A handler at work.
pub(crate) struct Task {
    work: Work,
    until: Timestamp,
    at: Option<Point>,
    future: Pin<Box<dyn Future<Output = Ended>>>,
}

/// A world.
pub(crate) struct World {
    pub(crate) shared: Rc<Shared>,
    pub(crate) people: People,
    pub(crate) stream: Stream,
    pub(crate) dead: Vec<Delivery>,
    events: BTreeMap<(Timestamp, u64), Event>,
    cloud_at: Option<Timestamp>,
    pub(crate) serial: u64,
    calm: Timestamp,
    /// When something was written, or moved on the platform, last.
    stirred: Timestamp,
    /// What was under way when the faults ended, and has not come to rest.
    restless: Option<BTreeSet<EntryId>>,
}

impl World {
    /// A world in which a plan happens.
    pub(crate) fn new(shared: Rc<Shared>, plan: Plan) -> Self {
        let begin = shared.begin;
        let mut world = Self {
            shared,
            people: People::default(),
            stream: Stream::new(),
            dead: Vec::new(),
            events: BTreeMap::new(),
            cloud_at: None,
            serial: 0,
            calm: due::after(begin, SignedDuration::from_secs(plan.calm_at)),
            stirred: begin,
            restless: None,
        };
        for planned in plan.services {
            world.settle_in(planned);
        }
        for step in plan.steps {
            let at = due::after(begin, SignedDuration::from_secs(step.at));
            world.at(at, Event::Happen(Box::new(step)));
        }
        world.at(begin, Event::Minute);
        world
    }

    pub(crate) fn at(&mut self, at: Timestamp, event: Event) {
        self.serial += 1;
        self.events.insert((at, self.serial), event);
    }

    /// Within so many seconds.
    pub(crate) fn soon(&mut self, most: i64, event: Event) {
        let most = SignedDuration::from_secs(most);
        let by = self.shared.between(SignedDuration::from_millis(10), most);
        self.at(due::after(self.shared.now.get(), by), event);
    }

    /// Runs the storm, then the calm, until all is quiet or the bound of the liveness phase.
    pub(crate) fn run(&mut self) {
        let end = due::after(self.calm, SETTLES_WITHIN);
        while let Some(((at, _), event)) = self.events.pop_first() {
            if at > end || !self.shared.audit.borrow().violations.is_empty() {
                return;
            }
            self.shared.now.set(at);
            if at >= self.calm && self.shared.foul.get() {
                self.calm_down();
            }
            self.shared.tally.borrow_mut().steps += 1;
            self.happen(event);
            self.after_step();
        }
    }

    /// The faults end. People look at the dead letters and send them again.
    fn calm_down(&mut self) {
        self.shared.foul.set(false);
        if self.shared.odds.any() {
            self.shared.say(|| "the faults end".to_owned());
        }
        for delivery in std::mem::take(&mut self.dead) {
            self.soon(60, Event::Begin(Box::new(delivery)));
        }
        self.restless = Some(self.under_way());
        self.note_rest(self.shared.now.get());
    }

    fn under_way(&self) -> BTreeSet<EntryId> {
        let audit = self.shared.audit.borrow();
        let books = audit.books.values();
        let stages = books.flat_map(|book| book.pipeline.stages.values());
        let active = stages.filter_map(|stage| stage.active.as_ref());
        active.map(|active| active.offer.id.clone()).collect()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(task) => self.poll(task),
            Event::Begin(delivery) => self.begin(*delivery),
            Event::Send(delivery) => self.deliver(*delivery),
            Event::Read(reader, shard) => self.read(reader, shard),
            Event::Late(call) => {
                self.shared
                    .say(|| "    a call that was given up goes through".to_owned());
                call(&self.shared);
            }
            Event::Cloud => {
                self.cloud_at = None;
                self.stirred = self.shared.now.get();
                let (shared, temper) = (Rc::clone(&self.shared), self.shared.temper());
                let rng = &mut shared.rng.borrow_mut();
                shared
                    .cloud
                    .borrow_mut()
                    .advance(shared.now.get(), rng, temper);
            }
            Event::Happen(step) => self.step(*step),
            Event::Press(finger) => self.press(*finger),
            Event::Minute => self.minute(),
        }
    }

    /// The reconciler's schedule. A minute in which nothing is overdue, by any clock, is passed
    /// over: its handler would read one index and end.
    fn minute(&mut self) {
        let now = self.shared.now.get();
        let ahead = due::after(now, crate::audit::SKEW);
        let overdue = self.shared.ledger.overdue(ahead, 1);
        let overdue = crate::ledger::at_once(overdue).is_ok_and(|services| !services.is_empty());
        if overdue || self.sources_matter(ahead) || self.comparing_matters(ahead) {
            let bytes = render::tick(now);
            self.begin(Delivery::new(Function::Reconciler, bytes));
        }
        let idle = self.events.is_empty() && !self.shared.foul.get();
        if idle && !self.anything_due() {
            return;
        }
        self.at(due::after(now, SignedDuration::from_mins(1)), Event::Minute);
    }

    /// Whether looking through a source may find something, or is the first look, which makes its
    /// catalogue. All other looks would find what events have told.
    fn sources_matter(&self, now: Timestamp) -> bool {
        let due = |at| {
            let due = self.shared.ledger.sources_due(at, 1);
            crate::ledger::at_once(due).is_ok_and(|services| !services.is_empty())
        };
        let unfound = !self.shared.unfound.borrow().is_empty();
        due(Timestamp::UNIX_EPOCH) || (unfound && due(now))
    }

    /// Whether comparing targets with the ledger may find something: somebody changed one.
    fn comparing_matters(&self, now: Timestamp) -> bool {
        self.somebody_meddled() && {
            let due = self.shared.ledger.uncompared(now, 1);
            crate::ledger::at_once(due).is_ok_and(|services| !services.is_empty())
        }
    }

    fn somebody_meddled(&self) -> bool {
        let cloud = self.shared.cloud.borrow();
        cloud.sites.values().any(|site| site.meddled)
    }

    fn anything_due(&self) -> bool {
        if !self.shared.unfound.borrow().is_empty() {
            return true;
        }
        // Every stage is compared once more after all that was going on.
        let still = self.stirred.max(self.calm);
        let compared = due::after(due::after(still, due::COMPARE_EVERY), due::LOOK_EVERY);
        if self.somebody_meddled() && self.shared.now.get() <= compared {
            return true;
        }
        let overdue = self.shared.ledger.overdue(Timestamp::MAX, 1);
        crate::ledger::at_once(overdue).is_ok_and(|services| !services.is_empty())
    }

    /// Takes up what the step left behind: events of the cloud, its own timers, the stream.
    fn after_step(&mut self) {
        let shared = Rc::clone(&self.shared);
        let now = shared.now.get();
        let commits = shared.outbox.take();
        if !commits.is_empty() {
            self.stirred = now;
            self.note_rest(now);
        }
        for commit in commits {
            self.stream.push(commit, now);
        }
        for call in shared.late.take() {
            self.soon(20, Event::Late(call));
        }
        if shared.cloud_moved.replace(false) {
            self.send_what_the_cloud_says();
        }
        for (reader, shard) in self.stream.begin() {
            let most = if shared.strikes(Adversary::Stall) {
                1500
            } else {
                1
            };
            self.soon(most, Event::Read(reader, shard));
        }
    }

    fn send_what_the_cloud_says(&mut self) {
        let shared = Rc::clone(&self.shared);
        let mut cloud = shared.cloud.borrow_mut();
        let (said, hooks) = (
            std::mem::take(&mut cloud.outgoing),
            std::mem::take(&mut cloud.hooks),
        );
        let next = cloud.next_at();
        drop(cloud);
        for happening in said {
            let bytes = render::deployment(&happening, shared.now.get());
            self.deliver(Delivery::new(Function::DeploymentChanged, bytes));
        }
        for hook in hooks {
            self.call_hook(hook);
        }
        if let Some(next) = next
            && self.cloud_at.is_none_or(|at| next < at)
        {
            self.cloud_at = Some(next);
            self.at(next, Event::Cloud);
        }
    }

    /// How long what was under way when the faults ended takes to come to rest.
    fn note_rest(&mut self, now: Timestamp) {
        let Some(restless) = &self.restless else {
            return;
        };
        let still = self.under_way();
        if restless.intersection(&still).next().is_none() {
            let took = now.duration_since(self.calm).as_secs().max(0);
            self.shared.tally.borrow_mut().settled = took;
            self.restless = None;
        }
    }

    fn begin(&mut self, delivery: Delivery) {
        let bytes = Called::Bytes(Rc::clone(&delivery.bytes));
        self.start(delivery.function, bytes, Work::Delivery(delivery));
    }

    fn read(&mut self, reader: Function, shard: usize) {
        let Some(batch) = self.stream.batch(reader, shard) else {
            return;
        };
        let called = match self.shared.keep {
            Keep::AsGiven => Called::Records(batch.records.clone()),
            Keep::AsWritten => {
                let records = batch.records.iter();
                let records = records.map(|(number, commit)| (*number, &**commit));
                Called::Bytes(Rc::new(render::batch(records)))
            }
        };
        self.start(reader, called, Work::Batch(batch));
    }

    fn start(&mut self, function: Function, called: Called, work: Work) {
        let ports = Ports::new(&self.shared, function);
        let until = due::after(self.shared.now.get(), HANDLER_MAX);
        let future = Box::pin(functions::run(ports, called));
        self.poll(Box::new(Task {
            work,
            until,
            at: None,
            future,
        }));
    }

    fn poll(&mut self, mut task: Box<Task>) {
        self.shared.here.set(task.at);
        let killed = task.until < self.shared.now.get() || self.shared.strikes(Adversary::Kill);
        if killed {
            let function = work_of(&task.work);
            self.shared
                .say(|| format!("    {} dies", crate::point::kebab(&function)));
            drop(task.future);
            self.shared.here.set(None);
            return self.ended(task.work, None);
        }
        let mut context = Context::from_waker(Waker::noop());
        let polled = task.future.as_mut().poll(&mut context);
        task.at = self.shared.here.take();
        match polled {
            Poll::Ready(ended) => self.ended(task.work, Some(ended)),
            Poll::Pending => {
                let at = due::after(self.shared.now.get(), self.shared.nap.get());
                self.at(at, Event::Wake(task));
            }
        }
    }
}

fn work_of(work: &Work) -> Function {
    match work {
        Work::Delivery(delivery) => delivery.function,
        Work::Batch(batch) => batch.reader,
    }
}
