//! The people who use a service: real HTTP requests to its front door at an even rate, and how many
//! of them failed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

/// The longest an answer may take before it counts as failed.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The most requests in flight; when as many wait, no more are sent.
const IN_FLIGHT_MAX: usize = 256;

/// Requests so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// Answered, well or not.
    pub sent: u64,
    /// Of these, those without an answer, or with one of status 500 and above.
    pub failed: u64,
}

impl Count {
    /// What came since an earlier count.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(earlier.sent),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
}

/// People who send requests until this is dropped.
#[derive(Debug)]
pub struct Load {
    counters: Arc<Counters>,
    task: JoinHandle<()>,
}

impl Load {
    /// Sends `per_second` requests to a front door from now on.
    ///
    /// # Errors
    /// When the door's address is none.
    pub fn start(url: &str, per_second: u32) -> Result<Self> {
        let address: Uri = url
            .parse()
            .with_context(|| format!("{url} is no address"))?;
        let counters = Arc::<Counters>::default();
        let task = tokio::spawn(send(address, per_second, Arc::clone(&counters)));
        Ok(Self { counters, task })
    }

    /// What came so far.
    #[must_use]
    pub fn count(&self) -> Count {
        Count {
            sent: self.counters.sent.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(address: Uri, per_second: u32, counters: Arc<Counters>) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let room = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut clock = interval(Duration::from_secs(1) / per_second.max(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        clock.tick().await;
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let (client, address) = (client.clone(), address.clone());
        let counters = Arc::clone(&counters);
        tokio::spawn(async move {
            if !answered(&client, address).await {
                counters.failed.fetch_add(1, Ordering::Relaxed);
            }
            counters.sent.fetch_add(1, Ordering::Relaxed);
            drop(place);
        });
    }
}

async fn answered(client: &Client<HttpConnector, Empty<Bytes>>, address: Uri) -> bool {
    let Ok(request) = Request::get(address).body(Empty::new()) else {
        return false;
    };
    let whole = async {
        let answer = client.request(request).await.ok()?;
        let status = answer.status();
        answer.into_body().collect().await.ok()?;
        Some(status)
    };
    let status = tokio::time::timeout(ANSWER_MAX, whole).await;
    status.is_ok_and(|status| status.is_some_and(|status| !status.is_server_error()))
}

#[cfg(test)]
mod tests {
    use fleet::plane::{App, Balancer, DEFAULT_GROUP, HealthCheck, Server};

    use super::*;

    async fn counted(app: App) -> Count {
        let check = HealthCheck::every(Duration::from_millis(10));
        let balancer = Balancer::start("door", None, check).unwrap();
        let server = Server::start(app, "one".to_owned(), Default::default()).unwrap();
        balancer.register(DEFAULT_GROUP, server.addr());
        while !balancer.healthy(server.addr()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let load = Load::start(&format!("http://{}", balancer.addr()), 500).unwrap();
        while load.count().sent < 100 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        load.count()
    }

    #[tokio::test]
    async fn answers_are_counted_and_errors_among_them() {
        let good = counted(App::plain("1")).await;
        assert_eq!(good.failed, 0);
        let bad = counted(App::parse(r#"{"error_rate":0.5}"#).unwrap()).await;
        assert!(bad.failed * 10 > bad.sent * 4, "{bad:?}");
        assert!(bad.failed * 10 < bad.sent * 6, "{bad:?}");
    }

    #[tokio::test]
    async fn nobody_there_is_a_failed_request() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", closed.local_addr().unwrap());
        drop(closed);
        let load = Load::start(&url, 500).unwrap();
        while load.count().sent < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(load.count().failed, load.count().sent);
    }

    #[test]
    fn a_window_is_what_came_since() {
        let (early, late) = (
            Count {
                sent: 10,
                failed: 1,
            },
            Count {
                sent: 25,
                failed: 1,
            },
        );
        assert_eq!(
            late.since(early),
            Count {
                sent: 15,
                failed: 0
            }
        );
    }
}
