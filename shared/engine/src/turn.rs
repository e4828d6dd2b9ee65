//! One turn: load, decide, commit. The only caller of `commit`.

use std::time::Duration;

use domain::apply::Illegal;
use domain::chain::Sealed;
use domain::fact::Request;
use domain::reason::Verdict;
use domain::{Commit, Decision, Fact, Pipeline, Reason, ServiceName, decide, decide_under};

use crate::ports::{Clock, Ledger, LedgerError, Mention};

/// How often a turn is tried when others are faster.
pub const TRIES_MAX: u32 = 20;
/// Longest pause before the second try; it doubles up to [`PAUSE_MAX`].
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_millis(640);

/// What one turn came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// The service.
    pub service: ServiceName,
    /// What became of the fact, in a word.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// What was written.
    pub entries: Vec<Sealed>,
    /// The snapshot after it.
    pub after: Pipeline,
}

/// Takes one turn with a fact about a service.
///
/// # Errors
/// [`LedgerError::Stale`] never, unless others were faster [`TRIES_MAX`] times.
pub async fn turn(
    ledger: &impl Ledger,
    clock: &impl Clock,
    service: &ServiceName,
    fact: &Fact,
) -> Result<Turned, LedgerError> {
    let mention = mention(fact);
    let mut pause = PAUSE_FIRST;
    let mut tries = 1;
    loop {
        match once(ledger, clock, service, fact, &mention).await {
            Err(LedgerError::Stale) if tries < TRIES_MAX => {
                clock.breathe(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
                tries += 1;
            }
            done => return done,
        }
    }
}

async fn once(
    ledger: &impl Ledger,
    clock: &impl Clock,
    service: &ServiceName,
    fact: &Fact,
    mention: &Mention,
) -> Result<Turned, LedgerError> {
    let loaded = ledger.load(service, mention).await?;
    let (pipeline, recalled) = (&loaded.pipeline, &loaded.recalled);
    let decided: Result<Decision, Illegal> = match &loaded.switch {
        Some(switch) => decide_under(switch, pipeline, recalled, fact, clock.now()),
        None => decide(pipeline, recalled, fact, clock.now()),
    };
    let decision = decided.map_err(|illegal| LedgerError::Corrupt(illegal.to_string()))?;
    let verdict = decision.verdict();
    let reason = decision.reason.clone();
    let Some(commit) = Commit::of(&loaded.pipeline, decision) else {
        let (service, after) = (service.clone(), loaded.pipeline);
        return Ok(Turned {
            service,
            verdict,
            reason,
            entries: Vec::new(),
            after,
        });
    };
    ledger.commit(&commit).await?;
    let Commit {
        service,
        entries,
        after,
        ..
    } = commit;
    Ok(Turned {
        service,
        verdict,
        reason,
        entries,
        after,
    })
}

/// What has to be looked up beside the snapshot.
fn mention(fact: &Fact) -> Mention {
    match fact {
        Fact::Artefact(found) => Mention::Artefact(found.artefact.id()),
        Fact::Asked(asked) => match &asked.request {
            Request::Promote { release, .. } => Mention::Release(*release),
            Request::Configure { .. }
            | Request::Approve { .. }
            | Request::Reject { .. }
            | Request::Press(_)
            | Request::Rollback { .. }
            | Request::Cancel { .. }
            | Request::Adopt { .. }
            | Request::Restore { .. }
            | Request::Freeze { .. }
            | Request::Thaw { .. }
            | Request::Announce => Mention::Nothing,
        },
        Fact::Scanned(_)
        | Fact::Alarm(_)
        | Fact::Observed(_)
        | Fact::Acted(_)
        | Fact::Switched(_)
        | Fact::AllTold { .. }
        | Fact::Called(_)
        | Fact::Compared(_)
        | Fact::Inspected(_)
        | Fact::TimePassed => Mention::Nothing,
    }
}
