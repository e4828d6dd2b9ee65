//! Images: a digest in a repository, what ECR knows of it, and the labels its build left.

use aws_sdk_ecr::types::{Image, ImageDetail, ImageFailureCode, ImageIdentifier, ImageStatus};
use domain::fact::{ArtefactFound, Proof};
use domain::{AccountId, Artefact, BuildFacts, Region};
use engine::PlatformError;
use serde::Deserialize;

use super::{facts, labels};
use crate::errors::Trouble;
use crate::places::Clients;

/// What a manifest may be: a single image or an index of images, Docker's or OCI's.
const MANIFESTS: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
];
/// What the configuration of something that runs is. Charts, signatures and bills of materials have
/// others.
const CONFIGS: [&str; 2] = [
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
];
/// How an index marks a child that only attests another one (BuildKit).
const ATTESTS: &str = "vnd.docker.reference.type";

/// A repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repository<'a> {
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
    pub(super) name: &'a str,
}

/// A registry's host name.
pub(crate) fn registry_host(account: &AccountId, region: &Region) -> String {
    let suffix = if region.as_str().starts_with("cn-") {
        ".cn"
    } else {
        ""
    };
    format!("{account}.dkr.ecr.{region}.amazonaws.com{suffix}")
}

/// Looks at an image.
pub(super) async fn examine(
    clients: &Clients,
    repository: Repository<'_>,
    digest: &str,
    tag: Option<&str>,
) -> Result<Option<ArtefactFound>, PlatformError> {
    let ecr = clients.ecr();
    let Some(detail) = describe(ecr, repository, digest).await? else {
        return Ok(None);
    };
    let kind = detail.artifact_media_type();
    if kind.is_some_and(|kind| {
        !kind.is_empty() && !CONFIGS.contains(&kind) && !MANIFESTS.contains(&kind)
    }) {
        return Ok(None);
    }
    let artefact = Artefact::Image {
        account: repository.account.clone(),
        region: repository.region.clone(),
        repository: repository.name.to_owned(),
        digest: digest.to_owned(),
        tag: tag.map(ToOwned::to_owned),
    };
    let found = |build, proof| {
        Ok(Some(ArtefactFound {
            artefact,
            build,
            proof,
        }))
    };
    if let Some(why) = archived(&detail) {
        return found(BuildFacts::default(), Proof::Unusable(why));
    }
    match read(clients, repository, digest).await? {
        Contents::Image(build) => found(build, Proof::Deployable),
        Contents::Broken(why) => found(BuildFacts::default(), Proof::Unusable(why)),
        Contents::SomethingElse => Ok(None),
    }
}

/// Why an image can be deployed no more.
pub(super) async fn obstacle(
    ecr: &aws_sdk_ecr::Client,
    repository: Repository<'_>,
    digest: &str,
) -> Result<Option<String>, PlatformError> {
    Ok(match describe(ecr, repository, digest).await? {
        None => Some(format!(
            "{}@{digest} is no longer in its repository",
            repository.name
        )),
        Some(detail) => archived(&detail),
    })
}

/// An archived image is described like any other, and pulling it answers 404.
fn archived(detail: &ImageDetail) -> Option<String> {
    let status = detail.image_status()?;
    (*status != ImageStatus::Active).then(|| {
        format!(
            "the image is not available in its repository: {}",
            status.as_str()
        )
    })
}

async fn describe(
    ecr: &aws_sdk_ecr::Client,
    repository: Repository<'_>,
    digest: &str,
) -> Result<Option<ImageDetail>, PlatformError> {
    let answer = ecr
        .describe_images()
        .registry_id(repository.account.as_str())
        .repository_name(repository.name)
        .image_ids(ImageIdentifier::builder().image_digest(digest).build())
        .send()
        .await;
    match answer {
        Ok(answer) => Ok(answer.image_details.unwrap_or_default().into_iter().next()),
        Err(error) => {
            let trouble = Trouble::of("ecr:DescribeImages", &error);
            if trouble.is(&["ImageNotFoundException", "RepositoryNotFoundException"]) {
                Ok(None)
            } else {
                Err(trouble.into())
            }
        }
    }
}

/// What a manifest holds.
enum Contents {
    /// Something that runs, with what its build said.
    Image(BuildFacts),
    /// Nothing that runs.
    SomethingElse,
    /// It cannot be read; why.
    Broken(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<OnPlatform>,
    #[serde(default)]
    annotations: std::collections::HashMap<String, String>,
}

#[derive(Deserialize)]
struct OnPlatform {
    #[serde(default)]
    os: String,
}

impl Descriptor {
    /// Whether a child of an index is something that runs.
    fn runs(&self) -> bool {
        let unknown = self
            .platform
            .as_ref()
            .is_some_and(|platform| platform.os == "unknown");
        !unknown && !self.annotations.contains_key(ATTESTS)
    }
}

/// Reads an image, or the first image of an index: a build labels all of them alike.
async fn read(
    clients: &Clients,
    repository: Repository<'_>,
    digest: &str,
) -> Result<Contents, PlatformError> {
    let mut digest = digest.to_owned();
    // An index, then a child of it. Deeper nesting is legal and unheard of.
    for _ in 0..2 {
        let manifest = match fetch(clients.ecr(), repository, &digest).await? {
            Ok(manifest) => manifest,
            Err(why) => return Ok(Contents::Broken(why)),
        };
        if let Some(config) = manifest.config {
            if !config.media_type.is_empty() && !CONFIGS.contains(&config.media_type.as_str()) {
                return Ok(Contents::SomethingElse);
            }
            let labels = labels::fetch(clients, repository, &config.digest).await?;
            return Ok(Contents::Image(facts::of_labels(&labels)));
        }
        let Some(child) = manifest.manifests.into_iter().find(Descriptor::runs) else {
            return Ok(Contents::SomethingElse);
        };
        digest = child.digest;
    }
    Ok(Contents::Image(BuildFacts::default()))
}

/// A manifest, or why it cannot be read.
async fn fetch(
    ecr: &aws_sdk_ecr::Client,
    repository: Repository<'_>,
    digest: &str,
) -> Result<Result<Manifest, String>, PlatformError> {
    let answer = ecr
        .batch_get_image()
        .registry_id(repository.account.as_str())
        .repository_name(repository.name)
        .image_ids(ImageIdentifier::builder().image_digest(digest).build())
        .set_accepted_media_types(Some(MANIFESTS.map(ToOwned::to_owned).to_vec()))
        .send()
        .await
        .map_err(crate::errors::platform("ecr:BatchGetImage"))?;
    if let Some(text) = answer.images().first().and_then(Image::image_manifest) {
        let parsed = serde_json::from_str(text);
        return Ok(
            parsed.map_err(|error| format!("the manifest of {digest} cannot be read: {error}"))
        );
    }
    let failure = answer.failures().first();
    let code = failure
        .and_then(|failure| failure.failure_code())
        .map_or("", ImageFailureCode::as_str);
    let reason = failure
        .and_then(|failure| failure.failure_reason())
        .unwrap_or("no reason given");
    Ok(Err(format!(
        "the manifest of {digest} is not handed out: {code} {reason}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn china_has_its_own_suffix() {
        let account = "111122223333".parse().unwrap();
        let host = |region: &str| registry_host(&account, &region.parse().unwrap());
        assert_eq!(
            host("ap-south-1"),
            "111122223333.dkr.ecr.ap-south-1.amazonaws.com"
        );
        assert_eq!(
            host("cn-north-1"),
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn"
        );
    }

    #[test]
    fn attestations_are_no_children_that_run() {
        let index = r#"{"schemaVersion":2,"manifests":[
            {"mediaType":"m","digest":"sha256:a","platform":{"os":"unknown","architecture":"unknown"},
             "annotations":{"vnd.docker.reference.type":"attestation-manifest"}},
            {"mediaType":"m","digest":"sha256:b","platform":{"os":"linux","architecture":"arm64"}}]}"#;
        let manifest: Manifest = serde_json::from_str(index).unwrap();
        let child = manifest
            .manifests
            .into_iter()
            .find(Descriptor::runs)
            .unwrap();
        assert_eq!(child.digest, "sha256:b");
    }

    #[test]
    fn only_an_active_image_can_be_pulled() {
        let detail = |status| ImageDetail::builder().set_image_status(status).build();
        assert_eq!(archived(&detail(Some(ImageStatus::Active))), None);
        assert_eq!(archived(&detail(None)), None);
        assert!(
            archived(&detail(Some(ImageStatus::Archived)))
                .unwrap()
                .contains("ARCHIVED")
        );
    }
}
