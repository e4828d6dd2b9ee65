//! A platform in memory. It begins what it is told, one deployment a target at a time, and moves on
//! only when the test says how.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::artefact::{BuildFacts, Content};
use domain::catalogue::Listed;
use domain::config::{Place, Source, StageConfig, Target};
use domain::entry::{Order, StopOrder};
use domain::fact::{Answer, ArtefactFound, Progress, Proof, Running};
use domain::hint::Subject;
use domain::peril::Reflexes;
use domain::scan::ScanFound;
use domain::{AccountId, AlarmArn, Artefact, EntryId, Hint, Region, Timestamp};

use crate::ports::{Platform, PlatformError};

/// What is true in the world, for a test to set and to look at.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The time on the platform's own clock.
    pub now: Timestamp,
    /// Attempts on each target, in the order they were begun.
    pub attempts: BTreeMap<Target, Vec<Attempt>>,
    /// What each target runs.
    pub running: BTreeMap<Target, Running>,
    /// What can be proved to run on a target that nobody of ours deployed to.
    pub found: BTreeMap<Target, Artefact>,
    /// Alarms as they are.
    pub alarms: BTreeMap<AlarmArn, AlarmSeen>,
    /// What targets do by themselves; what is not here does nothing.
    pub reflexes: BTreeMap<Target, Reflexes>,
    /// What builds said, and whether an artefact can be deployed; what is not here is fine.
    pub artefacts: BTreeMap<String, (BuildFacts, Proof)>,
    /// What tags point to, by `registry/repository:tag`, of ECR by `repository:tag`.
    pub tags: BTreeMap<String, String>,
    /// Tags that cannot be looked at now, by the same names.
    pub out_of_reach: BTreeSet<String>,
    /// What scans found, by the artefact's id; what is not here has not ended.
    pub scans: BTreeMap<String, ScanFound>,
    /// Calls that fail next, before they take effect.
    pub trouble: Vec<PlatformError>,
    begun: u64,
}

/// One deployment on the platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its mark.
    pub mark: EntryId,
    /// The platform's id.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// What it brings.
    pub content: Content,
    /// How it ended; none while it is underway.
    pub progress: Option<Progress>,
    /// What ran before it.
    pub before: Running,
}

impl World {
    /// Ends a target's current deployment well: all of it runs the new content.
    pub fn finish(&mut self, target: &Target) {
        if let Some(attempt) = self.underway(target) {
            let (platform_id, started_at) = (attempt.id.clone(), attempt.started_at);
            attempt.progress = Some(Progress::Succeeded {
                platform_id,
                started_at,
            });
            let content = attempt.content.clone();
            self.running.insert(target.clone(), Running::All(content));
        }
    }

    /// Ends it badly, leaving a mixture.
    pub fn fail(&mut self, target: &Target, why: &str) {
        if let Some(attempt) = self.underway(target) {
            let platform_id = attempt.id.clone();
            attempt.progress = Some(Progress::Failed {
                platform_id,
                why: why.to_owned(),
            });
            let mixed = Running::Mixed(vec![attempt.content.clone()]);
            self.running.insert(target.clone(), mixed);
        }
    }

    /// The platform has undone it: what ran before runs again.
    pub fn undo(&mut self, target: &Target, why: &str) {
        if let Some(attempt) = self.underway(target) {
            let platform_id = attempt.id.clone();
            attempt.progress = Some(Progress::Undone {
                platform_id,
                why: why.to_owned(),
            });
            let before = attempt.before.clone();
            self.running.insert(target.clone(), before);
        }
    }

    /// An alarm changes now.
    pub fn alarm(&mut self, alarm: &AlarmArn, state: AlarmState) -> AlarmSeen {
        let seen = AlarmSeen {
            alarm: alarm.clone(),
            state,
            voice: Voice::Heard,
            changed_at: self.now,
            reason: "threshold crossed".to_owned(),
        };
        self.alarms.insert(alarm.clone(), seen.clone());
        seen
    }

    fn underway(&mut self, target: &Target) -> Option<&mut Attempt> {
        let last = self.attempts.get_mut(target)?.last_mut()?;
        let open = matches!(last.progress, None | Some(Progress::Undoing { .. }));
        open.then_some(last)
    }

    fn find(&self, target: &Target, mark: &EntryId) -> Option<&Attempt> {
        self.attempts
            .get(target)?
            .iter()
            .find(|attempt| attempt.mark == *mark)
    }
}

/// The platform in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryPlatform {
    /// The world behind it.
    pub world: RefCell<World>,
}

impl MemoryPlatform {
    fn trouble(&self) -> Result<(), PlatformError> {
        self.world.borrow_mut().trouble.pop().map_or(Ok(()), Err)
    }
}

impl Platform for MemoryPlatform {
    async fn examine(&self, hint: &Hint) -> Result<Option<ArtefactFound>, PlatformError> {
        self.trouble()?;
        let artefact = match hint.clone() {
            Hint::Object {
                bucket,
                key,
                version: Some(version),
                bytes,
            } => Artefact::Object {
                bucket,
                key,
                version,
                sha256: None,
                bytes: bytes.unwrap_or(0),
            },
            Hint::Image {
                account,
                region,
                repository,
                digest,
                tag,
            } => Artefact::Image {
                account,
                region,
                repository,
                digest,
                tag,
            },
            Hint::Tag {
                registry,
                repository,
                tag,
            } => {
                let name = format!("{registry}/{repository}:{tag}");
                if self.world.borrow().out_of_reach.contains(&name) {
                    return Err(PlatformError::Transient("out of reach".to_owned()));
                }
                let Some(digest) = self.world.borrow().tags.get(&name).cloned() else {
                    return Ok(None);
                };
                Artefact::Oci {
                    registry,
                    repository,
                    digest,
                    tag: Some(tag),
                }
            }
            Hint::Object { version: None, .. }
            | Hint::Scan { .. }
            | Hint::EcsDeployment { .. }
            | Hint::CodeDeployDeployment { .. }
            | Hint::Due { .. }
            | Hint::Compare { .. }
            | Hint::AlarmSetUp { .. }
            | Hint::Call { .. } => return Ok(None),
        };
        let world = self.world.borrow();
        let known = world.artefacts.get(&artefact.id().0).cloned();
        let (build, proof) = known.unwrap_or((BuildFacts::default(), Proof::Deployable));
        Ok(Some(ArtefactFound {
            artefact,
            build,
            proof,
        }))
    }

    async fn listing(&self, source: &Source) -> Result<Vec<Listed>, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        let prefix = match source {
            Source::S3 { .. } => return Ok(Vec::new()),
            Source::Ecr { repository, .. } => format!("{repository}:"),
            Source::Oci {
                registry,
                repository,
                ..
            } => format!("{registry}/{repository}:"),
        };
        let listed = |(name, digest): (&String, &String)| {
            Some(Listed {
                tag: name.strip_prefix(&prefix)?.to_owned(),
                digest: Some(digest.clone()),
                pushed_at: None,
            })
        };
        Ok(world.tags.iter().filter_map(listed).collect())
    }

    async fn scan(&self, artefact: &Artefact) -> Result<ScanFound, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        let scan = world.scans.get(&artefact.id().0).cloned();
        Ok(scan.unwrap_or(ScanFound::Pending))
    }

    async fn obstacle(&self, artefact: &Artefact) -> Result<Option<String>, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        Ok(match world.artefacts.get(&artefact.id().0) {
            Some((_, Proof::Unusable(why))) => Some(why.clone()),
            Some((_, Proof::Deployable)) | None => None,
        })
    }

    async fn deploy(&self, order: &Order) -> Result<Answer, PlatformError> {
        self.trouble()?;
        let mut world = self.world.borrow_mut();
        if let Some(attempt) = world.find(&order.target, &order.attempt) {
            return Ok(Answer::Begun {
                platform_id: attempt.id.clone(),
                started_at: attempt.started_at,
            });
        }
        if let Some(other) = world.underway(&order.target) {
            return Ok(Answer::Occupied {
                by: other.id.clone(),
            });
        }
        world.begun += 1;
        let before = world
            .running
            .get(&order.target)
            .cloned()
            .unwrap_or(Running::Nothing);
        let attempt = Attempt {
            mark: order.attempt.clone(),
            id: format!("d-{}", world.begun),
            started_at: world.now,
            content: order.artefact.content(),
            progress: None,
            before,
        };
        let answer = Answer::Begun {
            platform_id: attempt.id.clone(),
            started_at: attempt.started_at,
        };
        world
            .attempts
            .entry(order.target.clone())
            .or_default()
            .push(attempt);
        Ok(answer)
    }

    async fn stop(&self, order: &StopOrder) -> Result<Answer, PlatformError> {
        self.trouble()?;
        let mut world = self.world.borrow_mut();
        if world.find(&order.target, &order.attempt).is_none() {
            return Ok(Answer::NeverBegun);
        }
        if let Some(attempt) = world.underway(&order.target)
            && attempt.mark == order.attempt
        {
            let (platform_id, why) = (attempt.id.clone(), "stopped".to_owned());
            attempt.progress = Some(Progress::Undoing { platform_id, why });
        }
        Ok(Answer::Stopping)
    }

    async fn observe(
        &self,
        _place: &Place,
        target: &Target,
        attempt: &EntryId,
        _artefact: &Artefact,
    ) -> Result<(Progress, Running), PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        let running = world
            .running
            .get(target)
            .cloned()
            .unwrap_or(Running::Nothing);
        let progress = world
            .find(target, attempt)
            .map_or(Progress::NotFound, |attempt| {
                attempt
                    .progress
                    .clone()
                    .unwrap_or_else(|| Progress::Underway {
                        platform_id: attempt.id.clone(),
                        started_at: attempt.started_at,
                    })
            });
        Ok((progress, running))
    }

    async fn running(&self, _place: &Place, target: &Target) -> Result<Running, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        let running = world.running.get(target).cloned();
        Ok(running.unwrap_or(Running::Nothing))
    }

    async fn group_of(
        &self,
        account: &AccountId,
        region: &Region,
        deployment: &str,
    ) -> Result<Option<Subject>, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        let mut all = world.attempts.iter();
        let found = all.find(|(_, attempts)| attempts.iter().any(|one| one.id == deployment));
        Ok(found.map(|(target, _)| {
            let (application, group) = target.names();
            Subject::DeploymentGroup {
                account: account.clone(),
                region: region.clone(),
                application: application.to_owned(),
                group: group.to_owned(),
            }
        }))
    }

    async fn find_running(&self, stage: &StageConfig) -> Result<Option<Artefact>, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        Ok(world.found.get(&stage.target).cloned())
    }

    async fn reflexes(&self, _place: &Place, target: &Target) -> Result<Reflexes, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        Ok(world.reflexes.get(target).cloned().unwrap_or_default())
    }

    async fn alarms(
        &self,
        _place: &Place,
        alarms: &[AlarmArn],
    ) -> Result<Vec<AlarmSeen>, PlatformError> {
        self.trouble()?;
        let world = self.world.borrow();
        Ok(alarms
            .iter()
            .filter_map(|arn| world.alarms.get(arn).cloned())
            .collect())
    }
}
