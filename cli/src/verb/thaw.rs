//! `lastgood thaw`: ending a freeze.

use clap::{ArgGroup, Args};
use domain::{ServiceName, StageName};
use intake::wire::Ask;

use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// End a freeze
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["service", "all"]))]
#[command(
    after_help = "A stage has a freeze of its own, beside the service's: each is ended by itself.

Example:
  lastgood thaw web production"
)]
pub(crate) struct Thaw {
    /// The service
    service: Option<ServiceName>,
    /// The stage [default: the service's own freeze]
    stage: Option<StageName>,
    /// The own freeze of every service that has one
    #[arg(long, conflicts_with = "stage")]
    all: bool,
}

impl Thaw {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        if let Some(service) = self.service {
            return session.ask(service, Ask::Thaw { stage: self.stage }).await;
        }
        let ledger = session.ledger().await?;
        let services = ledger.services().await.map_err(book::failure)?;
        let pipelines = ledger.pipelines(&services).await.map_err(book::failure)?;
        let frozen: Vec<ServiceName> = pipelines
            .into_iter()
            .filter(|pipeline| pipeline.freeze.is_some())
            .map(|pipeline| pipeline.service)
            .collect();
        session
            .ask_all(&frozen, |_| Ask::Thaw { stage: None })
            .await
    }
}
