//! `lastgood cancel`: ending a deployment that waits.

use clap::Args;
use domain::{ReleaseNumber, ServiceName, StageName};
use intake::wire::Ask;

use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// End a deployment that waits
#[derive(Debug, Args)]
#[command(after_help = "What already runs is not touched: see lastgood rollback.

Example:
  lastgood cancel web production 17 --reason \"18 comes today\"")]
pub(crate) struct Cancel {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// The release that waits
    release: ReleaseNumber,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Cancel {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self {
            service,
            stage,
            release,
            reason,
        } = self;
        session
            .ask(
                service,
                Ask::Cancel {
                    stage,
                    release,
                    reason,
                },
            )
            .await
    }
}
