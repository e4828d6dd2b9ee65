//! The engine's traits over a scene, with a point before and after every effect.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use domain::alarm::AlarmSeen;
use domain::announce::Announcement;
use domain::catalogue::Listed;
use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::config::{Place, Source, StageConfig, Target};
use domain::entry::{Order, StopOrder};
use domain::fact::{Answer, ArtefactFound, Progress, Running};
use domain::hint::Subject;
use domain::peril::Reflexes;
use domain::scan::ScanFound;
use domain::{
    AccountId, AlarmArn, Artefact, Commit, EntryId, Hint, Region, Release, ReleaseNumber,
    ServiceName, Timestamp,
};
use engine::{
    AnnounceError, Announcer, Clock, Ledger, LedgerError, Loaded, Mention, Platform, PlatformError,
};

use super::law;
use super::scene::{Scene, Strike};

/// All ports of one handler.
#[derive(Clone)]
pub(crate) struct Ports(pub(crate) Rc<Scene>);

/// Never goes on: the function is dead.
struct Dead;

impl Future for Dead {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// Pending once.
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

impl Ports {
    /// A point; whether the call fails here.
    async fn point(&self) -> bool {
        let point = self.0.points.get();
        self.0.points.set(point + 1);
        let strike = {
            let strikes = self.0.strikes.borrow();
            strikes
                .iter()
                .find(|(at, _)| *at == point)
                .map(|(_, strike)| *strike)
        };
        match strike {
            None => false,
            Some(Strike::Error) => true,
            Some(Strike::Killed) => {
                self.0.killed.set(true);
                Dead.await;
                true
            }
        }
    }

    /// One call: a point, the effect, a point.
    async fn call<T, E>(
        &self,
        lost: impl Fn() -> E,
        effect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        if self.0.takes_turns.get() {
            Pause::default().await;
        }
        if self.point().await {
            return Err(lost());
        }
        let done = effect.await?;
        if self.point().await {
            return Err(lost());
        }
        Ok(done)
    }

    async fn ledger<T>(
        &self,
        effect: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        let lost = || LedgerError::Unavailable("timed out".into());
        self.call(lost, effect).await
    }

    async fn platform<T>(
        &self,
        effect: impl Future<Output = Result<T, PlatformError>>,
    ) -> Result<T, PlatformError> {
        let lost = || PlatformError::Transient("throttled".into());
        self.call(lost, effect).await
    }

    async fn judged(&self, commit: &Commit) -> Result<(), LedgerError> {
        self.0.ledger.commit(commit).await?;
        let mut audit = self.0.audit.borrow_mut();
        let audit = &mut *audit;
        // A commit that was there already is no news.
        if audit.pipeline.head != commit.after.head {
            audit.commits += 1;
            let (entries, after) = (&commit.entries, &commit.after);
            law::of_decision(
                &audit.pipeline,
                &mut audit.books,
                entries,
                after,
                &mut audit.wrong,
            );
            audit.pipeline = commit.after.clone();
            let entries = entries.iter().map(|one| one.entry.clone()).collect();
            self.0.stream.borrow_mut().push(Rc::new(entries));
        }
        Ok(())
    }
}

impl Clock for Ports {
    fn now(&self) -> Timestamp {
        self.0.now.get()
    }

    async fn breathe(&self, _at_most: Duration) {}
}

impl Ledger for Ports {
    async fn load(&self, service: &ServiceName, mention: &Mention) -> Result<Loaded, LedgerError> {
        self.ledger(self.0.ledger.load(service, mention)).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), LedgerError> {
        self.ledger(self.judged(commit)).await
    }

    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        self.ledger(self.0.ledger.services()).await
    }

    async fn watchers(&self, subject: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        self.ledger(self.0.ledger.watchers(subject)).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<ServiceName>, LedgerError> {
        self.ledger(self.0.ledger.overdue(now, limit)).await
    }

    async fn uncompared(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        self.ledger(self.0.ledger.uncompared(now, limit)).await
    }

    async fn compare_at(&self, service: &ServiceName, at: Timestamp) -> Result<(), LedgerError> {
        self.ledger(self.0.ledger.compare_at(service, at)).await
    }

    async fn entries(
        &self,
        service: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.ledger(self.0.ledger.entries(service, from, limit))
            .await
    }

    async fn newest_entries(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.ledger(self.0.ledger.newest_entries(service, limit))
            .await
    }

    async fn release(
        &self,
        service: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        self.ledger(self.0.ledger.release(service, number)).await
    }
}

impl Platform for Ports {
    async fn examine(&self, hint: &Hint) -> Result<Option<ArtefactFound>, PlatformError> {
        self.platform(self.0.platform.examine(hint)).await
    }

    async fn listing(&self, source: &Source) -> Result<Vec<Listed>, PlatformError> {
        self.platform(self.0.platform.listing(source)).await
    }

    async fn scan(&self, artefact: &Artefact) -> Result<ScanFound, PlatformError> {
        self.platform(self.0.platform.scan(artefact)).await
    }

    async fn obstacle(&self, artefact: &Artefact) -> Result<Option<String>, PlatformError> {
        self.platform(self.0.platform.obstacle(artefact)).await
    }

    async fn deploy(&self, order: &Order) -> Result<Answer, PlatformError> {
        self.platform(self.0.platform.deploy(order)).await
    }

    async fn stop(&self, order: &StopOrder) -> Result<Answer, PlatformError> {
        self.platform(self.0.platform.stop(order)).await
    }

    async fn observe(
        &self,
        place: &Place,
        target: &Target,
        attempt: &EntryId,
        artefact: &Artefact,
    ) -> Result<(Progress, Running), PlatformError> {
        let effect = self.0.platform.observe(place, target, attempt, artefact);
        self.platform(effect).await
    }

    async fn running(&self, place: &Place, target: &Target) -> Result<Running, PlatformError> {
        self.platform(self.0.platform.running(place, target)).await
    }

    async fn reflexes(&self, place: &Place, target: &Target) -> Result<Reflexes, PlatformError> {
        self.platform(self.0.platform.reflexes(place, target)).await
    }

    async fn group_of(
        &self,
        account: &AccountId,
        region: &Region,
        deployment: &str,
    ) -> Result<Option<Subject>, PlatformError> {
        let effect = self.0.platform.group_of(account, region, deployment);
        self.platform(effect).await
    }

    async fn find_running(&self, stage: &StageConfig) -> Result<Option<Artefact>, PlatformError> {
        self.platform(self.0.platform.find_running(stage)).await
    }

    async fn alarms(
        &self,
        place: &Place,
        alarms: &[AlarmArn],
    ) -> Result<Vec<AlarmSeen>, PlatformError> {
        self.platform(self.0.platform.alarms(place, alarms)).await
    }
}

impl Announcer for Ports {
    async fn announce(&self, announcement: &Announcement) -> Result<(), AnnounceError> {
        let lost = || AnnounceError("throttled".into());
        let effect = async {
            let id = announcement.id.to_string();
            self.0.heard.borrow_mut().insert(id);
            Ok(())
        };
        self.call(lost, effect).await
    }
}
