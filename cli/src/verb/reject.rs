//! `lastgood reject`: a person's no.

use clap::Args;
use domain::{ReleaseNumber, ServiceName, StageName};
use intake::wire::Ask;

use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// Refuse a release that waits for a person
#[derive(Debug, Args)]
#[command(after_help = "Example:
  lastgood reject web production 17 --reason \"the price is wrong\"")]
pub(crate) struct Reject {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// The release's number
    release: ReleaseNumber,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Reject {
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
                Ask::Reject {
                    stage,
                    release,
                    reason,
                },
            )
            .await
    }
}
