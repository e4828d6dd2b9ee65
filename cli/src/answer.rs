//! What the ledger answered to a request, for people and for scripts.

use domain::reason::Verdict;
use domain::{Reason, ServiceName};
use intake::wire::Answer;

use crate::failure::{Exit, Failure};
use crate::screen::Report;
use crate::times::Times;
use crate::words;

/// Tells an answer; a refusal is a failure.
pub(crate) fn report(
    service: &ServiceName,
    answer: &Answer,
    times: &Times,
) -> Result<Report, Failure> {
    let text = match answer.verdict {
        Verdict::Refused => return Err(refused(service, &answer.reason)),
        Verdict::Nothing => format!("{service}: nothing to do: {}", answer.reason),
        Verdict::Done => answer
            .entries
            .iter()
            .map(|entry| {
                format!(
                    "{service}/{}: {}",
                    entry.seq,
                    words::what(&entry.what, times)
                )
            })
            .collect::<Vec<_>>()
            .join("\n"),
    };
    Ok(Report::new(answer, text))
}

/// The ledger's no.
pub(crate) fn refused(service: &ServiceName, reason: &Reason) -> Failure {
    let exit = exit(reason);
    let failure = Failure::new(exit, format!("{service}: {reason}"));
    match hint(service, reason) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// What was typed wrong, and what a rule forbids.
fn exit(reason: &Reason) -> Exit {
    if let Reason::NotWaiting { instead: Some(_) } = reason {
        return Exit::Superseded;
    }
    let mistyped = matches!(
        reason,
        Reason::NoSuchService
            | Reason::NoSuchStage { .. }
            | Reason::NoSuchRelease { .. }
            | Reason::OtherService
            | Reason::EndsInThePast
    );
    if mistyped {
        Exit::Usage
    } else {
        Exit::NotAllowed
    }
}

fn hint(service: &ServiceName, reason: &Reason) -> Option<String> {
    if let Reason::NoSuchService = reason {
        return Some("lastgood status lists the services; lastgood apply makes one".to_owned());
    }
    if let Reason::Quarantined = reason {
        return Some("promote … --despite-quarantine REASON deploys it all the same".to_owned());
    }
    if let Reason::Vulnerable { .. } = reason {
        return Some("promote … --despite-findings REASON deploys it all the same".to_owned());
    }
    let about_state = matches!(
        reason,
        Reason::NoSuchStage { .. }
            | Reason::NotWaiting { .. }
            | Reason::NotGoodBefore { .. }
            | Reason::NeverGood { .. }
            | Reason::NothingToReturnTo
            | Reason::NotFrozen
    );
    if about_state {
        return Some(format!("lastgood status {service} shows how things are"));
    }
    matches!(reason, Reason::NoSuchRelease { .. })
        .then(|| format!("lastgood history {service} shows its releases"))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::screen::{Paint, failure_text};

    fn times() -> Times {
        Times {
            now: "2026-11-23T12:00:00Z".parse().unwrap(),
            zone: TimeZone::UTC,
        }
    }

    fn told(verdict: Verdict, reason: Reason) -> Result<Report, Failure> {
        let answer = Answer {
            verdict,
            reason,
            entries: Vec::new(),
        };
        report(&"web".parse().unwrap(), &answer, &times())
    }

    #[test]
    fn a_refusal_says_why_what_to_do_and_has_its_own_exit_code() {
        let text = |reason| {
            let failure = told(Verdict::Refused, reason).unwrap_err();
            (failure.exit.code(), failure_text(&failure, Paint::Plain))
        };
        let (code, words) = text(Reason::AuthorMayNotApprove);
        assert_eq!(
            (code, &*words),
            (
                4,
                "error: web: the commit's author may not approve own work here"
            )
        );
        let (code, words) = text(Reason::NotWaiting {
            instead: Some(domain::ReleaseNumber(18)),
        });
        assert_eq!(code, 6);
        insta::assert_snapshot!(words, @r"
        error: web: it does not wait there: release 18 does

        hint: lastgood status web shows how things are
        ");
        assert_eq!(text(Reason::NoSuchService).0, 2);
        assert_eq!(text(Reason::Quarantined).0, 4);
    }

    #[test]
    fn nothing_to_do_is_no_failure() {
        let report = told(Verdict::Nothing, Reason::RequestKnown).unwrap();
        assert_eq!(
            report.text,
            "web: nothing to do: the request was done before"
        );
        assert_eq!(report.exit, Exit::Done);
    }
}
