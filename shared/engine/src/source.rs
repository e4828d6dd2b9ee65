//! Looking through one image source for what nobody told of. What is new is a hint, and goes the
//! way of every hint.

use domain::catalogue::{Catalogue, LOOK_THROUGH_AGAIN, LOOK_THROUGH_EVERY, Listed, key, news};
use domain::config::Source;
use domain::due::after;
use domain::hint::Input;
use domain::{ServiceName, Timestamp};

use crate::EngineError;
use crate::ports::{Catalogues, Clock, Ledger, Mention, Platform, PlatformError};
use crate::receive::receive;

/// Looks through a service's source and takes up what is new; how many that were. A source that
/// cannot be looked through keeps its catalogue and is due again.
///
/// # Errors
/// When the ledger cannot be asked, or something new could not be taken up: it stays new.
pub async fn look_through(
    ledger: &(impl Ledger + Catalogues),
    platform: &impl Platform,
    clock: &impl Clock,
    service: &ServiceName,
) -> Result<usize, EngineError> {
    let Some(catalogue) = ledger.catalogue(service).await? else {
        return Ok(0);
    };
    let pipeline = ledger.load(service, &Mention::Nothing).await?.pipeline;
    let source = pipeline.config.as_ref().map(|config| config.source.clone());
    // Configured anew this very moment: the next look has the catalogue that belongs to it.
    let Some(source) = source.filter(|source| key(source).as_ref() == Some(&catalogue.of)) else {
        return Ok(0);
    };
    let now = clock.now();
    let listed = match platform.listing(&source).await {
        Ok(listed) => listed,
        Err(error) => {
            let pause = match &error {
                PlatformError::Transient(_) => LOOK_THROUGH_AGAIN,
                PlatformError::Terminal(_) => LOOK_THROUGH_EVERY,
            };
            ledger
                .keep_catalogue(service, &catalogue, after(now, pause))
                .await?;
            return Err(error.into());
        }
    };
    let world = (ledger, platform, clock);
    take_up(world, service, &source, catalogue, &listed, now).await
}

async fn take_up(
    (ledger, platform, clock): (&(impl Ledger + Catalogues), &impl Platform, &impl Clock),
    service: &ServiceName,
    source: &Source,
    catalogue: Catalogue,
    listed: &[Listed],
    now: Timestamp,
) -> Result<usize, EngineError> {
    let found = news(source, &catalogue, listed);
    let (mut seen, mut taken, mut trouble) = (found.known, 0, None);
    for (mark, hint) in found.new {
        match receive(ledger, platform, clock, Input::Hint(hint)).await {
            Ok(_) => {
                seen.insert(mark);
                taken += 1;
            }
            Err(error) => {
                tracing::error!(%service, %error, "what is new cannot be taken up");
                let later = matches!(
                    error,
                    EngineError::Platform(PlatformError::Transient(_)) | EngineError::Ledger(_)
                );
                trouble.get_or_insert(error);
                // The rest would fare no better now, and keep other sources waiting.
                if later {
                    break;
                }
            }
        }
    }
    let pause = if found.more || trouble.is_some() {
        LOOK_THROUGH_AGAIN
    } else {
        LOOK_THROUGH_EVERY
    };
    let catalogue = Catalogue {
        seen: Some(seen),
        ..catalogue
    };
    ledger
        .keep_catalogue(service, &catalogue, after(now, pause))
        .await?;
    trouble.map_or(Ok(taken), Err)
}
