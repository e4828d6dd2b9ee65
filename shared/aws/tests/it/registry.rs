//! Images of other registries: on Debian's docker-registry, and on a server that gives tokens and
//! leads elsewhere as the big ones do.

use std::sync::{Arc, Mutex};

use aws::AwsPlatform;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::config::Source;
use domain::fact::{ArtefactFound, Proof};
use domain::{Artefact, Hint};
use engine::{Platform as _, PlatformError};
use serde_json::json;

use crate::support::registry::{Door, Registry, USER, digest};
use crate::support::{self, server::Server};

const REPOSITORY: &str = "shop/web";

fn hint(host: &str, tag: &str) -> Hint {
    Hint::Tag {
        registry: host.parse().unwrap(),
        repository: REPOSITORY.to_owned(),
        tag: tag.to_owned(),
    }
}

async fn examined(platform: &AwsPlatform, host: &str, tag: &str) -> ArtefactFound {
    platform.examine(&hint(host, tag)).await.unwrap().unwrap()
}

/// A platform whose AWS keeps no secret but the one that is told.
async fn world() -> (AwsPlatform, Server) {
    let server = Server::start().await;
    server.refuses(
        "GetSecretValue",
        "ResourceNotFoundException",
        "no such secret",
    );
    (support::platform(&server.endpoint), server)
}

fn leave_credentials(server: &Server) {
    let text = json!({ "username": USER.0, "password": USER.1 }).to_string();
    server.says("GetSecretValue", json!({ "SecretString": text }));
}

fn digest_in(found: &ArtefactFound) -> &str {
    let Artefact::Oci { digest, .. } = &found.artefact else {
        panic!("{found:?}")
    };
    digest
}

#[tokio::test]
async fn a_tag_is_read_as_a_digest_with_what_its_build_said() {
    let Some(registry) = Registry::start(Door::Open).await else {
        return;
    };
    let (platform, _) = world().await;
    let labels = json!({
        "org.opencontainers.image.revision": "3f2c9d1",
        "org.opencontainers.image.source": "https://git.shop.example/web",
        "org.opencontainers.image.authors": "Ravi <ravi@shop.example>",
        "org.opencontainers.image.created": "2026-11-20T10:00:00Z",
    });
    let pushed = registry.image(REPOSITORY, "main-117", &labels).await;
    let found = examined(&platform, &registry.host, "main-117").await;
    assert_eq!(
        (digest_in(&found), &found.proof),
        (pushed.as_str(), &Proof::Deployable)
    );
    assert_eq!(found.build.commit.as_deref(), Some("3f2c9d1"));
    assert_eq!(
        found.build.author.as_deref(),
        Some("Ravi <ravi@shop.example>")
    );
    assert_eq!(
        found.build.repository.as_deref(),
        Some("https://git.shop.example/web")
    );
    assert!(found.build.committed_at.is_some());

    // The tag moves, and what was found stays what it is.
    let moved = registry
        .image(REPOSITORY, "main-117", &json!({ "lastgood.commit": "b" }))
        .await;
    assert_ne!(moved, pushed);
    let again = examined(&platform, &registry.host, "main-117").await;
    assert_eq!(digest_in(&again), moved);
    assert_eq!(platform.obstacle(&found.artefact).await.unwrap(), None);
    registry.delete(REPOSITORY, &pushed).await;
    let obstacle = platform.obstacle(&found.artefact).await.unwrap();
    assert!(obstacle.is_some_and(|why| why.contains("no longer in its registry")));
    let nothing = platform
        .examine(&hint(&registry.host, "never"))
        .await
        .unwrap();
    assert_eq!(nothing, None);
}

#[tokio::test]
async fn what_a_repository_offers_is_listed_page_by_page() {
    let Some(registry) = Registry::start(Door::Locked).await else {
        return;
    };
    let (platform, server) = world().await;
    leave_credentials(&server);
    let source = |repository: &str, tags: &[&str]| Source::Oci {
        registry: registry.host.parse().unwrap(),
        repository: repository.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
    };
    let pushed = registry.image(REPOSITORY, "stable", &json!({})).await;
    for n in 0..3 {
        registry
            .image(REPOSITORY, &format!("main-{n}"), &json!({}))
            .await;
    }
    let listing = async |source: &Source| {
        let listed = platform.listing(source).await.unwrap();
        let mut tags: Vec<_> = listed
            .into_iter()
            .map(|one| (one.tag, one.digest))
            .collect();
        tags.sort();
        tags
    };
    let tag = |tag: &str, digest: Option<&String>| (tag.to_owned(), digest.cloned());
    let named = listing(&source(REPOSITORY, &["stable", "gone"])).await;
    assert_eq!(named, [tag("stable", Some(&pushed))]);
    let all = listing(&source(REPOSITORY, &["main-*", "stable"])).await;
    let main = |n: u32| tag(&format!("main-{n}"), None);
    assert_eq!(
        all,
        [main(0), main(1), main(2), tag("stable", Some(&pushed))]
    );
    assert_eq!(listing(&source("shop/nothing", &["*"])).await, []);
}

#[tokio::test]
async fn what_ecr_offers_is_listed_with_its_times_and_with_what_is_archived() {
    let (platform, server) = world().await;
    let image = |tags: &[&str], digest: &str, status: &str| {
        json!({
            "imageDigest": digest, "imageTags": tags, "imagePushedAt": 1_795_428_930,
            "imageStatus": status,
        })
    };
    let first = image(&["main-1", "stable"], "sha256:1", "ACTIVE");
    let second = [
        image(&["main-0"], "sha256:0", "ARCHIVED"),
        image(&["main-2"], "sha256:2", "ACTIVE"),
    ];
    server.on("DescribeImages", move |asked| {
        Ok(match asked.get("nextToken") {
            None => json!({ "imageDetails": [first], "nextToken": "more" }),
            Some(_) => json!({ "imageDetails": second }),
        })
    });
    let source = Source::Ecr {
        max_severity: None,
        account: support::account(),
        region: support::region(),
        repository: REPOSITORY.to_owned(),
        tags: vec!["*".to_owned()],
    };
    let listed = platform.listing(&source).await.unwrap();
    let tags: Vec<(&str, Option<&str>)> = listed
        .iter()
        .map(|one| (one.tag.as_str(), one.digest.as_deref()))
        .collect();
    let of = |n| Some(["sha256:0", "sha256:1", "sha256:2"][n]);
    let expected = [
        ("main-1", of(1)),
        ("stable", of(1)),
        ("main-0", of(0)),
        ("main-2", of(2)),
    ];
    assert_eq!(tags, expected, "what is restored later is not new");
    assert!(listed.iter().all(|one| one.pushed_at.is_some()));
    assert_eq!(
        server.asked("DescribeImages")[0]["filter"]["tagStatus"],
        "TAGGED"
    );
}

#[tokio::test]
async fn an_index_is_what_is_deployed_and_its_child_what_is_read() {
    let Some(registry) = Registry::start(Door::Open).await else {
        return;
    };
    let (platform, _) = world().await;
    let labels = json!({ "org.opencontainers.image.version": "2.0" });
    let child = registry.image(REPOSITORY, "child", &labels).await;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": child, "size": 1,
            "platform": { "os": "linux", "architecture": "arm64" },
        }],
    });
    let pushed = registry.manifest(REPOSITORY, "2.0", &index).await;
    let found = examined(&platform, &registry.host, "2.0").await;
    assert_eq!(digest_in(&found), pushed);
    assert_eq!(found.build.version.as_deref(), Some("2.0"));
}

#[tokio::test]
async fn a_registry_that_asks_is_told_what_the_secret_named_after_it_holds() {
    let Some(registry) = Registry::start(Door::Locked).await else {
        return;
    };
    let (platform, server) = world().await;
    let pushed = registry.image(REPOSITORY, "1", &json!({})).await;
    let denied = platform
        .examine(&hint(&registry.host, "1"))
        .await
        .unwrap_err();
    let secret = format!("lastgood/registry/{}", registry.host.replace(':', "_"));
    let PlatformError::Terminal(words) = &denied else {
        panic!("{denied}")
    };
    assert!(words.contains(&secret), "{words}");
    assert_eq!(server.asked("GetSecretValue")[0]["SecretId"], secret);
    leave_credentials(&server);
    let found = examined(&platform, &registry.host, "1").await;
    assert_eq!(digest_in(&found), pushed);
    assert_eq!(platform.obstacle(&found.artefact).await.unwrap(), None);
}

/// What a request to the served registry brought with it.
type Seen = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Where a server listens.
async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    host
}

fn authorization(headers: &HeaderMap) -> Option<String> {
    Some(
        headers
            .get(header::AUTHORIZATION)?
            .to_str()
            .unwrap()
            .to_owned(),
    )
}

/// A registry that wants a token for everything and keeps its blobs at `storage`.
fn wants_tokens(seen: &Seen, storage: String, config: &str, manifest: &str) -> Router {
    let (seen, config) = (Arc::clone(seen), config.to_owned());
    let manifest = manifest.to_owned();
    let answer = move |request: Request| async move {
        let path = request.uri().path_and_query().unwrap().to_string();
        let told = authorization(request.headers());
        let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
        seen.lock().unwrap().push((path.clone(), told.clone()));
        if path.starts_with("/token") {
            return axum::Json(json!({ "token": "t" })).into_response();
        }
        if told.as_deref() != Some("Bearer t") {
            let asks = format!("Bearer realm=\"http://{host}/token\",service=\"a registry\"");
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, asks)]).into_response();
        }
        if path.contains("/blobs/") {
            let place = format!("http://{storage}/{config}?signature=x");
            return (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response();
        }
        if path.contains("/busy") {
            return StatusCode::TOO_MANY_REQUESTS.into_response();
        }
        manifest.into_response()
    };
    Router::new().fallback(answer)
}

#[tokio::test]
async fn a_token_is_asked_for_and_told_to_nobody_else() {
    let (platform, aws) = world().await;
    leave_credentials(&aws);
    let blob = r#"{"config":{"Labels":{"org.opencontainers.image.revision":"3f2c9d1"}}}"#;
    let stored: Seen = Seen::default();
    let kept = Arc::clone(&stored);
    let storage = Router::new().fallback(get(move |headers: HeaderMap| async move {
        let told = authorization(&headers);
        kept.lock().unwrap().push((String::new(), told));
        Response::new(blob.to_owned())
    }));
    let storage = serve(storage).await;
    let manifest = json!({ "config": { "digest": digest(blob.as_bytes()) } }).to_string();
    let seen: Seen = Seen::default();
    let host = serve(wants_tokens(&seen, storage, "blob", &manifest)).await;
    let found = examined(&platform, &host, "main").await;
    assert_eq!(digest_in(&found), digest(manifest.as_bytes()));
    assert_eq!(found.build.commit.as_deref(), Some("3f2c9d1"));
    assert_eq!(stored.lock().unwrap().as_slice(), [(String::new(), None)]);
    let seen = seen.lock().unwrap().clone();
    let asked = seen
        .iter()
        .find(|(path, _)| path.starts_with("/token"))
        .unwrap();
    assert_eq!(
        asked.0,
        "/token?service=a%20registry&scope=repository:shop/web:pull"
    );
    assert!(
        asked
            .1
            .as_ref()
            .is_some_and(|told| told.starts_with("Basic "))
    );
    let tokens = seen
        .iter()
        .filter(|(path, _)| path.starts_with("/token"))
        .count();
    assert_eq!(tokens, 1, "one token serves all questions about an image");
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again_later_and_holds_no_start() {
    let (platform, _) = world().await;
    let host = serve(wants_tokens(&Seen::default(), String::new(), "", "")).await;
    let busy = platform.examine(&hint(&host, "busy")).await.unwrap_err();
    assert!(matches!(busy, PlatformError::Transient(_)), "{busy}");
    let artefact = Artefact::Oci {
        registry: host.parse().unwrap(),
        repository: REPOSITORY.to_owned(),
        digest: "busy".to_owned(),
        tag: None,
    };
    assert_eq!(platform.obstacle(&artefact).await.unwrap(), None);
}

#[tokio::test]
async fn what_the_registry_hands_out_for_a_digest_has_that_digest() {
    let (platform, _) = world().await;
    let index = json!({ "manifests": [{ "digest": digest(b"something else") }] }).to_string();
    let host = serve(wants_tokens(&Seen::default(), String::new(), "", &index)).await;
    let found = examined(&platform, &host, "main").await;
    assert!(
        matches!(&found.proof, Proof::Unusable(why) if why.contains("is something else")),
        "{found:?}"
    );
}
