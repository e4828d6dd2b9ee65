//! The way to the rest of AWS: signed plain HTTP calls of CloudWatch, ECR, S3 and Lambda, made as
//! the root of the account concerned (an access key of twelve digits is that account's root, and
//! its secret is not checked). What the answers mean is for those who ask.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{
        PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
        UriPathNormalizationMode, sign,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::envelope::Place;

/// The longest a call may take; a synchronous Lambda may use all of it.
const CALL_MAX: Duration = Duration::from_secs(60);

/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The secret of every account's root, which is not checked.
const ROOT_SECRET: &str = "local";

/// What S3 leaves as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A service with a JSON protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    signing_name: &'static str,
    target: &'static str,
    content_type: &'static str,
}

/// CloudWatch (AWS JSON 1.0).
pub(crate) const CLOUDWATCH: Service = Service {
    signing_name: "monitoring",
    target: "GraniteServiceVersion20100801",
    content_type: "application/x-amz-json-1.0",
};

/// ECR (AWS JSON 1.1).
pub(crate) const ECR: Service = Service {
    signing_name: "ecr",
    target: "AmazonEC2ContainerRegistry_V20150921",
    content_type: "application/x-amz-json-1.1",
};

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// Nothing answered, or not in time.
    #[error("{0} does not answer")]
    Unreachable(String),
    /// The service refused.
    #[error("{code}: {message}")]
    Service {
        /// The service's name of the error.
        code: String,
        /// What it adds.
        message: String,
    },
    /// The request could not be made or the answer not be read.
    #[error("{0}")]
    Malformed(&'static str),
}

/// What came back from a Lambda function.
#[derive(Debug)]
pub(crate) struct Invoked {
    /// What the function answered, or what its error was.
    pub(crate) payload: Bytes,
    /// `Unhandled` and the like when the function failed.
    pub(crate) error: Option<String>,
}

/// The way to the rest of AWS.
pub(crate) struct Remote {
    endpoint: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// One request before it is signed.
struct Draft {
    method: Method,
    /// Path and query, encoded.
    path: String,
    /// The `Host` to sign and send; none is the endpoint's own.
    host: Option<String>,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Remote {
    /// The rest of AWS is at `endpoint` (`http://127.0.0.1:4566`).
    pub(crate) fn new(endpoint: &str) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(5))
            .build_http();
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            client,
        }
    }

    /// Calls an operation of a JSON protocol.
    pub(crate) async fn json(
        &self,
        place: &Place,
        service: Service,
        operation: &str,
        input: &Value,
    ) -> Result<Value, RemoteError> {
        let draft = Draft {
            method: Method::POST,
            path: "/".to_owned(),
            host: None,
            headers: vec![
                ("content-type", service.content_type.to_owned()),
                ("x-amz-target", format!("{}.{operation}", service.target)),
            ],
            body: Bytes::from(input.to_string()),
        };
        let (_, body) = self.call(place, service.signing_name, draft).await?;
        serde_json::from_slice(&body).map_err(|_| RemoteError::Malformed("the answer is not JSON"))
    }

    /// Reads what a pre-signed URL of a service names. Whatever its host, it is fetched from the
    /// endpoint, which knows the resource by that host.
    pub(crate) async fn fetch(&self, place: &Place, url: &str) -> Result<Bytes, RemoteError> {
        let uri: Uri = url
            .parse()
            .map_err(|_| RemoteError::Malformed("the URL cannot be read"))?;
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let host = uri
            .authority()
            .map(|authority| authority.as_str().to_owned());
        let headers = Vec::new();
        let draft = Draft {
            method: Method::GET,
            path,
            host,
            headers,
            body: Bytes::new(),
        };
        Ok(self.call(place, "ecr", draft).await?.1)
    }

    /// Reads an object of S3; without a version the newest.
    pub(crate) async fn object(
        &self,
        place: &Place,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Bytes, RemoteError> {
        let encode = |text: &str| utf8_percent_encode(text, PATH).to_string();
        let mut path = format!("/{bucket}/{}", encode(key));
        if let Some(version) = version {
            path = format!(
                "{path}?versionId={}",
                utf8_percent_encode(version, NON_ALPHANUMERIC)
            );
        }
        let headers = Vec::new();
        let draft = Draft {
            method: Method::GET,
            path,
            host: None,
            headers,
            body: Bytes::new(),
        };
        Ok(self.call(place, "s3", draft).await?.1)
    }

    /// Invokes a function and waits for its answer. `function` may be a name or an ARN.
    pub(crate) async fn invoke(
        &self,
        place: &Place,
        function: &str,
        payload: &Value,
    ) -> Result<Invoked, RemoteError> {
        let function = utf8_percent_encode(function, NON_ALPHANUMERIC);
        let draft = Draft {
            method: Method::POST,
            path: format!("/2015-03-31/functions/{function}/invocations"),
            host: None,
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("x-amz-invocation-type", "RequestResponse".to_owned()),
            ],
            body: Bytes::from(payload.to_string()),
        };
        let (headers, payload) = self.call(place, "lambda", draft).await?;
        let error = headers
            .get("x-amz-function-error")
            .and_then(|error| error.to_str().ok());
        Ok(Invoked {
            payload,
            error: error.map(str::to_owned),
        })
    }

    /// Signs and sends a request; a status of 400 or more is an error.
    async fn call(
        &self,
        place: &Place,
        service: &str,
        draft: Draft,
    ) -> Result<(HeaderMap, Bytes), RemoteError> {
        let request = self.signed(place, service, draft)?;
        let exchange = async {
            let response = self.client.request(request).await.ok()?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX)
                .collect()
                .await
                .ok()?
                .to_bytes();
            Some((parts, body))
        };
        let answer = tokio::time::timeout(CALL_MAX, exchange)
            .await
            .ok()
            .flatten();
        let (parts, body) = answer.ok_or_else(|| RemoteError::Unreachable(service.to_owned()))?;
        match parts.status.as_u16() {
            0..400 => Ok((parts.headers, body)),
            status => Err(service_error(status, &body)),
        }
    }

    fn signed(
        &self,
        place: &Place,
        service: &str,
        draft: Draft,
    ) -> Result<Request<Full<Bytes>>, RemoteError> {
        const BROKEN: RemoteError = RemoteError::Malformed("the request could not be signed");
        let uri = format!("{}{}", self.endpoint, draft.path);
        let mut request = Request::builder().method(draft.method).uri(&uri);
        let own = self.endpoint.trim_start_matches("http://");
        request = request.header(header::HOST, draft.host.as_deref().unwrap_or(own));
        for (name, value) in &draft.headers {
            request = request.header(*name, value);
        }
        let mut request = request
            .body(Full::new(draft.body.clone()))
            .map_err(|_| BROKEN)?;
        let credentials = Credentials::new(&place.account, ROOT_SECRET, None, None, "local");
        let identity: Identity = credentials.into();
        let mut settings = SigningSettings::default();
        if service == "s3" {
            settings.percent_encoding_mode = PercentEncodingMode::Single;
            settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
            settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        }
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&place.region)
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|_| BROKEN)?;
        let method = request.method().to_string();
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(&draft.body);
        let signable = SignableRequest::new(&method, &uri, pairs, body).map_err(|_| BROKEN)?;
        let (instructions, _) = sign(signable, &params.into())
            .map_err(|_| BROKEN)?
            .into_parts();
        instructions.apply_to_request_http1x(&mut request);
        Ok(request)
    }
}

/// The error that a service's answer tells, in JSON or XML.
fn service_error(status: u16, body: &[u8]) -> RemoteError {
    let text = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_slice(body).unwrap_or_else(
        |_| json!({ "__type": between(&text, "Code"), "message": between(&text, "Message") }),
    );
    let field = |names: [&str; 2]| {
        let found = names
            .iter()
            .find_map(|name| value.get(name))
            .and_then(Value::as_str);
        found.map(str::to_owned)
    };
    let code = field(["__type", "Type"]).unwrap_or_else(|| status.to_string());
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    RemoteError::Service {
        code,
        message: field(["message", "Message"]).unwrap_or_default(),
    }
}

/// The text of the first XML element of this name.
fn between<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text.find(&format!("</{name}>"))?;
    text.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_in_json_and_in_xml() {
        let json = service_error(400, br#"{"__type":"a#NoSuch","message":"gone"}"#);
        assert_eq!(json.to_string(), "NoSuch: gone");
        let xml = service_error(404, b"<Error><Code>NoSuchKey</Code><Message>gone</Message>");
        assert_eq!(xml.to_string(), "NoSuchKey: gone");
        assert_eq!(service_error(502, b"").to_string(), "502: ");
    }
}
