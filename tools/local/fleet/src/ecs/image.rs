//! Pulling an image: from its name to its digest and to what its configuration says, by the calls
//! that a container runtime makes of ECR, where Docker Hub's images lie too. Layers are not
//! fetched; a release of this data plane is described by the configuration's environment.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    envelope::Place,
    remote::{ECR, RemoteError},
    world::World,
};

/// Manifests that are understood, indexes among them.
const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// How often an index may lead to another manifest.
const DEPTH_MAX: usize = 3;

/// What an image's configuration says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImageConfig {
    /// `Env`, the later value of a name counts.
    pub(super) env: BTreeMap<String, String>,
    /// `Labels`.
    pub(super) labels: BTreeMap<String, String>,
}

/// An image as it was pulled.
#[derive(Debug, Clone)]
pub(super) struct Pulled {
    /// The digest of what the name meant, an index's if it is one.
    pub(super) digest: String,
    pub(super) config: Arc<ImageConfig>,
}

/// Why an image could not be pulled; the text is what AWS puts into a task's reason.
#[derive(Debug, thiserror::Error)]
#[error("CannotPullContainerError: {0}")]
pub(super) struct PullError(String);

/// A name in ECR.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    place: Place,
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<String>,
}

/// Configurations that were read already, by their digest: they cannot change.
#[derive(Default)]
pub(super) struct Images {
    configs: Mutex<BTreeMap<String, Arc<ImageConfig>>>,
}

impl Images {
    /// Pulls an image to where a task is; a digest that was resolved before is what is pulled.
    pub(super) async fn pull(
        &self,
        world: &World,
        here: &Place,
        image: &str,
        resolved: Option<&str>,
    ) -> Result<Pulled, PullError> {
        let mut name = Name::parse(image, here).ok_or_else(|| {
            PullError(format!(
                "{image} is not in ECR; nothing else can be reached from here"
            ))
        })?;
        name.digest = resolved.map(str::to_owned).or(name.digest);
        let failed = |error: RemoteError| {
            PullError(format!(
                "pull image manifest has been retried 1 time(s): failed to resolve ref {image}: \
                 {error}"
            ))
        };
        let (digest, mut manifest) = manifest(world, &name).await.map_err(failed)?;
        for _ in 0..DEPTH_MAX {
            let children = manifest.get("manifests").and_then(Value::as_array);
            let Some(child) = children.and_then(|children| children.first()) else {
                break;
            };
            name.digest = child
                .get("digest")
                .and_then(Value::as_str)
                .map(str::to_owned);
            manifest = self::manifest(world, &name).await.map_err(failed)?.1;
        }
        let config = manifest.pointer("/config/digest").and_then(Value::as_str);
        let config = config
            .ok_or_else(|| PullError(format!("the manifest of {image} names no configuration")))?;
        let config = self.config(world, &name, config).await.map_err(failed)?;
        Ok(Pulled { digest, config })
    }

    async fn config(
        &self,
        world: &World,
        name: &Name<'_>,
        digest: &str,
    ) -> Result<Arc<ImageConfig>, RemoteError> {
        let lock = || self.configs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(digest) {
            return Ok(Arc::clone(known));
        }
        let input = json!({
            "registryId": name.place.account,
            "repositoryName": name.repository,
            "layerDigest": digest,
        });
        let layer = world
            .remote
            .json(&name.place, ECR, "GetDownloadUrlForLayer", &input)
            .await?;
        let url = layer.get("downloadUrl").and_then(Value::as_str);
        let url = url.ok_or(RemoteError::Malformed(
            "ECR names no URL of the configuration",
        ))?;
        let blob = world.remote.fetch(&name.place, url).await?;
        let blob: Value = serde_json::from_slice(&blob)
            .map_err(|_| RemoteError::Malformed("the image's configuration is not JSON"))?;
        let config = Arc::new(ImageConfig::read(&blob));
        lock().insert(digest.to_owned(), Arc::clone(&config));
        Ok(config)
    }
}

/// The digest of what a name means, and the manifest.
async fn manifest(world: &World, name: &Name<'_>) -> Result<(String, Value), RemoteError> {
    let id = match (&name.digest, name.tag) {
        (Some(digest), _) => json!({ "imageDigest": digest }),
        (None, tag) => json!({ "imageTag": tag.unwrap_or("latest") }),
    };
    let input = json!({
        "registryId": name.place.account,
        "repositoryName": name.repository,
        "imageIds": [id],
        "acceptedMediaTypes": MEDIA_TYPES,
    });
    let answer = world
        .remote
        .json(&name.place, ECR, "BatchGetImage", &input)
        .await?;
    let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
    let (Some(digest), Some(manifest)) = (
        text("/images/0/imageId/imageDigest"),
        text("/images/0/imageManifest"),
    ) else {
        return Err(RemoteError::Service {
            code: text("/failures/0/failureCode")
                .unwrap_or("ImageNotFound")
                .to_owned(),
            message: "not found".to_owned(),
        });
    };
    let parsed = serde_json::from_str(manifest)
        .map_err(|_| RemoteError::Malformed("the image's manifest is not JSON"))?;
    Ok((digest.to_owned(), parsed))
}

impl<'a> Name<'a> {
    /// Reads `<account>.dkr.ecr.<Region>.amazonaws.com/<repository>[:tag][@digest]`, or
    /// `docker.io/<repository>…`: that registry is played by the ECR of wherever one is.
    fn parse(image: &'a str, here: &Place) -> Option<Self> {
        let (registry, path) = image.split_once('/')?;
        let (account, region) = if registry == "docker.io" {
            (here.account.as_str(), here.region.as_str())
        } else {
            let (account, rest) = registry.split_once(".dkr.ecr.")?;
            (account, rest.split_once(".amazonaws.com")?.0)
        };
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => (path, Some(digest.to_owned())),
            None => (path, None),
        };
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        let place = Place {
            account: account.to_owned(),
            region: region.to_owned(),
        };
        Some(Self {
            place,
            repository,
            tag,
            digest,
        })
    }
}

impl ImageConfig {
    fn read(blob: &Value) -> Self {
        let env = blob.pointer("/config/Env").and_then(Value::as_array);
        let env = env
            .into_iter()
            .flatten()
            .filter_map(|line| line.as_str()?.split_once('='));
        let labels = blob.pointer("/config/Labels").and_then(Value::as_object);
        let labels = labels.into_iter().flatten();
        Self {
            env: env
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            labels: labels
                .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_ecr_are_understood() {
        let place = Place {
            account: "111122223333".into(),
            region: "eu-west-1".into(),
        };
        let registry = "111122223333.dkr.ecr.eu-west-1.amazonaws.com";
        let both = format!("{registry}/team/web:1.4@sha256:ab");
        let name = Name::parse(&both, &place).unwrap();
        let expected = Name {
            place: place.clone(),
            repository: "team/web",
            tag: Some("1.4"),
            digest: Some("sha256:ab".to_owned()),
        };
        assert_eq!(name, expected);
        let plain = format!("{registry}/web");
        let name = Name::parse(&plain, &place).unwrap();
        assert_eq!(
            (name.repository, name.tag, name.digest),
            ("web", None, None)
        );
        assert_eq!(Name::parse("nginx:latest", &place), None);
        assert_eq!(Name::parse("public.ecr.aws/nginx/nginx", &place), None);
        let hub = Name::parse("docker.io/shop/web@sha256:ab", &place).unwrap();
        assert_eq!((&hub.place, hub.repository), (&place, "shop/web"));
    }

    #[test]
    fn the_configuration_gives_environment_and_labels() {
        let blob = json!({ "config": { "Env": ["A=1", "B=x=y"], "Labels": { "l": "v" } } });
        let config = ImageConfig::read(&blob);
        assert_eq!(config.env["B"], "x=y");
        assert_eq!(config.labels["l"], "v");
        assert!(ImageConfig::read(&json!({})).env.is_empty());
    }
}
