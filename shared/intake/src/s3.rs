//! S3's events through EventBridge: an object was created. What the object is, and whose, is looked
//! at later.

use domain::Hint;
use domain::hint::Input;
use serde::Deserialize;

use crate::envelope::Envelope;
use crate::{Decoded, Ignored, Refusal, read};

/// EventBridge's name for S3.
const SOURCE: &str = "aws.s3";
/// The kind that brings an artefact. Its `reason` may be PutObject, POST Object, CopyObject or
/// CompleteMultipartUpload: an object is there in each case, so the reason is not read.
const CREATED: &str = "Object Created";
/// Longest bucket name, in bytes: 63 today, 255 for buckets made in us-east-1 before 2018.
const BUCKET_BYTES_MAX: usize = 255;
/// Longest key and longest version id, in bytes (S3: "up to 1,024 bytes long").
const KEY_BYTES_MAX: usize = 1024;
/// The version id of an object that was written while versioning was off or suspended. The next
/// upload overwrites it, so it pins nothing and counts as no version.
const VERSION_NULL: &str = "null";

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Bucket {
    name: Option<String>,
}

/// A key is taken as it stands: here it is not URL-encoded, unlike in the bucket notifications that
/// S3 sends without EventBridge (those are refused as foreign).
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Object {
    key: Option<String>,
    size: Option<u64>,
    #[serde(rename = "version-id")]
    version_id: Option<String>,
}

/// Decodes an event of S3. Folder keys and empty objects are hints too: the look tells.
///
/// # Errors
/// When it is no event of S3, or names no object.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Refusal> {
    let envelope = Envelope::from(bytes, SOURCE)?;
    if envelope.detail_type() != CREATED {
        return Ok(Decoded::Ignored(Ignored::other_kind(
            envelope.detail_type(),
        )));
    }
    let Detail { bucket, object } = envelope.detail()?;
    let version = read::optional(object.version_id, "detail.object.version-id", KEY_BYTES_MAX)?;
    Ok(Decoded::Input(Input::Hint(Hint::Object {
        bucket: read::filled(bucket.name, "detail.bucket.name", BUCKET_BYTES_MAX)?,
        key: read::filled(object.key, "detail.object.key", KEY_BYTES_MAX)?,
        version: version.filter(|version| version != VERSION_NULL),
        bytes: object.size,
    })))
}
