//! Asking one repository of a registry: addresses, who we are, redirections. What the answers mean
//! is in the module above.

use std::sync::{Mutex, PoisonError};

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use domain::Registry;
use domain::name::DOCKER_HUB;
use engine::PlatformError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::challenge::{self, Challenge};
use super::credentials;
use crate::artefacts::web::{self, Failure, Reply};
use crate::errors::cut;
use crate::places::Clients;

/// Where Docker Hub answers; its name before an image is another.
const DOCKER_HUB_HOST: &str = "registry-1.docker.io";
/// Longest chain of redirections that is followed: a blob may lie with somebody else.
const REDIRECTIONS_MAX: usize = 3;
/// Largest answer of who gives tokens, in bytes.
const TOKEN_BYTES_MAX: usize = 256 * 1024;
/// What stands in a query as it is (RFC 3986, unreserved), and what scopes are made of.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');

/// One question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// `GET` or `HEAD`.
    pub(super) method: &'static str,
    /// After the repository's own, such as `manifests/main`.
    pub(super) path: &'a str,
    /// The media types that are understood.
    pub(super) accept: &'a [&'a str],
    /// Largest answer, in bytes.
    pub(super) bytes_max: usize,
}

/// A repository that is being asked.
pub(super) struct Session<'a> {
    clients: &'a Clients,
    registry: &'a Registry,
    repository: String,
    origin: String,
    authorization: Mutex<Option<String>>,
}

impl<'a> Session<'a> {
    pub(super) fn new(clients: &'a Clients, registry: &'a Registry, repository: &str) -> Self {
        let is_hub = registry.as_str() == DOCKER_HUB;
        let host = if is_hub {
            DOCKER_HUB_HOST
        } else {
            registry.as_str()
        };
        // As Docker does, but only where AWS itself is played: within Lambda the machine's own
        // addresses are Lambda's.
        let played = clients.endpoint();
        let origin = match played {
            // Who plays AWS on this machine plays Docker Hub too.
            Some(endpoint) if is_hub && is_loopback(host_of(endpoint)) => {
                endpoint.trim_end_matches('/').to_owned()
            }
            Some(_) if is_loopback(host) => format!("http://{host}"),
            Some(_) | None => format!("https://{host}"),
        };
        let repository = if is_hub && !repository.contains('/') {
            format!("library/{repository}")
        } else {
            repository.to_owned()
        };
        Self {
            clients,
            registry,
            repository,
            origin,
            authorization: Mutex::new(None),
        }
    }

    /// Asks about the repository; when the registry wants to know who asks, tells it.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Reply, PlatformError> {
        let path = question.path;
        let url = format!("{}/v2/{}/{path}", self.origin, self.repository);
        let reply = self.follow(&question, url.clone()).await?;
        if reply.status != 401 {
            return Ok(reply);
        }
        let Some(challenge) = challenge::best(reply.headers.get_all("www-authenticate")) else {
            return Ok(reply);
        };
        let Some(authorization) = self.authorize(challenge).await? else {
            return Ok(reply);
        };
        *self.lock() = Some(authorization);
        self.follow(&question, url).await
    }

    /// Asks at an address and wherever it leads. Only the registry itself learns who asks.
    async fn follow(&self, question: &Question<'_>, url: String) -> Result<Reply, PlatformError> {
        let mut url = url;
        for _ in 0..=REDIRECTIONS_MAX {
            let own = url
                .strip_prefix(&self.origin)
                .is_some_and(|rest| rest.starts_with('/'));
            let authorization = self.lock().clone().filter(|_| own);
            let mut request = self.request(question.method, &url, authorization)?;
            for kind in question.accept {
                request.headers_mut().append("accept", (*kind).to_owned());
            }
            let reply = self.send(request, question.bytes_max).await?;
            let leads = (300..400).contains(&reply.status);
            let Some(location) = reply.headers.get("location").filter(|_| leads) else {
                return Ok(reply);
            };
            url = match location.strip_prefix('/') {
                Some(path) => format!("{}/{path}", origin_of(&url)),
                None => location.to_owned(),
            };
        }
        Err(self.never("it leads from one address to the next without end"))
    }

    /// What to answer a challenge with; none when nobody left credentials and there is no other
    /// way.
    async fn authorize(&self, challenge: Challenge) -> Result<Option<String>, PlatformError> {
        let credentials = credentials::of(self.clients, self.registry).await?;
        let basic = credentials.map(|credentials| credentials.basic());
        let Challenge::Bearer {
            realm,
            service,
            scope,
        } = challenge
        else {
            return Ok(basic);
        };
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.repository));
        let mut url = realm;
        for (name, value) in [("service", service), ("scope", Some(scope))] {
            if let Some(value) = value {
                let mark = if url.contains('?') { '&' } else { '?' };
                let value = utf8_percent_encode(&value, QUERY);
                url = format!("{url}{mark}{name}={value}");
            }
        }
        // Whom the registry names as the one to ask is the registry's to say, as for Docker itself.
        let request = self.request("GET", &url, basic)?;
        let reply = self.send(request, TOKEN_BYTES_MAX).await?;
        if web::is_for_later(reply.status) {
            return Err(self.later(&format!("HTTP status {} for a token", reply.status)));
        }
        Ok(token(&reply.body)
            .filter(|_| reply.status == 200)
            .map(|token| format!("Bearer {token}")))
    }

    fn request(
        &self,
        method: &str,
        url: &str,
        authorization: Option<String>,
    ) -> Result<HttpRequest, PlatformError> {
        let played = self.clients.endpoint().is_some();
        let safe = url.starts_with("https://") || (played && is_loopback(host_of(url)));
        if !safe {
            return Err(self.never("it leads to an address without TLS"));
        }
        let unusable = || self.never("it leads to an address that cannot be used");
        let mut request = HttpRequest::get(url).map_err(|_| unusable())?;
        request.set_method(method).map_err(|_| unusable())?;
        if let Some(authorization) = authorization {
            let headers = request.headers_mut();
            headers
                .try_insert("authorization", authorization)
                .map_err(|_| self.never("it gives a token that is no header"))?;
        }
        Ok(request)
    }

    async fn send(&self, request: HttpRequest, most: usize) -> Result<Reply, PlatformError> {
        match web::send(self.clients.plain(), request, most).await {
            Ok(reply) => Ok(reply),
            Err(Failure::Later(words)) => Err(self.later(&words)),
            Err(Failure::Never(words)) => Err(self.never(&words)),
        }
    }

    /// What a status comes to that brings no answer.
    pub(super) fn refused(&self, status: u16, asked: &str) -> PlatformError {
        let words = format!("HTTP status {status} for {asked}");
        match status {
            401 | 403 => self.denied(),
            status if web::is_for_later(status) => self.later(&words),
            _ => self.never(&words),
        }
    }

    /// An error that says for whom credentials are missing.
    fn denied(&self) -> PlatformError {
        let secret = credentials::secret_name(self.registry);
        self.never(&format!(
            "it does not let us read; its credentials belong into the secret {secret}, as \
             {{\"username\": …, \"password\": …}}"
        ))
    }

    pub(super) fn later(&self, words: &str) -> PlatformError {
        PlatformError::Transient(self.words(words))
    }

    pub(super) fn never(&self, words: &str) -> PlatformError {
        PlatformError::Terminal(self.words(words))
    }

    fn words(&self, words: &str) -> String {
        cut(&format!("{}/{}: {words}", self.registry, self.repository))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.authorization
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn token(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer.token.or(answer.access_token)
}

/// Scheme and host of an address.
fn origin_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(start..).unwrap_or_default();
    let end = rest.find(['/', '?']).map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or(url)
}

fn host_of(url: &str) -> &str {
    let origin = origin_of(url);
    origin.split_once("://").map_or(origin, |(_, host)| host)
}

fn is_loopback(host: &str) -> bool {
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.shop.example",
            "127.0.0.1.nip.io",
            "10.0.0.1:5000",
            "",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
        assert_eq!(host_of("http://user@127.0.0.1/x"), "user@127.0.0.1");
    }

    #[test]
    fn an_address_has_an_origin() {
        assert_eq!(origin_of("https://a.b:1/v2/x?y"), "https://a.b:1");
        assert_eq!(origin_of("https://a.b?y=/"), "https://a.b");
        assert_eq!(origin_of("https://a.b"), "https://a.b");
    }
}
