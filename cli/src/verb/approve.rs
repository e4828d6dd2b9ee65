//! `lastgood approve`: a person's yes.

use clap::Args;
use domain::decide::Wish;
use domain::fact::Despite;
use domain::{ReleaseNumber, ServiceName, StageName};
use intake::wire::Ask;

use crate::confirm;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// Let a release into a stage that waits for a person
#[derive(Debug, Args)]
#[command(
    after_help = "Shows first what would be done, as lastgood plan does, and asks; --yes goes on without.

Example:
  lastgood approve web production 17 --reason \"looked at it on test\""
)]
pub(crate) struct Approve {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// The release's number: the approval is for exactly this one
    release: ReleaseNumber,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Approve {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self {
            service,
            stage,
            release,
            reason,
        } = self;
        let wish = Wish::Deploy {
            release,
            despite: Despite::default(),
        };
        confirm::before(session, &service, &stage, wish).await?;
        session
            .ask(
                service,
                Ask::Approve {
                    stage,
                    release,
                    reason,
                },
            )
            .await
    }
}
