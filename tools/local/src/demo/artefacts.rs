//! Artefacts that really run on the local fleet: an image in ECR whose configuration says what its
//! container answers, and the folder of a small web application with its AppSpec file.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::account::Account;

/// The media type of an image's manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// How an image tells the gateway, which plays scans, what one is to find.
const FINDINGS: &str = "lastgood.local.findings";

/// An empty tar archive: two blocks of zeros, as tar ends every archive.
const EMPTY_LAYER: [u8; 1024] = [0; 1024];

/// What CodeDeploy does with the folder on every instance.
const APPSPEC: &str = "version: 0.0
os: linux
files:
  - source: web
    destination: /srv/billing
hooks:
  ValidateService:
    - location: scripts/validate.sh
      timeout: 10
";

/// Ends the deployment on an instance on which the application is not healthy.
const VALIDATE: &str = r"#!/bin/bash
for attempt in {1..50}; do
    if (
        exec 3<>/dev/tcp/127.0.0.1/$PORT &&
            printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3 &&
            head -n 1 <&3 | grep -q ' 200 '
    ) 2>/dev/null; then
        exit 0
    fi
    sleep 0.1
done
echo 'the application is not healthy' >&2
exit 1
";

/// What a build says about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Build<'a> {
    /// What people call it.
    pub version: &'a str,
    /// Its number on the build server.
    pub number: u32,
    /// Who wrote it, as git names people.
    pub author: &'a str,
    /// The share of answers, 0 to 1, that are a 500.
    pub error_rate: f64,
    /// Whether it starts at all.
    pub start: Start,
    /// What a scan of its image finds, such as `CRITICAL=1,LOW=4`; without it there is none.
    pub findings: Option<&'a str>,
}

/// Whether a release starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// It runs until it is stopped.
    Runs,
    /// It exits when it should begin to listen.
    Crashes,
}

impl Build<'_> {
    /// The commit it would have been made of.
    #[must_use]
    pub fn commit(&self) -> String {
        let mut commit = hex::encode(Sha256::digest(self.version));
        commit.truncate(40);
        commit
    }

    /// What the running release does, in the words of the local fleet.
    fn app(&self) -> Value {
        let crash = match self.start {
            Start::Runs => "never",
            Start::Crashes => "on-start",
        };
        json!({ "version": self.version, "error_rate": self.error_rate, "crash": crash })
    }
}

/// Where the code of a service would be.
#[must_use]
pub fn source(name: &str) -> String {
    format!("https://github.com/shop/{name}")
}

/// Makes a repository for images.
///
/// # Errors
/// When ECR refuses.
pub async fn make_repository(account: &Account, repository: &str) -> Result<()> {
    let input = json!({ "repositoryName": repository });
    account.ecr("CreateRepository", input).await.map(drop)
}

/// The name by which ECS pulls what has this tag.
#[must_use]
pub fn image_name(account: &Account, repository: &str, tag: &str) -> String {
    let home = account.home();
    format!(
        "{}.dkr.ecr.{}.amazonaws.com/{repository}:{tag}",
        home.account, home.region
    )
}

/// Pushes an image as `docker push` does: layer, configuration, manifest. Gives its digest.
///
/// # Errors
/// When ECR refuses.
pub async fn push_image(
    account: &Account,
    repository: &str,
    tag: &str,
    build: &Build<'_>,
) -> Result<String> {
    let manifest = push_layers(account, repository, build).await?;
    put_manifest(account, repository, Some(tag), &manifest).await
}

/// The same without a tag, by its digest alone.
///
/// # Errors
/// When ECR refuses.
pub async fn push_untagged(
    account: &Account,
    repository: &str,
    build: &Build<'_>,
) -> Result<String> {
    let manifest = push_layers(account, repository, build).await?;
    put_manifest(account, repository, None, &manifest).await
}

/// Uploads an image's layer and configuration; gives its manifest.
///
/// # Errors
/// When ECR refuses.
pub async fn push_layers(account: &Account, repository: &str, build: &Build<'_>) -> Result<String> {
    let config = json!({
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Env": ["PATH=/usr/bin", format!("APP={}", build.app())],
            "Labels": {
                "org.opencontainers.image.revision": build.commit(),
                "org.opencontainers.image.source": source(repository),
                "lastgood.version": build.version,
                "lastgood.author": build.author,
                "lastgood.job": repository,
                "lastgood.build-number": build.number.to_string(),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [digest_of(&EMPTY_LAYER)] },
    });
    let config = config.to_string().into_bytes();
    let layer = upload(account, repository, &EMPTY_LAYER).await?;
    let digest = upload(account, repository, &config).await?;
    let annotations = build.findings.map(|found| json!({ FINDINGS: found }));
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": CONFIG, "digest": digest, "size": config.len() },
        "layers": [{ "mediaType": LAYER, "digest": layer, "size": EMPTY_LAYER.len() }],
        "annotations": annotations.unwrap_or_else(|| json!({})),
    });
    Ok(manifest.to_string())
}

/// Puts a manifest, which is what makes an image of uploaded layers, or with another tag a further
/// name of an image that is there. Gives its digest.
///
/// # Errors
/// When ECR refuses.
pub async fn put_manifest(
    account: &Account,
    repository: &str,
    tag: Option<&str>,
    manifest: &str,
) -> Result<String> {
    let mut input = json!({
        "repositoryName": repository,
        "imageManifest": manifest,
        "imageManifestMediaType": MANIFEST,
    });
    if let (Some(tag), Some(fields)) = (tag, input.as_object_mut()) {
        fields.insert("imageTag".to_owned(), json!(tag));
    }
    let answer = account.ecr("PutImage", input).await?;
    let digest = answer.pointer("/image/imageId/imageDigest");
    let digest = digest
        .and_then(Value::as_str)
        .context("ECR names no digest")?;
    Ok(digest.to_owned())
}

/// Uploads a blob in one part; gives its digest.
async fn upload(account: &Account, repository: &str, blob: &[u8]) -> Result<String> {
    let begun = account
        .ecr(
            "InitiateLayerUpload",
            json!({ "repositoryName": repository }),
        )
        .await?;
    let id = begun.get("uploadId").context("ECR names no upload")?;
    let digest = digest_of(blob);
    let part = json!({
        "repositoryName": repository,
        "uploadId": id,
        "partFirstByte": 0,
        "partLastByte": blob.len() - 1,
        "layerPartBlob": STANDARD.encode(blob),
    });
    account.ecr("UploadLayerPart", part).await?;
    let whole = json!({
        "repositoryName": repository,
        "uploadId": id,
        "layerDigests": [digest],
    });
    match account.ecr("CompleteLayerUpload", whole).await {
        Ok(_) => Ok(digest),
        // The empty layer is the same in every image.
        Err(error) if format!("{error:#}").contains("LayerAlreadyExists") => Ok(digest),
        Err(error) => Err(error),
    }
}

fn digest_of(blob: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(blob)))
}

/// The files of a web application with an AppSpec file, by their paths.
#[must_use]
pub fn bundle(build: &Build<'_>) -> [(&'static str, String); 4] {
    let page = format!("<h1>billing {}</h1>\n", build.version);
    [
        ("appspec.yml", APPSPEC.to_owned()),
        ("app.json", build.app().to_string()),
        ("web/index.html", page),
        ("scripts/validate.sh", VALIDATE.to_owned()),
    ]
}

/// Writes the folder of a web application, ready for `lastgood publish`.
///
/// # Errors
/// When it cannot be written.
pub fn write_bundle(folder: &Path, build: &Build<'_>) -> Result<PathBuf> {
    let folder = folder.join(build.version);
    for (name, text) in bundle(build) {
        let path = folder.join(name);
        let written = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text));
        written.with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(folder)
}
