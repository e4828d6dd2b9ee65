//! All the ways in which something comes to a bucket or a repository that is no plain upload of a
//! good archive: each becomes a release, is rejected for a reason, is recorded as unclaimed, or is
//! nothing.

use std::io::{Cursor, Write as _};

use anyhow::{Context, Result};
use aws_sdk_s3::{
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use local::demo::{
    artefacts::{self, Build},
    ledger::Ledger,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::world::{PATIENCE, Service, Stage, World, archive, build, on};

const DEV: Stage = Stage {
    name: "dev",
    count: 1,
    bake: "0s",
};

/// More than is read of an archive at a time.
const PICTURE_BYTES: usize = 1 << 20;

#[test]
fn keys_with_spaces_and_uploads_in_parts_become_releases() {
    on(async |world| {
        let service = Service::on_instances(world, "odd", &[DEV]).await?;
        let key = "odd/first build+1 (é).zip";
        world.upload(key, &build("1.0.0", 1)).await?;
        let release = service.released("1.0.0").await?;
        service.good("dev", release).await?;
        let version = in_parts(world, "odd/parts.zip", large(&build("2.0.0", 2))?).await?;
        let entry = service
            .until("the upload in parts is a release", |entry| {
                let named = entry.field("/release/artefact/object/version");
                named.is_some_and(|named| *named == version)
            })
            .await?;
        service
            .good("dev", entry.release.context("a number")?)
            .await?;
        Ok(())
    });
}

#[test]
fn what_cannot_be_deployed_is_rejected_before_anything_is_touched() {
    on(async |world| {
        let service = Service::on_instances(world, "unfit", &[DEV]).await?;
        put(world, "unfit/folder/", Vec::new()).await?;
        for (key, bytes, problem) in [
            ("unfit/empty.zip", Vec::new(), "the object is empty"),
            ("unfit/text.zip", b"no archive".to_vec(), "does not open"),
            ("unfit/bare.zip", bare(), "the archive is empty"),
        ] {
            put(world, key, bytes).await?;
            let entry = service
                .until(key, |entry| {
                    entry.kind() == "artefact_rejected" && entry.what.contains(key)
                })
                .await?;
            assert!(entry.what.contains(problem), "{}", entry.what);
        }
        world
            .notices
            .until("people hear of it", PATIENCE, |notice| {
                notice.service == "unfit" && notice.kind == "artefact-rejected"
            })
            .await?;
        assert_eq!(service.count("released").await?, 0);
        assert_eq!(service.count("start_asked").await?, 0);
        let runs = service.target("dev").runs(&world.account).await?;
        assert!(runs.is_empty(), "{runs:?}");
        Ok(())
    });
}

#[test]
fn what_nobody_claims_is_recorded() {
    on(async |world| {
        let key = "nobodys/thing.zip";
        world.upload(key, &build("1.0.0", 1)).await?;
        // The ledger of what nobody claims begins with the first such artefact.
        let unclaimed = Ledger::new(world.root.clone(), "unclaimed");
        world
            .notices
            .until("people hear of it", PATIENCE, |notice| {
                notice.kind == "unclaimed" && notice.text.contains(key)
            })
            .await?;
        let entries = unclaimed.entries().await?;
        let recorded = entries.iter().filter(|entry| entry.what.contains(key));
        assert_eq!(recorded.count(), 1, "{entries:?}");
        Ok(())
    });
}

#[test]
fn an_image_without_a_tag_is_no_release() {
    on(async |world| {
        let service = Service::on_ecs(world, "untagged", &[DEV]).await?;
        artefacts::push_untagged(&world.account, "untagged", &build("1.0.0", 1)).await?;
        service.push(&build("2.0.0", 2)).await?;
        let release = service.released("2.0.0").await?;
        service.good("dev", release).await?;
        let entries = service.ledger.entries().await?;
        assert!(
            !entries.iter().any(|entry| entry.what.contains("1.0.0")),
            "{entries:?}"
        );
        Ok(())
    });
}

/// An archive of which only the end is read to see what is in it.
fn large(build: &Build<'_>) -> Result<Vec<u8>> {
    let mut archive = ZipWriter::new_append(Cursor::new(archive(build)?))?;
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file("picture", stored)?;
    archive.write_all(&vec![b'x'; PICTURE_BYTES])?;
    Ok(archive.finish()?.into_inner())
}

/// A zip archive with nothing in it.
fn bare() -> Vec<u8> {
    let mut bytes = b"PK\x05\x06".to_vec();
    bytes.resize(22, 0);
    bytes
}

async fn put(world: &World, key: &str, bytes: Vec<u8>) -> Result<()> {
    let put = world.s3.put_object().bucket(&world.bucket).key(key);
    put.body(ByteStream::from(bytes)).send().await?;
    Ok(())
}

async fn in_parts(world: &World, key: &str, bytes: Vec<u8>) -> Result<String> {
    let (s3, bucket) = (&world.s3, &world.bucket);
    let begun = s3.create_multipart_upload().bucket(bucket).key(key);
    let begun = begun.send().await?;
    let id = begun.upload_id().context("an upload")?;
    let part = s3.upload_part().bucket(bucket).key(key).upload_id(id);
    let part = part.part_number(1).body(ByteStream::from(bytes));
    let part = part.send().await?;
    let part = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(part.e_tag().map(str::to_owned))
        .build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let done = s3.complete_multipart_upload().bucket(bucket).key(key);
    let done = done.upload_id(id).multipart_upload(parts).send().await?;
    Ok(done.version_id().context("a version")?.to_owned())
}
