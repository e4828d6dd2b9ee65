//! One running copy of a release: a small HTTP server on loopback. It answers `/health` for
//! balancers, `/env` with the environment it was given, and anything else as its release says.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, header};
use serde_json::json;
use tokio::{net::TcpSocket, sync::watch};

use super::{
    PlaneError,
    app::{App, Crash},
    http::{Connections, bind, listen},
};

/// How long a release that crashes after its start lives.
const CRASH_AFTER: Duration = Duration::from_millis(500);

/// The exit code of a process that ended as asked.
const EXIT_OK: i32 = 0;
/// The exit code of a process that died of its own error.
const EXIT_ERROR: i32 = 1;
/// The exit code of a process that was killed because it did not stop in time.
const EXIT_KILLED: i32 = 137;

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// As a process's exit code: 0 stopped, 1 crashed, 137 killed.
    pub code: i32,
}

/// A running copy of a release. It ends when it is stopped, dropped, or crashes.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    life: watch::Receiver<Life>,
}

/// How far a server's life is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Starting,
    Listening,
    Over(Exit),
}

/// What answers need.
struct Served {
    app: App,
    label: String,
    env: BTreeMap<String, String>,
    answers: AtomicU64,
}

impl Server {
    /// Starts a copy of a release on a free port. Until its `start_ms` are over connections are
    /// refused. `label` names the copy in its answers.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(
        app: App,
        label: String,
        env: BTreeMap<String, String>,
    ) -> Result<Self, PlaneError> {
        let socket = bind(0)?;
        let addr = socket
            .local_addr()
            .map_err(|source| PlaneError::Listen { port: 0, source })?;
        let (stop, stopped) = watch::channel(None);
        let (living, life) = watch::channel(Life::Starting);
        let served = Arc::new(Served {
            app,
            label,
            env,
            answers: AtomicU64::new(0),
        });
        tokio::spawn(async move {
            let code = live(served, socket, stopped, &living).await;
            living.send_replace(Life::Over(Exit { code }));
        });
        Ok(Self { addr, stop, life })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// How it ended, when it has.
    #[must_use]
    pub fn has_exited(&self) -> Option<Exit> {
        match *self.life.borrow() {
            Life::Over(exit) => Some(exit),
            Life::Starting | Life::Listening => None,
        }
    }

    /// Waits until it listens or has ended, but no longer than this.
    pub async fn settled(&self, longest: Duration) {
        let mut life = self.life.clone();
        let settled = life.wait_for(|life| *life != Life::Starting);
        if tokio::time::timeout(longest, settled).await.is_err() {
            tracing::debug!(addr = %self.addr, "a server takes long to start");
        }
    }

    /// Waits for its end.
    pub async fn exited(&self) -> Exit {
        let mut life = self.life.clone();
        let over = life
            .wait_for(|life| matches!(life, Life::Over(_)))
            .await
            .is_ok();
        let exit = self.has_exited().filter(|_| over);
        exit.unwrap_or(Exit { code: EXIT_ERROR })
    }

    /// Takes no more connections, lets requests in flight end within `grace`, and ends.
    pub async fn stop(&self, grace: Duration) -> Exit {
        self.stop.send_replace(Some(grace));
        self.exited().await
    }
}

/// The life of a server, ending with its exit code.
async fn live(
    served: Arc<Served>,
    socket: TcpSocket,
    mut stop: watch::Receiver<Option<Duration>>,
    life: &watch::Sender<Life>,
) -> i32 {
    let start = Duration::from_millis(served.app.start_ms);
    tokio::select! {
        () = tokio::time::sleep(start) => {}
        _ = stopping(&mut stop) => return EXIT_OK,
    }
    let crash = match served.app.crash {
        Crash::OnStart => return EXIT_ERROR,
        Crash::AfterStart => Some(CRASH_AFTER),
        Crash::Never => None,
    };
    let Ok(listener) = listen(socket) else {
        return EXIT_ERROR;
    };
    life.send_replace(Life::Listening);
    let end = async {
        let Some(after) = crash else {
            return Some(stopping(&mut stop).await);
        };
        tokio::select! {
            () = tokio::time::sleep(after) => None,
            grace = stopping(&mut stop) => Some(grace),
        }
    };
    let mut connections = Connections::new();
    let handler = move |request| {
        let served = Arc::clone(&served);
        async move { served.answer(&request).await }
    };
    match connections.serve(listener, handler, end).await {
        None => EXIT_ERROR,
        Some(grace) if connections.drain(grace).await => EXIT_OK,
        Some(_) => EXIT_KILLED,
    }
}

/// Waits until asked to stop. A dropped handle stops at once.
async fn stopping(stop: &mut watch::Receiver<Option<Duration>>) -> Duration {
    let asked = stop
        .wait_for(Option::is_some)
        .await
        .ok()
        .and_then(|grace| *grace);
    asked.unwrap_or(Duration::ZERO)
}

impl Served {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        match request.uri().path() {
            "/health" => reply(self.app.health, &json!({ "version": self.app.version })),
            "/env" => reply(200, &json!(self.env)),
            _ => self.answer_as_released().await,
        }
    }

    async fn answer_as_released(&self) -> Response<Full<Bytes>> {
        let n = self.answers.fetch_add(1, Ordering::Relaxed) + 1;
        tokio::time::sleep(Duration::from_millis(self.app.latency_ms)).await;
        let status = if self.app.fails(n) {
            500
        } else {
            self.app.status
        };
        let mut answer = json!({ "version": self.app.version, "label": self.label });
        if let (Some(body), Some(fields)) = (&self.app.body, answer.as_object_mut()) {
            fields.insert("body".to_owned(), json!(body));
        }
        reply(status, &answer)
    }
}

fn reply(status: u16, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}
