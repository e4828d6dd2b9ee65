//! Hints: events that say too little, or too little that can be trusted. They are a reason to look;
//! what the look finds is a [`crate::fact`].

use crate::alarm::AlarmSeen;
use crate::drift::ApiCall;
use crate::fact::Asked;
use crate::name::{AccountId, AlarmArn, Region, Registry, ServiceName};

/// What one delivered event comes to, once decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A reason to look.
    Hint(Hint),
    /// An alarm's change: complete in itself, for every stage that watches the alarm.
    Alarm(AlarmSeen),
    /// A person's request: complete in itself, for one service.
    Asked {
        /// The service it is about.
        service: ServiceName,
        /// What is asked.
        asked: Asked,
    },
}

/// A reason to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// S3 says that an object was created; it names no commit and no checksum.
    Object {
        /// The bucket.
        bucket: String,
        /// The key, decoded.
        key: String,
        /// The version id, absent on a bucket without versioning.
        version: Option<String>,
        /// Size in bytes, when the event tells.
        bytes: Option<u64>,
    },
    /// ECR says that an image was pushed.
    Image {
        /// The registry's account.
        account: AccountId,
        /// The registry's Region.
        region: Region,
        /// The repository.
        repository: String,
        /// `sha256:…`.
        digest: String,
        /// The tag; untagged pushes have none.
        tag: Option<String>,
    },
    /// ECR or Inspector says that an image's scan moved on.
    Scan {
        /// The registry's account.
        account: AccountId,
        /// The registry's Region.
        region: Region,
        /// The repository.
        repository: String,
        /// `sha256:…`.
        digest: String,
    },
    /// Somebody says that a tag of a registry points to something new. It may be forged, and names
    /// no digest.
    Tag {
        /// The registry.
        registry: Registry,
        /// The repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// ECS says that a deployment moved on. The event names neither cluster nor revision.
    EcsDeployment {
        /// `resources[0]`: the ECS service's ARN.
        service_arn: String,
        /// `ecs-svc/…`.
        deployment: String,
    },
    /// CodeDeploy says that a deployment moved on. The event tells neither reason nor creator.
    CodeDeployDeployment {
        /// The account.
        account: AccountId,
        /// The Region.
        region: Region,
        /// The application.
        application: String,
        /// The deployment group.
        group: String,
        /// `d-…`.
        deployment: String,
    },
    /// A pipeline's due time has passed.
    Due {
        /// The service.
        service: ServiceName,
    },
    /// It is time to compare what a service's targets run with the ledger.
    Compare {
        /// The service.
        service: ServiceName,
    },
    /// CloudWatch says that an alarm was deleted, or is set up otherwise.
    AlarmSetUp {
        /// The alarm.
        alarm: AlarmArn,
    },
    /// CloudTrail says that somebody else called for a change of a target. It may come late, and
    /// what the call did to the target is not in it.
    Call {
        /// The target.
        target: CallTarget,
        /// The call.
        call: Box<ApiCall>,
    },
}

/// What a call was about, as far as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallTarget {
    /// A target by its names.
    Subject(Subject),
    /// A deployment of CodeDeploy: the platform knows of which group.
    Deployment {
        /// The account.
        account: AccountId,
        /// The Region.
        region: Region,
        /// `d-…`.
        deployment: String,
    },
}

/// What an event is about: the key under which the ledger keeps who watches it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An alarm.
    Alarm(AlarmArn),
    /// All of a bucket; a watcher's prefix narrows it.
    Bucket(String),
    /// A repository of ECR.
    Repository {
        /// The registry's account.
        account: AccountId,
        /// The registry's Region.
        region: Region,
        /// The repository.
        repository: String,
    },
    /// A repository of any other registry.
    OciRepository {
        /// The registry.
        registry: Registry,
        /// The repository.
        repository: String,
    },
    /// An ECS service, by ARN.
    EcsService(String),
    /// A CodeDeploy deployment group.
    DeploymentGroup {
        /// The account.
        account: AccountId,
        /// The Region.
        region: Region,
        /// The application.
        application: String,
        /// The group.
        group: String,
    },
}

impl Subject {
    /// The ledger's key for it, such as `watch#s3#artefacts`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Alarm(arn) => format!("watch#alarm#{arn}"),
            Self::Bucket(bucket) => format!("watch#s3#{bucket}"),
            Self::Repository {
                account,
                region,
                repository,
            } => {
                format!("watch#ecr#{account}/{region}/{repository}")
            }
            Self::OciRepository {
                registry,
                repository,
            } => format!("watch#oci#{registry}/{repository}"),
            Self::EcsService(arn) => format!("watch#ecs#{arn}"),
            Self::DeploymentGroup {
                account,
                region,
                application,
                group,
            } => {
                format!("watch#codedeploy#{account}/{region}/{application}/{group}")
            }
        }
    }
}
