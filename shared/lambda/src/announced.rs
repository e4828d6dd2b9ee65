//! Feeding a function with what is announced, from a queue: hints that there is something to tell.
//! One that could not be told comes again, and holds up no other.

use aws::{DynamoLedger, SystemClock};
use domain::EntryId;
use engine::follow::{Desk, Follower, Ports, Told, follow};
use intake::queue;
use intake::stream::BatchAnswer;
use lambda_runtime::Error;
use serde_json::value::RawValue;

use crate::serve::{Failed, serve};

/// A function that tells some followers what the ledger decided, and nothing else. One of them in
/// trouble keeps no other waiting.
///
/// # Errors
/// When Lambda's own interface fails.
pub async fn serve_followers<F: Follower>(
    ledger: &DynamoLedger,
    followers: &[F],
) -> Result<(), Error>
where
    DynamoLedger: Desk<F::Book>,
{
    ledger.warm().await;
    serve(async |event: Box<RawValue>| batch(ledger, followers, &event).await).await
}

async fn batch<F: Follower>(
    ledger: &DynamoLedger,
    followers: &[F],
    event: &RawValue,
) -> Result<BatchAnswer, Failed>
where
    DynamoLedger: Desk<F::Book>,
{
    let records = queue::decode(event.get().as_bytes());
    let mut again = Vec::new();
    for record in records.map_err(|refusal| Failed::report(&refusal))? {
        match record.announced {
            Ok(announced) if tell(ledger, followers, &announced).await == Told::NotYet => {
                again.push(record.message);
            }
            Ok(_) => {}
            Err(refusal) => tracing::error!(%refusal, "refused"),
        }
    }
    Ok(BatchAnswer::again(again))
}

async fn tell<F: Follower>(ledger: &DynamoLedger, followers: &[F], announced: &EntryId) -> Told
where
    DynamoLedger: Desk<F::Book>,
{
    let ports = Ports {
        ledger,
        desk: ledger,
        clock: &SystemClock,
    };
    let mut all = Told::All;
    for follower in followers {
        match follow(&ports, follower, announced).await {
            Ok(Told::All) => {}
            Ok(Told::NotYet) => all = Told::NotYet,
            Err(error) => {
                tracing::warn!(%error, "to be told again");
                all = Told::NotYet;
            }
        }
    }
    all
}
