//! Feeding a function with the ledger's stream: batches of commits, of which a failed one stops its
//! batch there, because what follows it may be about the same stage.

use domain::Entry;
use intake::stream::{self, BatchAnswer, CommitImage, Held};
use lambda_runtime::Error;
use serde_json::value::RawValue;

use crate::serve::{Failed, serve};

/// A function that reads the ledger's stream, and nothing else: the handler gets one commit at a
/// time, in the order of its service's ledger, with its entries read.
///
/// # Errors
/// When Lambda's own interface fails.
pub async fn serve_commits(
    handle: impl AsyncFn(&CommitImage, &[Entry]) -> Result<(), Failed>,
) -> Result<(), Error> {
    let handle = &handle;
    serve(async |event: Box<RawValue>| batch(handle, &event).await).await
}

/// A batch that is no batch is given up whole.
async fn batch(
    handle: &impl AsyncFn(&CommitImage, &[Entry]) -> Result<(), Failed>,
    event: &RawValue,
) -> Result<BatchAnswer, Failed> {
    let records = stream::decode(event.get().as_bytes());
    for record in records.map_err(|refusal| Failed::report(&refusal))? {
        let done = match record.held {
            // Boxed: a handler's future holds the SDK's, and all of it in one is too deep a type.
            Held::Commit(commit) => Box::pin(one(handle, &commit)).await,
            Held::Ignored(ignored) => {
                tracing::debug!(%ignored, "ignored");
                Ok(())
            }
            Held::Refused(refusal) => Err(Failed::report(&refusal)),
        };
        if done.is_err() {
            return Ok(BatchAnswer::again([record.sequence]));
        }
    }
    Ok(BatchAnswer::again([]))
}

async fn one(
    handle: &impl AsyncFn(&CommitImage, &[Entry]) -> Result<(), Failed>,
    commit: &CommitImage,
) -> Result<(), Failed> {
    let read = |stored: &String| serde_json::from_str(stored);
    let entries: Result<Vec<Entry>, _> = commit.entries.iter().map(read).collect();
    let entries = entries.map_err(|error| Failed::report(&error))?;
    handle(commit, &entries).await
}
