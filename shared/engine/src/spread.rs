//! Telling every pipeline that the switch for all was turned. It holds already, whoever was told;
//! this is so that everybody sees it, and so that what waited goes on after a thaw. Who dies in the
//! middle is finished by whoever finds the switch's pipeline overdue.

use domain::switch::Switch;
use domain::{Fact, ServiceName};

use crate::ports::{Clock, Ledger, LedgerError};
use crate::turn::{Turned, turn};

/// Tells the pipelines that do not know it yet, `most` of them. `None` when some are left.
///
/// # Errors
/// The first that came up. One pipeline in trouble keeps no other waiting.
pub async fn spread(
    ledger: &impl Ledger,
    clock: &impl Clock,
    switch: &Switch,
    most: usize,
) -> Result<Option<Turned>, LedgerError> {
    let fact = Fact::Switched(switch.clone());
    let mut told = 0;
    let mut trouble = None;
    for service in ledger.services().await? {
        if told == most {
            return Ok(None);
        }
        match turn(ledger, clock, &service, &fact).await {
            Ok(turned) => told += usize::from(!turned.entries.is_empty()),
            Err(error) => {
                tracing::error!(%service, %error, "it cannot be told of the switch for all");
                trouble.get_or_insert(error);
            }
        }
    }
    if let Some(error) = trouble {
        return Err(error);
    }
    let turned = switch.turned;
    turn(
        ledger,
        clock,
        &ServiceName::everything(),
        &Fact::AllTold { turned },
    )
    .await
    .map(Some)
}
