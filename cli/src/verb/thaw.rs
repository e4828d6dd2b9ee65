//! `lastgood thaw`: ending a freeze.

use clap::{ArgGroup, Args};
use domain::{ServiceName, StageName};
use intake::wire::Ask;

use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// End a freeze
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["service", "all"]))]
#[command(
    after_help = "A stage has a freeze of its own, beside the service's and that of everything: each is ended
by itself.

Example:
  lastgood thaw web production"
)]
pub(crate) struct Thaw {
    /// The service
    service: Option<ServiceName>,
    /// The stage [default: the service's own freeze]
    stage: Option<StageName>,
    /// The freeze of everything
    #[arg(long, conflicts_with = "stage")]
    all: bool,
}

impl Thaw {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let service = self.service.unwrap_or_else(ServiceName::everything);
        session.ask(service, Ask::Thaw { stage: self.stage }).await
    }
}
