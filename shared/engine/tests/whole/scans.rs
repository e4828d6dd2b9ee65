//! Scans that are waited for: told by an event, or asked for because no event came.

use std::collections::BTreeMap;

use domain::config::{ServiceConfig, Source};
use domain::hint::Input;
use domain::scan::{Findings, ScanFound, Severity};
use domain::{Hint, Pipeline, ServiceName, SignedDuration};
use engine::memory::contract::{config, configure, noon};
use engine::memory::{MemoryClock, MemoryLedger, MemoryPlatform};
use engine::receive::receive;
use engine::turn::turn;
use engine::{Ledger, Mention, PlatformError};

struct Shop {
    ledger: MemoryLedger,
    platform: MemoryPlatform,
    clock: MemoryClock,
    service: ServiceName,
}

impl Shop {
    async fn new() -> Self {
        Self::letting_in(Some(Severity::High)).await
    }

    /// A shop whose service file lets so much in, or asks for no scans.
    async fn letting_in(max_severity: Option<Severity>) -> Self {
        let shop = Self {
            ledger: MemoryLedger::default(),
            platform: MemoryPlatform::default(),
            clock: MemoryClock::new(noon()),
            service: "web".parse().unwrap(),
        };
        let source = Source::Ecr {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
            repository: "shop/web".to_owned(),
            tags: vec!["main-*".to_owned()],
            max_severity,
        };
        let config = ServiceConfig {
            source,
            ..config(&shop.service, "web-5xx")
        };
        let fact = configure(config, "request 1");
        turn(&shop.ledger, &shop.clock, &shop.service, &fact)
            .await
            .unwrap();
        shop
    }

    async fn receive(&self, hint: Hint) {
        let input = Input::Hint(hint);
        receive(&self.ledger, &self.platform, &self.clock, input)
            .await
            .unwrap();
    }

    /// An image is pushed, and ECR's event of it arrives.
    async fn push(&self) {
        self.receive(Hint::Image {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
            repository: "shop/web".to_owned(),
            digest: "sha256:1".to_owned(),
            tag: Some("main-1".to_owned()),
        })
        .await;
    }

    fn scanned(&self, found: ScanFound) {
        let id = "ecr:111122223333/ap-south-1/shop/web@sha256:1".to_owned();
        self.platform.world.borrow_mut().scans.insert(id, found);
    }

    async fn told_of(&self, digest: &str) {
        self.receive(Hint::Scan {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
            repository: "shop/web".to_owned(),
            digest: digest.to_owned(),
        })
        .await;
    }

    /// The reconciler's next run after so many minutes.
    async fn minutes(&self, minutes: i64) {
        self.clock.jump(SignedDuration::from_mins(minutes));
        let now = engine::Clock::now(&self.clock);
        for service in self.ledger.overdue(now, 10).await.unwrap() {
            let due = Input::Hint(Hint::Due { service });
            let _ = receive(&self.ledger, &self.platform, &self.clock, due).await;
        }
    }

    async fn pipeline(&self) -> Pipeline {
        let loaded = self.ledger.load(&self.service, &Mention::Nothing).await;
        loaded.unwrap().pipeline
    }

    /// How many deployments wait, and how many are being done.
    async fn offers(&self) -> (usize, usize) {
        let pipeline = self.pipeline().await;
        let stages = pipeline.stages.values();
        stages.fold((0, 0), |(waiting, active), stage| {
            let is_active = usize::from(stage.active.is_some());
            (waiting + stage.waiting.len(), active + is_active)
        })
    }
}

fn clean() -> ScanFound {
    ScanFound::Complete(Findings::default())
}

#[tokio::test]
async fn an_event_of_the_scan_lets_the_release_in() {
    let shop = Shop::new().await;
    shop.push().await;
    assert_eq!(shop.offers().await, (1, 0));
    shop.scanned(clean());
    shop.told_of("sha256:1").await;
    assert_eq!(shop.offers().await, (0, 1));
}

#[tokio::test]
async fn an_event_of_one_architecture_is_a_reason_to_look_at_the_whole_image() {
    let shop = Shop::new().await;
    shop.push().await;
    shop.told_of("sha256:one-architecture").await;
    assert_eq!(shop.offers().await, (1, 0), "the others have not ended");
    shop.scanned(clean());
    shop.told_of("sha256:another-architecture").await;
    assert_eq!(shop.offers().await, (0, 1));
}

#[tokio::test]
async fn a_scan_whose_event_was_lost_is_asked_for_when_it_is_due() {
    let shop = Shop::new().await;
    shop.push().await;
    shop.minutes(1).await;
    assert_eq!(shop.offers().await, (1, 0));
    shop.scanned(clean());
    shop.minutes(1).await;
    assert_eq!(shop.offers().await, (0, 1));
}

#[tokio::test]
async fn what_was_found_refuses_the_release() {
    let shop = Shop::new().await;
    shop.push().await;
    let counts = BTreeMap::from([(Severity::Critical, 1)]);
    shop.scanned(ScanFound::Complete(Findings::new(counts, Vec::new())));
    shop.minutes(1).await;
    assert_eq!(shop.offers().await, (0, 0));
}

#[tokio::test]
async fn a_registry_that_cannot_be_asked_now_is_asked_a_minute_later_and_one_that_refuses_is_told()
{
    let shop = Shop::new().await;
    shop.push().await;
    let trouble = |error| shop.platform.world.borrow_mut().trouble = vec![error];
    trouble(PlatformError::Transient("throttled".to_owned()));
    shop.minutes(1).await;
    assert!(shop.pipeline().await.scans.is_empty());
    trouble(PlatformError::Terminal("AccessDeniedException".to_owned()));
    shop.minutes(1).await;
    let pipeline = shop.pipeline().await;
    let known = format!("{:?}", pipeline.scans.values().next());
    assert!(known.contains("AccessDenied"), "{known}");
    assert_eq!(shop.offers().await, (1, 0));
}

#[tokio::test]
async fn a_scan_that_tells_nothing_new_writes_nothing() {
    let shop = Shop::new().await;
    shop.push().await;
    shop.scanned(clean());
    shop.told_of("sha256:1").await;
    let before = shop.pipeline().await.seq;
    shop.told_of("sha256:1").await;
    shop.told_of("sha256:of-another-image").await;
    assert_eq!(shop.pipeline().await.seq, before);
}

#[tokio::test]
async fn a_scan_that_nobody_asked_for_is_not_looked_at() {
    let shop = Shop::letting_in(None).await;
    shop.push().await;
    let trouble = PlatformError::Transient("nobody is to meet it".to_owned());
    shop.platform.world.borrow_mut().trouble.push(trouble);
    shop.told_of("sha256:1").await;
    assert_eq!(shop.platform.world.borrow().trouble.len(), 1);
}
