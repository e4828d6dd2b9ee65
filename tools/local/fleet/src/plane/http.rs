//! Listening on loopback and serving connections until told to drain. What is answered is the
//! caller's business.

use std::{convert::Infallible, error::Error, future::Future, io, time::Duration};

use bytes::Bytes;
use hyper::{Request, Response, body::Body, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
};

use super::PlaneError;

/// Connections that the system may hold before they are accepted.
const BACKLOG: u32 = 1024;

/// After a failed accept (no file descriptors left), how long to wait before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A socket bound to a port of loopback that does not listen yet: connections are refused.
pub(super) fn bind(port: u16) -> Result<TcpSocket, PlaneError> {
    let bound = TcpSocket::new_v4().and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(([127, 0, 0, 1], port).into())?;
        Ok(socket)
    });
    bound.map_err(|source| PlaneError::Listen { port, source })
}

/// Begins to listen on a bound socket.
pub(super) fn listen(socket: TcpSocket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)
}

/// The connections that are open.
pub(super) struct Connections {
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Connections {
    /// No connection yet.
    pub(super) fn new() -> Self {
        Self {
            graceful: GracefulShutdown::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Accepts and serves connections until `end` is over, whose value it gives back. The
    /// listener is closed then, the connections are not.
    pub(super) async fn serve<H, F, B, T>(
        &mut self,
        listener: TcpListener,
        handler: H,
        end: impl Future<Output = T>,
    ) -> T
    where
        H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        tokio::pin!(end);
        loop {
            let stream = tokio::select! {
                value = &mut end => return value,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::debug!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            while self.tasks.try_join_next().is_some() {}
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY could not be set");
            }
            let handler = handler.clone();
            let service = hyper::service::service_fn(move |request| {
                let answer = handler(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            let connection = self.graceful.watch(connection);
            self.tasks.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended early");
                }
            });
        }
    }

    /// Lets requests in flight end, but no longer than `grace`. Says whether all ended.
    pub(super) async fn drain(self, grace: Duration) -> bool {
        let Self { graceful, tasks } = self;
        let ended = tokio::time::timeout(grace, graceful.shutdown())
            .await
            .is_ok();
        drop(tasks);
        ended
    }
}
