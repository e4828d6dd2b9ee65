//! Tells people what the ledger recorded.
//!
//! It reads the ledger's stream and publishes to the topic; if it dies, nothing is lost but a
//! message that is delivered again, recognisable by its id.

use aws::{Home, SnsAnnouncer};
use domain::announce::ReadOn;
use engine::tell::tell;
use lambda::{Failed, serve_commits, start};
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start();
    let home = Home::from_environment()?;
    let config = aws::connect::sdk_config(&home.region)?;
    let topic = home.topic.ok_or("LASTGOOD_TOPIC is not set")?;
    let read_on = home.read_on.as_deref().map(ReadOn::new).transpose()?;
    let announcer = &SnsAnnouncer::new(&config, topic, read_on);
    serve_commits(async |commit, entries| {
        let told = tell(announcer, &commit.service, entries).await;
        let told = told.map_err(|error| Failed::report(&error))?;
        tracing::info!(service = %commit.service, commit = commit.number, told, "announced");
        Ok(())
    })
    .await
}
