//! S3 and ECR: what was uploaded and pushed, what it is worth, what its scans found, and what
//! became of it.

use std::collections::BTreeMap;

use domain::artefact::{BuildFacts, Content};
use domain::catalogue::Listed;
use domain::config::Source;
use domain::fact::{ArtefactFound, Proof};
use domain::scan::{Findings, ScanFound};
use domain::{Artefact, Hint, Timestamp};

/// All that was ever uploaded or pushed, by content.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    stored: BTreeMap<Content, Stored>,
    /// What scans of images came to, and when, oldest first.
    scans: BTreeMap<Content, Vec<(Timestamp, ScanFound)>>,
}

/// One artefact as it lies there.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) artefact: Artefact,
    pub(crate) build: BuildFacts,
    /// Why it cannot be deployed: an archive without appspec, say.
    pub(crate) broken: Option<String>,
    /// Deleted, or archived: an archived image is still listed, and cannot be pulled (ECR user
    /// guide, "archive-image").
    pub(crate) gone: bool,
}

impl Registry {
    pub(crate) fn put(&mut self, stored: Stored) {
        self.stored.insert(stored.artefact.content(), stored);
    }

    /// An image is being scanned: what that comes to, and when.
    pub(crate) fn begin_scan(&mut self, content: Content, comes_to: Vec<(Timestamp, ScanFound)>) {
        self.scans.insert(content, comes_to);
    }

    /// What the platform port's `scan` finds. Who pushed an image before scans were asked for
    /// never had it scanned (ECR: `ScanNotFoundException`).
    pub(crate) fn scan(&self, artefact: &Artefact, now: Timestamp) -> ScanFound {
        let Some(scans) = self.scans.get(&artefact.content()) else {
            return ScanFound::Unclear("it was never scanned".to_owned());
        };
        let mut newest_first = scans.iter().rev();
        let ended = newest_first.find(|(at, _)| *at <= now);
        ended.map_or(ScanFound::Pending, |(_, found)| found.clone())
    }

    /// Whether a scan of an image has ever found this.
    pub(crate) fn found(&self, artefact: &Artefact, findings: &Findings, now: Timestamp) -> bool {
        let scans = self.scans.get(&artefact.content());
        let mut ended = scans.into_iter().flatten().filter(|(at, _)| *at <= now);
        ended.any(|(_, found)| *found == ScanFound::Complete(findings.clone()))
    }

    pub(crate) fn get(&self, content: &Content) -> Option<&Stored> {
        self.stored.get(content)
    }

    pub(crate) fn get_mut(&mut self, content: &Content) -> Option<&mut Stored> {
        self.stored.get_mut(content)
    }

    pub(crate) fn artefact(&self, content: &Content) -> Option<Artefact> {
        self.get(content).map(|stored| stored.artefact.clone())
    }

    pub(crate) fn is_there(&self, content: &Content) -> bool {
        self.get(content).is_some_and(|stored| !stored.gone)
    }

    /// What the platform port's `examine` finds. An image pushed under another tag is the same
    /// image: the tag is the event's.
    pub(crate) fn examine(&self, hint: &Hint) -> Option<ArtefactFound> {
        let (content, tag) = match hint {
            Hint::Object {
                bucket,
                key,
                version: Some(version),
                ..
            } => (Content(format!("{bucket}/{key}@{version}")), None),
            Hint::Image { digest, tag, .. } => (Content(digest.clone()), tag.clone()),
            Hint::Object { version: None, .. }
            | Hint::Tag { .. }
            | Hint::Scan { .. }
            | Hint::EcsDeployment { .. }
            | Hint::CodeDeployDeployment { .. }
            | Hint::Due { .. }
            | Hint::Compare { .. }
            | Hint::AlarmSetUp { .. }
            | Hint::Call { .. } => return None,
        };
        let stored = self.get(&content).filter(|stored| !stored.gone)?;
        let mut artefact = stored.artefact.clone();
        if let (Artefact::Image { tag: kept, .. }, Some(tag)) = (&mut artefact, tag) {
            *kept = Some(tag);
        }
        let proof = match &stored.broken {
            Some(why) => Proof::Unusable(why.clone()),
            None => Proof::Deployable,
        };
        Some(ArtefactFound {
            artefact,
            build: stored.build.clone(),
            proof,
        })
    }

    /// The tags of a source's repository. An archived image is listed, and cannot be pulled; it is
    /// left out here, because nothing follows from it.
    pub(crate) fn listing(&self, source: &Source) -> Vec<Listed> {
        let Source::Ecr { repository: of, .. } = source else {
            return Vec::new();
        };
        let listed = |stored: &Stored| match &stored.artefact {
            Artefact::Image {
                repository,
                digest,
                tag: Some(tag),
                ..
            } if repository == of => Some(Listed {
                tag: tag.clone(),
                digest: Some(digest.clone()),
                pushed_at: None,
            }),
            Artefact::Image { .. } | Artefact::Oci { .. } | Artefact::Object { .. } => None,
        };
        let there = self.stored.values().filter(|stored| !stored.gone);
        there.filter_map(listed).collect()
    }

    /// Why an artefact cannot be deployed any more.
    pub(crate) fn obstacle(&self, artefact: &Artefact) -> Option<String> {
        let there = self.is_there(&artefact.content());
        (!there).then(|| format!("{artefact} is gone"))
    }
}
