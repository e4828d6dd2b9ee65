//! `lastgood freeze`: holding deployments of a stage, a service, or everything.

use clap::{ArgGroup, Args};
use domain::{ServiceName, SignedDuration, StageName, Timestamp};
use intake::wire::Ask;
use jiff::{Span, SpanRelativeTo};

use crate::book;
use crate::failure::Failure;
use crate::screen::Report;
use crate::session::Session;
use crate::trial::{self, Scope};

/// Hold deployments of a stage, a service, or everything
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["service", "all"]))]
#[command(after_help = "Rollbacks pass a freeze, and what already runs goes on.

Examples:
  lastgood freeze web production --for 2h --reason \"the sale begins\"
  lastgood freeze web production --until 2026-12-27T00:00:00Z --try
  lastgood freeze --all --reason \"the network is being moved\"")]
pub(crate) struct Freeze {
    /// The service
    service: Option<ServiceName>,
    /// The stage [default: all of the service]
    stage: Option<StageName>,
    /// Every service, those described later too
    #[arg(long, conflicts_with = "stage")]
    all: bool,
    /// Why, for the ledger
    #[arg(long, value_name = "TEXT", required_unless_present = "trial")]
    reason: Option<String>,
    /// Say what would have waited in the last week and will in the next, and freeze nothing
    #[arg(long = "try")]
    trial: bool,
    /// How long, such as 30m, 2h or 3d [default: until thawed]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, conflicts_with = "until")]
    length: Option<SignedDuration>,
    /// Until when, such as 2026-11-23T18:00:00Z [default: until thawed]
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

/// A duration as people write it; a day is 24 hours.
pub(crate) fn duration(text: &str) -> Result<SignedDuration, String> {
    text.parse::<Span>()
        .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
        .ok()
        .filter(SignedDuration::is_positive)
        .ok_or_else(|| "write 30s, 10m, 2h or 3d".to_owned())
}

impl Freeze {
    pub(crate) async fn run(self, session: &Session) -> Result<Report, Failure> {
        let Self {
            service,
            stage,
            all: _,
            reason,
            trial,
            length,
            until,
        } = self;
        let end = match length {
            Some(length) => Some(session.times.now.checked_add(length).map_err(|error| {
                Failure::usage("the freeze would end beyond all time").because(error)
            })?),
            None => until,
        };
        if trial {
            return tried(session, service, stage, end).await;
        }
        let ask = Ask::Freeze {
            stage,
            reason: reason.unwrap_or_default(),
            until: end,
        };
        // What is asked of everything is one request: the switch holds from its answer on.
        let service = service.unwrap_or_else(ServiceName::everything);
        session.ask(service, ask).await
    }
}

async fn tried(
    session: &Session,
    service: Option<ServiceName>,
    stage: Option<StageName>,
    until: Option<Timestamp>,
) -> Result<Report, Failure> {
    let ledger = session.ledger().await?;
    let services = match service {
        Some(service) => vec![service],
        None => ledger.services().await.map_err(book::failure)?,
    };
    let scope = Scope { stage, until };
    let mut held = Vec::new();
    for service in &services {
        held.extend(trial::of_service(&ledger, service, &scope, session.times.now).await?);
    }
    let words: Vec<String> = held.iter().map(|held| held.words(&session.times)).collect();
    let text = if words.is_empty() {
        "nothing would have waited, and nothing is known that will".to_owned()
    } else {
        words.join("\n")
    };
    Ok(Report::new(&held, text).next("on trial: nothing was frozen"))
}
