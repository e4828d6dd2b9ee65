//! Looks, every minute, at what is overdue.
//!
//! A lost event costs a minute, not a release: whatever has a due time in the ledger that has
//! passed is a hint like any other, and goes through the same look.

use domain::Hint;
use domain::hint::Input;
use engine::{Clock as _, Ledger as _};
use lambda::{Failed, House, serve};
use lambda_runtime::Error;
use serde_json::value::RawValue;

/// Most pipelines looked at in one run; the longest overdue come first, the rest a minute later.
const PIPELINES_MAX: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let house = &House::open().await?;
    serve(async |event: Box<RawValue>| tick(house, &event).await).await
}

/// One pipeline in trouble keeps no other waiting, and is due again in a minute.
async fn tick(house: &House, event: &RawValue) -> Result<(), Failed> {
    if let Err(refusal) = intake::schedule::decode(event.get().as_bytes()) {
        tracing::error!(%refusal, "refused");
        return Ok(());
    }
    let overdue = house.ledger.overdue(house.clock.now(), PIPELINES_MAX).await;
    let mut trouble = Ok(());
    for service in overdue.map_err(|error| Failed::report(&error))? {
        if let Err(failed) = house.take(Input::Hint(Hint::Due { service })).await {
            trouble = Err(failed);
        }
    }
    trouble
}
