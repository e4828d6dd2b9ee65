//! Tells channels in Slack what the ledger decided.
//!
//! It reads announcements from a queue, as hints: what there is to tell, and in which order, the
//! ledger says. So one that comes late or twice is no harm, and none has to be kept in order.

use aws::{DynamoLedger, Home};
use chat::settings::Settings;
use domain::announce::ReadOn;
use engine::converse::Conversation;
use lambda::{serve_followers, start};
use lambda_runtime::Error;
use messenger::Messenger;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    start();
    let home = Home::from_environment()?;
    let config = aws::connect::sdk_config(&home.region)?;
    let secret = home.slack.ok_or("LASTGOOD_SLACK is not set")?;
    let settings = aws::secret::read(&config, &secret).await?;
    let settings = Settings::read(&settings.ok_or("Slack's settings cannot be read")?)?;
    let read_on = home.read_on.as_deref().map(ReadOn::new).transpose()?;
    let settings = settings.with_read_on(read_on.as_ref());
    let messenger = Messenger::new(&settings);
    let channels = settings.channels.iter().map(|channel| Conversation {
        chat: &messenger,
        channel,
    });
    let channels: Vec<_> = channels.collect();
    serve_followers(&DynamoLedger::new(&config, home.table), &channels).await
}
