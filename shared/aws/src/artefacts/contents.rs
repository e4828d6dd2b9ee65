//! What an image holds: manifests and configurations as Docker and OCI write them, whichever
//! registry hands them out. Getting them is the registries' own modules' work.

use std::collections::HashMap;

use domain::BuildFacts;
use engine::PlatformError;
use serde::Deserialize;

use super::facts;

/// What a manifest may be: a single image or an index of images, Docker's or OCI's.
pub(super) const MANIFESTS: [&str; 4] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
];
/// What the configuration of something that runs is. Charts, signatures and bills of materials have
/// others.
pub(super) const CONFIGS: [&str; 2] = [
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.oci.image.config.v1+json",
];
/// How an index marks a child that only attests another one (BuildKit).
const ATTESTS: &str = "vnd.docker.reference.type";
/// Largest configuration that is read, in bytes. Real ones have some ten kilobytes.
pub(super) const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Names and values that a build left.
pub(super) type Labels = HashMap<String, String>;

/// A repository, as something that hands out content by digest.
pub(super) trait Repository {
    /// A manifest, or why it cannot be read.
    async fn manifest(&self, digest: &str) -> Result<Result<Manifest, String>, PlatformError>;

    /// The labels in a configuration. An image without them, or whose configuration cannot be had,
    /// has none: they are never needed. What may go better later is an error all the same, because
    /// a release's facts are written once.
    async fn labels(&self, config: &str) -> Result<Labels, PlatformError>;
}

/// What a manifest holds.
#[derive(Debug)]
pub(super) enum Contents {
    /// Something that runs, with what its build said.
    Image(BuildFacts),
    /// Nothing that runs.
    SomethingElse,
    /// It cannot be read; why.
    Broken(String),
}

/// A manifest, or an index of manifests.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
    #[serde(default)]
    annotations: Labels,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    platform: Option<OnPlatform>,
    #[serde(default)]
    annotations: Labels,
}

#[derive(Debug, Deserialize)]
struct OnPlatform {
    #[serde(default)]
    os: String,
}

impl Descriptor {
    /// Whether a child of an index is something that runs.
    fn runs(&self) -> bool {
        let unknown = self
            .platform
            .as_ref()
            .is_some_and(|platform| platform.os == "unknown");
        !unknown && !self.annotations.contains_key(ATTESTS)
    }
}

impl Manifest {
    /// Reads a manifest, or says why it cannot be read.
    pub(super) fn read(bytes: &[u8], digest: &str) -> Result<Self, String> {
        serde_json::from_slice(bytes)
            .map_err(|error| format!("the manifest of {digest} cannot be read: {error}"))
    }

    /// The digests of an index's images that run; none for an image.
    pub(super) fn images(self) -> Vec<String> {
        let children = self.manifests.into_iter().filter(Descriptor::runs);
        children.map(|child| child.digest).collect()
    }
}

/// Reads an image, or the first image of an index: a build labels all of them alike. Labels come
/// before annotations, and an image's annotations before its index's.
pub(super) async fn read(
    repository: &impl Repository,
    digest: &str,
) -> Result<Contents, PlatformError> {
    match repository.manifest(digest).await? {
        Ok(manifest) => read_from(repository, manifest).await,
        Err(why) => Ok(Contents::Broken(why)),
    }
}

/// The same, when the manifest is at hand already.
pub(super) async fn read_from(
    repository: &impl Repository,
    manifest: Manifest,
) -> Result<Contents, PlatformError> {
    let mut said = manifest.annotations;
    let (mut config, mut children) = (manifest.config, manifest.manifests);
    // An index, then a child of it. Deeper nesting is legal and unheard of.
    if config.is_none() {
        let Some(child) = children.into_iter().find(Descriptor::runs) else {
            return Ok(Contents::SomethingElse);
        };
        let child = match repository.manifest(&child.digest).await? {
            Ok(child) => child,
            Err(why) => return Ok(Contents::Broken(why)),
        };
        said.extend(child.annotations);
        (config, children) = (child.config, child.manifests);
    }
    let Some(config) = config else {
        return Ok(if children.is_empty() {
            Contents::SomethingElse
        } else {
            Contents::Image(facts::of_labels(&said))
        });
    };
    if !config.media_type.is_empty() && !CONFIGS.contains(&config.media_type.as_str()) {
        return Ok(Contents::SomethingElse);
    }
    said.extend(repository.labels(&config.digest).await?);
    Ok(Contents::Image(facts::of_labels(&said)))
}

#[derive(Deserialize)]
struct Blob {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "Labels")]
    labels: Option<Labels>,
}

/// The labels in a configuration's bytes.
pub(super) fn labels_of(config: &str, bytes: &[u8]) -> Labels {
    match serde_json::from_slice::<Blob>(bytes) {
        Ok(blob) => blob
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default(),
        Err(error) => no_labels(config, &error.to_string()),
    }
}

/// What an image has whose configuration cannot be had.
pub(super) fn no_labels(config: &str, problem: &str) -> Labels {
    tracing::warn!(config, problem, "the image's labels cannot be read");
    Labels::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shelf(HashMap<&'static str, &'static str>);

    impl Repository for Shelf {
        async fn manifest(&self, digest: &str) -> Result<Result<Manifest, String>, PlatformError> {
            let text = self.0.get(digest).copied().unwrap_or("no JSON");
            Ok(Manifest::read(text.as_bytes(), digest))
        }

        async fn labels(&self, config: &str) -> Result<Labels, PlatformError> {
            let text = self.0.get(config).copied().unwrap_or_default();
            Ok(labels_of(config, text.as_bytes()))
        }
    }

    async fn read_of(shelf: &[(&'static str, &'static str)]) -> Contents {
        read(&Shelf(shelf.iter().copied().collect()), "top")
            .await
            .unwrap()
    }

    const INDEX: &str = r#"{"manifests":[
        {"digest":"seal","platform":{"os":"unknown","architecture":"unknown"},
         "annotations":{"vnd.docker.reference.type":"attestation-manifest"}},
        {"digest":"child","platform":{"os":"linux","architecture":"arm64"}}],
        "annotations":{"org.opencontainers.image.revision":"of the index",
         "org.opencontainers.image.source":"https://git.shop.example/web"}}"#;
    const CHILD: &str = r#"{"config":{"digest":"config"},"annotations":{
        "org.opencontainers.image.revision":"of the image",
        "org.opencontainers.image.version":"2.0"}}"#;

    #[tokio::test]
    async fn labels_come_before_annotations_and_the_image_before_its_index() {
        let config = r#"{"config":{"Labels":{"org.opencontainers.image.version":"3.0"}}}"#;
        let contents = read_of(&[("top", INDEX), ("child", CHILD), ("config", config)]).await;
        let Contents::Image(build) = contents else {
            panic!("{contents:?}")
        };
        assert_eq!(build.version.as_deref(), Some("3.0"));
        assert_eq!(build.commit.as_deref(), Some("of the image"));
        assert_eq!(
            build.repository.as_deref(),
            Some("https://git.shop.example/web")
        );
    }

    #[tokio::test]
    async fn attestations_are_no_children_that_run() {
        let seal = r#"{"manifests":[{"digest":"s","platform":{"os":"unknown"}}]}"#;
        assert!(matches!(
            read_of(&[("top", seal)]).await,
            Contents::SomethingElse
        ));
    }

    #[tokio::test]
    async fn what_is_no_image_is_something_else_and_what_cannot_be_read_is_broken() {
        let chart =
            r#"{"config":{"mediaType":"application/vnd.cncf.helm.config.v1+json","digest":"c"}}"#;
        assert!(matches!(
            read_of(&[("top", chart)]).await,
            Contents::SomethingElse
        ));
        assert!(matches!(read_of(&[]).await, Contents::Broken(_)));
        assert!(matches!(
            read_of(&[("top", INDEX)]).await,
            Contents::Broken(_)
        ));
    }
}
