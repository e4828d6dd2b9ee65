//! Tells people what the ledger recorded.
//!
//! It reads the ledger's stream and publishes to the topic; if it dies, nothing is lost but a
//! message that is delivered again, recognisable by its id.

use aws::{Home, SnsAnnouncer};
use domain::Entry;
use engine::tell::tell;
use intake::stream::{self, BatchAnswer, CommitImage, Held};
use lambda::{Failed, serve, start};
use lambda_runtime::Error;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start();
    let home = Home::from_environment()?;
    let config = aws::connect::sdk_config(&home.region)?;
    let announcer = &SnsAnnouncer::new(&config, home.topic.ok_or("LASTGOOD_TOPIC is not set")?);
    serve(async |event: Box<RawValue>| batch(announcer, &event).await).await
}

async fn batch(announcer: &SnsAnnouncer, event: &RawValue) -> Result<BatchAnswer, Failed> {
    let records = stream::decode(event.get().as_bytes());
    for record in records.map_err(|refusal| Failed::report(&refusal))? {
        let told = match record.held {
            Held::Commit(commit) => tell_commit(announcer, &commit).await,
            Held::Ignored(ignored) => {
                tracing::debug!(%ignored, "ignored");
                Ok(())
            }
            Held::Refused(refusal) => Err(Failed::report(&refusal)),
        };
        if told.is_err() {
            return Ok(BatchAnswer::again([record.sequence]));
        }
    }
    Ok(BatchAnswer::again([]))
}

async fn tell_commit(announcer: &SnsAnnouncer, commit: &CommitImage) -> Result<(), Failed> {
    let entries: Result<Vec<Entry>, _> = commit
        .entries
        .iter()
        .map(|stored| serde_json::from_str(stored))
        .collect();
    let entries = entries.map_err(|error| Failed::report(&error))?;
    let told = tell(announcer, &commit.service, &entries).await;
    let told = told.map_err(|error| Failed::report(&error))?;
    tracing::info!(service = %commit.service, commit = commit.number, told, "announced");
    Ok(())
}
