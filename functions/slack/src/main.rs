//! Tells channels in Slack what the ledger decided.
//!
//! It reads announcements from a queue, as hints: what there is to tell, and in which order, the
//! ledger says. So one that comes late or twice is no harm, and none has to be kept in order.

use aws::{DynamoLedger, Home, SystemClock};
use chat::ReadOn;
use chat::settings::Settings;
use domain::EntryId;
use engine::converse::{Ports, Told, converse};
use intake::queue;
use intake::stream::BatchAnswer;
use lambda::{Failed, serve, start};
use lambda_runtime::Error;
use messenger::Messenger;
use serde_json::value::RawValue;

struct Speaker {
    ledger: DynamoLedger,
    settings: Settings,
    messenger: Messenger,
}

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
    let speaker = &Speaker {
        ledger: DynamoLedger::new(&config, home.table),
        messenger: Messenger::new(&settings),
        settings,
    };
    speaker.ledger.warm().await;
    serve(async |event: Box<RawValue>| batch(speaker, &event).await).await
}

async fn batch(speaker: &Speaker, event: &RawValue) -> Result<BatchAnswer, Failed> {
    let records = queue::decode(event.get().as_bytes());
    let mut again = Vec::new();
    for record in records.map_err(|refusal| Failed::report(&refusal))? {
        match record.announced {
            Ok(announced) if tell(speaker, &announced).await == Told::NotYet => {
                again.push(record.message);
            }
            Ok(_) => {}
            Err(refusal) => tracing::error!(%refusal, "refused"),
        }
    }
    Ok(BatchAnswer::again(again))
}

/// One channel in trouble keeps no other waiting.
async fn tell(speaker: &Speaker, announced: &EntryId) -> Told {
    let ports = Ports {
        ledger: &speaker.ledger,
        chat: &speaker.messenger,
        desk: &speaker.ledger,
        clock: &SystemClock,
    };
    let mut all = Told::All;
    for channel in &speaker.settings.channels {
        match converse(&ports, channel, announced).await {
            Ok(Told::All) => {}
            Ok(Told::NotYet) => all = Told::NotYet,
            Err(error) => {
                tracing::warn!(%error, "to be told again");
                all = Told::NotYet;
            }
        }
    }
    all
}
