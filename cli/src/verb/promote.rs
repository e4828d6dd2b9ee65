//! `lastgood promote`: offering a release to a stage by hand.

use clap::Args;
use domain::decide::Wish;
use domain::fact::Despite;
use domain::{ReleaseNumber, ServiceName, StageName};
use intake::wire::Ask;

use crate::confirm;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;

/// Offer a release to a stage by hand
#[derive(Debug, Args)]
#[command(
    after_help = "The stage's gate, windows and freezes hold all the same. Where the gate is a person, what
would be done is shown first, and asked about; --yes goes on without.

Example:
  lastgood promote web production 18 --despite-alarm \"it is the fix\""
)]
pub(crate) struct Promote {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// The release's number
    release: ReleaseNumber,
    /// Deploy it although it was rolled back there, because
    #[arg(long, value_name = "REASON")]
    despite_quarantine: Option<String>,
    /// Deploy it although an alarm fires, because
    #[arg(long, value_name = "REASON")]
    despite_alarm: Option<String>,
    /// Deploy it whatever its scan found, because
    #[arg(long, value_name = "REASON")]
    despite_findings: Option<String>,
}

impl Promote {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self {
            service,
            stage,
            release,
            despite_quarantine,
            despite_alarm,
            despite_findings,
        } = self;
        let wish = Wish::Deploy {
            release,
            despite: Despite {
                quarantine: despite_quarantine.clone(),
                alarm: despite_alarm.clone(),
                findings: despite_findings.clone(),
                drift: None,
            },
        };
        confirm::before(session, &service, &stage, wish).await?;
        let ask = Ask::Promote {
            stage,
            release,
            despite_quarantine,
            despite_alarm,
            despite_findings,
        };
        session.ask(service, ask).await
    }
}
