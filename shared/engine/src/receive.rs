//! The door: what one decoded event leads to. Every way in ends here, people's requests too.

use std::collections::BTreeSet;

use domain::commit::Watcher;
use domain::fact::{Asked, Request};
use domain::hint::{Input, Subject};
use domain::{Fact, ServiceName};

use crate::EngineError;
use crate::look::{find, look};
use crate::ports::{Clock, Ledger, Platform};
use crate::turn::{Turned, turn};

/// Takes one event in: looks if it only hints, and takes a turn for every service it concerns. One
/// service in trouble keeps no other waiting; its error is reported after all had their turn.
///
/// # Errors
/// The first that came up: the event has to be delivered again.
pub async fn receive(
    ledger: &impl Ledger,
    platform: &impl Platform,
    clock: &impl Clock,
    input: Input,
) -> Result<Vec<Turned>, EngineError> {
    let facts = match input {
        Input::Hint(hint) => look(ledger, platform, &hint).await?,
        Input::Alarm(seen) => {
            let watchers = ledger.watchers(&Subject::Alarm(seen.alarm.clone())).await?;
            let services: BTreeSet<ServiceName> =
                watchers.iter().map(Watcher::service).cloned().collect();
            services
                .into_iter()
                .map(|service| (service, Fact::Alarm(seen.clone())))
                .collect()
        }
        Input::Asked { service, asked } => {
            vec![(service, Fact::Asked(complete(platform, asked).await?))]
        }
    };
    let mut turned = Vec::new();
    let mut trouble = None;
    for (service, fact) in facts {
        match turn(ledger, clock, &service, &fact).await {
            Ok(done) => turned.push(done),
            Err(error) => {
                tracing::error!(%service, %error, "the turn failed");
                trouble.get_or_insert(error);
            }
        }
    }
    match trouble {
        Some(error) => Err(error.into()),
        None => Ok(turned),
    }
}

/// A new configuration comes with what runs on its stages; nobody but us can say that.
async fn complete(platform: &impl Platform, asked: Asked) -> Result<Asked, EngineError> {
    let Request::Configure { config, .. } = asked.request else {
        return Ok(asked);
    };
    let found = find(platform, &config).await?;
    Ok(Asked {
        request: Request::Configure { config, found },
        ..asked
    })
}
