//! A load balancer: listeners for production and test traffic, target groups with weights, health
//! checks, draining. Choosing is the pool's work, forwarding the proxy's.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time::Instant};

use super::{
    PlaneError,
    health::{HealthCheck, check_all},
    http::{Connections, bind, listen},
    pool::{Counts, Health, Pool},
    proxy::Proxy,
};

/// The group that gets all production traffic of a new balancer.
pub const DEFAULT_GROUP: &str = "default";

/// How often a draining target is looked at.
const DRAIN_LOOK: Duration = Duration::from_millis(5);

/// The longest that stopping waits for requests in flight.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// A door of a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Listener {
    /// What users come through.
    Production,
    /// What checks of a new release come through before users do.
    Test,
}

/// A load balancer on loopback. It ends when it is stopped or dropped.
pub struct Balancer {
    name: String,
    production: SocketAddr,
    test: SocketAddr,
    pool: Arc<Mutex<Pool>>,
    stop: watch::Sender<bool>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Balancer {
    /// Starts a balancer on `port` (none: a free one). All production traffic goes to
    /// [`DEFAULT_GROUP`] until [`Self::route`] says otherwise; test traffic goes nowhere.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub fn start(
        name: &str,
        port: Option<u16>,
        check: HealthCheck,
    ) -> Result<Arc<Self>, PlaneError> {
        let mut pool = Pool::default();
        pool.route(Listener::Production, &[(DEFAULT_GROUP, 1.0)]);
        let pool = Arc::new(Mutex::new(pool));
        let (production, main) = open(port.unwrap_or(0))?;
        let (test, side) = open(0)?;
        let stop = watch::Sender::new(false);
        let proxy = Proxy::new(Arc::clone(&pool));
        let doors = [(main, Listener::Production), (side, Listener::Test)];
        let doors = doors.map(|(socket, listener)| {
            tokio::spawn(serve(socket, listener, proxy.clone(), stop.subscribe()))
        });
        let tasks = Mutex::new(Vec::from(doors));
        let name = name.to_owned();
        let balancer = Arc::new(Self {
            name,
            production,
            test,
            pool,
            stop,
            tasks,
        });
        tokio::spawn(check_all(Arc::downgrade(&balancer), check));
        Ok(balancer)
    }

    /// Its name, by which CloudWatch knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where production traffic comes in.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.production
    }

    /// Where test traffic comes in.
    #[must_use]
    pub fn test_addr(&self) -> SocketAddr {
        self.test
    }

    /// Adds a target to a group. It gets requests once a health check has passed.
    pub fn register(&self, group: &str, addr: SocketAddr) {
        self.pool().register(group, addr);
    }

    /// Sends no more requests to a target and waits until those in flight have ended, but no
    /// longer than `drain`.
    pub async fn deregister(&self, group: &str, addr: SocketAddr, drain: Duration) {
        self.pool().drain(group, addr);
        let end = Instant::now() + drain;
        while self.pool().in_flight(group, addr) > 0 && Instant::now() < end {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        self.pool().remove(group, addr);
    }

    /// Whether a target passes its health checks.
    #[must_use]
    pub fn healthy(&self, addr: SocketAddr) -> bool {
        self.health(addr) == Some(Health::Healthy)
    }

    /// What is known of a target's health; `None` when it is not registered.
    #[must_use]
    pub fn health(&self, addr: SocketAddr) -> Option<Health> {
        self.pool().health(addr)
    }

    /// Sets which groups answer a listener, and with which weights (any scale).
    pub fn route(&self, listener: Listener, weights: &[(&str, f64)]) {
        self.pool().route(listener, weights);
    }

    /// The groups and weights of a listener.
    #[must_use]
    pub fn weights(&self, listener: Listener) -> Vec<(String, f64)> {
        self.pool().weights(listener)
    }

    /// What was counted since the start, by group.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, Counts> {
        self.pool().counts()
    }

    /// Requests since the start that no target could answer; they were answered 502 or 503.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.pool().unanswered
    }

    /// Takes no more connections and lets requests in flight end.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a listener of a balancer failed");
            }
        }
    }

    pub(super) fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A listening socket and its address.
fn open(port: u16) -> Result<(SocketAddr, TcpListener), PlaneError> {
    let opened = bind(port)?;
    let listened = listen(opened).and_then(|socket| Ok((socket.local_addr()?, socket)));
    listened.map_err(|source| PlaneError::Listen { port, source })
}

/// Serves one listener until the balancer stops or is dropped.
async fn serve(
    socket: TcpListener,
    listener: Listener,
    proxy: Proxy,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = Connections::new();
    let handler = move |request| {
        let proxy = proxy.clone();
        async move { proxy.forward(listener, request).await }
    };
    let end = async move { stop.wait_for(|stop| *stop).await.is_ok() };
    connections.serve(socket, handler, end).await;
    connections.drain(STOP_GRACE).await;
}
