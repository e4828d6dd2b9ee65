//! Asking the functions that people ask, `command` and `approval`: one request under one id, tried
//! again while it makes sense. Doing it twice is no harm, because the ledger knows the id.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnector as _, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use domain::Timestamp;
use domain::fact::RequestId;
use intake::versions::Versions;
use intake::wire::{Answer, Command, Desk, Failure as NoAnswer};
use jiff::fmt::rfc2822;

use crate::failure::{Exit, Failure};
use crate::sign;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long one answer may take: the function's own limit is 30 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);
/// How often a request is sent at most.
const TRIES_MAX: u32 = 4;
/// The pause before the second try; each later one is twice as long, and chance shortens it.
const PAUSE_FIRST: Duration = Duration::from_millis(300);
/// Largest answer that is read, in bytes (Lambda: 6 MB for synchronous calls).
const ANSWER_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Characters of a request id: 20 of 36 letters and digits never meet by accident.
const REQUEST_ID_LENGTH: usize = 20;

/// Where requests go, and in whose name.
#[derive(Debug)]
pub(crate) struct Commander {
    desk: Desk,
    url: http::Uri,
    region: String,
    credentials: SharedCredentialsProvider,
    http: SharedHttpConnector,
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The ledger decided.
    Answer(Answer),
    /// The service file cannot be used.
    Problems(Vec<domain::file::Problem>),
}

/// Whether the function can be asked.
#[derive(Debug)]
pub(crate) struct Probed {
    /// Why it would not take requests.
    pub(crate) refusal: Option<Failure>,
    /// What time it is over there.
    pub(crate) date: Option<Timestamp>,
    /// Which version answers; AWS's own refusals tell none.
    pub(crate) versions: Versions,
}

/// What one try came to.
enum Try {
    Reply(Reply),
    Final(Failure),
    Again(Failure),
}

/// An id for one invocation of the command line.
pub(crate) fn request_id() -> RequestId {
    let letter = || fastrand::alphanumeric().to_ascii_lowercase();
    RequestId(
        std::iter::repeat_with(letter)
            .take(REQUEST_ID_LENGTH)
            .collect(),
    )
}

impl Commander {
    /// For a URL such as `https://<id>.lambda-url.<region>.on.aws/`; the Region in it wins, because
    /// the signature names the function's own.
    pub(crate) fn new(
        desk: Desk,
        url: &str,
        region: Option<&str>,
        credentials: SharedCredentialsProvider,
    ) -> Result<Self, Failure> {
        let wrong = || {
            let (function, output) = (desk.function(), desk.output());
            Failure::usage(format!("{url:?} is no address of the {function} function")).hint(
                format!("use the stack's output {output}, such as https://abc.lambda-url.ap-south-1.on.aws/"),
            )
        };
        let mut parsed: http::Uri = url.parse().map_err(|_| wrong())?;
        let host = parsed.host().ok_or_else(wrong)?;
        if !matches!(parsed.scheme_str(), Some("https" | "http")) {
            return Err(wrong());
        }
        let named = host
            .split_once(".lambda-url.")
            .and_then(|(_, rest)| rest.split('.').next());
        let region = named.or(region).map(str::to_owned).ok_or_else(|| {
            Failure::usage("no AWS Region is known").hint("set AWS_REGION, or give --region")
        })?;
        if parsed.path().is_empty() {
            parsed = format!("{url}/").parse().map_err(|_| wrong())?;
        }
        let settings = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(ANSWER_WITHIN)
            .build();
        let http = Connector::builder()
            .connector_settings(settings)
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
            .build();
        Ok(Self {
            desk,
            url: parsed,
            region,
            credentials,
            http: SharedHttpConnector::new(http),
        })
    }

    /// Asks, and tries again when no answer came or the function could not answer now.
    pub(crate) async fn ask(&self, command: &Command) -> Result<Reply, Failure> {
        command
            .check()
            .map_err(|error| Failure::usage(error.to_string()))?;
        let body = serde_json::to_vec(command)
            .map_err(|error| Failure::failed("the request cannot be written").because(error))?;
        let mut pause = PAUSE_FIRST;
        let mut tries = 1;
        loop {
            match self.try_once(&body).await? {
                Try::Reply(reply) => return Ok(reply),
                Try::Final(failure) => return Err(failure),
                Try::Again(failure) if tries == TRIES_MAX => {
                    let tried = format!("tried {TRIES_MAX} times as request {}", command.id.0);
                    return Err(failure.because(tried));
                }
                Try::Again(_) => {
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
                    tries += 1;
                    pause *= 2;
                }
            }
        }
    }

    /// Sends what is no request: whoever is let in is told so, and nothing is done.
    pub(crate) async fn probe(&self) -> Result<Probed, Failure> {
        let response = self.send(b"{}").await??;
        let function = self.desk.function();
        let date = response.headers().get("date");
        let date = date.and_then(|date| rfc2822::parse(date).ok());
        Ok(Probed {
            refusal: match response.status().as_u16() {
                400 => None,
                status @ (401 | 403) => Some(not_let_in(self.desk, status, "")),
                status => Some(
                    Failure::failed(format!("what answers there is not the {function} function"))
                        .because(&self.url)
                        .because(format!("HTTP {status}"))
                        .hint(format!("use the stack's output {}", self.desk.output())),
                ),
            },
            date: date.map(|date| date.timestamp()),
            versions: Versions::told(|name| response.headers().get(name)),
        })
    }

    async fn try_once(&self, body: &[u8]) -> Result<Try, Failure> {
        let response = match self.send(body).await? {
            Ok(response) => response,
            Err(failure) => return Ok(Try::Again(failure)),
        };
        let status = response.status().as_u16();
        let read = aws_smithy_types::byte_stream::ByteStream::new(response.into_body()).collect();
        match tokio::time::timeout(ANSWER_WITHIN, read).await {
            Ok(Ok(bytes)) => Ok(answered(self.desk, status, &bytes.into_bytes())),
            Ok(Err(error)) => Ok(Try::Again(self.unreachable(&error))),
            Err(elapsed) => Ok(Try::Again(self.unreachable(&elapsed))),
        }
    }

    /// Sends a body, signed; the inner failure is one that another try may mend.
    async fn send(&self, body: &[u8]) -> Result<Result<HttpResponse, Failure>, Failure> {
        let credentials = self
            .credentials
            .provide_credentials()
            .await
            .map_err(no_credentials)?;
        let headers = sign::headers(
            &self.url,
            body,
            &self.region,
            &credentials,
            SystemTime::now(),
        )?;
        let built = |error: &dyn std::fmt::Display| {
            Failure::failed("the request cannot be built").because(error)
        };
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| built(&error))?;
        request
            .set_uri(self.url.to_string())
            .map_err(|error| built(&error))?;
        for (name, value) in headers {
            request
                .headers_mut()
                .try_insert(name, value)
                .map_err(|error| built(&error))?;
        }
        let response = self.http.call(request).await;
        Ok(response.map_err(|error| self.unreachable(&error)))
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> Failure {
        let mut words = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            words = format!("{words}: {error}");
            source = error.source();
        }
        let function = self.desk.function();
        Failure::unobserved(format!("the {function} function could not be reached"))
            .because(&self.url)
            .because(words)
            .hint("check the address and the network; lastgood history tells whether it was done")
    }
}

/// Nobody's credentials were found, or they could not be had.
pub(crate) fn no_credentials(
    error: aws_credential_types::provider::error::CredentialsError,
) -> Failure {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    Failure::new(Exit::NotAllowed, "no AWS credentials could be had")
        .because(words)
        .hint("sign in as for the AWS CLI (aws sso login, AWS_PROFILE, environment variables)")
}

/// What an HTTP answer comes to.
fn answered(desk: Desk, status: u16, body: &[u8]) -> Try {
    if body.len() > ANSWER_BYTES_MAX {
        return Try::Final(Failure::unobserved("the answer is too large"));
    }
    let function = desk.function();
    // The ledger's own answers; 409 is its no.
    if matches!(status, 200 | 409) {
        return match serde_json::from_slice(body) {
            Ok(answer) => Try::Reply(Reply::Answer(answer)),
            Err(error) => Try::Final(
                Failure::unobserved("the answer cannot be understood")
                    .because(error)
                    .hint(format!(
                        "is the address that of the {function} function, and is lastgood up to date?"
                    )),
            ),
        };
    }
    let said = said(body);
    match (status, serde_json::from_slice::<NoAnswer>(body).ok()) {
        (400, Some(failure)) if !failure.problems.is_empty() => {
            Try::Reply(Reply::Problems(failure.problems))
        }
        (400, Some(failure)) => Try::Final(Failure::usage(failure.error)),
        (401 | 403, _) => Try::Final(not_let_in(desk, status, &said)),
        (500, Some(failure)) => Try::Final(
            Failure::failed(failure.error).hint("the ledger may be damaged: run lastgood verify"),
        ),
        (408 | 429 | 500.., _) => Try::Again(
            Failure::unobserved(format!("the {function} function could not answer"))
                .because(format!("HTTP {status}: {said}"))
                .hint("try again; lastgood history tells whether it was done"),
        ),
        _ => Try::Final(
            Failure::failed(format!("the {function} function refused the request"))
                .because(format!("HTTP {status}: {said}")),
        ),
    }
}

/// IAM's no.
fn not_let_in(desk: Desk, status: u16, said: &str) -> Failure {
    let policy = match desk {
        Desk::Approval => "ApproverPolicyArn",
        Desk::Command => "ReleaserPolicyArn",
    };
    let words = format!("HTTP {status}: {said}");
    Failure::new(Exit::NotAllowed, "AWS does not let this identity ask")
        .because(words.trim_end_matches([':', ' ']))
        .hint(format!(
            "it needs the policy that the stack's output {policy} names; aws sts get-caller-identity tells who you are"
        ))
}

/// AWS's or the function's own words.
fn said(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let field = json.as_ref().and_then(|json| {
        ["error", "message", "Message"]
            .iter()
            .find_map(|name| json.get(name)?.as_str())
    });
    match field {
        Some(words) => words.to_owned(),
        None => String::from_utf8_lossy(body).chars().take(300).collect(),
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;

    fn commander(url: &str, region: Option<&str>) -> Result<Commander, Failure> {
        let credentials = Credentials::new("AKIA", "secret", None, None, "test");
        Commander::new(
            Desk::Command,
            url,
            region,
            SharedCredentialsProvider::new(credentials),
        )
    }

    #[test]
    fn the_functions_own_region_is_signed_for() {
        let url = "https://abc.lambda-url.ap-south-1.on.aws/";
        assert_eq!(
            commander(url, Some("eu-west-1")).unwrap().region,
            "ap-south-1"
        );
        let local = commander("http://127.0.0.1:4577/_url/abc/", Some("eu-west-1")).unwrap();
        assert_eq!(local.region, "eu-west-1");
        let failure = commander("http://127.0.0.1:4577/_url/abc/", None).unwrap_err();
        assert_eq!(failure.message, "no AWS Region is known");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["", "abc", "ftp://abc/", "/_url/abc", "https://"] {
            let failure = commander(wrong, Some("eu-west-1")).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage, "{wrong}");
        }
    }

    #[test]
    fn request_ids_are_what_the_function_takes() {
        let ids: std::collections::BTreeSet<String> = std::iter::repeat_with(|| request_id().0)
            .take(100)
            .collect();
        assert_eq!(ids.len(), 100);
        assert!(
            ids.iter()
                .all(|id| id.len() == 20 && id.bytes().all(|b| b.is_ascii_alphanumeric()))
        );
    }
}
