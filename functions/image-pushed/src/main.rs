//! ECR or Docker Hub says that an image was pushed.
//!
//! The event may be lost and may be doubled, and the webhook may be forged; the look at the
//! repository states the fact.

use domain::hint::Input;
use intake::call::CallAnswer;
use intake::dockerhub::{Call, WebhookKey};
use intake::image::{Received, decode};
use intake::{Decoded, Refusal};
use lambda::{Failed, House, serve};
use lambda_runtime::Error;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let house = &House::open().await?;
    serve(async |event: Box<RawValue>| receive(house, &event).await).await
}

async fn receive(house: &House, event: &RawValue) -> Result<Option<CallAnswer>, Failed> {
    let admit = |decoded: Result<Decoded, Refusal>| async move {
        house.admit(decoded).await.map(|()| None)
    };
    match decode(event.get().as_bytes()) {
        Ok(Received::Call(call)) => Ok(Some(answer(house, call).await)),
        Ok(Received::Event(decoded)) => admit(Ok(decoded)).await,
        Err(refusal) => admit(Err(refusal)).await,
    }
}

/// A caller learns whether to try again, and nothing else.
async fn answer(house: &House, call: Call) -> CallAnswer {
    let Ok(key) = key(house).await else {
        return CallAnswer::LATER;
    };
    let Some(key) = key else {
        tracing::warn!("a webhook is called, and no key is set");
        return CallAnswer::NOT_FOUND;
    };
    let hint = match call.open(&key) {
        Ok(hint) => hint,
        // Whoever finds the address may call it: no reason to wake anybody.
        Err(refusal) => {
            tracing::warn!(%refusal, "refused");
            return CallAnswer::NOT_FOUND;
        }
    };
    match house.take(Input::Hint(hint)).await {
        Ok(_) => CallAnswer::TAKEN,
        // Reported already; whoever looks for lost webhooks finds the image all the same.
        Err(_) => CallAnswer::LATER,
    }
}

/// Read for each call: webhooks are rare, and a key that was replaced is void at once.
async fn key(house: &House) -> Result<Option<WebhookKey>, Failed> {
    let Some(secret) = &house.home.webhook_secret else {
        return Ok(None);
    };
    let text = house.platform.secret(secret).await;
    let text = text.map_err(|error| Failed::report(&error))?;
    Ok(text.and_then(|text| WebhookKey::new(&text)))
}
