//! `lastgood plan`: what a deployment or a rollback would do, by the rules that would do it.

use clap::Args;
use domain::decide::Wish;
use domain::fact::Despite;
use domain::reason::Verdict;
use domain::{Reason, ReleaseNumber, ServiceName, StageName};

use crate::answer;
use crate::failure::{Exit, Failure};
use crate::plan::Decided;
use crate::screen::Report;
use crate::session::Session;

/// Why, when a plan has to name a reason that nobody gave.
const NO_REASON: &str = "(your reason)";

/// Say what a deployment or a rollback would do, and do nothing
#[derive(Debug, Args)]
#[command(
    after_help = "It is decided by the rules that would decide it, on the ledger as it is now, and not written.
What the target runs and how its alarms are is looked at with your own rights.

Examples:
  lastgood plan web production 17
  lastgood plan web production --rollback"
)]
pub(crate) struct Plan {
    /// The service
    service: ServiceName,
    /// The stage
    stage: StageName,
    /// The release's number [default with --rollback: last good]
    #[arg(required_unless_present = "rollback")]
    release: Option<ReleaseNumber>,
    /// Plan a rollback
    #[arg(long)]
    rollback: bool,
    /// As if a person deployed it although it was rolled back there
    #[arg(long, conflicts_with = "rollback")]
    despite_quarantine: bool,
    /// As if a person deployed it although an alarm fires
    #[arg(long, conflicts_with = "rollback")]
    despite_alarm: bool,
    /// As if a person deployed it whatever the scan of its image found
    #[arg(long, conflicts_with = "rollback")]
    despite_findings: bool,
    /// End with 7 when the stage would run something else
    #[arg(long)]
    check: bool,
}

impl Plan {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let why = |wanted: bool| wanted.then(|| NO_REASON.to_owned());
        let wish = match self.release {
            Some(release) if !self.rollback => Wish::Deploy {
                release,
                despite: Despite {
                    quarantine: why(self.despite_quarantine),
                    alarm: why(self.despite_alarm),
                    findings: why(self.despite_findings),
                    drift: None,
                },
            },
            to => Wish::Return {
                to,
                reason: NO_REASON.to_owned(),
            },
        };
        let ledger = session.ledger().await?;
        let decided = Decided::make(session, &ledger, &self.service, &self.stage, &wish).await?;
        let planned = decided.look(session).await?;
        let plan = &planned.plan;
        let reason = &plan.decision.reason;
        let refused = plan.decision.verdict() == Verdict::Refused;
        if refused && is_mistyped(reason) {
            return Err(answer::refused(&self.service, reason));
        }
        let text = planned.text(&session.times, session.screen.out);
        let exit = if refused && !is_about_who(reason) {
            Exit::NotAllowed
        } else if self.check && planned.differs() {
            Exit::Differs
        } else {
            Exit::Done
        };
        Ok(Report::new(&planned.view(&session.times), text).ending(exit))
    }
}

/// Nothing can be planned for what is not there.
fn is_mistyped(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::NoSuchService | Reason::NoSuchStage { .. } | Reason::NoSuchRelease { .. }
    )
}

/// Somebody else may, so the plan stands.
fn is_about_who(reason: &Reason) -> bool {
    matches!(reason, Reason::NotAnApprover | Reason::AuthorMayNotApprove)
}
