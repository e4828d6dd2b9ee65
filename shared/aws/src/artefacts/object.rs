//! Objects: one version of one key, with what S3 knows of it.

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Artefact;
use domain::bundle::Bundle;
use domain::fact::{ArtefactFound, Proof};
use engine::PlatformError;

use super::tarball::{STREAMED_BYTES_MAX, Scanner};
use super::{facts, zipped};
use crate::errors::{self, Trouble, cut};

/// What S3 calls the version of an object in a bucket that keeps none.
const NO_VERSION: &str = "null";
/// The metadata key under which an upload states its own checksum, in hex.
const CLAIMED_SHA256: &str = "sha256";

/// Looks at an object.
pub(super) async fn examine(
    s3: &Client,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Option<ArtefactFound>, PlatformError> {
    // A folder that somebody made in the console.
    if key.ends_with('/') {
        return Ok(None);
    }
    let Some(head) = head(s3, bucket, key, version).await? else {
        return Ok(None);
    };
    let version = head
        .version_id()
        .or(version)
        .unwrap_or(NO_VERSION)
        .to_owned();
    let object = Object {
        s3,
        bucket,
        key,
        version: &version,
        bytes: bytes(&head),
    };
    let proof = match unusable(&object, &head) {
        Some(why) => Proof::Unusable(why),
        None => object.opens().await?,
    };
    Ok(Some(ArtefactFound {
        artefact: object.artefact(&head),
        build: head.metadata().map(facts::of_metadata).unwrap_or_default(),
        proof,
    }))
}

/// Why an object can be deployed no more.
pub(super) async fn obstacle(
    s3: &Client,
    bucket: &str,
    key: &str,
    version: &str,
) -> Result<Option<String>, PlatformError> {
    Ok(match head(s3, bucket, key, Some(version)).await? {
        None => Some(format!(
            "version {version} of s3://{bucket}/{key} was deleted"
        )),
        Some(head) => in_archive(&head),
    })
}

/// One version of an object as an artefact; `None` when it is gone.
pub(crate) async fn recorded(
    s3: &Client,
    bucket: &str,
    key: &str,
    version: &str,
) -> Result<Option<Artefact>, PlatformError> {
    let Some(head) = head(s3, bucket, key, Some(version)).await? else {
        return Ok(None);
    };
    let object = Object {
        s3,
        bucket,
        key,
        version,
        bytes: bytes(&head),
    };
    Ok(Some(object.artefact(&head)))
}

async fn head(
    s3: &Client,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Option<HeadObjectOutput>, PlatformError> {
    let answer = s3
        .head_object()
        .bucket(bucket)
        .key(key)
        .set_version_id(version.map(ToOwned::to_owned))
        .checksum_mode(ChecksumMode::Enabled)
        .send()
        .await;
    match answer {
        Ok(head) => Ok(Some(head)),
        Err(error) => {
            let trouble = Trouble::of("s3:HeadObject", &error);
            match trouble.status {
                // 405: the version is a delete marker.
                Some(404 | 405) => Ok(None),
                Some(301) => Err(PlatformError::Terminal(format!(
                    "the bucket {bucket} is in another Region than Lastgood"
                ))),
                Some(403) => Err(PlatformError::Terminal(format!(
                    "Lastgood may not read s3://{bucket}/{key}"
                ))),
                _ => Err(trouble.into()),
            }
        }
    }
}

fn bytes(head: &HeadObjectOutput) -> u64 {
    head.content_length()
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or_default()
}

/// What speaks against an object before it is opened.
fn unusable(object: &Object<'_>, head: &HeadObjectOutput) -> Option<String> {
    if object.version == NO_VERSION {
        return Some(format!(
            "the bucket {} keeps no versions, so that what is deployed could change: switch versioning on",
            object.bucket
        ));
    }
    if object.bytes == 0 {
        return Some("the object is empty".to_owned());
    }
    in_archive(head).or_else(|| wrong_checksum(head))
}

/// S3 answers for objects in Glacier, and refuses to hand them out until they are restored.
fn in_archive(head: &HeadObjectOutput) -> Option<String> {
    let class = head
        .storage_class()
        .map(aws_sdk_s3::types::StorageClass::as_str)?;
    let tier = head
        .archive_status()
        .map(aws_sdk_s3::types::ArchiveStatus::as_str);
    let archived = matches!(class, "GLACIER" | "DEEP_ARCHIVE") || tier.is_some();
    let restored = head
        .restore()
        .is_some_and(|restore| restore.contains("ongoing-request=\"false\""));
    (archived && !restored).then(|| {
        format!(
            "the object lies in the archive ({}) and has to be restored first",
            tier.unwrap_or(class)
        )
    })
}

fn wrong_checksum(head: &HeadObjectOutput) -> Option<String> {
    let stored = sha256(head)?;
    let claimed = head
        .metadata()?
        .get(CLAIMED_SHA256)?
        .trim()
        .to_ascii_lowercase();
    (claimed != stored)
        .then(|| format!("its metadata claims SHA-256 {claimed}, and S3 computed {stored}"))
}

/// The SHA-256 of the whole object, in hex. That of a multipart upload is one over its parts'.
fn sha256(head: &HeadObjectOutput) -> Option<String> {
    let checksum = head.checksum_sha256()?;
    let whole = match head.checksum_type() {
        Some(kind) => *kind == ChecksumType::FullObject,
        None => !checksum.contains('-'),
    };
    let digest = STANDARD.decode(checksum).ok().filter(|_| whole)?;
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// One version of one object.
struct Object<'a> {
    s3: &'a Client,
    bucket: &'a str,
    key: &'a str,
    version: &'a str,
    bytes: u64,
}

impl Object<'_> {
    fn artefact(&self, head: &HeadObjectOutput) -> Artefact {
        Artefact::Object {
            bucket: self.bucket.to_owned(),
            key: self.key.to_owned(),
            version: self.version.to_owned(),
            sha256: sha256(head),
            bytes: self.bytes,
        }
    }

    /// Whether the archive opens and is a revision.
    async fn opens(&self) -> Result<Proof, PlatformError> {
        let Some(bundle) = Bundle::of(self.key) else {
            return Ok(Proof::Unusable(no_archive(self.key)));
        };
        match Scanner::new(bundle) {
            None => zipped::proof(self, self.bytes).await,
            Some(_) if self.bytes > STREAMED_BYTES_MAX => Ok(Proof::Unusable(format!(
                "a tar archive of more than {STREAMED_BYTES_MAX} bytes is not looked through: pack it as a zip"
            ))),
            Some(scanner) => self.streams(scanner).await,
        }
    }

    async fn streams(&self, mut scanner: Scanner) -> Result<Proof, PlatformError> {
        let mut body = self.get(None).await?;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| broken_off(&error))?;
            if let Err(error) = scanner.take(&piece) {
                return Ok(does_not_open(&error));
            }
        }
        Ok(scanner
            .finish()
            .unwrap_or_else(|error| does_not_open(&error)))
    }

    async fn get(
        &self,
        range: Option<String>,
    ) -> Result<aws_sdk_s3::primitives::ByteStream, PlatformError> {
        let answer = self
            .s3
            .get_object()
            .bucket(self.bucket)
            .key(self.key)
            .version_id(self.version)
            .set_range(range)
            .send()
            .await
            .map_err(errors::platform("s3:GetObject"))?;
        Ok(answer.body)
    }
}

impl zipped::Ranges for Object<'_> {
    async fn range(&self, from: u64, to: u64) -> Result<Vec<u8>, PlatformError> {
        let last = to.saturating_sub(1);
        let body = self.get(Some(format!("bytes={from}-{last}"))).await?;
        let bytes = body
            .collect()
            .await
            .map_err(|error| broken_off(&error))?
            .into_bytes();
        if bytes.len() as u64 != to - from {
            let words = format!(
                "s3:GetObject: {} bytes instead of {}",
                bytes.len(),
                to - from
            );
            return Err(PlatformError::Transient(words));
        }
        Ok(bytes.to_vec())
    }
}

fn no_archive(key: &str) -> String {
    let name = key.rsplit('/').next().unwrap_or(key);
    format!("{name} is no archive that CodeDeploy unpacks: it takes .zip, .tar, .tar.gz and .tgz")
}

fn broken_off(error: &dyn std::error::Error) -> PlatformError {
    PlatformError::Transient(cut(&format!("s3:GetObject: {error}")))
}

fn does_not_open(error: &std::io::Error) -> Proof {
    Proof::Unusable(cut(&format!("the archive does not open: {error}")))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::StorageClass;

    use super::*;

    const OF_NOTHING: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

    #[test]
    fn only_the_checksum_of_the_whole_object_counts() {
        let whole = HeadObjectOutput::builder()
            .checksum_sha256(OF_NOTHING)
            .checksum_type(ChecksumType::FullObject)
            .build();
        assert!(sha256(&whole).unwrap().starts_with("e3b0c44298fc1c14"));
        let parts = HeadObjectOutput::builder()
            .checksum_sha256(format!("{OF_NOTHING}-3"))
            .build();
        assert_eq!(sha256(&parts), None);
    }

    #[test]
    fn a_claimed_checksum_has_to_be_right() {
        let head = |claimed: &str| {
            HeadObjectOutput::builder()
                .checksum_sha256(OF_NOTHING)
                .checksum_type(ChecksumType::FullObject)
                .metadata(CLAIMED_SHA256, claimed)
                .build()
        };
        let right = sha256(&head("")).unwrap();
        assert_eq!(wrong_checksum(&head(&right.to_uppercase())), None);
        assert!(
            wrong_checksum(&head("abcd"))
                .unwrap()
                .contains("claims SHA-256 abcd")
        );
    }

    #[test]
    fn an_archived_object_is_usable_once_restored() {
        let head = |restore: Option<&str>| {
            HeadObjectOutput::builder()
                .storage_class(StorageClass::Glacier)
                .set_restore(restore.map(ToOwned::to_owned))
                .build()
        };
        assert!(in_archive(&head(None)).is_some());
        assert!(in_archive(&head(Some("ongoing-request=\"true\""))).is_some());
        assert!(in_archive(&head(Some("ongoing-request=\"false\", expiry-date=\"…\""))).is_none());
        assert!(in_archive(&HeadObjectOutput::builder().build()).is_none());
    }
}
