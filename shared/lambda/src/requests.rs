//! People's requests, at whichever function URL they come in. A person's request is a fact like any
//! other and goes through the same door; the answer says what was decided and why.

use domain::fact::{Asked, Request};
use domain::file::Home;
use domain::hint::Input;
use engine::receive::receive;
use engine::{EngineError, LedgerError, PlatformError};
use intake::command::{Called, Response, Trouble, decode};
use intake::versions::Versions;
use intake::wire::{Answer, Desk, Errand, Failure};
use lambda_runtime::Error;
use serde_json::value::RawValue;

use crate::house::House;
use crate::serve::{Failed, serve};

/// A function that answers what people ask for at one desk.
///
/// # Errors
/// When the environment is incomplete, or Lambda's own interface fails.
pub async fn serve_requests(desk: Desk) -> Result<(), Error> {
    let house = &House::open().await?;
    let versions = &Versions {
        functions: Some(env!("CARGO_PKG_VERSION").to_owned()),
        template: house.home.template.clone(),
    };
    serve(async |event: Box<RawValue>| {
        let response = respond(house, desk, &event).await?;
        Ok(response.of(versions))
    })
    .await
}

async fn respond(house: &House, desk: Desk, event: &RawValue) -> Result<Response, Failed> {
    let response = match decode(event.get().as_bytes(), desk) {
        Ok(called) => match answer(house, called).await {
            Ok(answer) => Response::answer(&answer),
            Err((trouble, failure)) => Response::failure(trouble, &failure),
        },
        Err(refusal) => {
            tracing::warn!(%refusal, "refused");
            Response::refusal(&refusal)
        }
    };
    response.map_err(|error| Failed::report(&error))
}

async fn answer(house: &House, called: Called) -> Result<Answer, (Trouble, Failure)> {
    let request = match called.command.ask.errand() {
        Errand::Decide(request) => request,
        Errand::Configure(file) => {
            let home = Home {
                account: house.home.account.clone(),
                region: house.home.region.clone(),
            };
            let config = file.resolve(&home).map_err(|problems| {
                let error = "the service file cannot be used".to_owned();
                (Trouble::Request, Failure { error, problems })
            })?;
            Request::Configure {
                config: Box::new(config),
                found: Vec::new(),
            }
        }
    };
    let (service, by) = (called.command.service, called.by);
    tracing::info!(%service, %by, "asked");
    let asked = Asked {
        id: called.command.id,
        by,
        request,
    };
    let input = Input::Asked { service, asked };
    let turned = receive(&house.ledger, &house.platform, &house.clock, input).await;
    let turned = turned.map_err(|error| trouble(&error))?.into_iter().next();
    let turned = turned.ok_or_else(|| failure(Trouble::Corrupt, "nothing was decided"))?;
    tracing::info!(verdict = ?turned.verdict, reason = %turned.reason, "decided");
    let entries = turned
        .entries
        .into_iter()
        .map(|sealed| sealed.entry)
        .collect();
    Ok(Answer {
        verdict: turned.verdict,
        reason: turned.reason,
        entries,
    })
}

fn failure(trouble: Trouble, error: impl std::fmt::Display) -> (Trouble, Failure) {
    tracing::error!(%error, "no answer");
    (
        trouble,
        Failure {
            error: error.to_string(),
            problems: Vec::new(),
        },
    )
}

fn trouble(error: &EngineError) -> (Trouble, Failure) {
    let kind = match error {
        EngineError::Ledger(LedgerError::Corrupt(_) | LedgerError::Newer { .. }) => {
            Trouble::Corrupt
        }
        EngineError::Ledger(LedgerError::Stale | LedgerError::Unavailable(_))
        | EngineError::Platform(PlatformError::Transient(_)) => Trouble::Unavailable,
        EngineError::Platform(PlatformError::Terminal(_)) => Trouble::Request,
    };
    failure(kind, error)
}
