//! What a function that works on the ledger has at hand: the ledger, the platform and a clock.

use aws::places::Places;
use aws::{AwsPlatform, DynamoLedger, Home, HomeError, SystemClock};
use domain::hint::Input;
use engine::receive::receive;
use engine::turn::Turned;
use intake::{Decoded, Refusal};
use lambda_runtime::Error;
use serde_json::value::RawValue;

use crate::serve::{Failed, serve, start};

/// Ledger, platform and clock, connected.
#[derive(Debug)]
pub struct House {
    /// Where we are.
    pub home: Home,
    /// The ledger.
    pub ledger: DynamoLedger,
    /// The platform.
    pub platform: AwsPlatform,
    /// The clock.
    pub clock: SystemClock,
}

impl House {
    /// Opens the house during init, which runs at full CPU: the ledger's connection is made now and
    /// not with the first event.
    ///
    /// # Errors
    /// When the environment is incomplete.
    pub async fn open() -> Result<Self, HomeError> {
        start();
        let home = Home::from_environment()?;
        let config = aws::connect::sdk_config(&home.region)?;
        let ledger = DynamoLedger::new(&config, home.table.clone());
        let places = Places::new(config, home.account.clone(), home.region.clone());
        ledger.warm().await;
        Ok(Self {
            home,
            ledger,
            platform: AwsPlatform::new(places),
            clock: SystemClock,
        })
    }

    /// Takes one input through the engine and logs what came of it.
    ///
    /// # Errors
    /// When the event has to be delivered again.
    pub async fn take(&self, input: Input) -> Result<Vec<Turned>, Failed> {
        let turned = receive(&self.ledger, &self.platform, &self.clock, input).await;
        let turned = turned.map_err(|error| Failed::report(&error))?;
        for done in &turned {
            let (service, verdict, reason) = (&done.service, done.verdict, &done.reason);
            let entries = done.entries.len();
            tracing::info!(%service, ?verdict, %reason, entries, "decided");
        }
        Ok(turned)
    }

    /// Takes one event in. What cannot be understood is logged with what was wrong and
    /// acknowledged: the same bytes will never be understood by trying again.
    ///
    /// # Errors
    /// When the event has to be delivered again.
    pub async fn admit(&self, decoded: Result<Decoded, Refusal>) -> Result<(), Failed> {
        match decoded {
            Ok(Decoded::Input(input)) => drop(self.take(input).await?),
            Ok(Decoded::Ignored(ignored)) => tracing::debug!(%ignored, "ignored"),
            Err(refusal) => tracing::error!(%refusal, "refused"),
        }
        Ok(())
    }
}

/// A function that takes one sender's events in, and nothing else.
///
/// # Errors
/// When the environment is incomplete, or Lambda's own interface fails.
pub async fn serve_events(decode: fn(&[u8]) -> Result<Decoded, Refusal>) -> Result<(), Error> {
    let house = &House::open().await?;
    serve(async |event: Box<RawValue>| house.admit(decode(event.get().as_bytes())).await).await
}
