//! S3, ECR, STS and CloudWatch on MiniStack: what is examined, and in which role.

use std::io::Write as _;

use aws::{AwsPlatform, SnsAnnouncer};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, ChecksumAlgorithm, CreateBucketConfiguration,
    VersioningConfiguration,
};
use domain::announce::{ANNOUNCEMENT_FORMAT, Announcement, Severity};
use domain::config::{AssumedRole, Place};
use domain::fact::{ArtefactFound, Proof};
use domain::{AlarmArn, Artefact, Hint, Timestamp};
use engine::{Announcer, Platform, PlatformError};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::support::{self, ministack::MiniStack};

const BUCKET: &str = "artefacts";
const REPOSITORY: &str = "shop/web";

struct World {
    platform: AwsPlatform,
    s3: aws_sdk_s3::Client,
    ecr: aws_sdk_ecr::Client,
    stack: MiniStack,
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_examined() {
    let Some(stack) = MiniStack::start().await else {
        return;
    };
    let sdk = support::config(&stack.endpoint);
    let s3 = aws_sdk_s3::config::Builder::from(&sdk)
        .force_path_style(true)
        .build();
    let world = World {
        platform: support::platform(&stack.endpoint),
        s3: aws_sdk_s3::Client::from_conf(s3),
        ecr: aws_sdk_ecr::Client::new(&sdk),
        stack,
    };
    world.buckets().await;
    an_archive_is_proved_and_its_facts_read(&world).await;
    tarballs_are_looked_through(&world).await;
    what_cannot_be_deployed_is_unusable(&world).await;
    what_is_no_artefact_or_gone_is_nothing(&world).await;
    a_bucket_without_versions_is_unusable(&world).await;
    an_image_is_found_with_its_labels(&world).await;
    an_index_is_read_through_its_child(&world).await;
    a_chart_is_no_artefact(&world).await;
    a_role_in_another_account_is_assumed(&world).await;
    a_missing_alarm_is_missing(&world).await;
    crate::balancers::a_target_group_tells_what_it_takes(&world.platform, &sdk).await;
    announcements_are_published(&sdk).await;
}

impl World {
    async fn buckets(&self) {
        let here = CreateBucketConfiguration::builder()
            .location_constraint(BucketLocationConstraint::from(support::REGION))
            .build();
        for bucket in [BUCKET, "unversioned"] {
            let create = self.s3.create_bucket().bucket(bucket);
            create
                .create_bucket_configuration(here.clone())
                .send()
                .await
                .unwrap();
        }
        let versioned = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let put = self.s3.put_bucket_versioning().bucket(BUCKET);
        put.versioning_configuration(versioned)
            .send()
            .await
            .unwrap();
        self.ecr
            .create_repository()
            .repository_name(REPOSITORY)
            .send()
            .await
            .unwrap();
    }

    async fn put(&self, key: &str, body: Vec<u8>, metadata: &[(&str, &str)]) -> Hint {
        let mut put = self
            .s3
            .put_object()
            .bucket(BUCKET)
            .key(key)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .body(ByteStream::from(body));
        for (name, value) in metadata {
            put = put.metadata(*name, *value);
        }
        let version = put.send().await.unwrap().version_id;
        Hint::Object {
            bucket: BUCKET.into(),
            key: key.into(),
            version,
            bytes: None,
        }
    }

    async fn examined(&self, hint: &Hint) -> ArtefactFound {
        self.platform.examine(hint).await.unwrap().unwrap()
    }

    async fn unusable(&self, hint: &Hint, words: &str) {
        let found = self.examined(hint).await;
        let Proof::Unusable(why) = &found.proof else {
            panic!("{found:?}")
        };
        assert!(why.contains(words), "{why}");
    }

    /// Uploads a blob as `docker push` does, and answers with its digest.
    async fn blob(&self, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let endpoint = &self.stack.endpoint;
        let host = format!(
            "{}.dkr.ecr.{}.amazonaws.com",
            support::ACCOUNT,
            support::REGION
        );
        let http = reqwest::Client::new();
        let begun = http
            .post(format!("{endpoint}/v2/{REPOSITORY}/blobs/uploads/"))
            .header("host", &host)
            .send()
            .await
            .unwrap();
        let path = begun.headers()["location"].to_str().unwrap().to_owned();
        let path = path.find("/v2/").map_or(path.as_str(), |at| &path[at..]);
        let ended = http
            .put(format!("{endpoint}{path}?digest={digest}"))
            .header("host", &host)
            .body(bytes.to_vec())
            .send()
            .await
            .unwrap();
        assert!(ended.status().is_success(), "{ended:?}");
        digest
    }

    async fn manifest(&self, manifest: serde_json::Value) -> String {
        let text = manifest.to_string();
        self.ecr
            .put_image()
            .repository_name(REPOSITORY)
            .image_manifest(&text)
            .image_manifest_media_type(manifest["mediaType"].as_str().unwrap())
            .image_digest(digest(text.as_bytes()))
            .send()
            .await
            .unwrap();
        digest(text.as_bytes())
    }

    async fn image(&self, labels: serde_json::Value) -> String {
        let config =
            json!({ "architecture": "arm64", "os": "linux", "config": { "Labels": labels } });
        let config = config.to_string();
        let layer = self.blob(b"a layer").await;
        let digest = self.blob(config.as_bytes()).await;
        self.manifest(json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest, "size": config.len(),
            },
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": 7,
            }],
        }))
        .await
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn pushed(digest: &str) -> Hint {
    Hint::Image {
        account: support::account(),
        region: support::region(),
        repository: REPOSITORY.into(),
        digest: digest.into(),
        tag: Some("main-117".into()),
    }
}

fn zipped(names: &[&str]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in names {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(name.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

async fn an_archive_is_proved_and_its_facts_read(world: &World) {
    let body = zipped(&["appspec.yml", "app/index.html"]);
    let sha256 = hex::encode(Sha256::digest(&body));
    let metadata = [
        ("version", "1.4.0"),
        ("commit", "3f2c9d1"),
        ("job", "web-main"),
        ("build-number", "117"),
        ("sha256", sha256.as_str()),
    ];
    let bytes = body.len() as u64;
    let hint = world.put("builds/web 1.4.0 ü.zip", body, &metadata).await;
    let found = world.examined(&hint).await;
    assert_eq!(found.proof, Proof::Deployable);
    assert_eq!(found.build.version.as_deref(), Some("1.4.0"));
    assert_eq!(found.build.build_number, Some(117));
    let Artefact::Object {
        sha256: recorded,
        bytes: size,
        version,
        ..
    } = &found.artefact
    else {
        panic!("{found:?}")
    };
    assert_eq!(recorded.as_deref(), Some(sha256.as_str()));
    assert_eq!(*size, bytes);
    assert!(!version.is_empty());
    assert_eq!(
        world.platform.obstacle(&found.artefact).await.unwrap(),
        None
    );
    let delete = world
        .s3
        .delete_object()
        .bucket(BUCKET)
        .key("builds/web 1.4.0 ü.zip");
    delete.version_id(version).send().await.unwrap();
    let obstacle = world.platform.obstacle(&found.artefact).await.unwrap();
    assert!(obstacle.is_some_and(|why| why.contains("was deleted")));
}

/// A tar archive with one file, as `tar` writes it.
fn tar(name: &str) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[124..135].copy_from_slice(b"00000000003");
    header[156] = b'0';
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header.extend(b"yes");
    header.resize(512 * 4, 0);
    header
}

async fn tarballs_are_looked_through(world: &World) {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&tar("appspec.yml")).unwrap();
    let hint = world
        .put("builds/web.tar.gz", gz.finish().unwrap(), &[])
        .await;
    assert_eq!(world.examined(&hint).await.proof, Proof::Deployable);
    let hint = world.put("builds/web.tar", tar("readme.txt"), &[]).await;
    world.unusable(&hint, "no appspec.yml").await;
    let hint = world.put("builds/bad.tgz", b"not gzip".to_vec(), &[]).await;
    world.unusable(&hint, "does not open").await;
}

async fn what_cannot_be_deployed_is_unusable(world: &World) {
    let hint = world
        .put("builds/a.zip", zipped(&["web/appspec.yml"]), &[])
        .await;
    world.unusable(&hint, "in the folder web").await;
    let hint = world.put("builds/b.zip", b"hello".to_vec(), &[]).await;
    world.unusable(&hint, "does not open").await;
    let hint = world.put("builds/c.zip", Vec::new(), &[]).await;
    world.unusable(&hint, "empty").await;
    let hint = world.put("builds/d.rpm", b"x".to_vec(), &[]).await;
    world.unusable(&hint, "d.rpm is no archive").await;
    let hint = world
        .put(
            "builds/e.zip",
            zipped(&["appspec.yml"]),
            &[("sha256", "00ff")],
        )
        .await;
    world.unusable(&hint, "claims SHA-256 00ff").await;
}

async fn what_is_no_artefact_or_gone_is_nothing(world: &World) {
    let folder = world.put("builds/folder/", Vec::new(), &[]).await;
    assert_eq!(world.platform.examine(&folder).await.unwrap(), None);
    let hint = |key: &str, version: Option<&str>| Hint::Object {
        bucket: BUCKET.into(),
        key: key.into(),
        version: version.map(ToOwned::to_owned),
        bytes: None,
    };
    assert_eq!(
        world
            .platform
            .examine(&hint("builds/nothing.zip", None))
            .await
            .unwrap(),
        None
    );
    let delete = world
        .s3
        .delete_object()
        .bucket(BUCKET)
        .key("builds/a.zip")
        .send()
        .await
        .unwrap();
    let marker = hint("builds/a.zip", delete.version_id());
    assert_eq!(world.platform.examine(&marker).await.unwrap(), None);
    let gone = pushed(&digest(b"never pushed"));
    assert_eq!(world.platform.examine(&gone).await.unwrap(), None);
}

async fn a_bucket_without_versions_is_unusable(world: &World) {
    let put = world.s3.put_object().bucket("unversioned").key("web.zip");
    put.body(ByteStream::from(zipped(&["appspec.yml"])))
        .send()
        .await
        .unwrap();
    let hint = Hint::Object {
        bucket: "unversioned".into(),
        key: "web.zip".into(),
        version: None,
        bytes: None,
    };
    world.unusable(&hint, "keeps no versions").await;
}

async fn an_image_is_found_with_its_labels(world: &World) {
    let labels = json!({
        "org.opencontainers.image.revision": "3f2c9d1",
        "lastgood.job": "web-main",
        "lastgood.build-number": "117",
    });
    let digest = world.image(labels).await;
    let found = world.examined(&pushed(&digest)).await;
    assert_eq!(found.proof, Proof::Deployable);
    assert_eq!(found.build.commit.as_deref(), Some("3f2c9d1"));
    assert_eq!(found.build.build_number, Some(117));
    assert_eq!(found.artefact.content().0, digest);
    assert_eq!(
        world.platform.obstacle(&found.artefact).await.unwrap(),
        None
    );
    let gone = aws_sdk_ecr::types::ImageIdentifier::builder()
        .image_digest(&digest)
        .build();
    let delete = world
        .ecr
        .batch_delete_image()
        .repository_name(REPOSITORY)
        .image_ids(gone);
    delete.send().await.unwrap();
    let obstacle = world.platform.obstacle(&found.artefact).await.unwrap();
    assert!(obstacle.is_some_and(|why| why.contains("no longer in its repository")));
}

async fn an_index_is_read_through_its_child(world: &World) {
    let child = world
        .image(json!({ "org.opencontainers.image.version": "2.0.0" }))
        .await;
    let manifest = "application/vnd.oci.image.manifest.v1+json";
    let index = world
        .manifest(json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                {
                    "mediaType": manifest, "digest": digest(b"attestation"), "size": 1,
                    "platform": { "os": "unknown", "architecture": "unknown" },
                },
                {
                    "mediaType": manifest, "digest": child, "size": 1,
                    "platform": { "os": "linux", "architecture": "arm64" },
                },
            ],
        }))
        .await;
    let found = world.examined(&pushed(&index)).await;
    assert_eq!(found.build.version.as_deref(), Some("2.0.0"));
    assert_eq!(
        found.artefact.content().0,
        index,
        "what is deployed stays the index"
    );
}

async fn a_chart_is_no_artefact(world: &World) {
    let config = world.blob(b"{\"name\":\"web\"}").await;
    let chart = world
        .manifest(json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": config, "size": 14,
            },
            "layers": [],
        }))
        .await;
    assert_eq!(world.platform.examine(&pushed(&chart)).await.unwrap(), None);
}

async fn a_role_in_another_account_is_assumed(world: &World) {
    let elsewhere = |role: Option<AssumedRole>| Place {
        account: "444455556666".parse().unwrap(),
        region: support::region(),
        role,
    };
    let alarm: AlarmArn = AlarmArn::of(
        &support::region(),
        &"444455556666".parse().unwrap(),
        "web-5xx",
    )
    .unwrap();
    let refused = world
        .platform
        .alarms(&elsewhere(None), std::slice::from_ref(&alarm))
        .await
        .unwrap_err();
    assert!(matches!(refused, PlatformError::Terminal(why) if why.contains("names no role")));
    let role = AssumedRole {
        arn: "arn:aws:iam::444455556666:role/lastgood-target".into(),
        external_id: Some("an-external-id".into()),
    };
    let seen = world
        .platform
        .alarms(&elsewhere(Some(role)), &[alarm])
        .await
        .unwrap();
    assert_eq!(seen, []);
}

async fn a_missing_alarm_is_missing(world: &World) {
    let alarm = AlarmArn::of(&support::region(), &support::account(), "nobody-made-it").unwrap();
    assert_eq!(
        world
            .platform
            .alarms(&support::place(), &[alarm])
            .await
            .unwrap(),
        []
    );
}

async fn announcements_are_published(sdk: &aws_types::SdkConfig) {
    let announcement = Announcement {
        format: ANNOUNCEMENT_FORMAT,
        id: "web/42".parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
        kind: "succeeded",
        severity: Severity::Info,
        service: "web".parse().unwrap(),
        stage: Some("dev".parse().unwrap()),
        release: None,
        subject: "web dev: is good".into(),
        headline: "is good".into(),
        detail: None,
        why: "it runs everywhere".into(),
        next: None,
        text: "web dev: is good\nWhy: it runs everywhere.".into(),
    };
    let topic = aws_sdk_sns::Client::new(sdk)
        .create_topic()
        .name("told")
        .send()
        .await
        .unwrap();
    let announcer = SnsAnnouncer::new(sdk, topic.topic_arn().unwrap(), None);
    announcer.announce(&announcement).await.unwrap();
    let nowhere = format!("{}-else", topic.topic_arn().unwrap());
    let error = SnsAnnouncer::new(sdk, nowhere, None)
        .announce(&announcement)
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("sns:Publish: NotFound"),
        "{error}"
    );
}
