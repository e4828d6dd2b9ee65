//! Uploading an archive so that a version is one artefact for ever: at once when it is small, in
//! parts when it is large. What an interrupted upload left behind is taken up by the next try.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, CompletedMultipartUpload, CompletedPart, Part,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::BuildFacts;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use crate::build;
use crate::failure::{Exit, Failure, causes};
use crate::package::Package;
use crate::screen::Screen;

/// The metadata key under which an upload states its own checksum, in hex: S3 keeps it even where a
/// copy loses the checksum.
const CLAIMED_SHA256: &str = "sha256";
/// How large a part is, in bytes. S3 takes parts from 5 MiB on, and 10,000 of them.
const PART_BYTES: usize = 8 * 1024 * 1024;
/// What is larger than this goes in parts, in bytes.
const AT_ONCE_BYTES_MAX: usize = 2 * PART_BYTES;
/// How many parts are on their way at the same time.
const AT_THE_SAME_TIME: usize = 4;
/// How many parts S3 lists at once.
const PARTS_LISTED_MAX: i32 = 1000;

/// Where an archive goes, and what it is.
#[derive(Debug)]
pub(crate) struct Upload<'a> {
    /// The bucket.
    pub(crate) bucket: &'a str,
    /// The key.
    pub(crate) key: &'a str,
    /// The archive.
    pub(crate) package: &'a Package,
    /// What is known of its build.
    pub(crate) build: &'a BuildFacts,
    /// Where to say how far it is.
    pub(crate) screen: Screen,
}

impl Upload<'_> {
    /// Uploads it, or finds it uploaded already. Returns the object's version.
    ///
    /// # Errors
    /// When another artefact is there, or S3 does not take it.
    pub(crate) async fn run(&self, s3: &Client) -> Result<String, Failure> {
        let there = s3
            .head_object()
            .bucket(self.bucket)
            .key(self.key)
            .checksum_mode(ChecksumMode::Enabled);
        if let Ok(head) = there.send().await {
            return match head.version_id() {
                Some(version) if self.is_in(&head) => {
                    self.screen.say("it was uploaded before");
                    Ok(version.to_owned())
                }
                Some(_) | None => Err(taken(self.bucket, self.key)),
            };
        }
        // Nothing is there, or this identity may not look, as is right for a build server; the
        // upload finds out.
        let version = if self.package.bytes.len() > AT_ONCE_BYTES_MAX {
            self.in_parts(s3).await?
        } else {
            self.at_once(s3).await?
        };
        version.filter(|version| version != "null").ok_or_else(|| {
            Failure::failed(format!("the bucket {} keeps no versions", self.bucket))
                .because("an object without a version may change after it was approved")
                .hint("switch versioning on for the bucket")
        })
    }

    /// Whether an object is this archive. That of an upload in parts has a checksum over those of
    /// its parts (S3 User Guide, "Checking object integrity").
    fn is_in(&self, head: &HeadObjectOutput) -> bool {
        let checksum = head.checksum_sha256();
        if checksum == Some(&STANDARD.encode(self.package.sha256)) {
            return true;
        }
        let parts = parts(&self.package.bytes);
        let of_parts = parts.iter().fold(Sha256::new(), |all, part| {
            all.chain_update(Sha256::digest(part.bytes))
        });
        let of_parts = format!("{}-{}", STANDARD.encode(of_parts.finalize()), parts.len());
        checksum == Some(&of_parts)
    }

    async fn at_once(&self, s3: &Client) -> Result<Option<String>, Failure> {
        let mut put = s3
            .put_object()
            .bucket(self.bucket)
            .key(self.key)
            .content_type(self.package.bundle.media_type())
            // Whoever was faster under this name is not overwritten (S3, conditional writes).
            .if_none_match("*")
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(STANDARD.encode(self.package.sha256))
            .body(ByteStream::from(self.package.bytes.clone()));
        for (name, value) in self.metadata() {
            put = put.metadata(name, value);
        }
        let done = put.send().await.map_err(|error| self.failed(&error))?;
        Ok(done.version_id().map(str::to_owned))
    }

    fn metadata(&self) -> Vec<(String, String)> {
        let claimed = (CLAIMED_SHA256.to_owned(), hex::encode(self.package.sha256));
        let facts = build::metadata(self.build).into_iter();
        let facts = facts.map(|(name, value)| (name.to_string(), value.to_string()));
        std::iter::once(claimed).chain(facts).collect()
    }

    async fn in_parts(&self, s3: &Client) -> Result<Option<String>, Failure> {
        let parts = parts(&self.package.bytes);
        let (id, mut done) = match self.left_behind(s3, &parts).await {
            Some((id, done)) => {
                let count = format!("{} of {} parts", done.len(), parts.len());
                self.screen
                    .say(&format!("an interrupted upload left {count}; it goes on"));
                (id, done)
            }
            None => (self.begin(s3).await?, Vec::new()),
        };
        let is_missing = |part: &&Piece<'_>| {
            let mut done = done.iter();
            !done.any(|it| it.part_number() == Some(part.number))
        };
        let missing: Vec<&Piece<'_>> = parts.iter().filter(is_missing).collect();
        // The last part first: it holds the archive's own directory or checksum, so that an upload
        // in which it is found is one of this very archive.
        let (last, rest): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .partition(|part| usize::try_from(part.number) == Ok(parts.len()));
        for step in [last, rest] {
            let sent = step.into_iter().map(|part| self.send(s3, &id, part));
            let mut sent = stream::iter(sent).buffer_unordered(AT_THE_SAME_TIME);
            while let Some(part) = sent.try_next().await? {
                done.push(part);
                let count = format!("{} of {} parts", done.len(), parts.len());
                self.screen.say(&format!("uploaded {count}"));
            }
        }
        self.complete(s3, &id, done).await
    }

    async fn begin(&self, s3: &Client) -> Result<String, Failure> {
        let mut begin = s3
            .create_multipart_upload()
            .bucket(self.bucket)
            .key(self.key)
            .content_type(self.package.bundle.media_type())
            .checksum_algorithm(ChecksumAlgorithm::Sha256);
        for (name, value) in self.metadata() {
            begin = begin.metadata(name, value);
        }
        let begun = begin.send().await.map_err(|error| self.failed(&error))?;
        let id = begun.upload_id().map(str::to_owned);
        id.ok_or_else(|| Failure::failed("S3 began an upload and gave it no id"))
    }

    /// An upload of this archive that was interrupted, and its parts that are there. Who may not
    /// look begins anew.
    async fn left_behind(
        &self,
        s3: &Client,
        pieces: &[Piece<'_>],
    ) -> Option<(String, Vec<CompletedPart>)> {
        let listed = s3
            .list_multipart_uploads()
            .bucket(self.bucket)
            .prefix(self.key)
            .send()
            .await
            .ok()?;
        let mine = listed
            .uploads()
            .iter()
            .filter(|upload| upload.key() == Some(self.key));
        for id in mine.filter_map(|upload| upload.upload_id()) {
            let there = s3
                .list_parts()
                .bucket(self.bucket)
                .key(self.key)
                .upload_id(id)
                .max_parts(PARTS_LISTED_MAX)
                .send()
                .await;
            let Ok(there) = there else { continue };
            if let Some(done) = taken_up(there.parts(), pieces) {
                return Some((id.to_owned(), done));
            }
        }
        None
    }

    async fn send(
        &self,
        s3: &Client,
        id: &str,
        piece: &Piece<'_>,
    ) -> Result<CompletedPart, Failure> {
        let sent = s3
            .upload_part()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(id)
            .part_number(piece.number)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .checksum_sha256(piece.checksum())
            .body(ByteStream::from(piece.bytes.to_vec()))
            .send()
            .await
            .map_err(|error| {
                let failure = self.failed(&error);
                let words = "the parts that are there stay, and the same command takes them up";
                failure.because(words)
            })?;
        Ok(piece.completed(sent.e_tag()))
    }

    async fn complete(
        &self,
        s3: &Client,
        id: &str,
        mut done: Vec<CompletedPart>,
    ) -> Result<Option<String>, Failure> {
        done.sort_by_key(CompletedPart::part_number);
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(done))
            .build();
        let completed = s3
            .complete_multipart_upload()
            .bucket(self.bucket)
            .key(self.key)
            .upload_id(id)
            .if_none_match("*")
            .multipart_upload(parts)
            .send()
            .await;
        match completed {
            Ok(completed) => Ok(completed.version_id().map(str::to_owned)),
            Err(error) => {
                let failure = self.failed(&error);
                if code(&error) == "PreconditionFailed" {
                    // Nobody will ever complete it; its parts would be paid for.
                    let abort = s3.abort_multipart_upload();
                    let abort = abort.bucket(self.bucket).key(self.key).upload_id(id);
                    drop(abort.send().await);
                }
                Err(failure)
            }
        }
    }

    fn failed<E>(&self, error: &SdkError<E>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (bucket, key) = (self.bucket, self.key);
        let message = format!("s3://{bucket}/{key} could not be uploaded");
        let words = causes(error);
        match code(error) {
            "AccessDenied" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" => {
                Failure::new(Exit::NotAllowed, message)
                    .because(words)
                    .hint(format!(
                        "this identity needs s3:PutObject on arn:aws:s3:::{bucket}/*"
                    ))
            }
            "PreconditionFailed" | "ConditionalRequestConflict" => unseen(bucket, key),
            "NoSuchBucket" => Failure::usage(format!("there is no bucket {bucket}")).because(words),
            "" => Failure::unobserved(message).because(words),
            _ => Failure::failed(message).because(words),
        }
    }
}

fn code<E: ProvideErrorMetadata>(error: &SdkError<E>) -> &str {
    let service = error.as_service_error();
    service.and_then(|error| error.code()).unwrap_or_default()
}

/// A version is one artefact, for ever.
fn taken(bucket: &str, key: &str) -> Failure {
    Failure::failed("another artefact was published under this version")
        .because(format!("s3://{bucket}/{key}"))
        .because("nothing was uploaded")
        .hint("give it another --version")
}

/// Something is there that could not be compared with what was to be uploaded.
fn unseen(bucket: &str, key: &str) -> Failure {
    Failure::failed("something was published under this version already")
        .because(format!("s3://{bucket}/{key}"))
        .because("nothing was uploaded, and nobody looked whether it is the same")
        .hint(format!(
            "give it another --version; who has s3:GetObject on arn:aws:s3:::{bucket}/* may say \
             the same again, and it is compared"
        ))
}

/// A part of an archive.
#[derive(Debug)]
struct Piece<'a> {
    number: i32,
    bytes: &'a [u8],
}

impl Piece<'_> {
    fn checksum(&self) -> String {
        STANDARD.encode(Sha256::digest(self.bytes))
    }

    fn completed(&self, e_tag: Option<&str>) -> CompletedPart {
        CompletedPart::builder()
            .part_number(self.number)
            .set_e_tag(e_tag.map(str::to_owned))
            .checksum_sha256(self.checksum())
            .build()
    }

    fn is(&self, there: &Part) -> bool {
        there.part_number() == Some(self.number)
            && there.size().and_then(|size| usize::try_from(size).ok()) == Some(self.bytes.len())
            && there.checksum_sha256() == Some(&self.checksum())
    }
}

fn parts(bytes: &[u8]) -> Vec<Piece<'_>> {
    let pieces = bytes.chunks(PART_BYTES);
    (1..)
        .zip(pieces)
        .map(|(number, bytes)| Piece { number, bytes })
        .collect()
}

/// The parts that are there, when they are all of this archive and its last one is among them.
fn taken_up(there: &[Part], pieces: &[Piece<'_>]) -> Option<Vec<CompletedPart>> {
    let last = pieces.last()?;
    there.iter().find(|part| last.is(part))?;
    let of_this = |part: &Part| {
        let piece = pieces.iter().find(|piece| piece.is(part))?;
        Some(piece.completed(part.e_tag()))
    };
    there.iter().map(of_this).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(piece: &Piece<'_>) -> Part {
        Part::builder()
            .part_number(piece.number)
            .size(piece.bytes.len().try_into().unwrap())
            .checksum_sha256(piece.checksum())
            .e_tag(format!("e{}", piece.number))
            .build()
    }

    #[test]
    fn only_an_upload_of_this_very_archive_is_taken_up() {
        let bytes: Vec<u8> = (0..=255).cycle().take(2 * PART_BYTES + 5).collect();
        let pieces = parts(&bytes);
        assert_eq!(pieces.len(), 3);
        let (first, last) = (there(&pieces[0]), there(&pieces[2]));
        let done = taken_up(&[first.clone(), last.clone()], &pieces).unwrap();
        let done: Vec<_> = done
            .iter()
            .map(|part| (part.part_number(), part.e_tag()))
            .collect();
        assert_eq!(done, [(Some(1), Some("e1")), (Some(3), Some("e3"))]);
        // Without its end nobody knows what it was to become.
        assert_eq!(taken_up(std::slice::from_ref(&first), &pieces), None);
        assert_eq!(taken_up(&[], &pieces), None);
        // Another archive with the same end, or another way to cut it.
        let mut other = bytes.clone();
        other[0] ^= 1;
        assert_eq!(
            taken_up(&[there(&parts(&other)[0]), last.clone()], &pieces),
            None
        );
        let longer = Part::builder()
            .part_number(1)
            .size(5)
            .checksum_sha256(pieces[0].checksum());
        assert_eq!(taken_up(&[longer.build(), last], &pieces), None);
    }
}
