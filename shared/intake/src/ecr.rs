//! ECR's events through EventBridge: an image was pushed. Whether its tag makes a release is
//! decided later.

use domain::Hint;
use domain::hint::Input;
use serde::Deserialize;

use crate::envelope::Envelope;
use crate::{Decoded, Ignored, Refusal, read};

/// EventBridge's name for ECR.
pub(crate) const SOURCE: &str = "aws.ecr";
/// The kind that tells of pushes, deletions and archiving.
const IMAGE_ACTION: &str = "ECR Image Action";
/// The action that brings an artefact.
const PUSH: &str = "PUSH";
/// The result of an action that was done.
const SUCCESS: &str = "SUCCESS";
/// Longest repository name, in bytes (ECR: 256 characters).
const REPOSITORY_BYTES_MAX: usize = 256;
/// Longest tag, in bytes (ECR: 300 characters).
const TAG_BYTES_MAX: usize = 300;
/// Longest digest, in bytes: `sha256:` and 64 hex digits.
const DIGEST_BYTES_MAX: usize = 71;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    action_type: Option<String>,
    result: Option<String>,
    repository_name: Option<String>,
    image_digest: Option<String>,
    /// Empty when the push had no tag, as the parts of a multi-architecture image have none.
    image_tag: Option<String>,
}

/// Decodes an event of ECR.
///
/// # Errors
/// When it is no event of ECR, or tells of a push without saying of what.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    let envelope = Envelope::from(bytes, SOURCE)?;
    if envelope.detail_type() != IMAGE_ACTION {
        return Ok(Decoded::Ignored(Ignored::other_kind(
            envelope.detail_type(),
        )));
    }
    let detail: Detail = envelope.detail()?;
    let action = read::filled(detail.action_type, "detail.action-type", TAG_BYTES_MAX)?;
    if action != PUSH {
        return Ok(Decoded::Ignored(Ignored::OtherImageAction { action }));
    }
    let result = read::filled(detail.result, "detail.result", TAG_BYTES_MAX)?;
    if result != SUCCESS {
        return Ok(Decoded::Ignored(Ignored::FailedPush { result }));
    }
    let repository = detail.repository_name;
    Ok(Decoded::Input(Input::Hint(Hint::Image {
        account: envelope.account()?,
        region: envelope.region()?,
        repository: read::filled(repository, "detail.repository-name", REPOSITORY_BYTES_MAX)?,
        digest: digest(detail.image_digest)?,
        tag: read::optional(detail.image_tag, "detail.image-tag", TAG_BYTES_MAX)?,
    })))
}

fn digest(digest: Option<String>) -> Result<String, Refusal> {
    let path = "detail.image-digest";
    let digest = read::filled(digest, path, DIGEST_BYTES_MAX)?;
    match digest.strip_prefix("sha256:") {
        Some(hex) if !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(digest),
        Some(_) | None => Err(Refusal::malformed(
            path,
            "it is no digest: it looks like sha256:…",
        )),
    }
}
