//! What one decision writes: entries and the new snapshot, in one transaction or not at all.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::artefact::ArtefactId;
use crate::chain::Sealed;
use crate::config::{ServiceConfig, Source, Target};
use crate::decide::Decision;
use crate::entry::{Entry, What};
use crate::hint::Subject;
use crate::name::{ReleaseNumber, ServiceName, StageName};
use crate::pipeline::Pipeline;
use crate::reason::Reason;
use crate::{announce, catalogue, due};

/// Everything one decision writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The service.
    pub service: ServiceName,
    /// The version (last entry's number) that must still be there.
    pub expected: u64,
    /// The entries, in order; never empty.
    pub entries: Vec<Sealed>,
    /// The new snapshot.
    pub after: Pipeline,
    /// When the pipeline wants to be looked at again.
    pub due_at: Option<Timestamp>,
    /// When the service's targets are to be compared with the ledger next, when this begins it: a
    /// due time of its own, because comparing changes nothing and so writes no entry.
    pub compare_at: Option<Timestamp>,
    /// Artefacts that now have a place in the ledger. Each must have had none.
    pub claims: Vec<Claim>,
    /// Releases whose item is new.
    pub releases: BTreeSet<ReleaseNumber>,
    /// Watches that are new, and those that are no more.
    pub watches: Watches,
    /// A catalogue that begins, when the source is another one.
    pub catalogue: Option<NewCatalogue>,
}

/// A catalogue that begins: its source is to be looked through at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCatalogue {
    /// The source, by [`catalogue::key`]; none when it need not be looked through any more.
    pub of: Option<String>,
}

/// An artefact's place in a service's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The artefact.
    pub artefact: ArtefactId,
    /// The release it became; none when it was rejected or unclaimed.
    pub release: Option<ReleaseNumber>,
    /// Whether it must have had none.
    pub kind: ClaimKind,
}

/// Whether an artefact must have had no place before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// It arrived: if it has a place meanwhile, somebody was faster.
    First,
    /// It was found running when the service was taken over: whatever stood there is replaced.
    Replace,
}

/// Watches that a new configuration adds and takes away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watches {
    /// New ones.
    pub add: BTreeSet<Watch>,
    /// Gone ones.
    pub remove: BTreeSet<Watch>,
}

/// From an event's subject to a pipeline it concerns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watch {
    /// What is watched.
    pub subject: Subject,
    /// By whom.
    pub watcher: Watcher,
}

/// Who watches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watcher {
    /// A service's source. `narrow` is a key prefix, or empty.
    Source {
        /// The service.
        service: ServiceName,
        /// The prefix an object's key must have.
        narrow: String,
    },
    /// A stage.
    Stage {
        /// The service.
        service: ServiceName,
        /// The stage.
        stage: StageName,
    },
}

impl Watcher {
    /// The service.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        match self {
            Self::Source { service, .. } | Self::Stage { service, .. } => service,
        }
    }
}

impl Commit {
    /// What a decision writes; `None` when it writes nothing.
    #[must_use]
    pub fn of(before: &Pipeline, decision: Decision) -> Option<Self> {
        if decision.entries.is_empty() {
            return None;
        }
        let mut claims = Vec::new();
        let mut releases = BTreeSet::new();
        let mut compare_at = None;
        for sealed in &decision.entries {
            if let Some(claim) = claim(&sealed.entry) {
                claims.push(claim);
            }
            if let What::Released { release } = &sealed.entry.what {
                releases.insert(release.number);
            }
            if let What::Configured { .. } = &sealed.entry.what {
                compare_at = Some(due::after(sealed.entry.at, due::COMPARE_EVERY));
            }
        }
        Some(Self {
            service: before.service.clone(),
            expected: before.seq,
            due_at: due::due_at(&decision.after),
            catalogue: new_catalogue(before, &decision.after),
            watches: watches(before.config.as_ref(), decision.after.config.as_ref()),
            entries: decision.entries,
            after: decision.after,
            compare_at,
            claims,
            releases,
        })
    }

    /// Whether an entry asks `deployer` for something.
    #[must_use]
    pub fn acts(&self) -> bool {
        self.entries
            .iter()
            .any(|sealed| sealed.entry.what.action().is_some())
    }

    /// Whether people are to hear of an entry.
    #[must_use]
    pub fn tells(&self) -> bool {
        self.entries
            .iter()
            .any(|sealed| announce::announcement(&self.service, &sealed.entry).is_some())
    }

    /// Our own idempotency token, so that a transaction whose answer was lost is done once; 36
    /// characters at most (DynamoDB `ClientRequestToken`).
    #[must_use]
    pub fn token(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.service.as_str());
        digest.update(self.expected.to_be_bytes());
        for sealed in &self.entries {
            digest.update(sealed.hash.as_str());
        }
        let mut token = hex::encode(digest.finalize());
        token.truncate(36);
        token
    }
}

fn claim(entry: &Entry) -> Option<Claim> {
    if let What::Released { release } = &entry.what {
        let kind = if entry.why == Reason::FoundRunning {
            ClaimKind::Replace
        } else {
            ClaimKind::First
        };
        return Some(Claim {
            artefact: release.artefact.id(),
            release: Some(release.number),
            kind,
        });
    }
    if let What::Unclaimed { artefact } | What::ArtefactRejected { artefact, .. } = &entry.what {
        return Some(Claim {
            artefact: artefact.id(),
            release: None,
            kind: ClaimKind::First,
        });
    }
    None
}

fn watches(before: Option<&Arc<ServiceConfig>>, after: Option<&Arc<ServiceConfig>>) -> Watches {
    // Almost always: the same configuration, shared.
    if before == after {
        return Watches::default();
    }
    let all = |config: Option<&Arc<ServiceConfig>>| {
        config.map(|config| watches_of(config)).unwrap_or_default()
    };
    let (had, has) = (all(before), all(after));
    Watches {
        add: has.difference(&had).cloned().collect(),
        remove: had.difference(&has).cloned().collect(),
    }
}

/// All watches of a configuration.
#[must_use]
pub fn watches_of(config: &ServiceConfig) -> BTreeSet<Watch> {
    let mut all = BTreeSet::from([source_watch(config)]);
    for stage in &config.stages {
        let watcher = || Watcher::Stage {
            service: config.service.clone(),
            stage: stage.name.clone(),
        };
        for alarm in &stage.alarms {
            all.insert(Watch {
                subject: Subject::Alarm(alarm.clone()),
                watcher: watcher(),
            });
        }
        all.insert(Watch {
            subject: stage.subject(),
            watcher: watcher(),
        });
    }
    all
}

fn source_watch(config: &ServiceConfig) -> Watch {
    let narrow = match &config.source {
        Source::S3 { prefix, .. } => prefix.clone(),
        Source::Ecr { .. } | Source::Oci { .. } => String::new(),
    };
    Watch {
        subject: config.source.subject(),
        watcher: Watcher::Source {
            service: config.service.clone(),
            narrow,
        },
    }
}

/// The catalogue that a new configuration begins, when its source is another one.
fn new_catalogue(before: &Pipeline, after: &Pipeline) -> Option<NewCatalogue> {
    let key = |pipeline: &Pipeline| catalogue::key(&pipeline.config.as_ref()?.source);
    let (had, has) = (key(before), key(after));
    (had != has).then_some(NewCatalogue { of: has })
}

impl Source {
    /// The subject of events about this source.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::S3 { bucket, .. } => Subject::Bucket(bucket.clone()),
            Self::Ecr {
                account,
                region,
                repository,
                ..
            } => Subject::Repository {
                account: account.clone(),
                region: region.clone(),
                repository: repository.clone(),
            },
            Self::Oci {
                registry,
                repository,
                ..
            } => Subject::OciRepository {
                registry: registry.clone(),
                repository: repository.clone(),
            },
        }
    }
}

impl crate::config::StageConfig {
    /// The subject of events about this stage's target.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match &self.target {
            Target::Ecs {
                cluster, service, ..
            } => Subject::EcsService(format!(
                "arn:{}:ecs:{}:{}:service/{cluster}/{service}",
                self.place.region.partition(),
                self.place.region,
                self.place.account
            )),
            Target::CodeDeploy { application, group }
            | Target::CodeDeployEcs {
                application, group, ..
            } => Subject::DeploymentGroup {
                account: self.place.account.clone(),
                region: self.place.region.clone(),
                application: application.clone(),
                group: group.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::AlarmState;
    use crate::decide::tests::story::Story;
    use crate::decide::{Recalled, decide};
    use crate::fact::{ArtefactFound, Fact, Proof};

    fn arrives(proof: Proof) -> Commit {
        let story = Story::new();
        let fact = Fact::Artefact(ArtefactFound {
            artefact: Story::artefact(1),
            build: Story::build(1),
            proof,
        });
        let before = &story.pipeline;
        let decision = decide(before, &Recalled::Nothing, &fact, story.now).unwrap();
        Commit::of(before, decision).unwrap()
    }

    #[test]
    fn an_artefact_takes_its_place_with_the_decision_about_it() {
        let of = |release| Claim {
            artefact: Story::artefact(1).id(),
            release,
            kind: ClaimKind::First,
        };
        let released = arrives(Proof::Deployable);
        assert_eq!(released.claims, [of(Some(ReleaseNumber(1)))]);
        assert_eq!(released.releases, [ReleaseNumber(1)].into());
        let refused = arrives(Proof::Unusable("no appspec".into()));
        assert_eq!(refused.claims, [of(None)]);
        assert!(refused.releases.is_empty());
    }

    #[test]
    fn a_commit_says_whether_it_acts_and_whether_it_tells() {
        let released = arrives(Proof::Deployable);
        assert!(released.acts(), "dev is to be deployed to");
        let refused = arrives(Proof::Unusable("no appspec".into()));
        assert!(!refused.acts());
        assert!(refused.tells(), "people hear of what cannot be deployed");
        let story = Story::new();
        let fact = Fact::Alarm(story.seen("dev", AlarmState::Ok));
        let decision = decide(&story.pipeline, &Recalled::Nothing, &fact, story.now).unwrap();
        let noted = Commit::of(&story.pipeline, decision).unwrap();
        assert!(
            !noted.tells(),
            "that an alarm is well again is noted and not told"
        );
    }

    #[test]
    fn a_token_is_the_same_for_the_same_commit_only_and_no_longer_than_dynamodb_takes() {
        let (one, other) = (
            arrives(Proof::Deployable),
            arrives(Proof::Unusable(String::new())),
        );
        assert_eq!(one.token(), arrives(Proof::Deployable).token());
        assert_ne!(one.token(), other.token());
        assert_eq!(one.token().len(), 36);
    }
}
