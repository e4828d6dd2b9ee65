//! A small world: one service with one CodeDeploy stage, and hands to move it.

use domain::alarm::AlarmState;
use domain::config::Target;
use domain::hint::Input;
use domain::pipeline::{Pipeline, Stage};
use domain::{AlarmArn, Hint, ServiceName, SignedDuration};
use engine::carry_out::{CarriedOut, carry_out};
use engine::memory::contract::{config, configure, noon};
use engine::memory::{MemoryAnnouncer, MemoryClock, MemoryLedger, MemoryPlatform};
use engine::receive::receive;
use engine::tell::tell;
use engine::turn::{Turned, turn};
use engine::{EngineError, Ledger, Mention};

pub(crate) struct Whole {
    pub(crate) ledger: MemoryLedger,
    pub(crate) platform: MemoryPlatform,
    pub(crate) clock: MemoryClock,
    pub(crate) announcer: MemoryAnnouncer,
    pub(crate) service: ServiceName,
    carried: usize,
}

impl Whole {
    pub(crate) async fn new() -> Self {
        let service: ServiceName = "web".parse().unwrap();
        let whole = Self {
            ledger: MemoryLedger::default(),
            platform: MemoryPlatform::default(),
            clock: MemoryClock::new(noon()),
            announcer: MemoryAnnouncer::default(),
            service: service.clone(),
            carried: 0,
        };
        whole.platform.world.borrow_mut().now = noon();
        let fact = configure(config(&service, "web-5xx"), "request-1");
        turn(&whole.ledger, &whole.clock, &service, &fact)
            .await
            .unwrap();
        whole
    }

    pub(crate) fn target(&self) -> Target {
        config(&self.service, "web-5xx").stages[0].target.clone()
    }

    pub(crate) fn alarm(&self) -> AlarmArn {
        config(&self.service, "web-5xx").stages[0].alarms[0].clone()
    }

    pub(crate) fn jump(&self, minutes: i64) {
        self.clock.jump(SignedDuration::from_mins(minutes));
        let mut world = self.platform.world.borrow_mut();
        world.now = domain::due::after(world.now, SignedDuration::from_mins(minutes));
    }

    pub(crate) async fn receive(&self, input: Input) -> Result<Vec<Turned>, EngineError> {
        receive(&self.ledger, &self.platform, &self.clock, input).await
    }

    pub(crate) fn object(version: &str) -> Hint {
        Hint::Object {
            bucket: "web-artefacts".into(),
            key: "builds/app.zip".into(),
            version: Some(version.into()),
            bytes: Some(4096),
        }
    }

    pub(crate) async fn upload(&mut self, version: &str) -> Vec<Turned> {
        let turned = self
            .receive(Input::Hint(Self::object(version)))
            .await
            .unwrap();
        self.deliver().await;
        turned
    }

    /// CodeDeploy says that something moved.
    pub(crate) async fn hint(&mut self) {
        let config = config(&self.service, "web-5xx");
        let place = &config.stages[0].place;
        let hint = Hint::CodeDeployDeployment {
            account: place.account.clone(),
            region: place.region.clone(),
            application: "web".into(),
            group: "dev".into(),
            deployment: "d-1".into(),
        };
        self.receive(Input::Hint(hint)).await.unwrap();
        self.deliver().await;
    }

    pub(crate) async fn alarm_changes(&mut self, state: AlarmState) {
        self.jump(1);
        let alarm = self.alarm();
        let seen = self.platform.world.borrow_mut().alarm(&alarm, state);
        self.receive(Input::Alarm(seen)).await.unwrap();
        self.deliver().await;
    }

    /// The minute's run of the reconciler.
    pub(crate) async fn reconcile(&mut self) {
        for service in self.ledger.overdue(self.now(), 10).await.unwrap() {
            self.receive(Input::Hint(Hint::Due { service }))
                .await
                .unwrap();
        }
        self.deliver().await;
    }

    /// The minute's run of the reconciler, as far as it compares.
    pub(crate) async fn compare(&mut self) {
        for service in self.ledger.uncompared(self.now(), 10).await.unwrap() {
            let next = domain::due::after(self.now(), domain::due::COMPARE_EVERY);
            self.ledger.compare_at(&service, next).await.unwrap();
            self.receive(Input::Hint(Hint::Compare { service }))
                .await
                .unwrap();
        }
        self.deliver().await;
    }

    pub(crate) fn now(&self) -> domain::Timestamp {
        engine::Clock::now(&self.clock)
    }

    /// The stream's two consumers take what is new; everything comes twice.
    pub(crate) async fn deliver(&mut self) {
        loop {
            let stream = self.ledger.stream();
            let Some((service, entries)) = stream.get(self.carried) else {
                return;
            };
            self.carried += 1;
            tell(&self.announcer, service, entries.iter().map(|s| &s.entry))
                .await
                .unwrap();
            for _ in 0..2 {
                for sealed in entries {
                    self.carry_out(&sealed.entry).await.unwrap();
                }
            }
        }
    }

    pub(crate) async fn carry_out(&self, entry: &domain::Entry) -> Result<CarriedOut, EngineError> {
        carry_out(
            &self.ledger,
            &self.platform,
            &self.clock,
            &self.service,
            entry,
        )
        .await
    }

    pub(crate) fn finish(&self) {
        let target = self.target();
        self.platform.world.borrow_mut().finish(&target);
    }

    pub(crate) async fn pipeline(&self) -> Pipeline {
        self.ledger
            .load(&self.service, &Mention::Nothing)
            .await
            .unwrap()
            .pipeline
    }

    pub(crate) async fn stage(&self) -> Stage {
        self.pipeline().await.stages[&"dev".parse().unwrap()].clone()
    }

    pub(crate) async fn good(&mut self, version: &str) {
        self.upload(version).await;
        self.finish();
        self.hint().await;
        self.jump(5);
        self.reconcile().await;
    }
}
