//! What was uploaded or pushed: what it is exactly, what its build said, whether it can be
//! deployed. Objects are in [`object`], images in [`image`].

mod archive;
mod bundle;
mod facts;
mod image;
mod labels;
mod object;
mod tarball;
mod zipped;

pub(crate) use bundle::Bundle;
pub(crate) use image::registry_host;
pub(crate) use object::recorded;

use domain::fact::ArtefactFound;
use domain::{Artefact, Hint};
use engine::PlatformError;

use crate::places::Places;

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
            let clients = places.own(region.clone()).await?;
            let repository = image::Repository {
                account,
                region,
                name: repository,
            };
            image::examine(&clients, repository, digest, tag.as_deref()).await
        }
        Hint::EcsDeployment { .. } | Hint::CodeDeployDeployment { .. } | Hint::Due { .. } => {
            Ok(None)
        }
    }
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
            let clients = places.own(region.clone()).await?;
            let repository = image::Repository {
                account,
                region,
                name: repository,
            };
            image::obstacle(clients.ecr(), repository, digest).await
        }
    }
}
