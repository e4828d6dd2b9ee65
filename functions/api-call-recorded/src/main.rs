//! CloudTrail says that somebody called for a change of a target, or tried to.
//!
//! Who it was is written down; what became of it is looked at, as everywhere. Our own deployer's
//! calls are passed over, which is why this function alone has to know who that is.

use intake::cloudtrail::{self, Ourselves};
use lambda::{House, serve};
use lambda_runtime::Error;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let house = &House::open().await?;
    let ourselves = &ourselves()?;
    serve(async |event: Box<RawValue>| {
        let decoded = cloudtrail::decode(event.get().as_bytes(), ourselves);
        house.admit(decoded).await
    })
    .await
}

fn ourselves() -> Result<Ourselves, Error> {
    let set = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
    Ok(Ourselves {
        role: set("LASTGOOD_DEPLOYER_ROLE")?,
        session: set("LASTGOOD_DEPLOYER_NAME")?,
    })
}
