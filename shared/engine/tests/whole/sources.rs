//! Image sources whose events are lost, or that send none: looked through when they are due.

use domain::config::{ServiceConfig, Source};
use domain::{ReleaseNumber, ServiceName, SignedDuration};
use engine::memory::contract::{config, configure, noon};
use engine::memory::{MemoryClock, MemoryLedger, MemoryPlatform};
use engine::source::look_through;
use engine::turn::turn;
use engine::{Catalogues, Ledger, Mention, PlatformError};

struct Shop {
    ledger: MemoryLedger,
    platform: MemoryPlatform,
    clock: MemoryClock,
    service: ServiceName,
}

fn images(service: &ServiceName, tags: &str) -> ServiceConfig {
    ServiceConfig {
        source: Source::Oci {
            registry: "docker.io".parse().unwrap(),
            repository: "shop/web".to_owned(),
            tags: vec![tags.to_owned()],
        },
        ..config(service, "web-5xx")
    }
}

impl Shop {
    /// A shop whose repository holds an image before anybody describes the service.
    async fn new() -> Self {
        let shop = Self {
            ledger: MemoryLedger::default(),
            platform: MemoryPlatform::default(),
            clock: MemoryClock::new(noon()),
            service: "web".parse().unwrap(),
        };
        shop.push("main-1", "sha256:1");
        shop.configure("main-*").await;
        shop
    }

    async fn configure(&self, tags: &str) {
        let fact = configure(images(&self.service, tags), &format!("request {tags}"));
        turn(&self.ledger, &self.clock, &self.service, &fact)
            .await
            .unwrap();
    }

    fn push(&self, tag: &str, digest: &str) {
        let name = format!("docker.io/shop/web:{tag}");
        self.platform
            .world
            .borrow_mut()
            .tags
            .insert(name, digest.to_owned());
    }

    /// The minutes' runs of the reconciler; how often it looked.
    async fn minutes(&self, minutes: u32) -> usize {
        let mut looks = 0;
        for _ in 0..minutes {
            self.clock.jump(SignedDuration::from_mins(1));
            let now = engine::Clock::now(&self.clock);
            for service in self.ledger.sources_due(now, 10).await.unwrap() {
                looks += 1;
                let _ = look_through(&self.ledger, &self.platform, &self.clock, &service).await;
            }
        }
        looks
    }

    async fn releases(&self) -> Vec<String> {
        let loaded = self
            .ledger
            .load(&self.service, &Mention::Nothing)
            .await
            .unwrap();
        let releases = &loaded.pipeline.releases;
        assert!(
            releases
                .keys()
                .copied()
                .eq((1..).map(ReleaseNumber).take(releases.len()))
        );
        releases
            .values()
            .map(|release| release.artefact.to_string())
            .collect()
    }
}

#[tokio::test]
async fn an_image_whose_event_was_lost_becomes_a_release_when_the_source_is_due() {
    let shop = Shop::new().await;
    shop.minutes(1).await;
    assert_eq!(
        shop.releases().await,
        [""; 0],
        "what was there before is not released"
    );
    shop.push("main-2", "sha256:2");
    shop.push("feature-9", "sha256:9");
    shop.minutes(5).await;
    assert_eq!(shop.releases().await, ["docker.io/shop/web:main-2"]);
    shop.minutes(30).await;
    assert_eq!(shop.releases().await.len(), 1, "once");
}

#[tokio::test]
async fn looking_through_tells_how_much_was_new() {
    let shop = Shop::new().await;
    shop.minutes(1).await;
    let look = async || {
        let new = look_through(&shop.ledger, &shop.platform, &shop.clock, &shop.service);
        new.await.unwrap()
    };
    for tag in ["main-2", "main-3"] {
        shop.push(tag, &format!("sha256:{tag}"));
    }
    assert_eq!(look().await, 2);
    assert_eq!(look().await, 0, "it is known now");
}

#[tokio::test]
async fn a_source_is_looked_through_every_five_minutes_and_not_more_often() {
    let shop = Shop::new().await;
    assert_eq!(shop.minutes(61).await, 13);
}

#[tokio::test]
async fn a_source_that_cannot_be_looked_through_is_due_again_a_minute_later() {
    let shop = Shop::new().await;
    shop.minutes(1).await;
    shop.push("main-2", "sha256:2");
    shop.push("main-3", "sha256:3");
    let throttled = PlatformError::Transient("throttled".to_owned());
    shop.clock.jump(SignedDuration::from_mins(5));
    shop.platform.world.borrow_mut().trouble = vec![throttled];
    shop.minutes(1).await;
    assert_eq!(shop.releases().await, [""; 0]);
    shop.minutes(1).await;
    assert_eq!(
        shop.releases().await,
        ["docker.io/shop/web:main-2", "docker.io/shop/web:main-3"],
        "a minute later and not five, the older one first"
    );
}

#[tokio::test]
async fn what_could_not_be_taken_up_stays_new_and_what_comes_after_it_waits() {
    let shop = Shop::new().await;
    shop.minutes(1).await;
    for (tag, digest) in [
        ("main-2", "sha256:2"),
        ("main-3", "sha256:3"),
        ("main-4", "sha256:4"),
    ] {
        shop.push(tag, digest);
    }
    let name = "docker.io/shop/web:main-3";
    shop.platform
        .world
        .borrow_mut()
        .out_of_reach
        .insert(name.to_owned());
    shop.minutes(5).await;
    assert_eq!(shop.releases().await, ["docker.io/shop/web:main-2"]);
    shop.platform.world.borrow_mut().out_of_reach.clear();
    shop.minutes(1).await;
    assert_eq!(
        shop.releases().await,
        [2, 3, 4].map(|n| format!("docker.io/shop/web:main-{n}"))
    );
}

#[tokio::test]
async fn a_registry_that_refuses_for_good_keeps_the_catalogue_and_is_asked_rarely() {
    let shop = Shop::new().await;
    shop.minutes(1).await;
    let before = shop.ledger.catalogue(&shop.service).await.unwrap();
    let refused = PlatformError::Terminal("denied".to_owned());
    shop.clock.jump(SignedDuration::from_mins(4));
    shop.platform.world.borrow_mut().trouble = vec![refused];
    assert_eq!(shop.minutes(5).await, 1);
    assert_eq!(shop.ledger.catalogue(&shop.service).await.unwrap(), before);
}

#[tokio::test]
async fn tags_that_are_wanted_only_now_are_not_new() {
    let shop = Shop::new().await;
    shop.push("feature-9", "sha256:9");
    shop.minutes(1).await;
    shop.configure("*").await;
    shop.minutes(10).await;
    assert_eq!(shop.releases().await, [""; 0]);
    shop.push("feature-10", "sha256:10");
    shop.minutes(5).await;
    assert_eq!(shop.releases().await, ["docker.io/shop/web:feature-10"]);
}
