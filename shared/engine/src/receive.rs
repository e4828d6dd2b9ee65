//! The door: what one decoded event leads to. Every way in ends here, people's requests too.

use std::collections::BTreeSet;

use domain::commit::Watcher;
use domain::fact::{Asked, Request};
use domain::hint::{Input, Subject};
use domain::switch::Switch;
use domain::{Fact, ServiceConfig, ServiceName};

use crate::EngineError;
use crate::look::{find, find_running, look};
use crate::ports::{Clock, Ledger, Mention, Platform, PlatformError};
use crate::spread::spread;
use crate::turn::{Turned, turn};

/// Most pipelines told of the switch for all in one go: some 15 ms each, and `command` has 30 s.
const TOLD_MAX: usize = 500;

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
    let configured = configured(&input).cloned();
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
            let asked = complete(ledger, platform, &service, asked).await?;
            vec![(service, Fact::Asked(asked))]
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
    if let (Some(config), Some(done)) = (configured, turned.first()) {
        let heard = hear(ledger, platform, clock, &config, done).await?;
        turned.extend(heard);
    }
    if let Some(switch) = turned.iter().find_map(to_spread) {
        // The switch holds already, and it is due to be spread again until all were told.
        match spread(ledger, clock, &switch, TOLD_MAX).await {
            Ok(done) => turned.extend(done),
            Err(error) => tracing::error!(%error, "not every service knows the switch for all"),
        }
    }
    match trouble {
        Some(error) => Err(error.into()),
        None => Ok(turned),
    }
}

/// The configuration that somebody asks to make a service's.
fn configured(input: &Input) -> Option<&ServiceConfig> {
    if let Input::Asked { asked, .. } = input
        && let Request::Configure { config, .. } = &asked.request
    {
        Some(config)
    } else {
        None
    }
}

/// Asks for a new configuration's alarms once more. Between the look that came with it and its
/// commit nobody watched those that are new, so that a change of one was heard by nobody.
async fn hear(
    ledger: &impl Ledger,
    platform: &impl Platform,
    clock: &impl Clock,
    config: &ServiceConfig,
    done: &Turned,
) -> Result<Vec<Turned>, EngineError> {
    let mut turned = Vec::new();
    for stage in &config.stages {
        let seen = match platform.alarms(&stage.place, &stage.alarms).await {
            // What will never be told keeps nothing else waiting.
            Err(PlatformError::Terminal(_)) => continue,
            asked => asked?,
        };
        for one in seen {
            let believed = done.after.alarms.get(&one.alarm);
            if believed.is_none_or(|believed| believed.changed_at < one.changed_at) {
                turned.push(turn(ledger, clock, &done.service, &Fact::Alarm(one)).await?);
            }
        }
    }
    Ok(turned)
}

/// The switch for all, when not every service was told of its last turn.
fn to_spread(turned: &Turned) -> Option<Switch> {
    let untold = turned.after.telling_since.is_some();
    untold.then(|| turned.after.switch.clone())
}

/// A new configuration comes with what runs on its stages, and so does what is to be adopted on
/// one; nobody but us can say that.
async fn complete(
    ledger: &impl Ledger,
    platform: &impl Platform,
    service: &ServiceName,
    mut asked: Asked,
) -> Result<Asked, EngineError> {
    if let Request::Configure { config, found } = &mut asked.request {
        *found = find(platform, config).await?;
    } else if let Request::Adopt { stage, found, .. } = &mut asked.request {
        let pipeline = ledger.load(service, &Mention::Nothing).await?.pipeline;
        if let Some((config, _)) = pipeline.stage(stage) {
            *found = find_running(platform, config).await?.map(Box::new);
        }
    }
    Ok(asked)
}
