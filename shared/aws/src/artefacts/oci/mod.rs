//! Images of any registry that speaks the OCI distribution API: Docker Hub, GHCR, Harbor,
//! Artifactory. A tag becomes a digest here, by the bytes that the registry hands out for it.

mod challenge;
mod credentials;
mod session;
mod tags;

use std::time::Duration;

use domain::catalogue::Listed;
use domain::fact::{ArtefactFound, Proof};
use domain::{Artefact, BuildFacts, Registry};
use engine::PlatformError;
use sha2::{Digest as _, Sha256};

use self::session::{Question, Session};
use super::contents::{self, CONFIG_BYTES_MAX, Contents, Labels, MANIFESTS, Manifest};
use super::web;
use crate::places::Clients;

/// Largest manifest, in bytes (OCI distribution specification: registries take at least 4 MB).
const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long one look at a registry may take, whatever it asks and wherever it leads: a slow one
/// must not keep others waiting.
const LOOK_WITHIN: Duration = Duration::from_secs(15);

/// Looks at what a tag points to now.
pub(super) async fn examine(
    clients: &Clients,
    registry: &Registry,
    repository: &str,
    tag: &str,
) -> Result<Option<ArtefactFound>, PlatformError> {
    let session = Session::new(clients, registry, repository);
    within(&session, found(&session, registry, repository, tag)).await
}

async fn within<T>(
    session: &Session<'_>,
    look: impl Future<Output = Result<T, PlatformError>>,
) -> Result<T, PlatformError> {
    let late = |_| Err(session.later("it takes too long to look at"));
    let look = tokio::time::timeout(LOOK_WITHIN, look);
    look.await.unwrap_or_else(late)
}

async fn found(
    session: &Session<'_>,
    registry: &Registry,
    repository: &str,
    tag: &str,
) -> Result<Option<ArtefactFound>, PlatformError> {
    let Some(bytes) = manifest(session, tag).await? else {
        return Ok(None);
    };
    let digest = digest_of(&bytes);
    let contents = match Manifest::read(&bytes, &digest) {
        Ok(manifest) => contents::read_from(session, manifest).await?,
        Err(why) => Contents::Broken(why),
    };
    let (build, proof) = match contents {
        Contents::Image(build) => (build, Proof::Deployable),
        Contents::Broken(why) => (BuildFacts::default(), Proof::Unusable(why)),
        Contents::SomethingElse => return Ok(None),
    };
    Ok(Some(ArtefactFound {
        artefact: Artefact::Oci {
            registry: registry.clone(),
            repository: repository.to_owned(),
            digest,
            tag: Some(tag.to_owned()),
        },
        build,
        proof,
    }))
}

/// The tags that patterns may want. A tag that is named in full is asked what it points to, because
/// it may move; one that a pattern finds is new when its name is.
pub(super) async fn listing(
    clients: &Clients,
    registry: &Registry,
    repository: &str,
    patterns: &[String],
) -> Result<Vec<Listed>, PlatformError> {
    let session = Session::new(clients, registry, repository);
    within(&session, listed(&session, patterns)).await
}

async fn listed(session: &Session<'_>, patterns: &[String]) -> Result<Vec<Listed>, PlatformError> {
    let (open, named): (Vec<&String>, Vec<&String>) =
        patterns.iter().partition(|pattern| pattern.contains('*'));
    let mut listed = Vec::new();
    for tag in &named {
        if let Some(digest) = points_to(session, tag).await? {
            listed.push(Listed {
                tag: (*tag).clone(),
                digest: Some(digest),
                pushed_at: None,
            });
        }
    }
    if !open.is_empty() {
        let found = tags::all(session).await?;
        listed.extend(
            found
                .into_iter()
                .filter(|tag| !named.contains(&tag))
                .map(|tag| Listed {
                    tag,
                    digest: None,
                    pushed_at: None,
                }),
        );
    }
    Ok(listed)
}

/// The digest that a tag points to; none when it is not there. Asking so is no pull, of which
/// Docker Hub allows but so many.
async fn points_to(session: &Session<'_>, tag: &str) -> Result<Option<String>, PlatformError> {
    let path = format!("manifests/{tag}");
    let question = Question {
        method: "HEAD",
        path: &path,
        accept: &MANIFESTS,
        bytes_max: MANIFEST_BYTES_MAX,
    };
    let reply = session.ask(question).await?;
    let digest = reply.headers.get("docker-content-digest");
    match (reply.status, digest) {
        (200, Some(digest)) => Ok(Some(digest.to_owned())),
        (200, None) => Err(session.never("it names no digest when it is asked for one")),
        (404, _) => Ok(None),
        (status, _) => Err(session.refused(status, tag)),
    }
}

/// Why an image can be deployed no more. Only a registry that says so is believed: whether it is
/// down, or denies us, ECS will find out by itself, and a rollback does not wait for it.
pub(super) async fn obstacle(
    clients: &Clients,
    registry: &Registry,
    repository: &str,
    digest: &str,
) -> Option<String> {
    let session = Session::new(clients, registry, repository);
    let path = format!("manifests/{digest}");
    let asked = session.ask(Question {
        method: "HEAD",
        path: &path,
        accept: &MANIFESTS,
        bytes_max: MANIFEST_BYTES_MAX,
    });
    match asked.await {
        Ok(reply) if reply.status == 404 => Some(format!(
            "{registry}/{repository}@{digest} is no longer in its registry"
        )),
        Ok(reply) if reply.status == 200 => None,
        Ok(reply) => {
            let status = reply.status;
            tracing::warn!(%registry, repository, status, "not known whether the image is there");
            None
        }
        Err(error) => {
            tracing::warn!(%registry, repository, %error, "not known whether the image is there");
            None
        }
    }
}

impl contents::Repository for Session<'_> {
    async fn manifest(&self, digest: &str) -> Result<Result<Manifest, String>, PlatformError> {
        Ok(match manifest(self, digest).await? {
            None => Err(format!("the manifest of {digest} is not there")),
            Some(bytes) if digest_of(&bytes) == digest => Manifest::read(&bytes, digest),
            Some(_) => Err(format!(
                "what the registry hands out for {digest} is something else"
            )),
        })
    }

    async fn labels(&self, config: &str) -> Result<Labels, PlatformError> {
        let path = format!("blobs/{config}");
        let reply = self.ask(Question {
            method: "GET",
            path: &path,
            accept: &[],
            bytes_max: CONFIG_BYTES_MAX,
        });
        Ok(match reply.await {
            Ok(reply) if reply.status == 200 && digest_of(&reply.body) == config => {
                contents::labels_of(config, &reply.body)
            }
            Ok(reply) if reply.status == 200 => contents::no_labels(config, "it is something else"),
            Ok(reply) if web::is_for_later(reply.status) => {
                return Err(self.later(&format!("HTTP status {} for a blob", reply.status)));
            }
            Ok(reply) => contents::no_labels(config, &format!("HTTP status {}", reply.status)),
            Err(PlatformError::Terminal(words)) => contents::no_labels(config, &words),
            Err(error) => return Err(error),
        })
    }
}

/// A manifest's bytes, by tag or digest; none when there is no such thing.
async fn manifest(session: &Session<'_>, name: &str) -> Result<Option<Vec<u8>>, PlatformError> {
    let path = format!("manifests/{name}");
    let reply = session
        .ask(Question {
            method: "GET",
            path: &path,
            accept: &MANIFESTS,
            bytes_max: MANIFEST_BYTES_MAX,
        })
        .await?;
    match reply.status {
        200 => Ok(Some(reply.body)),
        404 => Ok(None),
        status => Err(session.refused(status, name)),
    }
}

fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
