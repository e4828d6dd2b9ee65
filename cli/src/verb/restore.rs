//! `lastgood restore`: bringing back what a drifted stage should run.

use clap::Args;
use domain::decide::Wish;
use domain::{ServiceName, StageName};
use intake::wire::Ask;

use crate::confirm;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// Bring back what a drifted stage should run
#[derive(Debug, Args)]
#[command(
    after_help = "Nothing holds it, and unlike a rollback it leaves no freeze behind: releases that wait go on.
Where the gate is a person, what would be done is shown first, and asked about; --yes goes on
without.

Example:
  lastgood restore web production"
)]
pub(crate) struct Restore {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
}

impl Restore {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self { service, stage } = self;
        confirm::before(session, &service, &stage, Wish::Restore).await?;
        session.ask(service, Ask::Restore { stage }).await
    }
}
