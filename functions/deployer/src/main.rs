//! Carries out what the ledger asks for on ECS and CodeDeploy.
//!
//! The only function whose role may change anything there. It reads the ledger's stream, and an
//! entry leaves it no choice: what exactly to do is written in it.

use domain::{Entry, ServiceName};
use engine::carry_out::{CarriedOut, carry_out};
use lambda::{Failed, House, serve_commits};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let house = &House::open().await?;
    serve_commits(async |commit, entries| {
        for entry in entries {
            act(house, &commit.service, entry).await?;
        }
        Ok(())
    })
    .await
}

async fn act(house: &House, service: &ServiceName, entry: &Entry) -> Result<(), Failed> {
    let (ledger, platform, clock) = (&house.ledger, &house.platform, &house.clock);
    let carried = carry_out(ledger, platform, clock, service, entry).await;
    let entry = entry.seq;
    match carried.map_err(|error| Failed::report(&error))? {
        CarriedOut::NothingAsked => {}
        CarriedOut::Dropped(reason) => tracing::info!(%service, entry, %reason, "no longer wanted"),
        CarriedOut::Done(turned) => {
            tracing::info!(%service, entry, reason = %turned.reason, "carried out");
        }
    }
    Ok(())
}
