//! Lost races, and handlers that die.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::hint::Subject;
use domain::{Commit, Release, ReleaseNumber, ServiceName, Timestamp};
use engine::memory::contract::{arrived, noon};
use engine::turn::{TRIES_MAX, turn};
use engine::{Clock, Ledger, LedgerError, Loaded, Mention, PlatformError};

use crate::world::Whole;

/// What goes wrong with the next commits.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Somebody is faster.
    Stale,
    /// It fails before it takes effect.
    Before,
    /// It takes effect, and the answer is lost.
    After,
}

/// A ledger whose next commits go wrong.
struct Faulty<'a, L> {
    inner: &'a L,
    fault: Fault,
    left: Cell<u32>,
}

impl<L: Ledger> Ledger for Faulty<'_, L> {
    async fn load(&self, service: &ServiceName, mention: &Mention) -> Result<Loaded, LedgerError> {
        self.inner.load(service, mention).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), LedgerError> {
        if self.left.get() == 0 {
            return self.inner.commit(commit).await;
        }
        self.left.set(self.left.get() - 1);
        match self.fault {
            Fault::Stale => Err(LedgerError::Stale),
            Fault::Before => Err(LedgerError::Unavailable("timed out".into())),
            Fault::After => {
                self.inner.commit(commit).await?;
                Err(LedgerError::Unavailable("timed out".into()))
            }
        }
    }

    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        self.inner.services().await
    }

    async fn watchers(&self, subject: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        self.inner.watchers(subject).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<ServiceName>, LedgerError> {
        self.inner.overdue(now, limit).await
    }

    async fn uncompared(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        self.inner.uncompared(now, limit).await
    }

    async fn compare_at(&self, service: &ServiceName, at: Timestamp) -> Result<(), LedgerError> {
        self.inner.compare_at(service, at).await
    }

    async fn entries(
        &self,
        service: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.inner.entries(service, from, limit).await
    }

    async fn newest_entries(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.inner.newest_entries(service, limit).await
    }

    async fn release(
        &self,
        service: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        self.inner.release(service, number).await
    }
}

async fn with(whole: &Whole, fault: Fault, times: u32) -> Result<(), LedgerError> {
    let faulty = Faulty {
        inner: &whole.ledger,
        fault,
        left: Cell::new(times),
    };
    let fact = arrived(&whole.service, "v1");
    turn(&faulty, &whole.clock, &whole.service, &fact)
        .await
        .map(drop)
}

#[tokio::test]
async fn a_lost_race_is_decided_again() {
    let whole = Whole::new().await;
    with(&whole, Fault::Stale, 3).await.unwrap();
    assert_eq!(whole.pipeline().await.last_release, 1);
}

/// A clock that keeps how long it was breathed.
#[derive(Default)]
struct Breaths(RefCell<Vec<u64>>);

impl Clock for Breaths {
    fn now(&self) -> Timestamp {
        noon()
    }

    async fn breathe(&self, at_most: Duration) {
        let millis = u64::try_from(at_most.as_millis()).unwrap();
        self.0.borrow_mut().push(millis);
    }
}

#[tokio::test]
async fn a_race_is_lost_twenty_times_at_most_with_pauses_that_double_up_to_a_limit() {
    let whole = Whole::new().await;
    let faulty = Faulty {
        inner: &whole.ledger,
        fault: Fault::Stale,
        left: Cell::new(1000),
    };
    let (clock, fact) = (Breaths::default(), arrived(&whole.service, "v1"));
    let given_up = turn(&faulty, &clock, &whole.service, &fact).await;
    assert!(matches!(given_up, Err(LedgerError::Stale)));
    assert_eq!(1000 - faulty.left.get(), TRIES_MAX);
    let breaths = clock.0.borrow();
    assert_eq!(breaths[..8], [10, 20, 40, 80, 160, 320, 640, 640]);
    assert_eq!(breaths.len(), usize::try_from(TRIES_MAX).unwrap() - 1);
}

#[tokio::test]
async fn a_handler_that_dies_before_it_commits_has_done_nothing() {
    let whole = Whole::new().await;
    assert!(with(&whole, Fault::Before, 1).await.is_err());
    assert_eq!(whole.pipeline().await.last_release, 0);
    with(&whole, Fault::Before, 0).await.unwrap();
    assert_eq!(whole.pipeline().await.last_release, 1);
}

#[tokio::test]
async fn a_handler_that_dies_after_it_committed_is_done() {
    let whole = Whole::new().await;
    assert!(with(&whole, Fault::After, 1).await.is_err());
    with(&whole, Fault::After, 0).await.unwrap();
    assert_eq!(
        whole.pipeline().await.last_release,
        1,
        "delivered again, done once"
    );
}

#[tokio::test]
async fn an_action_that_fails_for_now_is_carried_out_when_it_comes_again() {
    let whole = Whole::new().await;
    let input = domain::hint::Input::Hint(Whole::object("v1"));
    let turned = whole.receive(input).await.unwrap();
    let entry = &turned[0].entries.last().unwrap().entry;
    whole.platform.world.borrow_mut().trouble = vec![PlatformError::Transient("throttled".into())];
    assert!(whole.carry_out(entry).await.is_err());
    whole.carry_out(entry).await.unwrap();
    assert!(whole.stage().await.active.is_some());
    assert_eq!(whole.platform.world.borrow().attempts.len(), 1);
}

#[tokio::test]
async fn an_action_that_can_never_be_done_is_a_fact() {
    let mut whole = Whole::new().await;
    let input = domain::hint::Input::Hint(Whole::object("v1"));
    whole.platform.world.borrow_mut().trouble.clear();
    let turned = whole.receive(input).await.unwrap();
    let entry = &turned[0].entries.last().unwrap().entry;
    whole.platform.world.borrow_mut().trouble =
        vec![PlatformError::Terminal("no such group".into())];
    whole.carry_out(entry).await.unwrap();
    whole.deliver().await;
    assert!(whole.stage().await.active.is_none());
    assert!(
        whole
            .announcer
            .heard
            .borrow()
            .iter()
            .any(|heard| heard.kind == "person-called")
    );
}

#[tokio::test]
async fn a_start_that_was_given_up_and_took_effect_all_the_same_is_told_when_its_entry_comes_again()
{
    let mut whole = Whole::new().await;
    whole.good("v1").await;
    let input = domain::hint::Input::Hint(Whole::object("v2"));
    let turned = whole.receive(input).await.unwrap();
    let entry = turned[0].entries.last().unwrap().entry.clone();
    let Some(domain::entry::Action::Deploy(order)) = entry.what.action() else {
        panic!("the entry asks for a start");
    };
    // Nothing was begun, however often it was asked for.
    for _ in 0..domain::due::TRIES_MAX {
        whole.jump(2);
        let service = whole.service.clone();
        let due = domain::hint::Input::Hint(domain::Hint::Due { service });
        whole.receive(due).await.unwrap();
    }
    assert!(whole.stage().await.active.is_none());
    // The first call goes through after that, and its answer is lost.
    engine::Platform::deploy(&whole.platform, order)
        .await
        .unwrap();
    whole.carry_out(&entry).await.unwrap();
    whole.deliver().await;
    assert_eq!(whole.stage().await.runs, None, "nobody knows");
    let heard = whole.announcer.heard.borrow();
    let late = heard.iter().filter(|heard| heard.kind == "person-called");
    assert_eq!(late.count(), 2, "once for giving up, once for what landed");
}
