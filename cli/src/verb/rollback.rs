//! `lastgood rollback`: going back.

use clap::Args;
use domain::decide::Wish;
use domain::{ReleaseNumber, ServiceName, StageName};
use intake::wire::Ask;

use crate::confirm;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// Go back to last good, or to an earlier good release
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing holds a rollback. The stage stays frozen after it, until lastgood thaw: else the next
release would undo it. Configuration, secrets and data are not brought back, only the release.
Where the gate is a person, what would be done is shown first, and asked about; --yes goes on
without.

Example:
  lastgood rollback web production --reason \"checkout is slow\""
)]
pub(crate) struct Rollback {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// The release to go back to [default: last good]
    #[arg(long, value_name = "RELEASE")]
    to: Option<ReleaseNumber>,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Rollback {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self {
            service,
            stage,
            to,
            reason,
        } = self;
        let wish = Wish::Return {
            to,
            reason: reason.clone(),
        };
        confirm::before(session, &service, &stage, wish).await?;
        let thaw = format!("the stage takes no release until lastgood thaw {service} {stage}");
        Ok(session
            .ask(service, Ask::Rollback { stage, to, reason })
            .await?
            .next(thaw))
    }
}
