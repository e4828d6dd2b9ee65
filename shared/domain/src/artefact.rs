//! Artefacts, the facts a build states about them, and releases. How they move is not here.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::{AccountId, Region, Registry, ReleaseNumber};

/// Immutable input, named by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Artefact {
    /// One version of one S3 object. `version` is always set: a deployment that names none takes
    /// the newest object version (CodeDeploy `S3Location`).
    Object {
        /// The bucket's name.
        bucket: String,
        /// The object's key, decoded.
        key: String,
        /// The object's version id.
        version: String,
        /// Hex SHA-256 of the whole object, when the upload brought one.
        sha256: Option<String>,
        /// Size in bytes.
        bytes: u64,
    },
    /// One image in one repository of ECR.
    Image {
        /// The registry's account.
        account: AccountId,
        /// The registry's Region.
        region: Region,
        /// The repository's name.
        repository: String,
        /// `sha256:` and 64 hex digits: what is deployed. A tag may move.
        digest: String,
        /// The tag it was pushed with, for people.
        tag: Option<String>,
    },
    /// One image in any other registry that speaks the OCI distribution API.
    Oci {
        /// The registry.
        registry: Registry,
        /// The repository's name.
        repository: String,
        /// `sha256:` and 64 hex digits: what is deployed. A tag may move.
        digest: String,
        /// The tag it was found under, for people.
        tag: Option<String>,
    },
}

impl Artefact {
    /// What makes it the same artefact again: `s3:bucket/key@version`, `ecr:…/repository@digest` or
    /// `oci:registry/repository@digest`.
    #[must_use]
    pub fn id(&self) -> ArtefactId {
        ArtefactId(match self {
            Self::Object {
                bucket,
                key,
                version,
                ..
            } => format!("s3:{bucket}/{key}@{version}"),
            Self::Image {
                account,
                region,
                repository,
                digest,
                ..
            } => {
                format!("ecr:{account}/{region}/{repository}@{digest}")
            }
            Self::Oci {
                registry,
                repository,
                digest,
                ..
            } => format!("oci:{registry}/{repository}@{digest}"),
        })
    }

    /// What a target says that it runs when it runs this: the image's digest, or the object's
    /// bucket, key and version.
    #[must_use]
    pub fn content(&self) -> Content {
        Content(match self {
            Self::Object {
                bucket,
                key,
                version,
                ..
            } => format!("{bucket}/{key}@{version}"),
            Self::Image { digest, .. } | Self::Oci { digest, .. } => digest.clone(),
        })
    }
}

impl fmt::Display for Artefact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { bucket, key, .. } => write!(f, "s3://{bucket}/{key}"),
            Self::Image {
                repository,
                digest,
                tag,
                ..
            } => image(f, repository, digest, tag.as_deref()),
            Self::Oci {
                registry,
                repository,
                digest,
                tag,
            } => {
                write!(f, "{registry}/")?;
                image(f, repository, digest, tag.as_deref())
            }
        }
    }
}

/// An image as people name it: by its tag, else by the beginning of its digest.
fn image(
    f: &mut fmt::Formatter<'_>,
    repository: &str,
    digest: &str,
    tag: Option<&str>,
) -> fmt::Result {
    match tag {
        Some(tag) => write!(f, "{repository}:{tag}"),
        None => write!(f, "{repository}@{}", digest.get(..19).unwrap_or(digest)),
    }
}

/// The natural key of an artefact within a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ArtefactId(pub String);

impl fmt::Display for ArtefactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What runs somewhere, comparable with [`Artefact::content`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Content(pub String);

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What the build said about an artefact: object metadata, or image labels. All of it optional: a
/// plain upload is a release too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildFacts {
    /// The version people call it by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The source commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Who wrote the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When the commit was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_at: Option<Timestamp>,
    /// The branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The build server's job: build numbers are comparable only within one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The number of the build within its job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_number: Option<u64>,
    /// Where the build can be read about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_url: Option<String>,
    /// The source repository, for compare links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Set when going back from this release would not bring the old state back (a one-way
    /// migration): an approver is told, and it is never rolled back without a person.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub irreversible: bool,
}

impl BuildFacts {
    /// Whether this build is known to be older than `other`: same job, smaller build number.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        match (&self.job, &other.job, self.build_number, other.build_number) {
            (Some(mine), Some(theirs), Some(number), Some(than)) => mine == theirs && number < than,
            _ => false,
        }
    }
}

/// An artefact with its build facts, numbered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// 1, 2, 3 … per service.
    pub number: ReleaseNumber,
    /// What would be deployed.
    pub artefact: Artefact,
    /// What the build said.
    pub build: BuildFacts,
    /// When the ledger recorded it.
    pub recorded_at: Timestamp,
}

impl Release {
    /// A short name for people: the version, else the tag, else the commit's beginning.
    #[must_use]
    pub fn label(&self) -> Option<String> {
        let tag = match &self.artefact {
            Artefact::Image { tag, .. } | Artefact::Oci { tag, .. } => tag.clone(),
            Artefact::Object { .. } => None,
        };
        let commit = self.build.commit.as_deref();
        self.build
            .version
            .clone()
            .or(tag)
            .or_else(|| commit.map(|commit| commit.get(..7).unwrap_or(commit).to_owned()))
    }
}
