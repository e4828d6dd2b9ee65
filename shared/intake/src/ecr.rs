//! ECR's events through EventBridge: an image was pushed, or scanned; and Inspector's, which scans
//! in ECR's place where enhanced scanning is on. Whether a tag makes a release is decided later,
//! and what a scan found is looked up: an event may be late, and tells of one architecture only.

use domain::Hint;
use domain::hint::Input;
use serde::Deserialize;

use crate::envelope::Envelope;
use crate::{Decoded, Ignored, Refusal, read};

/// EventBridge's name for ECR.
pub(crate) const SOURCE: &str = "aws.ecr";
/// EventBridge's name for Inspector.
const INSPECTOR: &str = "aws.inspector2";
/// The kind that tells of basic scans, ended well or not.
const IMAGE_SCAN: &str = "ECR Image Scan";
/// The kind that tells of an enhanced scan that has ended. (`Inspector2 Finding` comes once for
/// each finding, after the same look would have found them all.)
const INSPECTOR_SCAN: &str = "Inspector2 Scan";
/// Longest ARN of a repository, in bytes.
const ARN_BYTES_MAX: usize = 512;
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

/// What both kinds of scans tell alike.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ScanDetail {
    /// Inspector writes the repository's whole ARN.
    repository_name: Option<String>,
    image_digest: Option<String>,
}

/// Decodes an event of ECR, or one of Inspector about an image.
///
/// # Errors
/// When it is no such event, or tells of a push or a scan without saying of what.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    let envelope = Envelope::read(bytes, SOURCE)?;
    match (envelope.source(), envelope.detail_type()) {
        (SOURCE, IMAGE_ACTION) => image_action(&envelope),
        (SOURCE, IMAGE_SCAN) | (INSPECTOR, INSPECTOR_SCAN) => scan(&envelope),
        (SOURCE | INSPECTOR, other) => Ok(Decoded::Ignored(Ignored::other_kind(other))),
        _ => Err(envelope.foreign(SOURCE)),
    }
}

fn scan(envelope: &Envelope<'_>) -> Result<Decoded, Refusal> {
    let detail: ScanDetail = envelope.detail()?;
    let path = "detail.repository-name";
    let named = read::filled(detail.repository_name, path, ARN_BYTES_MAX)?;
    let repository = match named.split_once(":repository/") {
        Some((_, repository)) => repository.to_owned(),
        None => named,
    };
    Ok(Decoded::Input(Input::Hint(Hint::Scan {
        account: envelope.account()?,
        region: envelope.region()?,
        repository: read::filled(Some(repository), path, REPOSITORY_BYTES_MAX)?,
        digest: digest(detail.image_digest)?,
    })))
}

fn image_action(envelope: &Envelope<'_>) -> Result<Decoded, Refusal> {
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
