//! A service with a history, made by the rules themselves on a ledger in memory. The binary's own
//! tests and those that run it share it.

use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::fact::{
    Acted, Answer, ArtefactFound, Asked, Observed, Progress, Proof, Request, RequestId, Running,
};
use domain::file::{Home, ServiceFile};
use domain::pipeline::Active;
use domain::{
    Artefact, BuildFacts, Fact, Identity, Pipeline, ReleaseNumber, ServiceName, SignedDuration,
    StageName,
};
use engine::memory::{MemoryClock, MemoryLedger};
use engine::turn::turn;
use engine::{Clock as _, Ledger as _, Mention};

const FILE: &str = r#"{
    "service": "web",
    "artefact": { "s3": { "bucket": "shop-artefacts", "prefix": "web/" } },
    "stages": [
        {
            "name": "dev",
            "target": { "codedeploy": { "application": "web", "group": "dev" } },
            "bake": "2m"
        },
        {
            "name": "production",
            "target": { "codedeploy": { "application": "web", "group": "production" } },
            "gate": { "approval": { "approvers": ["arn:aws:iam::*:user/*"] } },
            "alarms": ["web-5xx"],
            "bake": "5m"
        }
    ]
}"#;

/// A ledger with a service and a clock.
pub(crate) struct Story {
    pub(crate) ledger: MemoryLedger,
    pub(crate) clock: MemoryClock,
    asked: std::cell::Cell<u32>,
}

pub(crate) fn web() -> ServiceName {
    "web".parse().unwrap()
}

pub(crate) fn production() -> StageName {
    "production".parse().unwrap()
}

fn person(name: &str) -> Identity {
    Identity(format!("arn:aws:iam::111122223333:user/{name}"))
}

impl Story {
    /// The service, just configured by alice.
    pub(crate) async fn begin() -> Self {
        let noon = "2026-11-23T12:00:00Z".parse().unwrap();
        let story = Self {
            ledger: MemoryLedger::default(),
            clock: MemoryClock::new(noon),
            asked: std::cell::Cell::new(0),
        };
        let home = Home {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
        };
        let file: ServiceFile = serde_json::from_str(FILE).unwrap();
        let config = Box::new(file.resolve(&home).unwrap());
        story
            .ask(
                "alice",
                Request::Configure {
                    config,
                    found: Vec::new(),
                },
            )
            .await;
        story
    }

    /// Release 1 is good everywhere; release 2 was rolled back from production, where it fired the
    /// alarm; release 3 waits there for a person.
    pub(crate) async fn told() -> Self {
        let story = Self::begin().await;
        story.arrives("1.4.0").await;
        story.goes_well("dev").await;
        story.approved(1).await;
        story.goes_well("production").await;
        story.arrives("1.4.1").await;
        story.goes_well("dev").await;
        story.approved(2).await;
        story.begins("production").await;
        story.alarm(AlarmState::Alarm).await;
        story.is_undone("production").await;
        story.alarm(AlarmState::Ok).await;
        story.arrives("1.5.0").await;
        story.goes_well("dev").await;
        story
    }

    pub(crate) async fn pipeline(&self) -> Pipeline {
        self.ledger
            .load(&web(), &Mention::Nothing)
            .await
            .unwrap()
            .pipeline
    }

    pub(crate) async fn hear(&self, fact: &Fact) {
        self.clock.jump(SignedDuration::from_secs(10));
        let turned = turn(&self.ledger, &self.clock, &web(), fact).await.unwrap();
        assert!(
            !turned.entries.is_empty(),
            "{fact:?} writes nothing: {}",
            turned.reason
        );
    }

    /// A person asks.
    pub(crate) async fn ask(&self, name: &str, request: Request) {
        self.asked.set(self.asked.get() + 1);
        let id = RequestId(format!("request-{}", self.asked.get()));
        self.hear(&Fact::Asked(Asked {
            id,
            by: person(name),
            request,
        }))
        .await;
    }

    /// An artefact arrives.
    pub(crate) async fn arrives(&self, version: &str) {
        let artefact = Artefact::Object {
            bucket: "shop-artefacts".into(),
            key: format!("web/web-{version}.zip"),
            version: format!("v{version}"),
            sha256: None,
            bytes: 4096,
        };
        let build = BuildFacts {
            version: Some(version.to_owned()),
            commit: Some("0123456789abcdef".into()),
            author: Some("Mira <mira@shop.example>".into()),
            job: Some("shop/web".into()),
            ..BuildFacts::default()
        };
        self.hear(&Fact::Artefact(ArtefactFound {
            artefact,
            build,
            proof: Proof::Deployable,
        }))
        .await;
    }

    pub(crate) async fn approved(&self, release: u64) {
        let (stage, release) = (production(), ReleaseNumber(release));
        self.ask(
            "alice",
            Request::Approve {
                stage,
                release,
                reason: Some("looks fine".into()),
            },
        )
        .await;
    }

    async fn active(&self, stage: &str) -> (Active, Pipeline) {
        let pipeline = self.pipeline().await;
        let stage: StageName = stage.parse().unwrap();
        (pipeline.stages[&stage].active.clone().unwrap(), pipeline)
    }

    /// The platform begins what was asked for.
    pub(crate) async fn begins(&self, stage: &str) {
        let (active, _) = self.active(stage).await;
        let answer = Answer::Begun {
            platform_id: "d-1".into(),
            started_at: self.clock.now(),
        };
        let stage = stage.parse().unwrap();
        self.hear(&Fact::Acted(Acted {
            stage,
            attempt: active.attempt,
            answer,
        }))
        .await;
    }

    async fn observed(&self, stage: &str, progress: Progress, runs: ReleaseNumber) {
        let (active, pipeline) = self.active(stage).await;
        let running = Running::All(pipeline.content(runs).unwrap());
        let (stage, attempt, alarms) = (stage.parse().unwrap(), active.attempt, Vec::new());
        self.hear(&Fact::Observed(Observed {
            stage,
            attempt,
            progress,
            running,
            alarms,
        }))
        .await;
    }

    /// The whole of a deployment, with its bake.
    pub(crate) async fn goes_well(&self, stage: &str) {
        self.begins(stage).await;
        self.ends_well(stage).await;
    }

    /// The rest of a deployment that has begun: the platform's end and the bake's.
    pub(crate) async fn ends_well(&self, stage: &str) {
        let (active, _) = self.active(stage).await;
        let progress = || Progress::Succeeded {
            platform_id: "d-1".into(),
            started_at: self.clock.now(),
        };
        self.observed(stage, progress(), active.offer.release).await;
        self.clock.jump(SignedDuration::from_mins(6));
        self.observed(stage, progress(), active.offer.release).await;
    }

    /// The platform has undone a deployment: release 1 runs again.
    pub(crate) async fn is_undone(&self, stage: &str) {
        let progress = Progress::Undone {
            platform_id: "d-1".into(),
            why: "stopped on request".into(),
        };
        self.observed(stage, progress, ReleaseNumber(1)).await;
    }

    pub(crate) async fn alarm(&self, state: AlarmState) {
        let alarm = "arn:aws:cloudwatch:ap-south-1:111122223333:alarm:web-5xx"
            .parse()
            .unwrap();
        self.clock.jump(SignedDuration::from_secs(30));
        self.hear(&Fact::Alarm(AlarmSeen {
            alarm,
            state,
            voice: Voice::Heard,
            changed_at: self.clock.now(),
            reason: "Threshold Crossed: 1 datapoint [12.0] was greater than 1.0".into(),
        }))
        .await;
    }
}
