//! The small world that is walked through completely: one service with two stages, two releases,
//! one alarm, people, a platform, and whatever is on its way between them. What can happen to it is
//! in `step`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::Context as _;
use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::artefact::{BuildFacts, Content};
use domain::config::{ServiceConfig, StageConfig};
use domain::due::after;
use domain::entry::{Action, Order, StopOrder};
use domain::fact::{ArtefactFound, Progress, Proof, Running};
use domain::file::{Home, ServiceFile};
use domain::{
    AlarmArn, Artefact, EntryId, Fact, Identity, Pipeline, ReleaseNumber, SignedDuration,
    StageName, Timestamp,
};
use engine::memory::contract::noon;

/// Releases that are ever made.
pub(crate) const RELEASES: u64 = 2;
/// Who may approve; the builds' author is somebody else.
pub(crate) const APPROVER: &str = "arn:aws:iam::111122223333:user/alice";

/// What never changes while the world is walked.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) config: ServiceConfig,
    pub(crate) alarm: AlarmArn,
}

/// One state of the world.
#[derive(Debug, Clone)]
pub(crate) struct State {
    /// The snapshot.
    pub(crate) pipeline: Pipeline,
    pub(crate) now: Timestamp,
    /// The stages' targets, in order.
    pub(crate) sites: Vec<Site>,
    /// What entries ordered and the stream has not been told is done.
    pub(crate) outbox: VecDeque<Ordered>,
    /// What the deployer is in the middle of, with the first of the outbox.
    pub(crate) acting: Option<Acting>,
    /// A look whose handler has not decided on it yet.
    pub(crate) looked: Option<Fact>,
    /// The alarm as it is.
    pub(crate) alarm: AlarmSeen,
    /// Its changes that were not delivered yet, oldest first.
    pub(crate) changes: Vec<AlarmSeen>,
    pub(crate) uploaded: u64,
    /// Requests made, for their ids.
    pub(crate) asked: u64,
    pub(crate) books: Books,
}

/// What an entry orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ordered {
    Deploy(Box<Order>),
    Stop(Box<StopOrder>),
}

impl Ordered {
    pub(crate) fn action(&self) -> Action<'_> {
        match self {
            Self::Deploy(order) => Action::Deploy(order),
            Self::Stop(order) => Action::Stop(order),
        }
    }

    pub(crate) fn attempt(&self) -> &EntryId {
        match self {
            Self::Deploy(order) => &order.attempt,
            Self::Stop(order) => &order.attempt,
        }
    }
}

impl From<Action<'_>> for Ordered {
    fn from(action: Action<'_>) -> Self {
        match action {
            Action::Deploy(order) => Self::Deploy(Box::new(order.clone())),
            Action::Stop(order) => Self::Stop(Box::new(order.clone())),
        }
    }
}

/// How far the deployer is with an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acting {
    /// It has seen that the action is wanted, and has not acted.
    Checked,
    /// It has acted, and has not told the ledger.
    Acted(Box<Fact>),
}

/// What is remembered beside the snapshot, to judge the snapshot by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Books {
    /// What is good on a stage: succeeded or adopted there, and not rolled back from since.
    pub(crate) good: BTreeMap<StageName, BTreeSet<ReleaseNumber>>,
    /// What was ever good on a stage.
    pub(crate) ever_good: BTreeMap<StageName, BTreeSet<ReleaseNumber>>,
    /// Who said yes to a deployment that has not ended.
    pub(crate) yes: BTreeMap<EntryId, BTreeSet<Identity>>,
    /// Deployments whose alarm fired after their beginning.
    pub(crate) alarmed: BTreeSet<EntryId>,
    /// Deployments made by a person's own hand.
    pub(crate) by_hand: BTreeSet<EntryId>,
}

/// One stage's target on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) running: Running,
    /// Deployments that can still be asked for, oldest first.
    pub(crate) attempts: Vec<Attempt>,
    /// Whether somebody else changed what runs, and we have not deployed over it.
    pub(crate) meddled: bool,
}

/// A deployment on the platform; somebody else's has no mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) mark: Option<EntryId>,
    pub(crate) started_at: Timestamp,
    pub(crate) content: Content,
    pub(crate) before: Running,
    pub(crate) is: Is,
}

/// How far a deployment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Is {
    Underway,
    Undoing,
    Succeeded,
    Failed,
    Undone,
}

impl Attempt {
    pub(crate) fn is_open(&self) -> bool {
        match self.is {
            Is::Underway | Is::Undoing => true,
            Is::Succeeded | Is::Failed | Is::Undone => false,
        }
    }

    /// The platform's id; made of the mark, so that equal worlds look equal.
    pub(crate) fn id(&self) -> String {
        let mark = self.mark.as_ref();
        mark.map_or_else(|| "theirs".to_owned(), |mark| format!("d-{mark}"))
    }

    fn progress(&self) -> Progress {
        let (platform_id, started_at) = (self.id(), self.started_at);
        let why = "the platform says so".to_owned();
        match self.is {
            Is::Underway => Progress::Underway {
                platform_id,
                started_at,
            },
            Is::Undoing => Progress::Undoing { platform_id, why },
            Is::Succeeded => Progress::Succeeded {
                platform_id,
                started_at,
            },
            Is::Failed => Progress::Failed { platform_id, why },
            Is::Undone => Progress::Undone { platform_id, why },
        }
    }
}

impl State {
    /// The time of something that happens outside. What the ledger decides on, before and after, is
    /// never at the same time; and all of it takes microseconds, so that times in one minute differ
    /// in their order and in nothing else.
    pub(crate) fn moment(&mut self) -> Timestamp {
        let moment = SignedDuration::from_micros(1);
        let happens = after(self.now, moment);
        self.now = after(happens, moment);
        happens
    }
}

impl Site {
    pub(crate) fn open(&mut self) -> Option<&mut Attempt> {
        self.attempts.iter_mut().find(|one| one.is_open())
    }

    pub(crate) fn find(&self, mark: &EntryId) -> Option<&Attempt> {
        let mut all = self.attempts.iter();
        all.find(|one| one.mark.as_ref() == Some(mark))
    }

    pub(crate) fn progress(&self, mark: &EntryId) -> Progress {
        self.find(mark)
            .map_or(Progress::NotFound, Attempt::progress)
    }

    /// Begins a deployment. Until it ends, the target runs both.
    pub(crate) fn begin(&mut self, mark: Option<EntryId>, content: Content, now: Timestamp) {
        let before = self.running.clone();
        self.running = mixed(&before, &content);
        self.meddled |= mark.is_none();
        self.attempts.push(Attempt {
            mark,
            started_at: now,
            content,
            before,
            is: Is::Underway,
        });
    }

    /// Ends the open deployment, or turns it round.
    pub(crate) fn become_(&mut self, is: Is) {
        let Some(open) = self.open() else { return };
        open.is = is;
        let (content, before, ours) = (
            open.content.clone(),
            open.before.clone(),
            open.mark.is_some(),
        );
        match is {
            Is::Succeeded => {
                self.running = Running::All(content);
                self.meddled &= !ours;
            }
            Is::Undone => self.running = before,
            Is::Underway | Is::Undoing | Is::Failed => {}
        }
    }
}

fn mixed(before: &Running, new: &Content) -> Running {
    match before {
        Running::All(old) => Running::Mixed(vec![old.clone(), new.clone()]),
        Running::Mixed(_) | Running::Nothing | Running::Unknown => {
            Running::Mixed(vec![new.clone()])
        }
    }
}

/// The artefact of a release.
pub(crate) fn artefact(number: u64) -> ArtefactFound {
    ArtefactFound {
        artefact: Artefact::Object {
            bucket: "artefacts".into(),
            key: "web/web.zip".into(),
            version: format!("v{number}"),
            sha256: None,
            bytes: 1,
        },
        build: BuildFacts {
            job: Some("web".into()),
            build_number: Some(number),
            author: Some("Ravi <ravi@shop.example>".into()),
            ..BuildFacts::default()
        },
        proof: Proof::Deployable,
    }
}

impl Model {
    /// Two stages, the second behind an approval; the alarm is the second one's. All times are as
    /// short as the rules allow, so that there are few of them.
    ///
    /// # Errors
    /// When the file made here is no service file.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let target =
            |group| serde_json::json!({"codedeploy": {"application": "web", "group": group}});
        let file = serde_json::json!({
            "service": "web",
            "artefact": {"s3": {"bucket": "artefacts", "prefix": "web/"}},
            "stages": [
                {"name": "test", "target": target("test"), "bake": "0s", "timeout": "2m"},
                {
                    "name": "production",
                    "target": target("production"),
                    "gate": {"approval": {"approvers": [APPROVER], "expires_after": "3m"}},
                    "alarms": ["web-5xx"],
                    "bake": "1m",
                    "timeout": "2m",
                },
            ],
        });
        let file: ServiceFile = serde_json::from_value(file)?;
        let home = Home {
            account: "111122223333".parse()?,
            region: "ap-south-1".parse()?,
        };
        let config = file.resolve(&home).map_err(|problems| {
            anyhow::anyhow!("the small world's file has problems: {problems:?}")
        })?;
        let last = config.stages.last().context("a stage")?;
        let alarm = last.alarms.first().context("an alarm")?.clone();
        Ok(Self { config, alarm })
    }

    /// The state before anything happened but the configuration.
    pub(crate) fn start(&self) -> State {
        let site = || Site {
            running: Running::Nothing,
            attempts: Vec::new(),
            meddled: false,
        };
        State {
            pipeline: Pipeline::new(self.config.service.clone()),
            now: noon(),
            sites: self.config.stages.iter().map(|_| site()).collect(),
            outbox: VecDeque::new(),
            acting: None,
            looked: None,
            alarm: self.alarm_at(AlarmState::Ok, noon()),
            changes: Vec::new(),
            uploaded: 0,
            asked: 0,
            books: Books::default(),
        }
    }

    pub(crate) fn alarm_at(&self, state: AlarmState, changed_at: Timestamp) -> AlarmSeen {
        AlarmSeen {
            alarm: self.alarm.clone(),
            state,
            voice: Voice::Heard,
            changed_at,
            reason: "threshold crossed".into(),
        }
    }

    pub(crate) fn stage(&self, at: usize) -> Option<&StageConfig> {
        self.config.stages.get(at)
    }

    /// A stage's place among the stages.
    pub(crate) fn at(&self, name: &StageName) -> Option<usize> {
        self.config.stages.iter().position(|one| one.name == *name)
    }
}
