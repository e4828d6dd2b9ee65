//! The engine's traits over the world. Every call pauses before and after its effect: there the
//! handler may be switched, die, or get an error although what it asked for was done.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use domain::alarm::AlarmSeen;
use domain::announce::Announcement;
use domain::catalogue::Listed;
use domain::config::{Place, Source, StageConfig, Target};
use domain::entry::{AlarmsAtStart, Order, StopOrder};
use domain::fact::{Answer, ArtefactFound, Progress, Proof, Running};
use domain::hint::Subject;
use domain::peril::Reflexes;
use domain::scan::ScanFound;
use domain::{
    AccountId, AlarmArn, Artefact, EntryId, Hint, Region, SignedDuration, Timestamp, due,
};
use engine::{AnnounceError, Announcer, Clock, EngineError, LedgerError, Platform, PlatformError};

use crate::adversary::Adversary;
use crate::audit::{LOOKED_WITHIN, Sight};
use crate::bug::Bug;
use crate::cloud::{Begin, Begun, Kind, Nature, subject_of};
use crate::point::{Call, Function, Moment, Point};
use crate::shared::Shared;

/// All ports of one handler, with a clock of its own that goes wrong.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) shared: Rc<Shared>,
    pub(crate) function: Function,
    skew: SignedDuration,
    /// The newest format of snapshots that this handler understands.
    pub(crate) understands: u32,
    /// Whether it could read the switch for all when it looked last.
    pub(crate) sight: Rc<Cell<Sight>>,
}

impl Ports {
    /// Clocks of two handlers differ by five minutes at most.
    pub(crate) fn new(shared: &Rc<Shared>, function: Function) -> Self {
        let most = match shared.bug {
            Some(Bug::TrustClocks) => SignedDuration::from_hours(3),
            _ if shared.odds.about(Adversary::Skew) => SignedDuration::from_secs(150),
            _ => SignedDuration::ZERO,
        };
        let skew = shared.between(-most, most);
        Self {
            shared: Rc::clone(shared),
            function,
            skew,
            understands: crate::ledger::understood(shared),
            sight: Rc::new(Cell::new(Sight::Sees)),
        }
    }

    fn at(&self, call: Call, moment: Moment) -> Point {
        let function = self.function;
        let point = Point {
            function,
            call,
            moment,
        };
        self.shared.tally.borrow_mut().points.insert(point);
        point
    }

    /// Before the effect; whether the call is refused.
    pub(crate) async fn before(&self, call: Call) -> bool {
        self.shared.pause(self.at(call, Moment::Before)).await;
        self.shared.strikes(Adversary::Refuse)
    }

    /// After the effect; whether the answer is lost.
    pub(crate) async fn after(&self, call: Call) -> bool {
        self.shared.pause(self.at(call, Moment::After)).await;
        self.shared.strikes(Adversary::LoseAnswer)
    }

    async fn platform<T>(
        &self,
        call: Call,
        effect: impl FnOnce(&Shared) -> T,
    ) -> Result<T, PlatformError> {
        let transient = |words: &str| Err(PlatformError::Transient(words.to_owned()));
        if self.before(call).await {
            return transient("throttled");
        }
        let done = effect(&self.shared);
        if self.after(call).await {
            return transient("timed out");
        }
        Ok(done)
    }

    /// A call that changes something: given up, it may go through all the same.
    async fn act<T>(
        &self,
        call: Call,
        effect: impl FnOnce(&Shared, Late) -> T + 'static,
    ) -> Result<T, PlatformError> {
        let transient = |words: &str| Err(PlatformError::Transient(words.to_owned()));
        if self.before(call).await {
            return transient("throttled");
        }
        if self.shared.strikes(Adversary::LateEffect) {
            let late = Box::new(move |shared: &Shared| drop(effect(shared, Late::Yes)));
            self.shared.late.borrow_mut().push(late);
            return transient("timed out");
        }
        let done = effect(&self.shared, Late::No);
        if self.after(call).await {
            return transient("timed out");
        }
        Ok(done)
    }

    /// An error that reached the border.
    pub(crate) fn failed(&self, error: &EngineError) {
        match error {
            EngineError::Ledger(LedgerError::Corrupt(problem)) => {
                self.shared.violated(format!("7: corrupt: {problem}"));
            }
            EngineError::Ledger(LedgerError::Newer { .. }) => {
                self.shared.path("a handler was too old for a snapshot");
            }
            EngineError::Ledger(LedgerError::Stale | LedgerError::Unavailable(_))
            | EngineError::Platform(PlatformError::Transient(_) | PlatformError::Terminal(_)) => {}
        }
    }

    /// Which group a CodeDeploy deployment is of.
    pub(crate) async fn hooked_group(&self, id: &str) -> Result<Subject, PlatformError> {
        let found = self
            .platform(Call::FindOwn, |shared| shared.cloud.borrow().group_of(id))
            .await?;
        found.ok_or_else(|| PlatformError::Terminal(format!("there is no deployment {id}")))
    }

    /// PutLifecycleEventHookExecutionStatus.
    pub(crate) async fn answer_hook(&self, id: &str, goes_on: bool) -> Result<(), PlatformError> {
        let id = id.to_owned();
        self.act(Call::AnswerHook, move |shared, _| {
            shared.hook_answered(&id, goes_on);
        })
        .await
    }

    async fn find_own(
        &self,
        subject: &Subject,
        attempt: &EntryId,
    ) -> Result<Option<Answer>, PlatformError> {
        self.platform(Call::FindOwn, |shared| {
            let cloud = shared.cloud.borrow();
            let own = cloud.sites.get(subject)?.own(attempt)?;
            Some(Answer::Begun {
                platform_id: own.id.clone(),
                started_at: own.begun_at,
            })
        })
        .await
    }

    async fn begin(&self, order: &Order) -> Result<Answer, PlatformError> {
        let order = order.clone();
        self.act(Call::Begin, move |shared, late| begin(shared, &order, late))
            .await
    }
}

/// Whether a call goes through after its caller gave it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    No,
    Yes,
}

fn begin(shared: &Shared, order: &Order, late: Late) -> Answer {
    let subject = subject_of(&order.place, &order.target);
    let mut content = order.artefact.content();
    if shared.bug == Some(Bug::DeployNewest)
        && let Some(other) = shared.audit.borrow().newest_content(&order.attempt.service)
    {
        content = other;
    }
    let objections = shared
        .audit
        .borrow()
        .acts(order, &content, shared.now.get());
    objections.into_iter().for_each(|one| shared.violated(one));
    let begin = Begin {
        nature: Nature::Ours(order.attempt.clone()),
        content,
        deaf: order.alarms == AlarmsAtStart::PassOver,
    };
    let begun = shared.on(&subject, |site, moved| {
        // The same task definition for a service that has it changes nothing (ECS, UpdateService),
        // and an attempt's definition is found by its mark.
        let own = site.own(&order.attempt);
        let same = own.filter(|_| late == Late::Yes || shared.bug != Some(Bug::DeployTwice));
        match same {
            Some(own) if site.habits.kind == Kind::Ecs => Begun::Yes(own.id.clone(), own.begun_at),
            Some(_) | None => site.begin(begin, moved),
        }
    });
    let twice = shared
        .cloud
        .borrow()
        .sites
        .get(&subject)
        .is_some_and(|site| {
            let mine = Nature::Ours(order.attempt.clone());
            site.deployments
                .iter()
                .filter(|one| one.nature == mine)
                .count()
                > 1
        });
    // A call that comes late may come after its attempt has ended, or after another call looked for
    // the attempt and before that one began it: AWS has no token against that.
    if late == Late::Yes {
        let mut landed = shared.landed.borrow_mut();
        landed.insert(order.attempt.clone(), shared.now.get());
    }
    let landed = shared.landed.borrow().get(&order.attempt).copied();
    let looked_before = |landed| shared.now.get() <= due::after(landed, LOOKED_WITHIN);
    if twice && !landed.is_some_and(looked_before) {
        shared.violated(format!("{}: 2: an attempt is begun twice", order.attempt));
    }
    let answer = match begun {
        Some(Begun::Yes(platform_id, started_at)) => Answer::Begun {
            platform_id,
            started_at,
        },
        Some(Begun::Occupied(by)) => Answer::Occupied { by },
        None => Answer::Refused("there is no such target".to_owned()),
    };
    shared.say(|| {
        let (stage, release) = (&order.stage, order.release);
        let said = crate::story::answer(&answer);
        format!(
            "    platform: begin release {release} on {stage} ({}): {said}",
            order.attempt
        )
    });
    answer
}

impl Clock for Ports {
    fn now(&self) -> Timestamp {
        due::after(self.shared.now.get(), self.skew)
    }

    async fn breathe(&self, at_most: Duration) {
        self.shared.path("a turn lost the race and decided again");
        let most = SignedDuration::try_from(at_most).unwrap_or(SignedDuration::ZERO);
        let nap = self.shared.between(SignedDuration::ZERO, most);
        self.shared.sleep(nap).await;
    }
}

impl Platform for Ports {
    async fn examine(&self, hint: &Hint) -> Result<Option<ArtefactFound>, PlatformError> {
        let found = self
            .platform(Call::Examine, |shared| {
                shared.cloud.borrow().registry.examine(hint)
            })
            .await?;
        Ok(found.map(|found| match self.shared.bug {
            Some(Bug::BelieveArtefacts) => ArtefactFound {
                proof: Proof::Deployable,
                ..found
            },
            _ => found,
        }))
    }

    async fn listing(&self, source: &Source) -> Result<Vec<Listed>, PlatformError> {
        self.platform(Call::Listing, |shared| {
            shared.cloud.borrow().registry.listing(source)
        })
        .await
    }

    async fn scan(&self, artefact: &Artefact) -> Result<ScanFound, PlatformError> {
        self.platform(Call::Scan, |shared| {
            let cloud = shared.cloud.borrow();
            cloud.registry.scan(artefact, shared.now.get())
        })
        .await
    }

    async fn obstacle(&self, artefact: &Artefact) -> Result<Option<String>, PlatformError> {
        let obstacle = self
            .platform(Call::Obstacle, |shared| {
                shared.cloud.borrow().registry.obstacle(artefact)
            })
            .await?;
        if obstacle.is_some() {
            self.shared
                .path("an artefact could no longer be deployed when its turn came");
        }
        Ok(obstacle)
    }

    async fn deploy(&self, order: &Order) -> Result<Answer, PlatformError> {
        let subject = subject_of(&order.place, &order.target);
        let found = self.find_own(&subject, &order.attempt).await?;
        if let Some(found) = found.filter(|_| self.shared.bug != Some(Bug::DeployTwice)) {
            self.shared
                .path("an attempt was found by its mark instead of begun twice");
            return Ok(found);
        }
        let answer = self.begin(order).await?;
        if let Answer::Occupied { .. } = answer {
            // Another try of ours may have been faster.
            if let Some(found) = self.find_own(&subject, &order.attempt).await? {
                return Ok(found);
            }
            self.shared.path("a target was occupied by somebody else");
        }
        Ok(answer)
    }

    async fn stop(&self, order: &StopOrder) -> Result<Answer, PlatformError> {
        let subject = subject_of(&order.place, &order.target);
        let own = self.find_own(&subject, &order.attempt).await?;
        let Some(Answer::Begun { platform_id, .. }) = own else {
            return Ok(Answer::NeverBegun);
        };
        let attempt = order.attempt.clone();
        self.act(Call::Stop, move |shared, _| {
            let why = format!("{attempt} was stopped");
            shared.on(&subject, |site, moved| site.stop(&platform_id, &why, moved));
            shared.say(|| format!("    platform: stop {attempt}"));
        })
        .await?;
        Ok(Answer::Stopping)
    }

    async fn observe(
        &self,
        place: &Place,
        target: &Target,
        attempt: &EntryId,
        artefact: &Artefact,
    ) -> Result<(Progress, Running), PlatformError> {
        let subject = subject_of(place, target);
        let (progress, running) = self
            .platform(Call::Observe, |shared| {
                let cloud = shared.cloud.borrow();
                cloud.observe(&subject, attempt, shared.now.get())
            })
            .await?;
        Ok(match self.shared.bug {
            Some(bug) => bug.see(progress, running, artefact, self.shared.now.get()),
            None => (progress, running),
        })
    }

    async fn running(&self, place: &Place, target: &Target) -> Result<Running, PlatformError> {
        if self.shared.bug == Some(Bug::ForgetToCompare) {
            return Ok(Running::Unknown);
        }
        let subject = subject_of(place, target);
        self.platform(Call::Running, |shared| {
            let cloud = shared.cloud.borrow();
            let site = cloud.sites.get(&subject);
            site.map_or(Running::Unknown, |site| site.running())
        })
        .await
    }

    /// Nobody sets up here what a target does by itself.
    async fn reflexes(&self, _: &Place, _: &Target) -> Result<Reflexes, PlatformError> {
        Ok(Reflexes::default())
    }

    async fn group_of(
        &self,
        _: &AccountId,
        _: &Region,
        deployment: &str,
    ) -> Result<Option<Subject>, PlatformError> {
        self.platform(Call::GroupOf, |shared| {
            shared.cloud.borrow().group_of(deployment)
        })
        .await
    }

    async fn find_running(&self, stage: &StageConfig) -> Result<Option<Artefact>, PlatformError> {
        let found = self
            .platform(Call::FindRunning, |shared| {
                shared.cloud.borrow().find_running(stage)
            })
            .await?;
        if found.is_some() {
            self.shared
                .path("a stage was taken over with its last good");
        }
        Ok(found)
    }

    async fn alarms(
        &self,
        _place: &Place,
        alarms: &[AlarmArn],
    ) -> Result<Vec<AlarmSeen>, PlatformError> {
        let bug = self.shared.bug;
        self.platform(Call::Alarms, |shared| {
            let cloud = shared.cloud.borrow();
            let known = alarms
                .iter()
                .filter_map(|arn| cloud.alarms.get(arn).cloned());
            // Asked, an alarm says itself when it changed.
            known
                .filter_map(|seen| match bug {
                    Some(bug) => bug.hears(&seen, seen.changed_at),
                    None => Some(seen),
                })
                .collect()
        })
        .await
    }
}

impl Announcer for Ports {
    async fn announce(&self, announcement: &Announcement) -> Result<(), AnnounceError> {
        let refused = self.before(Call::Publish).await;
        if refused && self.shared.bug == Some(Bug::LoseAnnouncement) {
            return Ok(());
        }
        if refused {
            return Err(AnnounceError("throttled".into()));
        }
        self.shared.hears(announcement);
        if self.after(Call::Publish).await {
            return Err(AnnounceError("timed out".into()));
        }
        Ok(())
    }
}
