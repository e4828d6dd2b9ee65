//! An image's labels: ECR names a pre-signed address of the configuration blob, and a plain HTTPS
//! request fetches it.

use std::collections::HashMap;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use engine::PlatformError;
use serde::Deserialize;

use super::image::Repository;
use crate::errors::{Hope, Trouble, cut};
use crate::places::Clients;

/// Largest configuration that is read, in bytes. Real ones have some ten kilobytes.
const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long the download may take.
const DOWNLOAD_WITHIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
struct Blob {
    config: Option<Config>,
}

#[derive(Deserialize)]
struct Config {
    #[serde(rename = "Labels")]
    labels: Option<HashMap<String, String>>,
}

/// The labels in a configuration blob. An image without them, or whose configuration cannot be had,
/// has none: they are never needed. What may go better later is an error all the same, because a
/// release's facts are written once.
pub(super) async fn fetch(
    clients: &Clients,
    repository: Repository<'_>,
    config: &str,
) -> Result<HashMap<String, String>, PlatformError> {
    let answer = clients
        .ecr()
        .get_download_url_for_layer()
        .registry_id(repository.account.as_str())
        .repository_name(repository.name)
        .layer_digest(config)
        .send()
        .await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            let trouble = Trouble::of("ecr:GetDownloadUrlForLayer", &error);
            if trouble.hope == Hope::Later {
                return Err(trouble.into());
            }
            return Ok(none(config, &trouble.words));
        }
    };
    let Some(url) = answer.download_url() else {
        return Ok(none(config, "no address given"));
    };
    let download = tokio::time::timeout(DOWNLOAD_WITHIN, download(clients, url));
    let bytes = match download.await {
        Err(_) => return Err(later("it took too long")),
        Ok(Err(Failure::Later(words))) => return Err(later(&words)),
        Ok(Err(Failure::Never(words))) => return Ok(none(config, &words)),
        Ok(Ok(bytes)) => bytes,
    };
    match serde_json::from_slice::<Blob>(&bytes) {
        Ok(blob) => Ok(blob
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default()),
        Err(error) => Ok(none(config, &error.to_string())),
    }
}

fn later(words: &str) -> PlatformError {
    PlatformError::Transient(cut(&format!(
        "download of an image's configuration: {words}"
    )))
}

fn none(config: &str, problem: &str) -> HashMap<String, String> {
    tracing::warn!(config, problem, "the image's labels cannot be read");
    HashMap::new()
}

enum Failure {
    Later(String),
    Never(String),
}

async fn download(clients: &Clients, url: &str) -> Result<Vec<u8>, Failure> {
    let request = request(url, clients.endpoint())
        .ok_or_else(|| Failure::Never("the address cannot be used".to_owned()))?;
    let answer = clients
        .plain()
        .call(request)
        .await
        .map_err(|error| Failure::Later(error.to_string()))?;
    let status = answer.status().as_u16();
    if status >= 500 || status == 429 {
        return Err(Failure::Later(format!("HTTP status {status}")));
    }
    if status != 200 {
        return Err(Failure::Never(format!("HTTP status {status}")));
    }
    let mut body = ByteStream::new(answer.into_body());
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| Failure::Later(error.to_string()))?);
        if bytes.len() > CONFIG_BYTES_MAX {
            return Err(Failure::Never(format!(
                "it has more than {CONFIG_BYTES_MAX} bytes"
            )));
        }
    }
    Ok(bytes)
}

/// The request for an address. Where AWS is played by another endpoint, the hosts it names do not
/// exist: the request goes to the endpoint, and names the host in its header.
fn request(url: &str, endpoint: Option<&str>) -> Option<HttpRequest> {
    let (_, rest) = url.split_once("://")?;
    let Some(endpoint) = endpoint else {
        return HttpRequest::get(url).ok();
    };
    let (host, path) = rest.split_once('/')?;
    let mut request =
        HttpRequest::get(format!("{}/{path}", endpoint.trim_end_matches('/'))).ok()?;
    request.headers_mut().insert("host", host.to_owned());
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_endpoint_plays_every_host() {
        let url = "https://bucket.s3.amazonaws.com/layer?X-Amz-Signature=abc";
        let plain = request(url, None).unwrap();
        assert_eq!(plain.uri(), url);
        let played = request(url, Some("http://127.0.0.1:4566/")).unwrap();
        assert_eq!(
            played.uri(),
            "http://127.0.0.1:4566/layer?X-Amz-Signature=abc"
        );
        assert_eq!(
            played.headers().get("host"),
            Some("bucket.s3.amazonaws.com")
        );
    }
}
