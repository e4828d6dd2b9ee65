//! Carries out what the ledger asks for on ECS and CodeDeploy.
//!
//! The only function whose role may change anything there. It reads the ledger's stream, and an
//! entry leaves it no choice: what exactly to do is written in it.

use domain::Entry;
use engine::carry_out::{CarriedOut, carry_out};
use intake::stream::{self, BatchAnswer, CommitImage, Held};
use lambda::{Failed, House, serve};
use lambda_runtime::Error;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let house = &House::open().await?;
    serve(async |event: Box<RawValue>| batch(house, &event).await).await
}

/// A batch that is no batch is given up whole; a record that fails stops its batch there, because
/// what follows it may be about the same stage.
async fn batch(house: &House, event: &RawValue) -> Result<BatchAnswer, Failed> {
    let records = stream::decode(event.get().as_bytes());
    for record in records.map_err(|refusal| Failed::report(&refusal))? {
        let done = match record.held {
            Held::Commit(commit) => commit_entries(house, &commit).await,
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

async fn commit_entries(house: &House, commit: &CommitImage) -> Result<(), Failed> {
    let service = &commit.service;
    for stored in &commit.entries {
        let entry: Entry = serde_json::from_str(stored).map_err(|error| Failed::report(&error))?;
        let carried = carry_out(
            &house.ledger,
            &house.platform,
            &house.clock,
            service,
            &entry,
        )
        .await
        .map_err(|error| Failed::report(&error))?;
        let entry = entry.seq;
        match carried {
            CarriedOut::NothingAsked => {}
            CarriedOut::Dropped(reason) => {
                tracing::info!(%service, entry, %reason, "no longer wanted");
            }
            CarriedOut::Done(turned) => {
                tracing::info!(%service, entry, reason = %turned.reason, "carried out");
            }
        }
    }
    Ok(())
}
