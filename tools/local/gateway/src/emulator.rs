//! MiniStack as the gateway sees it: an address to pass requests on to, and an API that is asked
//! with signed requests of our own (who is this, which functions are there, is this allowed). What
//! is asked for is decided elsewhere.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Uri, header, response::Parts, uri};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{
    sign::{SignError, Signer, sign},
    xml,
};

/// A body that streams through, in either direction.
pub(crate) type Body = BoxBody<Bytes, hyper::Error>;

/// The protocols' versions, which every query names.
const IAM_VERSION: &str = "2010-05-08";
const SNS_VERSION: &str = "2010-03-31";
const STS_VERSION: &str = "2011-06-15";

/// How long a connection is kept unused. MiniStack closes its side after 75 seconds, and a request
/// sent at that very moment would be lost.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// An account and a Region.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Twelve digits.
    pub account: String,
    /// For example `eu-west-1`.
    pub region: String,
}

/// Why MiniStack gave no answer, or a refusal.
#[derive(Debug, thiserror::Error)]
pub enum EmulatorError {
    /// Nobody answers there, or the connection broke.
    #[error("MiniStack does not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An error by AWS's name.
    #[error("MiniStack refuses: {code}: {message}")]
    Refused {
        /// For example `NoSuchEntity`.
        code: String,
        /// The sentence that came with it.
        message: String,
    },
    /// The question could not be put into a request, or the answer could not be read.
    #[error("MiniStack cannot be asked or understood")]
    Protocol(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A client of MiniStack that can be the root of any account. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Emulator {
    address: SocketAddr,
    root_secret: String,
    client: Client<HttpConnector, Body>,
}

impl Emulator {
    /// A client of what listens at `address`, where the root keys (an account's twelve digits)
    /// have the secret `root_secret`.
    #[must_use]
    pub fn new(address: SocketAddr, root_secret: impl Into<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            address,
            root_secret: root_secret.into(),
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_MAX)
                .build(connector),
        }
    }

    /// The secret of every account's root key.
    pub(crate) fn root_secret(&self) -> &str {
        &self.root_secret
    }

    /// Asks IAM, SNS or STS (`service`) as the root of an account; gives the answer's XML.
    ///
    /// # Errors
    /// When MiniStack does not answer or refuses.
    pub async fn query(
        &self,
        place: &Place,
        service: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, EmulatorError> {
        self.query_as(&self.root(place), service, parameters).await
    }

    /// The same as somebody else.
    ///
    /// # Errors
    /// When MiniStack does not answer or refuses.
    pub async fn query_as(
        &self,
        signer: &Signer,
        service: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String, EmulatorError> {
        let version = match service {
            "sts" => STS_VERSION,
            "sns" => SNS_VERSION,
            _ => IAM_VERSION,
        };
        let form: Vec<String> = parameters
            .iter()
            .chain(&[("Version", version)])
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.join("&").into_bytes())
            .map_err(|error| EmulatorError::Protocol(error.into()))?;
        let (parts, body) = self.send(signer, service, request).await?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if parts.status.is_success() {
            return Ok(text);
        }
        Err(EmulatorError::Refused {
            code: xml::text(&text, "Code").unwrap_or_else(|| parts.status.to_string()),
            message: xml::text(&text, "Message").unwrap_or_default(),
        })
    }

    /// Asks for a JSON document as the root of an account.
    pub(crate) async fn get_json(
        &self,
        place: &Place,
        service: &str,
        path: &str,
    ) -> Result<Value, EmulatorError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(path)
            .body(Vec::new())
            .map_err(|error| EmulatorError::Protocol(error.into()))?;
        let (parts, body) = self.send(&self.root(place), service, request).await?;
        if !parts.status.is_success() {
            return Err(EmulatorError::Refused {
                code: parts.status.to_string(),
                message: String::from_utf8_lossy(&body).into_owned(),
            });
        }
        serde_json::from_slice(&body).map_err(|error| EmulatorError::Protocol(error.into()))
    }

    /// Calls an operation of a JSON protocol, named as `X-Amz-Target` names it
    /// (`AmazonSQS.ReceiveMessage`), as whoever signs.
    ///
    /// # Errors
    /// When nobody answers, or the answer is an error of AWS's or no JSON.
    pub async fn json(
        &self,
        signer: &Signer,
        service: &str,
        target: &str,
        input: &Value,
    ) -> Result<Value, EmulatorError> {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.1")
            .header("x-amz-target", target)
            .body(input.to_string().into_bytes())
            .map_err(|error| EmulatorError::Protocol(error.into()))?;
        let (parts, body) = self.send(signer, service, request).await?;
        if body.is_empty() && parts.status.is_success() {
            return Ok(Value::Null);
        }
        let answer: Value =
            serde_json::from_slice(&body).map_err(|error| EmulatorError::Protocol(error.into()))?;
        if parts.status.is_success() {
            return Ok(answer);
        }
        let field = |names: [&str; 2]| {
            let found = names.iter().find_map(|name| answer.get(name)?.as_str());
            found.map(str::to_owned)
        };
        let code = field(["__type", "code"]).unwrap_or_else(|| parts.status.to_string());
        Err(EmulatorError::Refused {
            // Some services put a namespace before the name.
            code: code.rsplit('#').next().unwrap_or_default().to_owned(),
            message: field(["message", "Message"]).unwrap_or_default(),
        })
    }

    /// Signs and sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// When the request cannot be sent or nobody answers.
    pub async fn send(
        &self,
        signer: &Signer,
        service: &str,
        mut request: Request<Vec<u8>>,
    ) -> Result<(Parts, Bytes), EmulatorError> {
        let host = HeaderValue::from_str(&self.address.to_string())
            .map_err(|error| EmulatorError::Protocol(error.into()))?;
        request.headers_mut().insert(header::HOST, host);
        *request.uri_mut() = self.absolute(request.uri())?;
        sign(&mut request, service, signer, SystemTime::now())
            .map_err(|error: SignError| EmulatorError::Protocol(error.into()))?;
        let request = request.map(whole);
        let response = self.exchange(request).await?;
        let (parts, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| EmulatorError::Unreachable(error.into()))?;
        Ok((parts, body.to_bytes()))
    }

    /// Passes a request on as it is, `Host` included, to MiniStack's address.
    pub(crate) async fn forward(
        &self,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, EmulatorError> {
        *request.uri_mut() = self.absolute(request.uri())?;
        self.exchange(request).await
    }

    /// The root of an account, in a Region.
    #[must_use]
    pub fn root(&self, place: &Place) -> Signer {
        Signer {
            access_key: place.account.clone(),
            secret: self.root_secret.clone(),
            token: None,
            region: place.region.clone(),
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response<Incoming>, EmulatorError> {
        self.client
            .request(request)
            .await
            .map_err(|error| EmulatorError::Unreachable(error.into()))
    }

    fn absolute(&self, uri: &Uri) -> Result<Uri, EmulatorError> {
        let path = uri.path_and_query().map_or("/", uri::PathAndQuery::as_str);
        Uri::builder()
            .scheme("http")
            .authority(self.address.to_string())
            .path_and_query(path)
            .build()
            .map_err(|error| EmulatorError::Protocol(error.into()))
    }
}

/// A body that is already here.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}
