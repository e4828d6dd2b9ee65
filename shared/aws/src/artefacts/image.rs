//! Images of ECR: a digest in a repository, what ECR knows of it, and what its build said.

use aws_sdk_ecr::types::{
    DescribeImagesFilter, Image, ImageDetail, ImageFailureCode, ImageIdentifier, ImageStatus,
    TagStatus,
};
use domain::catalogue::{Listed, TAGS_MAX};
use domain::fact::{ArtefactFound, Proof};
use domain::{AccountId, Artefact, BuildFacts, Region};
use engine::PlatformError;

use super::contents::{self, CONFIGS, Contents, Labels, MANIFESTS, Manifest};
use super::labels;
use crate::errors::Trouble;
use crate::places::Clients;
use crate::time;

/// Most images of one answer (ECR API, DescribeImages).
const IMAGES_PER_PAGE: i32 = 1000;

/// A repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct Repository<'a> {
    pub(super) account: &'a AccountId,
    pub(super) region: &'a Region,
    pub(super) name: &'a str,
}

/// A registry's host name.
pub(super) fn registry_host(account: &AccountId, region: &Region) -> String {
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
    let asked = Asked {
        clients,
        repository,
    };
    match contents::read(&asked, digest).await? {
        Contents::Image(build) => found(build, Proof::Deployable),
        Contents::Broken(why) => found(BuildFacts::default(), Proof::Unusable(why)),
        Contents::SomethingElse => Ok(None),
    }
}

/// All tags of a repository with what they point to, archived images too: what is restored later
/// is not new.
pub(super) async fn listing(
    ecr: &aws_sdk_ecr::Client,
    repository: Repository<'_>,
) -> Result<Vec<Listed>, PlatformError> {
    let tagged = DescribeImagesFilter::builder()
        .tag_status(TagStatus::Tagged)
        .build();
    let mut images = ecr
        .describe_images()
        .registry_id(repository.account.as_str())
        .repository_name(repository.name)
        .filter(tagged)
        .into_paginator()
        .page_size(IMAGES_PER_PAGE)
        .items()
        .send();
    let mut listed = Vec::new();
    while let Some(image) = images.next().await {
        let image = image.map_err(crate::errors::platform("ecr:DescribeImages"))?;
        let pushed_at = image.image_pushed_at().and_then(time::timestamp);
        listed.extend(image.image_tags().iter().map(|tag| Listed {
            tag: tag.clone(),
            digest: image.image_digest().map(ToOwned::to_owned),
            pushed_at,
        }));
        if listed.len() > TAGS_MAX {
            let name = repository.name;
            let words = format!("{name} has more than {TAGS_MAX} tags, too many to look through");
            return Err(PlatformError::Terminal(words));
        }
    }
    Ok(listed)
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

/// A repository with the clients to ask it.
struct Asked<'a> {
    clients: &'a Clients,
    repository: Repository<'a>,
}

impl contents::Repository for Asked<'_> {
    async fn manifest(&self, digest: &str) -> Result<Result<Manifest, String>, PlatformError> {
        fetch(self.clients.ecr(), self.repository, digest).await
    }

    async fn labels(&self, config: &str) -> Result<Labels, PlatformError> {
        labels::fetch(self.clients, self.repository, config).await
    }
}

/// A manifest, or why it cannot be read.
pub(super) async fn fetch(
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
        return Ok(Manifest::read(text.as_bytes(), digest));
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
