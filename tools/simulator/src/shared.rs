//! What every handler of one world shares: time, chance, the ledger, the cloud, and what is noted
//! about them. How handlers are switched is in `world`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use clap::ValueEnum;
use domain::hint::Input;
use domain::{Entry, EntryId, ServiceName, SignedDuration, Timestamp};
use engine::memory::MemoryLedger;
use fastrand::Rng;

use crate::audit::Audit;
use crate::cloud::Cloud;

/// A bug planted on purpose: a simulator that cannot fail proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bug {
    /// Commits do not check the version they were decided on.
    SkipVersionCheck,
    /// Nothing is ever overdue.
    ForgetDue,
    /// An attempt that the platform undid is taken for one that went well.
    UndoneIsSuccess,
    /// Every change of an alarm counts as the newest.
    StaleAlarms,
    /// A deployment is begun without looking for one with the same mark.
    DeployTwice,
    /// The notifier takes a failed announcement for done.
    LoseAnnouncement,
    /// An artefact's event is acknowledged although its handler failed.
    LoseArtefact,
}

/// Whether faults strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Foul,
    Fair,
}

/// What was counted in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) steps: u64,
    pub(crate) faults: BTreeMap<String, u64>,
    pub(crate) verdicts: BTreeMap<String, u64>,
    pub(crate) kinds: BTreeMap<String, u64>,
}

/// Counts one more.
pub(crate) fn count(counts: &mut BTreeMap<String, u64>, what: &str) {
    *counts.entry(what.to_owned()).or_default() += 1;
}

pub(crate) struct Shared {
    pub(crate) now: Cell<Timestamp>,
    pub(crate) rng: RefCell<Rng>,
    pub(crate) weather: Cell<Weather>,
    pub(crate) bug: Option<Bug>,
    /// How long the handler that pauses now sleeps.
    pub(crate) nap: Cell<SignedDuration>,
    pub(crate) ledger: MemoryLedger,
    pub(crate) cloud: RefCell<Cloud>,
    /// The stream: each service's commits, in order.
    pub(crate) outbox: RefCell<BTreeMap<ServiceName, Vec<Rc<Vec<Entry>>>>>,
    /// Events the cloud has to send, and when it moves on by itself.
    pub(crate) sent: RefCell<Vec<Input>>,
    pub(crate) wakes: RefCell<Vec<Timestamp>>,
    pub(crate) heard: RefCell<BTreeSet<EntryId>>,
    pub(crate) audit: RefCell<Audit>,
    pub(crate) tally: RefCell<Tally>,
    pub(crate) story: RefCell<Vec<String>>,
}

impl Shared {
    /// A line of the history.
    pub(crate) fn say(&self, line: &str) {
        let line = format!("{} {line}", self.now.get());
        self.story.borrow_mut().push(line);
    }

    /// Whether something of this likelihood, in a thousand, happens now.
    pub(crate) fn chance(&self, in_thousand: u32) -> bool {
        self.rng.borrow_mut().u32(0..1000) < in_thousand
    }

    /// A fault of this likelihood, in a thousand, if the weather is foul.
    pub(crate) fn fault(&self, kind: &str, in_thousand: u32) -> bool {
        let strikes = self.weather.get() == Weather::Foul && self.chance(in_thousand);
        if strikes {
            count(&mut self.tally.borrow_mut().faults, kind);
        }
        strikes
    }

    pub(crate) fn between(&self, from: SignedDuration, to: SignedDuration) -> SignedDuration {
        let span = self.rng.borrow_mut();
        let mut span = span;
        let (from, to) = (millis(from), millis(to));
        SignedDuration::from_millis(span.i64(from..=to.max(from)))
    }

    /// Lets the others go on for a while.
    pub(crate) async fn pause(&self) {
        let nap = if self.fault("slow call", 30) {
            self.between(SignedDuration::from_secs(1), SignedDuration::from_secs(25))
        } else {
            self.between(
                SignedDuration::from_millis(1),
                SignedDuration::from_millis(60),
            )
        };
        self.sleep(nap).await;
    }

    pub(crate) async fn sleep(&self, nap: SignedDuration) {
        self.nap.set(nap);
        Pause::default().await;
    }
}

fn millis(span: SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Pending once: the scheduler decides when, and whether, it goes on.
#[derive(Default)]
struct Pause {
    paused: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.paused {
            return Poll::Ready(());
        }
        self.paused = true;
        Poll::Pending
    }
}
