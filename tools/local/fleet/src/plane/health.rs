//! Asking targets whether they are well. What follows from the answers is the pool's business.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use super::{balancer::Balancer, pool::Verdict};

/// How targets are asked whether they are well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// The path; any status from 200 to 399 is well.
    pub path: String,
    /// Between two checks of a target.
    pub interval: Duration,
    /// The longest an answer may take.
    pub timeout: Duration,
    /// Good answers in a row until an unhealthy target is healthy again.
    pub healthy_threshold: u32,
    /// Bad answers in a row until a target is unhealthy.
    pub unhealthy_threshold: u32,
}

impl HealthCheck {
    /// A check of `/health` at this interval: two results in a row change the verdict.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self {
            path: "/health".to_owned(),
            interval,
            timeout: Duration::from_secs(2),
            healthy_threshold: 2,
            unhealthy_threshold: 2,
        }
    }

    #[cfg(test)]
    pub(super) fn quick() -> Self {
        Self::every(Duration::from_millis(5))
    }
}

/// Checks all targets of a balancer for as long as it lives.
pub(super) async fn check_all(balancer: std::sync::Weak<Balancer>, check: HealthCheck) {
    let mut interval = tokio::time::interval(check.interval);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(balancer) = balancer.upgrade() else {
            return;
        };
        let mut checks = JoinSet::new();
        for (group, addr) in balancer.pool().checked() {
            let (balancer, check) = (Arc::clone(&balancer), check.clone());
            checks.spawn(async move {
                let answer = tokio::time::timeout(check.timeout, ask(addr, &check.path)).await;
                let verdict = match answer {
                    Ok(Some(200..400)) => Verdict::Well,
                    Ok(_) | Err(_) => Verdict::Ill,
                };
                balancer.pool().checked_as(&group, addr, verdict, &check);
            });
        }
        drop(balancer);
        checks.join_all().await;
    }
}

/// One request on a connection of its own; `None` when there is no answer.
async fn ask(addr: SocketAddr, path: &str) -> Option<u16> {
    let stream = TcpStream::connect(addr).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(path)
        .header(header::HOST, addr.to_string())
        .header(header::USER_AGENT, "ELB-HealthChecker/2.0")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .ok()?;
    let exchange = async {
        let response = sender.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        response.into_body().collect().await.ok()?;
        Some(status)
    };
    let (_, status) = tokio::join!(connection, exchange);
    status
}
