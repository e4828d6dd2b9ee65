//! Forwarding one request to a target and its answer back, without losing a request that can be
//! sent again.

use std::{
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode, Uri,
    body::{Body, Frame, Incoming, SizeHint},
    header::{self, HeaderMap, HeaderName, HeaderValue},
    http::request::Parts,
};
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

use super::{balancer::Listener, pool::Pool};

/// The longest body of a request, in bytes; it is kept so that the request can be sent again.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How often one request is tried in all.
const TRIES_MAX: usize = 4;

/// The pause before another try when targets refuse connections.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// The longest that connecting to a target may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest that a target may take to begin its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// An unused connection is closed after this time, before a target would close it.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Headers that are about one connection and are not forwarded (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What a balancer answers with: a target's body, or a sentence of its own.
pub(super) type Answer = Response<Either<Counted, Full<Bytes>>>;

/// Forwards requests to the targets of one pool.
#[derive(Clone)]
pub(super) struct Proxy {
    pool: Arc<Mutex<Pool>>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A request whose body has arrived, so that it can be sent more than once.
struct Outgoing {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Proxy {
    /// A proxy with connections of its own.
    pub(super) fn new(pool: Arc<Mutex<Pool>>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Self { pool, client }
    }

    /// Forwards a request. When no target answers: 503 without targets, else 502.
    pub(super) async fn forward(&self, listener: Listener, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
            return own(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request's body did not arrive",
            );
        };
        let outgoing = Outgoing::new(parts, body.to_bytes());
        let mut tried = Vec::new();
        for attempt in 0..TRIES_MAX {
            if attempt > 0 {
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            let picked = self.pool().pick(listener, &tried);
            let Some((group, addr)) = picked else {
                continue;
            };
            let flight = Flight {
                pool: Arc::clone(&self.pool),
                group,
                addr,
            };
            match self.send(&outgoing, &flight).await {
                Ok(response) => return response.map(|body| Either::Left(Counted { body, flight })),
                Err(failure) if failure.may_retry(&outgoing.method) => tried.push(addr),
                Err(_) => return self.failed(StatusCode::BAD_GATEWAY, "the target did not answer"),
            }
        }
        match tried.is_empty() {
            true => self.failed(StatusCode::SERVICE_UNAVAILABLE, "there is no target"),
            false => self.failed(StatusCode::BAD_GATEWAY, "no target answered"),
        }
    }

    async fn send(
        &self,
        outgoing: &Outgoing,
        flight: &Flight,
    ) -> Result<Response<Incoming>, Failure> {
        let request = outgoing.request(flight.addr).ok_or(Failure::Request)?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, self.client.request(request)).await;
        let mut response = answer.map_err(|_| Failure::Slow)??;
        for name in &HOP_BY_HOP {
            response.headers_mut().remove(name);
        }
        self.pool().count(&flight.group, response.status().as_u16());
        Ok(response)
    }

    fn failed(&self, status: StatusCode, why: &'static str) -> Answer {
        self.pool().unanswered += 1;
        own(status, why)
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a target gave no answer.
#[derive(Debug)]
enum Failure {
    /// The connection was refused: the target saw nothing.
    Refused,
    /// The connection broke before an answer; the target may have seen the request.
    Broken,
    /// No answer in time.
    Slow,
    /// The request cannot be written.
    Request,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        if error.is_connect() {
            Self::Refused
        } else {
            Self::Broken
        }
    }
}

impl Failure {
    /// Whether sending again can do no harm.
    fn may_retry(&self, method: &Method) -> bool {
        match self {
            Self::Refused => true,
            Self::Broken => method.is_safe(),
            Self::Slow | Self::Request => false,
        }
    }
}

impl Outgoing {
    fn new(parts: Parts, body: Bytes) -> Self {
        let mut headers = parts.headers;
        for name in &HOP_BY_HOP {
            headers.remove(name);
        }
        headers.remove(header::CONTENT_LENGTH);
        headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
        let path = parts
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        Self {
            method: parts.method,
            path,
            headers,
            body,
        }
    }

    fn request(&self, addr: SocketAddr) -> Option<Request<Full<Bytes>>> {
        let uri: Uri = format!("http://{addr}{}", self.path).parse().ok()?;
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        Some(request)
    }
}

fn own(status: StatusCode, why: &'static str) -> Answer {
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(why.as_bytes()))));
    *response.status_mut() = status;
    response
}

/// A request in flight to a target, for as long as this lives.
struct Flight {
    pool: Arc<Mutex<Pool>>,
    group: String,
    addr: SocketAddr,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        pool.finish(&self.group, self.addr);
    }
}

/// A target's body; the request is in flight until the last byte of it is sent.
pub(super) struct Counted {
    body: Incoming,
    #[expect(dead_code, reason = "held for its drop")]
    flight: Flight,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
