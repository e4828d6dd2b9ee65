//! What all parts of the running delivery share: the way to MiniStack, what was taken over, lanes
//! that bound the work, and the notices. What is done with it is in the modules beside.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::{RwLock, Semaphore, broadcast, watch},
    task::{AbortHandle, JoinSet},
};

use crate::{
    Deed, Notice, Options, Place, Subject, Unkind,
    calls::Calls,
    chance::{Chance, Copies, Fate},
    envelope::Level,
    retry::Pauses,
    rules::Table,
};

/// How many deliveries wait for one target, at most.
pub(crate) const WAITING_MAX: usize = 10_000;

/// How many invocations of one function run at once, at most.
pub(crate) const RUNNING_MAX: usize = 10;

/// How many notices are kept for a receiver that lags behind.
const NOTICES_MAX: usize = 4_096;

/// What all parts share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) calls: Calls,
    pub(crate) places: Vec<Place>,
    pub(crate) tick: Duration,
    pub(crate) pauses: Pauses,
    /// What was taken over. While it is written, no event is matched.
    pub(crate) table: RwLock<Arc<Table>>,
    /// How many events were matched with the rules.
    pub(crate) passed: watch::Sender<u64>,
    chance: Mutex<Chance>,
    lanes: Mutex<HashMap<String, Arc<Lane>>>,
    notices: broadcast::Sender<Notice>,
    /// None once it has been shut down.
    tasks: Mutex<Option<JoinSet<()>>>,
}

/// The bounds of one target.
#[derive(Debug)]
pub(crate) struct Lane {
    /// A permit for each delivery that waits or is under way.
    pub(crate) waiting: Arc<Semaphore>,
    /// A permit for each invocation that runs.
    pub(crate) running: Semaphore,
}

impl Shared {
    pub(crate) fn new(calls: Calls, options: Options) -> Self {
        Self {
            calls,
            places: options.accounts,
            tick: options.tick,
            pauses: Pauses::new(options.retry_base),
            table: RwLock::default(),
            passed: watch::Sender::new(0),
            chance: Mutex::new(Chance::new(options.unkind)),
            lanes: Mutex::default(),
            notices: broadcast::Sender::new(NOTICES_MAX),
            tasks: Mutex::new(Some(JoinSet::new())),
        }
    }

    /// Starts a piece of work that ends with the delivery at the latest.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> Spawned {
        let mut tasks = lock(&self.tasks);
        let Some(tasks) = tasks.as_mut() else {
            return Spawned(None);
        };
        while tasks.try_join_next().is_some() {}
        Spawned(Some(tasks.spawn(work)))
    }

    /// Ends all work; it is waited for where this is asked for.
    pub(crate) fn stop(&self) -> JoinSet<()> {
        let mut tasks = lock(&self.tasks).take().unwrap_or_default();
        tasks.abort_all();
        tasks
    }

    /// The lane of a target.
    pub(crate) fn lane(&self, name: &str) -> Arc<Lane> {
        let mut lanes = lock(&self.lanes);
        let lane = lanes.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Lane {
                waiting: Arc::new(Semaphore::new(WAITING_MAX)),
                running: Semaphore::new(RUNNING_MAX),
            })
        });
        Arc::clone(lane)
    }

    pub(crate) fn set_unkind(&self, unkind: Unkind) {
        *lock(&self.chance) = Chance::new(unkind);
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Draws what happens to an event before any rule sees it.
    pub(crate) fn fate(&self, level: Level, what: &Subject) -> Fate {
        let fate = lock(&self.chance).fate(level);
        match fate {
            Fate::Straight => {}
            Fate::HeldBack => self.tell_deed(what, Deed::Shuffled),
            Fate::Lost => self.tell_deed(what, Deed::Lost),
        }
        fate
    }

    /// Draws how something is delivered to one target.
    pub(crate) fn copies(&self, what: &Subject) -> Copies {
        let copies = lock(&self.chance).copies();
        if !copies.first.is_zero() {
            self.tell_deed(what, Deed::Delayed(copies.first));
        }
        if copies.second.is_some() {
            self.tell_deed(what, Deed::Doubled);
        }
        copies
    }

    fn tell_deed(&self, what: &Subject, deed: Deed) {
        self.tell(Notice::Unkind {
            what: what.clone(),
            deed,
        });
    }

    /// Tells whoever listens, and the log.
    pub(crate) fn tell(&self, notice: Notice) {
        match &notice {
            Notice::Delivered { .. } | Notice::Unkind { .. } => tracing::debug!(?notice),
            Notice::Retried { .. } => tracing::info!(?notice),
            Notice::DeadLettered { .. } => tracing::warn!(?notice),
            Notice::Dropped { .. } | Notice::Overflowed { .. } => tracing::error!(?notice),
        }
        // Nobody needs to listen.
        let _ = self.notices.send(notice);
    }
}

/// Work that was started, unless the delivery had been shut down.
#[derive(Debug)]
pub(crate) struct Spawned(Option<AbortHandle>);

impl Spawned {
    /// Ends the work.
    pub(crate) fn abort(&self) {
        if let Some(handle) = &self.0 {
            handle.abort();
        }
    }
}

/// What a thread that panicked left behind is whole: every change is one assignment.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
