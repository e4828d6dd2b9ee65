//! What a lifecycle hook has to know of the stage whose deployment asks: do its alarms fire, and
//! which smoke checks does it want. Making the checks and answering is the function's work.

use domain::commit::Watcher;
use domain::config::SmokeCheck;
use domain::hint::Subject;

use crate::EngineError;
use crate::ports::{Ledger, Mention, Platform};

/// A stage as a hook sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspected {
    /// Names of its alarms that fire now.
    pub firing: Vec<String>,
    /// Its smoke checks.
    pub smoke: Vec<SmokeCheck>,
}

/// Inspects every stage that deploys to a target; a target nobody deploys to has nothing to say.
///
/// # Errors
/// When the ledger or the platform cannot be asked.
pub async fn inspect(
    ledger: &impl Ledger,
    platform: &impl Platform,
    target: &Subject,
) -> Result<Inspected, EngineError> {
    let mut inspected = Inspected::default();
    for watcher in ledger.watchers(target).await? {
        let Watcher::Stage { service, stage } = watcher else {
            continue;
        };
        let pipeline = ledger.load(&service, &Mention::Nothing).await?.pipeline;
        let Some((config, state)) = pipeline.stage(&stage) else {
            continue;
        };
        let despite = state
            .active
            .as_ref()
            .and_then(|active| active.offer.despite.alarm.as_ref());
        // Who pushed a fix through a firing alarm does not want it stopped by that alarm.
        if despite.is_none() {
            let seen = platform.alarms(&config.place, &config.alarms).await?;
            let firing = seen.iter().filter(|seen| seen.fires(config.missing_data));
            inspected
                .firing
                .extend(firing.map(|seen| seen.alarm.name().to_owned()));
        }
        inspected.smoke.extend(config.smoke.iter().cloned());
    }
    Ok(inspected)
}
