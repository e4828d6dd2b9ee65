//! `lastgood adopt`: taking what somebody put on a stage for what should run there.

use clap::Args;
use domain::{ServiceName, StageName};
use intake::wire::Ask;

use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// Take what a drifted stage runs for what it should run
#[derive(Debug, Args)]
#[command(
    after_help = "What runs becomes a release, if it is none, and is last good from then on. Releases that wait and
are older are superseded by it. It must be provable: all of the target runs one image of ECR, or one
version of one object.

Example:
  lastgood adopt web production --reason \"the fix of last night\""
)]
pub(crate) struct Adopt {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Adopt {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self {
            service,
            stage,
            reason,
        } = self;
        session.ask(service, Ask::Adopt { stage, reason }).await
    }
}
