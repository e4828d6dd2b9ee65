//! Looks, every minute, at what is overdue.
//!
//! A lost event costs a minute, not a release: whatever has a due time in the ledger that has
//! passed is a hint like any other, and goes through the same look. So does comparing what targets
//! really run with what the ledger says, which has due times of its own. Image sources are looked
//! through now and then for what no event told of.

use std::time::{Duration, Instant};

use domain::due::{COMPARE_EVERY, after};
use domain::hint::Input;
use domain::{Hint, ServiceName};
use engine::source::look_through;
use engine::{Catalogues as _, Clock as _, Ledger as _};
use lambda::{Failed, House, serve};
use lambda_runtime::Error;
use serde_json::value::RawValue;

/// Most pipelines looked at in one run; the longest overdue come first, the rest a minute later.
const PIPELINES_MAX: usize = 100;
/// Most sources looked through in one run; a registry that does not answer takes ten seconds, and
/// the run has less than a minute.
const SOURCES_MAX: usize = 40;
/// No further source is begun after so long.
const SOURCES_WITHIN: Duration = Duration::from_secs(20);
/// Most services whose targets are compared in one run: what bounds how much a large house asks of
/// ECS and CodeDeploy within a minute.
const COMPARED_MAX: usize = 20;
/// No further service is compared after so long; those that are left are still due a minute later.
const COMPARED_WITHIN: Duration = Duration::from_secs(15);

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
    let now = house.clock.now();
    let overdue = house.ledger.overdue(now, PIPELINES_MAX).await;
    let mut trouble = Ok(());
    for service in overdue.map_err(|error| Failed::report(&error))? {
        if let Err(failed) = house.take(Input::Hint(Hint::Due { service })).await {
            trouble = Err(failed);
        }
    }
    let compared = compare_all(house).await;
    let sources = sources(house).await;
    trouble.and(compared).and(sources)
}

/// A service that cannot be compared keeps no other waiting.
async fn compare_all(house: &House) -> Result<(), Failed> {
    let begun = Instant::now();
    let now = house.clock.now();
    let due = house.ledger.uncompared(now, COMPARED_MAX).await;
    let mut trouble = Ok(());
    for service in due.map_err(|error| Failed::report(&error))? {
        if begun.elapsed() > COMPARED_WITHIN {
            tracing::warn!(%service, "its targets are compared a minute later");
            break;
        }
        if let Err(failed) = compare(house, service).await {
            trouble = Err(failed);
        }
    }
    trouble
}

/// A source that cannot be looked through is due again by itself: no reason to repeat the tick.
async fn sources(house: &House) -> Result<(), Failed> {
    let begun = Instant::now();
    let due = house
        .ledger
        .sources_due(house.clock.now(), SOURCES_MAX)
        .await;
    for service in due.map_err(|error| Failed::report(&error))? {
        if begun.elapsed() > SOURCES_WITHIN {
            tracing::warn!(%service, "its source is looked through a minute later");
            break;
        }
        match look_through(&house.ledger, &house.platform, &house.clock, &service).await {
            Ok(0) => {}
            Ok(found) => tracing::info!(%service, found, "found what no event told of"),
            Err(error) => tracing::error!(%service, %error, "the source cannot be looked through"),
        }
    }
    Ok(())
}

/// Put off first: what cannot be compared is not asked for every minute.
async fn compare(house: &House, service: ServiceName) -> Result<(), Failed> {
    let next = after(house.clock.now(), COMPARE_EVERY);
    let put_off = house.ledger.compare_at(&service, next).await;
    put_off.map_err(|error| Failed::report(&error))?;
    house.take(Input::Hint(Hint::Compare { service })).await?;
    Ok(())
}
