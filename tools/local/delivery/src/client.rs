//! Signed HTTP calls of MiniStack, made as the root of the account concerned (an access key of
//! twelve digits is that account's root). What is called is `calls`.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde_json::Value;

use crate::{Error, Place};

/// How long a call may take that does not wait for anything.
pub(crate) const CALL_MAX: Duration = Duration::from_secs(30);

/// How long an unused connection is kept: shorter than MiniStack keeps it, or a call could be sent
/// just when MiniStack closes it.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// The longest answer that is read, in bytes; a function's is at most 6 MB.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The secret of every account's root, which MiniStack does not check.
const ROOT_SECRET: &str = "local";

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallError {
    /// Nothing answered, or not in time.
    #[error("{0}")]
    Unreachable(String),
    /// The service refused.
    #[error("{code}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's name of the error.
        code: String,
        /// What it adds.
        message: String,
    },
    /// The request could not be made, or the answer not be read.
    #[error("{0}")]
    Malformed(String),
}

impl CallError {
    /// Whether the service answered that something does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status, code, .. } if *status == 404
            || code.contains("NotFound") || code.contains("DoesNotExist")
            || code.contains("NonExistent"))
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text, with what is no UTF-8 replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The error that the service named, if the status is one.
    pub(crate) fn checked(self) -> Result<Self, CallError> {
        if self.status < 300 {
            return Ok(self);
        }
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = self.text();
        let field = |names: [&str; 2]| {
            names
                .iter()
                .find_map(|name| body.get(name))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let code = self
            .header("x-amzn-errortype")
            .map(str::to_owned)
            .or_else(|| field(["__type", "Type"]))
            .or_else(|| between(&text, "<Code>", "</Code>").map(str::to_owned))
            .unwrap_or_else(|| "Unknown".to_owned());
        let message = field(["message", "Message"])
            .or_else(|| between(&text, "<Message>", "</Message>").map(str::to_owned))
            .unwrap_or(text);
        let code = code.rsplit('#').next().unwrap_or_default();
        let code = code.split(':').next().unwrap_or_default().to_owned();
        Err(CallError::Refused {
            status: self.status,
            code,
            message,
        })
    }

    /// The body as JSON; nothing is null.
    pub(crate) fn json(&self) -> Result<Value, CallError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| CallError::Malformed(error.to_string()))
    }
}

/// The text between two others.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// One request before it is signed.
#[derive(Debug)]
pub(crate) struct Draft<'a> {
    /// Whose root calls, and where.
    pub(crate) place: &'a Place,
    /// The service's name in signatures.
    pub(crate) service: &'static str,
    pub(crate) method: Method,
    /// Path and query, encoded.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// How long the call may take.
    pub(crate) limit: Duration,
}

/// The way to MiniStack.
#[derive(Debug)]
pub(crate) struct Client {
    authority: String,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// MiniStack is at this plain HTTP address.
    pub(crate) fn new(endpoint: &str) -> Result<Self, Error> {
        let uri: http::Uri = endpoint
            .parse()
            .map_err(|_| Error::Endpoint(endpoint.to_owned()))?;
        let authority = uri
            .authority()
            .filter(|_| uri.scheme_str() == Some("http"))
            .ok_or_else(|| Error::Endpoint(endpoint.to_owned()))?;
        let http = Http::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build_http();
        Ok(Self {
            authority: authority.to_string(),
            http,
        })
    }

    /// Signs and sends a request, and reads the whole answer, whatever its status.
    pub(crate) async fn send(&self, draft: Draft<'_>) -> Result<Answer, CallError> {
        let limit = draft.limit;
        let request = self.signed(draft)?;
        tokio::time::timeout(limit, self.exchange(request))
            .await
            .map_err(|_| CallError::Unreachable(format!("no answer within {limit:?}")))?
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Answer, CallError> {
        let unreachable = |error: &dyn std::error::Error| {
            let source = error
                .source()
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            CallError::Unreachable(format!("{error}{source}"))
        };
        let response = self
            .http
            .request(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| unreachable(error.as_ref()))?
            .to_bytes();
        Ok(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        })
    }

    fn signed(&self, draft: Draft<'_>) -> Result<Request<Full<Bytes>>, CallError> {
        let malformed = |error: &dyn std::error::Error| CallError::Malformed(error.to_string());
        let mut builder = Request::builder()
            .method(draft.method)
            .uri(format!("http://{}{}", self.authority, draft.path))
            .header(header::HOST, &self.authority);
        for (name, value) in draft.headers {
            builder = builder.header(name, value);
        }
        let mut request = builder
            .body(draft.body)
            .map_err(|error| malformed(&error))?;
        authorize(&mut request, draft.place, draft.service).map_err(|error| malformed(&*error))?;
        Ok(request.map(Full::new))
    }
}

fn authorize(
    request: &mut Request<Bytes>,
    place: &Place,
    service: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let identity: Identity =
        Credentials::new(&place.account, ROOT_SECRET, None, None, "lastgood-local").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&place.region)
        .name(service)
        .time(SystemTime::now())
        .settings(settings)
        .build()?
        .into();
    let uri = request.uri().to_string();
    let headers: Vec<(&str, &str)> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), uri, headers.into_iter(), body)?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn errors_are_read_in_every_protocol() {
        for (body, code, message) in [
            (
                r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}"#,
                "QueueDoesNotExist",
                "no",
            ),
            (
                r#"{"Type":"User","__type":"ResourceNotFoundException","Message":"no"}"#,
                "ResourceNotFoundException",
                "no",
            ),
            (
                "<ErrorResponse><Error><Code>NotFound</Code><Message>no</Message></Error></ErrorResponse>",
                "NotFound",
                "no",
            ),
            ("what", "Unknown", "what"),
        ] {
            let error = answer(400, body).checked().unwrap_err();
            let refused = CallError::Refused {
                status: 400,
                code: code.into(),
                message: message.into(),
            };
            assert_eq!(error, refused);
            assert_eq!(error.is_not_found(), code != "Unknown");
        }
        assert!(answer(200, "{}").checked().is_ok());
        assert!(answer(404, "").checked().unwrap_err().is_not_found());
    }

    #[test]
    fn only_plain_http_addresses_are_taken() {
        assert!(Client::new("http://127.0.0.1:4566").is_ok());
        for endpoint in ["https://127.0.0.1:4566", "127.0.0.1:4566", "", "http://"] {
            assert!(
                matches!(Client::new(endpoint), Err(Error::Endpoint(_))),
                "{endpoint}"
            );
        }
    }
}
