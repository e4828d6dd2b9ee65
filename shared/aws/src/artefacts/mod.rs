//! What was uploaded or pushed: what it is exactly, what its build said, whether it can be
//! deployed. Objects are in [`object`], images of ECR in [`image`], those of any other registry in
//! [`oci`]; what both kinds of images hold is read by [`contents`], what scans of ECR's found by
//! [`mod@scan`].

mod archive;
mod contents;
mod facts;
mod image;
mod labels;
mod object;
mod oci;
mod scan;
#[cfg(test)]
mod shaken;
mod tarball;
mod web;
mod zipped;

pub(crate) use object::recorded;

use std::sync::Arc;

use domain::catalogue::Listed;
use domain::config::Source;
use domain::fact::ArtefactFound;
use domain::scan::ScanFound;
use domain::{AccountId, Artefact, Hint, Region};
use engine::PlatformError;

use crate::places::{Clients, Places};

/// Looks at what a hint is about; `None` when it is gone, or is no artefact at all.
pub(crate) async fn examine(
    places: &Places,
    hint: &Hint,
) -> Result<Option<ArtefactFound>, PlatformError> {
    match hint {
        Hint::Object {
            bucket,
            key,
            version,
            ..
        } => {
            let clients = places.home().await?;
            object::examine(clients.s3(), bucket, key, version.as_deref()).await
        }
        Hint::Image {
            account,
            region,
            repository,
            digest,
            tag,
        } => {
            let (clients, repository) = ecr(places, account, region, repository).await?;
            image::examine(&clients, repository, digest, tag.as_deref()).await
        }
        Hint::Tag {
            registry,
            repository,
            tag,
        } => {
            let clients = places.home().await?;
            oci::examine(&clients, registry, repository, tag).await
        }
        Hint::Scan { .. }
        | Hint::EcsDeployment { .. }
        | Hint::CodeDeployDeployment { .. }
        | Hint::Due { .. }
        | Hint::Compare { .. }
        | Hint::AlarmSetUp { .. }
        | Hint::Call { .. } => Ok(None),
    }
}

/// What an image source offers now; nothing of what need not be looked through.
pub(crate) async fn listing(
    places: &Places,
    source: &Source,
) -> Result<Vec<Listed>, PlatformError> {
    match source {
        Source::S3 { .. } => Ok(Vec::new()),
        Source::Ecr {
            account,
            region,
            repository,
            ..
        } => {
            let (clients, repository) = ecr(places, account, region, repository).await?;
            image::listing(clients.ecr(), repository).await
        }
        Source::Oci {
            registry,
            repository,
            tags,
        } => {
            let clients = places.home().await?;
            oci::listing(&clients, registry, repository, tags).await
        }
    }
}

/// What the scan of an image of ECR found.
pub(crate) async fn scan(places: &Places, artefact: &Artefact) -> Result<ScanFound, PlatformError> {
    match artefact {
        Artefact::Image {
            account,
            region,
            repository,
            digest,
            ..
        } => {
            let (clients, repository) = ecr(places, account, region, repository).await?;
            scan::look(&clients, repository, digest).await
        }
        Artefact::Object { .. } | Artefact::Oci { .. } => Ok(ScanFound::Unclear(
            "only images of ECR are scanned".to_owned(),
        )),
    }
}

/// A repository of ECR, and who can be asked about it.
async fn ecr<'a>(
    places: &Places,
    account: &'a AccountId,
    region: &'a Region,
    name: &'a str,
) -> Result<(Arc<Clients>, image::Repository<'a>), PlatformError> {
    let repository = image::Repository {
        account,
        region,
        name,
    };
    Ok((places.own(region.clone()).await?, repository))
}

/// Why an artefact that was deployable can be deployed no more; `None` when it still can.
pub(crate) async fn obstacle(
    places: &Places,
    artefact: &Artefact,
) -> Result<Option<String>, PlatformError> {
    match artefact {
        Artefact::Object {
            bucket,
            key,
            version,
            ..
        } => {
            let clients = places.home().await?;
            object::obstacle(clients.s3(), bucket, key, version).await
        }
        Artefact::Image {
            account,
            region,
            repository,
            digest,
            ..
        } => {
            let (clients, repository) = ecr(places, account, region, repository).await?;
            image::obstacle(clients.ecr(), repository, digest).await
        }
        Artefact::Oci {
            registry,
            repository,
            digest,
            ..
        } => {
            let clients = places.home().await?;
            Ok(oci::obstacle(&clients, registry, repository, digest).await)
        }
    }
}

/// What a task definition calls an image: by digest, so that nobody can change what runs by moving
/// a tag. None for what is no image.
pub(crate) fn image_name(artefact: &Artefact) -> Option<String> {
    match artefact {
        Artefact::Object { .. } => None,
        Artefact::Image {
            account,
            region,
            repository,
            digest,
            ..
        } => {
            let host = image::registry_host(account, region);
            Some(format!("{host}/{repository}@{digest}"))
        }
        Artefact::Oci {
            registry,
            repository,
            digest,
            ..
        } => Some(format!("{registry}/{repository}@{digest}")),
    }
}
