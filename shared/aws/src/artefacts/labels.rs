//! An image's labels: ECR names a pre-signed address of the configuration blob, and a plain HTTPS
//! request fetches it.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use engine::PlatformError;

use super::contents::{CONFIG_BYTES_MAX, Labels, labels_of, no_labels};
use super::image::Repository;
use super::web::{self, Failure};
use crate::errors::{Hope, Trouble, cut};
use crate::places::Clients;

/// The labels in a configuration blob.
pub(super) async fn fetch(
    clients: &Clients,
    repository: Repository<'_>,
    config: &str,
) -> Result<Labels, PlatformError> {
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
            return Ok(no_labels(config, &trouble.words));
        }
    };
    let Some(request) = answer
        .download_url()
        .and_then(|url| request(url, clients.endpoint()))
    else {
        return Ok(no_labels(config, "no address that can be used"));
    };
    match web::send(clients.plain(), request, CONFIG_BYTES_MAX).await {
        Ok(reply) if reply.status == 200 => Ok(labels_of(config, &reply.body)),
        Ok(reply) if web::is_for_later(reply.status) => {
            Err(later(&format!("HTTP status {}", reply.status)))
        }
        Ok(reply) => Ok(no_labels(config, &format!("HTTP status {}", reply.status))),
        Err(Failure::Later(words)) => Err(later(&words)),
        Err(Failure::Never(words)) => Ok(no_labels(config, &words)),
    }
}

fn later(words: &str) -> PlatformError {
    PlatformError::Transient(cut(&format!(
        "download of an image's configuration: {words}"
    )))
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
