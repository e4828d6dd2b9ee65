//! The listening side: every request is sent to who answers it, and what is only passed on streams
//! through with its `Host` header untouched, because the signature covers it.

use std::{convert::Infallible, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use fleet::{Api, Call, Caller, Fleet};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::UnboundedSender,
    task::JoinSet,
};

use crate::{
    answer::{self, Answer},
    emulator::{Body, Emulator, EmulatorError, Place, whole},
    function_url::FunctionUrls,
    guard::IamGuard,
    identity::Identities,
    image,
    keys::Keys,
    route::Route,
    scan,
    sigv4::{self, Signature},
    trail,
    uuid::uuid,
};

/// The longest body that is read whole. A function URL takes six megabytes, an image manifest four.
const WHOLE_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What may be asked of a scan only by who may do this.
const SCAN_ACTION: &str = "ecr:DescribeImageScanFindings";
/// The call that hands out manifests.
const GET_IMAGES: &str = "AmazonEC2ContainerRegistry_V20150921.BatchGetImage";

/// How long to wait before accepting again when accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Headers that hold for one connection, not for the request.
const HOP_BY_HOP: [HeaderName; 5] = [
    header::CONNECTION,
    // Answered by whoever reads the body: here.
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::UPGRADE,
];

/// Everything a request may need.
pub(crate) struct Server {
    pub(crate) emulator: Emulator,
    pub(crate) keys: Arc<Keys>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) guard: Arc<IamGuard>,
    pub(crate) urls: FunctionUrls,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) events: UnboundedSender<Value>,
}

/// A request whose body was read, or the answer that says why not.
type Read = Result<Request<Bytes>, Answer>;

impl Server {
    /// Serves for ever; ends, with all connections, when the future is dropped.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    connections.spawn(Arc::clone(&self).connection(stream, peer.ip()));
                }
                // A client that went away before it was accepted, or too many files are open: the
                // next one may succeed.
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: IpAddr) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "small packets may wait");
        }
        let service = service_fn(|request| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request, peer).await) }
        });
        let served = http1::Builder::new()
            // It would close connections that SDKs keep for later, in the moment they are used.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<Body> {
        let complete = match Route::of(request.uri(), request.headers()) {
            Route::Emulator => return self.pass_on(request.map(BodyExt::boxed)).await,
            Route::Keys => return self.keys(request).await,
            Route::Fleet(api, operation) => match read(request).await {
                Ok(request) => self.fleet(api, operation, &request, peer).await,
                Err(refusal) => refusal,
            },
            Route::FunctionUrl(url) => match read(request).await {
                Ok(request) => self.urls.serve(&url, &request, peer).await,
                Err(refusal) => refusal,
            },
            Route::ImageScan => match read(request).await {
                Ok(request) => self.image_scan(&request).await,
                Err(refusal) => refusal,
            },
            Route::PutImage => match read(request).await {
                Ok(request) => return self.put_image(request).await,
                Err(refusal) => refusal,
            },
        };
        complete.map(whole)
    }

    async fn pass_on(&self, mut request: Request<Body>) -> Response<Body> {
        strip(request.headers_mut());
        // On AWS everything goes over TLS, and policies ask for it (`aws:SecureTransport`). Here
        // the gateway is where TLS would end.
        request
            .headers_mut()
            .insert("x-forwarded-proto", HeaderValue::from_static("https"));
        match self.emulator.forward(request).await {
            Ok(response) => {
                let mut response = response.map(BodyExt::boxed);
                strip(response.headers_mut());
                response
            }
            Err(error) => unreachable(&error),
        }
    }

    /// Passes on, and learns the key that the answer may give away.
    async fn keys(&self, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = self.pass_on(request.map(BodyExt::boxed)).await.into_parts();
        match body.collect().await {
            Ok(body) => {
                let body = body.to_bytes();
                if parts.status.is_success() {
                    self.keys.learn(&String::from_utf8_lossy(&body));
                }
                Response::from_parts(parts, whole(body))
            }
            Err(error) => unreachable(&EmulatorError::Unreachable(error.into())),
        }
    }

    async fn fleet(
        &self,
        api: Api,
        operation: String,
        request: &Request<Bytes>,
        peer: IpAddr,
    ) -> Answer {
        let service = match api {
            Api::Ecs => "ecs",
            Api::CodeDeploy => "codedeploy",
        };
        let identity = match self.identities.of(signed(request), service).await {
            Ok(identity) => identity,
            Err(error) => return answer::unknown_caller(&error),
        };
        let caller = Caller {
            account: identity.account.clone(),
            region: identity.region.clone(),
            arn: identity.arn.clone(),
        };
        let name = operation.clone();
        let reply = self
            .fleet
            .handle(Call {
                api,
                operation,
                body: request.body().clone(),
                caller,
            })
            .await;
        let agent = request.headers().get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        let call = trail::Call {
            api,
            operation: &name,
            body: request.body(),
            from: &peer.to_string(),
            agent: agent.unwrap_or_default(),
            by: &identity,
            reply: &reply,
        };
        let ids = [uuid(), uuid(), uuid()];
        if let Some(event) = trail::recorded(&call, ids, Timestamp::now()) {
            self.emit(event);
        }
        answer::noted(&identity, &name, answer::json_1_1(reply.status, reply.body))
    }

    async fn put_image(&self, request: Request<Bytes>) -> Response<Body> {
        let region = Signature::parse(request.headers()).map(|signature| signature.region);
        let pushed = request.body().clone();
        let (parts, body) = self.pass_on(request.map(whole)).await.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return unreachable(&EmulatorError::Unreachable(error.into())),
        };
        if let (true, Ok(region)) = (parts.status.is_success(), region) {
            match image::pushed(&pushed, &body, &region, &uuid(), Timestamp::now()) {
                Some(event) => {
                    let ended = image::manifest(&pushed)
                        .and_then(|manifest| scan::findings(&manifest))
                        .and_then(|counts| scan::ended(&event, &counts, &uuid()));
                    self.emit(event);
                    if let Some(ended) = ended {
                        self.emit(ended);
                    }
                }
                None => tracing::warn!("a push was not understood; no event is sent for it"),
            }
        }
        Response::from_parts(parts, whole(body))
    }

    /// What a scan of an image found, for whoever may ask.
    async fn image_scan(&self, request: &Request<Bytes>) -> Answer {
        let identity = match self.identities.of(signed(request), "ecr").await {
            Ok(identity) => identity,
            Err(error) => return answer::unknown_caller(&error),
        };
        let refused = |status, code: &str, message: &str| {
            let body = json!({ "__type": code, "message": message });
            answer::json_1_1(status, body.to_string().into_bytes())
        };
        let Some((repository, digest)) = image::asked(request.body()) else {
            return refused(400, "InvalidParameterException", "no repository and digest");
        };
        let (account, region) = (identity.account.clone(), identity.region.clone());
        let resource = format!("arn:aws:ecr:{region}:{account}:repository/{repository}");
        let place = Place { account, region };
        let allowed = self
            .guard
            .simulate(&place, &identity.arn, SCAN_ACTION, &resource);
        match allowed.await {
            Ok(true) => {}
            Ok(false) => {
                let words = format!("{} may not {SCAN_ACTION} on {resource}", identity.arn);
                return refused(400, "AccessDeniedException", &words);
            }
            Err(error) => return refused(500, "ServerException", &error.to_string()),
        }
        let input = json!({
            "repositoryName": repository,
            "imageIds": [{ "imageDigest": digest }],
        });
        let signer = self.emulator.root(&place);
        let images = self.emulator.json(&signer, "ecr", GET_IMAGES, &input).await;
        let found = match images {
            Ok(images) => image::handed_out(&images).and_then(|manifest| scan::findings(&manifest)),
            Err(error) => return refused(500, "ServerException", &error.to_string()),
        };
        let answer = match found {
            Some(counts) => {
                let body = scan::described(&repository, &digest, counts);
                answer::json_1_1(200, body.to_string().into_bytes())
            }
            None => refused(400, "ScanNotFoundException", "the image was never scanned"),
        };
        answer::noted(&identity, "DescribeImageScanFindings", answer)
    }

    fn emit(&self, event: Value) {
        if self.events.send(event).is_err() {
            tracing::warn!("nobody takes events any more");
        }
    }
}

fn signed(request: &Request<Bytes>) -> sigv4::Request<'_> {
    sigv4::Request {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        body: request.body(),
    }
}

/// Reads a body whole, within its limit.
async fn read(request: Request<Incoming>) -> Read {
    let (parts, body) = request.into_parts();
    match Limited::new(body, WHOLE_BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(Request::from_parts(parts, body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Err(answer::message(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLargeException",
            &format!("the body is longer than {WHOLE_BODY_BYTES_MAX} bytes"),
        )),
        Err(error) => {
            let sentence = format!("the body broke off: {error}");
            Err(answer::message(
                StatusCode::BAD_REQUEST,
                "IncompleteBody",
                &sentence,
            ))
        }
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn unreachable(error: &EmulatorError) -> Response<Body> {
    tracing::warn!(%error, "a request could not be passed on");
    answer::message(
        StatusCode::BAD_GATEWAY,
        "ServiceUnavailable",
        &error.to_string(),
    )
    .map(whole)
}
