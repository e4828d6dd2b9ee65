//! Event delivery as AWS does it: at least once, in no certain order, with retries, dead letters,
//! partial batches and on-failure destinations, from account to account; unkind where told to be.
//!
//! It takes over what the rules, schedules and stream mappings of a deployed stack say
//! ([`Delivery::adopt`]), because MiniStack delivers more kindly or more carelessly than AWS. What
//! MiniStack emits itself it takes from a queue; events of the services that the fleet and the
//! gateway play come through [`Delivery::emitter`]. All decisions (`pattern`, `policy`, `retry`,
//! `batch`, `schedule`, `transform`, `letters`, `chance`) are pure; the other modules carry them
//! out. Nothing is stored: what was not delivered when the process ends is lost, except records of
//! streams, which are read again.

mod adopt;
mod arn;
mod batch;
mod calls;
mod catch;
mod chance;
mod client;
mod deliver;
mod destination;
mod envelope;
mod invoke;
mod letters;
mod notice;
mod options;
mod pattern;
mod policy;
mod reader;
mod retry;
mod route;
mod rules;
mod schedule;
mod shared;
mod stream;
mod ticker;
mod transform;

pub use notice::{Deed, Notice, Subject};
pub use options::{Options, Place, Unkind};

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{broadcast, mpsc};

use crate::{
    adopt::Adopter,
    calls::Calls,
    client::{CallError, Client},
    route::DEFAULT_BUS,
    rules::Bus,
    shared::Shared,
};

/// Why the delivery could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The endpoint is not a plain HTTP address.
    #[error("{0:?} is not a plain HTTP address")]
    Endpoint(String),
    /// There is no account to deliver in.
    #[error("no account was given")]
    NoAccount,
    /// A call of MiniStack failed.
    #[error("failed to {doing}")]
    Call {
        /// What was being done, for example `take over rules`.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    fn call(doing: &'static str, error: CallError) -> Self {
        Self::Call {
            doing,
            source: error.into(),
        }
    }
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

/// The running delivery. Dropping it ends all work without waiting for it.
#[derive(Debug)]
pub struct Delivery {
    emitter: mpsc::UnboundedSender<Value>,
    adopter: Arc<Adopter>,
    shared: Arc<Shared>,
}

impl Delivery {
    /// Starts delivering. Nothing is taken over before [`adopt`](Self::adopt).
    ///
    /// # Errors
    /// If no account was given, or the endpoint is no plain HTTP address or does not answer.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let calls = Calls::new(Client::new(&options.endpoint)?);
        let place = options.accounts.first().cloned().ok_or(Error::NoAccount)?;
        calls
            .event_buses(&place)
            .await
            .map_err(|error| Error::call("reach MiniStack", error))?;
        let shared = Arc::new(Shared::new(calls, options));
        let (emitter, events) = mpsc::unbounded_channel();
        let bus = Bus {
            place,
            name: DEFAULT_BUS.to_owned(),
        };
        shared.spawn(take(Arc::clone(&shared), events, bus));
        shared.spawn(ticker::run(Arc::clone(&shared)));
        Ok(Self {
            emitter,
            adopter: Arc::default(),
            shared,
        })
    }

    /// Takes whole EventBridge envelopes of `aws.*` sources, from the fleet and the gateway.
    /// Without `id` or `time` they get them; without `account` and `region` they are of the first
    /// account that was given.
    #[must_use]
    pub fn emitter(&self) -> mpsc::UnboundedSender<Value> {
        self.emitter.clone()
    }

    /// Takes over what a stack that was just deployed says: reads rules, targets, schedules and
    /// stream mappings through the API and switches them off in MiniStack. It can be called again
    /// after each deployment; between calls everything is read again every few seconds.
    ///
    /// # Errors
    /// If a call of MiniStack fails; then what was taken over before stays.
    pub async fn adopt(&self) -> Result<Adopted, Error> {
        self.adopter.adopt(&self.shared).await
    }

    /// Changes what goes wrong on purpose, from now on.
    pub fn set_unkind(&self, unkind: Unkind) {
        self.shared.set_unkind(unkind);
    }

    /// What is delivered, retried and dropped from now on. A receiver that lags behind loses the
    /// oldest.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Notice> {
        self.shared.subscribe()
    }

    /// Ends all work and waits for it. What is under way is given up.
    pub async fn shutdown(self) {
        let mut tasks = self.shared.stop();
        while tasks.join_next().await.is_some() {}
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        drop(self.shared.stop());
    }
}

/// Takes events from the fleet and the gateway, for ever.
async fn take(shared: Arc<Shared>, mut events: mpsc::UnboundedReceiver<Value>, bus: Bus) {
    while let Some(event) = events.recv().await {
        shared.receive(event, &bus).await;
    }
}
