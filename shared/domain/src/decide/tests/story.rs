//! A story: one service with dev, test and production, and a clock that jumps. Tests tell it what
//! happens and look at what was decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::alarm::{AlarmSeen, AlarmState, MissingData, Voice};
use crate::apply::apply;
use crate::artefact::{Artefact, ArtefactId, BuildFacts, Content};
use crate::chain::Sealed;
use crate::config::{
    ApprovalRule, AuthorMay, Gate, Place, Queue, ServiceConfig, SlackMay, Source, StageConfig,
    Target,
};
use crate::decide::{Recalled, decide};
use crate::entry::What;
use crate::fact::{
    Acted, Answer, ArtefactFound, Asked, Despite, Fact, Observed, Progress, Proof, Request,
    RequestId, Running,
};
use crate::name::{AlarmArn, EntryId, Identity, ReleaseNumber, ServiceName, StageName};
use crate::pipeline::{Active, Phase, Pipeline, Stage};
use crate::reason::Reason;

pub(super) const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
pub(super) const MIRA: &str = "arn:aws:iam::111122223333:user/mira";
pub(super) const RAVI: &str = "arn:aws:iam::111122223333:user/ravi";

pub(super) fn stage(name: &str) -> StageName {
    name.parse().unwrap()
}

pub(super) fn release(number: u64) -> ReleaseNumber {
    ReleaseNumber(number)
}

pub(super) fn monday() -> Timestamp {
    "2026-11-23T10:00:00Z".parse().unwrap()
}

fn service() -> ServiceName {
    "web".parse().unwrap()
}

pub(super) fn alarm(name: &str) -> AlarmArn {
    let (region, account) = (
        "ap-south-1".parse().unwrap(),
        "111122223333".parse().unwrap(),
    );
    AlarmArn::of(&region, &account, name).unwrap()
}

fn stage_config(name: &str, gate: Gate) -> StageConfig {
    StageConfig {
        name: stage(name),
        place: Place {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
            role: None,
        },
        target: Target::CodeDeploy {
            application: "web".into(),
            group: name.into(),
        },
        gate,
        windows: Vec::new(),
        alarms: vec![alarm(&format!("web-{name}-5xx"))],
        missing_data: MissingData::Ignore,
        bake: SignedDuration::from_mins(5),
        timeout: SignedDuration::from_hours(1),
        rollbacks_per_day: 3,
        smoke: Vec::new(),
    }
}

pub(super) fn config() -> ServiceConfig {
    let rule = ApprovalRule {
        approvers: vec![ALICE.into(), MIRA.into(), RAVI.into()],
        count: 1,
        author: AuthorMay::NotApprove,
        expires_after: SignedDuration::from_hours(24 * 7),
        slack: SlackMay::NotDecide,
    };
    ServiceConfig {
        service: service(),
        source: Source::S3 {
            bucket: "artefacts".into(),
            prefix: "web/".into(),
        },
        queue: Queue::Newest,
        flood_per_minute: 20,
        stages: vec![
            stage_config("dev", Gate::Automatic),
            stage_config("test", Gate::Automatic),
            stage_config("production", Gate::Approval(rule)),
        ],
    }
}

#[derive(Clone)]
pub(crate) struct Story {
    pub(crate) now: Timestamp,
    pub(crate) pipeline: Pipeline,
    /// All entries since the beginning.
    pub(crate) ledger: Vec<Sealed>,
    /// How many of them were there before the last fact.
    before: usize,
    asked: u32,
    records: BTreeMap<ReleaseNumber, crate::artefact::Release>,
    rejected: BTreeSet<ArtefactId>,
}

impl Story {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: ServiceConfig) -> Self {
        let mut story = Self {
            now: monday(),
            pipeline: Pipeline::new(service()),
            ledger: Vec::new(),
            before: 0,
            asked: 0,
            records: BTreeMap::new(),
            rejected: BTreeSet::new(),
        };
        story.ask(
            ALICE,
            Request::Configure {
                config: Box::new(config),
                found: Vec::new(),
            },
        );
        story
    }

    /// Takes a fact in, and checks the laws that hold for every fact: the entries fold to the
    /// snapshot, and the same fact again changes nothing.
    pub(super) fn fact(&mut self, fact: &Fact) -> Reason {
        let decision = self.decide(fact);
        let reason = decision.reason.clone();
        let mut folded = self.pipeline.clone();
        for sealed in &decision.entries {
            apply(&mut folded, sealed).unwrap();
            if let What::Released { release } = &sealed.entry.what {
                self.records.insert(release.number, (**release).clone());
            }
            if let What::ArtefactRejected { artefact, .. } = &sealed.entry.what {
                self.rejected.insert(artefact.id());
            }
        }
        assert_eq!(
            folded, decision.after,
            "folding the entries gives the snapshot"
        );
        self.before = self.ledger.len();
        self.ledger.extend(decision.entries);
        self.pipeline = decision.after;
        let again = self.decide(fact);
        let wrote: Vec<&What> = again
            .entries
            .iter()
            .map(|sealed| &sealed.entry.what)
            .collect();
        assert!(
            wrote.is_empty(),
            "the same fact again changes nothing: {fact:?} wrote {wrote:?}"
        );
        reason
    }

    /// In a word, what an approval would come to; nothing is kept of it.
    pub(super) fn verdict(&self, by: &str, number: u64) -> crate::reason::Verdict {
        let request = Request::Approve {
            stage: stage("production"),
            release: release(number),
            reason: None,
        };
        let asked = Asked {
            id: RequestId("a-trial-request".into()),
            by: Identity(by.into()),
            request,
        };
        self.decide(&Fact::Asked(asked)).verdict()
    }

    fn decide(&self, fact: &Fact) -> crate::Decision {
        let recalled = match fact {
            Fact::Asked(Asked {
                request: Request::Promote { release, .. },
                ..
            }) => self
                .records
                .get(release)
                .map_or(Recalled::Nothing, |found| {
                    Recalled::Release(Box::new(found.clone()))
                }),
            Fact::Artefact(found) => self.place_of(&found.artefact.id()),
            _ => Recalled::Nothing,
        };
        decide(&self.pipeline, &recalled, fact, self.now).unwrap()
    }

    /// What the ledger's item for an artefact would say.
    fn place_of(&self, id: &ArtefactId) -> Recalled {
        let release = self
            .records
            .values()
            .find(|release| release.artefact.id() == *id);
        match release {
            Some(release) => Recalled::Artefact(Some(release.number)),
            None if self.rejected.contains(id) => Recalled::Artefact(None),
            None => Recalled::Nothing,
        }
    }

    pub(super) fn jump(&mut self, minutes: i64) {
        self.now = crate::due::after(self.now, SignedDuration::from_mins(minutes));
    }

    pub(super) fn time_passes(&mut self, minutes: i64) -> Reason {
        self.jump(minutes);
        self.fact(&Fact::TimePassed)
    }

    pub(crate) fn artefact(number: u64) -> Artefact {
        Artefact::Object {
            bucket: "artefacts".into(),
            key: format!("web/{number}.zip"),
            version: format!("v{number}"),
            sha256: None,
            bytes: 4096,
        }
    }

    pub(super) fn image(number: u64) -> Artefact {
        Artefact::Image {
            account: "111122223333".parse().unwrap(),
            region: "ap-south-1".parse().unwrap(),
            repository: "shop/web".into(),
            digest: format!("sha256:{number:064}"),
            tag: Some(format!("main-{number}")),
        }
    }

    pub(crate) fn upload(&mut self, number: u64) -> Reason {
        self.upload_built(number, BuildFacts::default())
    }

    pub(super) fn upload_built(&mut self, number: u64, build: BuildFacts) -> Reason {
        let artefact = match self.pipeline.config.as_ref().map(|config| &config.source) {
            Some(Source::Ecr {
                max_severity: Some(_),
                ..
            }) => Self::image(number),
            _ => Self::artefact(number),
        };
        self.fact(&Fact::Artefact(ArtefactFound {
            artefact,
            build,
            proof: Proof::Deployable,
        }))
    }

    pub(crate) fn build(number: u64) -> BuildFacts {
        BuildFacts {
            job: Some("web-main".into()),
            build_number: Some(number),
            author: Some("Ravi <ravi@shop.example>".into()),
            ..BuildFacts::default()
        }
    }

    pub(super) fn state(&self, name: &str) -> &Stage {
        &self.pipeline.stages[&stage(name)]
    }

    pub(super) fn active(&self, name: &str) -> Option<&Active> {
        self.state(name).active.as_ref()
    }

    pub(super) fn attempt(&self, name: &str) -> EntryId {
        self.active(name)
            .expect("a deployment is active")
            .attempt
            .clone()
    }

    pub(super) fn answer(&mut self, name: &str, answer: Answer) -> Reason {
        let attempt = self.attempt(name);
        self.fact(&Fact::Acted(Acted {
            stage: stage(name),
            attempt,
            answer,
        }))
    }

    pub(crate) fn begins(&mut self, name: &str) -> Reason {
        let started_at = self.now;
        let platform_id = format!("d-{}", self.attempt(name).seq);
        self.answer(
            name,
            Answer::Begun {
                platform_id,
                started_at,
            },
        )
    }

    pub(super) fn content(&self, number: u64) -> Content {
        self.pipeline
            .content(release(number))
            .expect("the release is known")
    }

    pub(super) fn observe(&mut self, name: &str, progress: Progress, running: Running) -> Reason {
        let attempt = self.attempt(name);
        self.fact(&Fact::Observed(Observed {
            stage: stage(name),
            attempt,
            progress,
            running,
            alarms: Vec::new(),
        }))
    }

    fn id_of(&self, name: &str) -> (String, Timestamp) {
        match &self.active(name).expect("active").phase {
            Phase::InProgress {
                platform_id,
                started_at,
            }
            | Phase::Baking {
                platform_id,
                started_at,
                ..
            } => (platform_id.clone(), *started_at),
            Phase::Starting { .. } | Phase::RollingBack { .. } => {
                (format!("d-{}", self.attempt(name).seq), self.now)
            }
        }
    }

    pub(super) fn succeeds_running(&mut self, name: &str, running: Running) -> Reason {
        let (platform_id, started_at) = self.id_of(name);
        self.observe(
            name,
            Progress::Succeeded {
                platform_id,
                started_at,
            },
            running,
        )
    }

    /// The platform says done, and the whole target runs what the attempt brought.
    pub(crate) fn finishes(&mut self, name: &str) -> Reason {
        let active = self.active(name).expect("active");
        let brings = match &active.phase {
            Phase::RollingBack {
                to: Some(to),
                how: crate::pipeline::How::Return,
                ..
            } => *to,
            _ => active.offer.release,
        };
        let content = self.content(brings.0);
        self.succeeds_running(name, Running::All(content))
    }

    pub(super) fn fails(&mut self, name: &str, why: &str) -> Reason {
        let (platform_id, _) = self.id_of(name);
        self.observe(
            name,
            Progress::Failed {
                platform_id,
                why: why.into(),
            },
            Running::Unknown,
        )
    }

    pub(super) fn undoing(&mut self, name: &str) -> Reason {
        let (platform_id, _) = self.id_of(name);
        self.observe(
            name,
            Progress::Undoing {
                platform_id,
                why: "stop".into(),
            },
            Running::Unknown,
        )
    }

    pub(super) fn undone(&mut self, name: &str, running: Running) -> Reason {
        let (platform_id, _) = self.id_of(name);
        self.observe(
            name,
            Progress::Undone {
                platform_id,
                why: "stop".into(),
            },
            running,
        )
    }

    pub(super) fn bake_ends(&mut self, name: &str) -> Reason {
        self.jump(5);
        self.finishes(name)
    }

    /// A whole good deployment.
    pub(super) fn becomes_good(&mut self, name: &str) {
        self.begins(name);
        self.finishes(name);
        self.bake_ends(name);
    }

    /// A release goes all the way.
    pub(crate) fn released_everywhere(number: u64) -> Self {
        let mut story = Self::new();
        for number in 1..=number {
            story.upload(number);
            story.becomes_good("dev");
            story.becomes_good("test");
            story.approve(ALICE, number);
            story.becomes_good("production");
        }
        story
    }

    pub(crate) fn seen(&self, name: &str, state: AlarmState) -> AlarmSeen {
        AlarmSeen {
            alarm: alarm(&format!("web-{name}-5xx")),
            state,
            voice: Voice::Heard,
            changed_at: self.now,
            reason: "Threshold Crossed".into(),
        }
    }

    pub(crate) fn alarm(&mut self, name: &str, state: AlarmState) -> Reason {
        self.jump(1);
        let seen = self.seen(name, state);
        self.fact(&Fact::Alarm(seen))
    }

    pub(super) fn ask(&mut self, by: &str, request: Request) -> Reason {
        self.asked += 1;
        self.fact(&Fact::Asked(Asked {
            id: RequestId(format!("request-{}", self.asked)),
            by: Identity(by.to_owned()),
            request,
        }))
    }

    pub(super) fn approve(&mut self, by: &str, number: u64) -> Reason {
        let request = Request::Approve {
            stage: stage("production"),
            release: release(number),
            reason: None,
        };
        self.ask(by, request)
    }

    pub(super) fn promote(&mut self, name: &str, number: u64, despite: Despite) -> Reason {
        let request = Request::Promote {
            stage: stage(name),
            release: release(number),
            despite,
        };
        self.ask(ALICE, request)
    }

    pub(super) fn roll_back(&mut self, name: &str, to: Option<u64>) -> Reason {
        let to = to.map(ReleaseNumber);
        let request = Request::Rollback {
            stage: stage(name),
            to,
            reason: "it is slow".into(),
        };
        self.ask(ALICE, request)
    }

    /// The names of the entries that the last fact wrote.
    pub(super) fn wrote(&self) -> Vec<String> {
        self.ledger[self.before..]
            .iter()
            .map(|sealed| tag(&sealed.entry.what))
            .collect()
    }
}

pub(super) fn tag(what: &What) -> String {
    let json = serde_json::to_value(what).unwrap();
    json.as_object().unwrap().keys().next().unwrap().clone()
}
