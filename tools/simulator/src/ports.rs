//! The engine's traits over the world. Every call pauses before and after its effect: there the
//! handler may be switched, crash, or get an error, although what it asked for was done.

use std::rc::Rc;
use std::time::Duration;

use domain::alarm::AlarmSeen;
use domain::announce::Announcement;
use domain::artefact::BuildFacts;
use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::config::{Place, StageConfig, Target};
use domain::entry::{Order, StopOrder};
use domain::fact::{Answer, ArtefactFound, Progress, Proof, Running};
use domain::hint::{Input, Subject};
use domain::{
    AlarmArn, Artefact, Commit, EntryId, Hint, Release, ReleaseNumber, ServiceName, SignedDuration,
    Timestamp, due,
};
use engine::{
    AnnounceError, Announcer, Clock, Ledger, LedgerError, Loaded, Mention, Platform, PlatformError,
};

use crate::shared::{Bug, Shared};

/// All ports of one handler, with a clock of its own that goes wrong.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) shared: Rc<Shared>,
    skew: SignedDuration,
}

impl Ports {
    /// Clocks of two handlers differ by five minutes at most.
    pub(crate) fn new(shared: &Rc<Shared>) -> Self {
        let most = SignedDuration::from_secs(150);
        let skew = shared.between(-most, most);
        Self {
            shared: Rc::clone(shared),
            skew,
        }
    }

    async fn ledger<T>(
        &self,
        effect: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, LedgerError> {
        let lost = || Err(LedgerError::Unavailable("timed out".into()));
        self.shared.pause().await;
        if self.shared.fault("ledger: before the effect", 15) {
            return lost();
        }
        let done = effect.await?;
        self.shared.pause().await;
        if self.shared.fault("ledger: answer lost", 15) {
            return lost();
        }
        Ok(done)
    }

    async fn platform<T>(&self, effect: impl FnOnce(&Shared) -> T) -> Result<T, PlatformError> {
        let lost = || Err(PlatformError::Transient("throttled".into()));
        self.shared.pause().await;
        if self.shared.fault("platform: throttled", 20) {
            return lost();
        }
        let done = effect(&self.shared);
        self.shared.pause().await;
        if self.shared.fault("platform: answer lost", 15) {
            return lost();
        }
        Ok(done)
    }
}

impl Clock for Ports {
    fn now(&self) -> Timestamp {
        due::after(self.shared.now.get(), self.skew)
    }

    async fn breathe(&self, at_most: Duration) {
        let most = SignedDuration::try_from(at_most).unwrap_or(SignedDuration::ZERO);
        let nap = self.shared.between(SignedDuration::ZERO, most);
        self.shared.sleep(nap).await;
    }
}

impl Ledger for Ports {
    async fn load(&self, service: &ServiceName, mention: &Mention) -> Result<Loaded, LedgerError> {
        self.ledger(self.shared.ledger.load(service, mention)).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), LedgerError> {
        self.ledger(async {
            if self.shared.fault("ledger: transaction conflict", 15) {
                return Err(LedgerError::Stale);
            }
            let mut commit = commit.clone();
            if self.shared.bug == Some(Bug::SkipVersionCheck) {
                commit.expected = self.shared.audit.borrow().version(&commit.service);
            }
            self.shared.ledger.commit(&commit).await?;
            let mut audit = self.shared.audit.borrow_mut();
            let now = self.shared.now.get();
            audit.check_truth(&commit, &self.shared.cloud.borrow().alarms, now);
            let new = audit.committed(&commit);
            drop(audit);
            if new {
                self.publish(&commit);
            }
            Ok(())
        })
        .await
    }

    async fn watchers(&self, subject: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        self.ledger(self.shared.ledger.watchers(subject)).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<ServiceName>, LedgerError> {
        if self.shared.bug == Some(Bug::ForgetDue) {
            return Ok(Vec::new());
        }
        self.ledger(self.shared.ledger.overdue(now, limit)).await
    }

    async fn entries(
        &self,
        service: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.ledger(self.shared.ledger.entries(service, from, limit))
            .await
    }

    async fn newest_entries(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        self.ledger(self.shared.ledger.newest_entries(service, limit))
            .await
    }

    async fn release(
        &self,
        service: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        self.ledger(self.shared.ledger.release(service, number))
            .await
    }
}

impl Ports {
    fn publish(&self, commit: &Commit) {
        let entries: Vec<_> = commit.entries.iter().map(|one| one.entry.clone()).collect();
        for entry in &entries {
            let (service, seq) = (&commit.service, entry.seq);
            let line = format!("{service}/{seq} {:?} because {:?}", entry.what, entry.why);
            self.shared.say(line.get(..400).unwrap_or(&line));
        }
        let mut outbox = self.shared.outbox.borrow_mut();
        let stream = outbox.entry(commit.service.clone()).or_default();
        stream.push(Rc::new(entries));
    }

    fn wake(&self, at: Option<Timestamp>) {
        self.shared.wakes.borrow_mut().extend(at);
    }

    fn hint(&self, target: &Target) {
        let cloud = self.shared.cloud.borrow();
        if let Some(site) = cloud.sites.get(target) {
            let input = Input::Hint(site.hint.clone());
            self.shared.sent.borrow_mut().push(input);
        }
    }
}

impl Platform for Ports {
    async fn examine(&self, hint: &Hint) -> Result<Option<ArtefactFound>, PlatformError> {
        self.platform(|shared| {
            let Hint::Object {
                bucket,
                key,
                version: Some(version),
                bytes,
            } = hint
            else {
                return None;
            };
            let build: Option<BuildFacts> = shared.cloud.borrow().builds.get(version).cloned();
            Some(ArtefactFound {
                artefact: Artefact::Object {
                    bucket: bucket.clone(),
                    key: key.clone(),
                    version: version.clone(),
                    sha256: None,
                    bytes: bytes.unwrap_or(0),
                },
                build: build.unwrap_or_default(),
                proof: Proof::Deployable,
            })
        })
        .await
    }

    async fn obstacle(&self, _artefact: &Artefact) -> Result<Option<String>, PlatformError> {
        self.platform(|_| None).await
    }

    async fn deploy(&self, order: &Order) -> Result<Answer, PlatformError> {
        self.platform(|shared| {
            let mut cloud = shared.cloud.borrow_mut();
            let before = cloud.begun_before(order);
            if let Some(answer) = before.filter(|_| shared.bug != Some(Bug::DeployTwice)) {
                return answer;
            }
            let (mark, content) = (Some(order.attempt.clone()), order.artefact.content());
            let rng = &mut shared.rng.borrow_mut();
            let (answer, wake) = cloud.deploy(shared.now.get(), rng, &order.target, mark, content);
            drop(cloud);
            self.wake(wake);
            self.hint(&order.target);
            shared.say(&format!(
                "platform: deploy {} release {} answers {answer:?}",
                order.attempt, order.release
            ));
            answer
        })
        .await
    }

    async fn stop(&self, order: &StopOrder) -> Result<Answer, PlatformError> {
        self.platform(|shared| {
            let rng = &mut shared.rng.borrow_mut();
            let (answer, wake) = shared.cloud.borrow_mut().stop(
                shared.now.get(),
                rng,
                &order.target,
                &order.attempt,
            );
            self.wake(wake);
            shared.say(&format!(
                "platform: stop {} answers {answer:?}",
                order.attempt
            ));
            answer
        })
        .await
    }

    async fn observe(
        &self,
        _place: &Place,
        target: &Target,
        attempt: &EntryId,
        artefact: &Artefact,
    ) -> Result<(Progress, Running), PlatformError> {
        self.platform(|shared| {
            let cloud = shared.cloud.borrow();
            let Some(site) = cloud.sites.get(target) else {
                return (Progress::NotFound, Running::Unknown);
            };
            let progress = site.progress(attempt);
            if let (Some(Bug::UndoneIsSuccess), Progress::Undone { platform_id, .. }) =
                (shared.bug, &progress)
            {
                let progress = Progress::Succeeded {
                    platform_id: platform_id.clone(),
                    started_at: shared.now.get(),
                };
                return (progress, Running::All(artefact.content()));
            }
            (progress, site.running.clone())
        })
        .await
    }

    async fn find_running(&self, _stage: &StageConfig) -> Result<Option<Artefact>, PlatformError> {
        self.platform(|_| None).await
    }

    async fn alarms(
        &self,
        _place: &Place,
        alarms: &[AlarmArn],
    ) -> Result<Vec<AlarmSeen>, PlatformError> {
        self.platform(|shared| {
            let cloud = shared.cloud.borrow();
            let known = |arn| cloud.alarms.get(arn).cloned();
            alarms.iter().filter_map(known).collect()
        })
        .await
    }
}

impl Announcer for Ports {
    async fn announce(&self, announcement: &Announcement) -> Result<(), AnnounceError> {
        self.shared.pause().await;
        let fails = self.shared.fault("announcement: refused", 30);
        if fails && self.shared.bug == Some(Bug::LoseAnnouncement) {
            return Ok(());
        }
        if fails {
            return Err(AnnounceError("throttled".into()));
        }
        let mut heard = self.shared.heard.borrow_mut();
        heard.insert(announcement.id.clone());
        Ok(())
    }
}
