//! Tells GitHub where the releases of its commits run.
//!
//! It reads announcements from a queue, as hints, like `slack`: what there is to tell, and in which
//! order, the ledger says.

use aws::{DynamoLedger, Home};
use domain::announce::ReadOn;
use engine::publish::Publication;
use forge::Settings;
use lambda::{serve_followers, start};
use lambda_runtime::Error;
use messenger::GitHub;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start();
    let home = Home::from_environment()?;
    let config = aws::connect::sdk_config(&home.region)?;
    let secret = home.github.ok_or("LASTGOOD_GITHUB is not set")?;
    let settings = aws::secret::read(&config, &secret).await?;
    let settings = Settings::read(&settings.ok_or("GitHub's settings cannot be read")?)?;
    let read_on = home.read_on.as_deref().map(ReadOn::new).transpose()?;
    let publication = Publication {
        deployments: &GitHub::new(&settings),
        settings: &settings,
        read_on: read_on.as_ref(),
    };
    serve_followers(&DynamoLedger::new(&config, home.table), &[publication]).await
}
