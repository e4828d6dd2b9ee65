//! What a lifecycle hook answers: the stage's alarms are quiet and its smoke checks pass, or why
//! not.

/// What the hook found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// Names of the stage's alarms that fire.
    pub firing: Vec<String>,
    /// Smoke checks that failed: what was fetched and what came instead.
    pub failed_checks: Vec<(String, String)>,
}

/// What the hook answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookVerdict {
    /// Go on.
    GoOn,
    /// Undo it; why, for people.
    Undo(String),
}

/// Goes on only when nothing speaks against it.
#[must_use]
pub fn verdict(findings: &Findings) -> HookVerdict {
    if !findings.firing.is_empty() {
        return HookVerdict::Undo(format!("firing: {}", findings.firing.join(", ")));
    }
    if findings.failed_checks.is_empty() {
        return HookVerdict::GoOn;
    }
    let failed: Vec<String> = findings
        .failed_checks
        .iter()
        .map(|(url, what)| format!("{url} {what}"))
        .collect();
    HookVerdict::Undo(failed.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_goes_on_only_when_nothing_speaks_against_it() {
        let quiet = Findings {
            firing: vec![],
            failed_checks: vec![],
        };
        assert_eq!(verdict(&quiet), HookVerdict::GoOn);
        let firing = Findings {
            firing: vec!["web-5xx".into()],
            ..quiet.clone()
        };
        assert_eq!(
            verdict(&firing),
            HookVerdict::Undo("firing: web-5xx".into())
        );
        let failed = Findings {
            failed_checks: vec![("http://web/health".into(), "answered 500".into())],
            ..quiet
        };
        assert_eq!(
            verdict(&failed),
            HookVerdict::Undo("http://web/health answered 500".into())
        );
    }
}
