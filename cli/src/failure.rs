//! What went wrong, as people and scripts are told: the cause, the evidence, one hint, and an exit
//! code that is honest. How it is printed is [`mod@crate::screen`].

use std::fmt::Display;

/// What became of a command. The exit codes are promised in `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// What was typed or written is wrong.
    Usage,
    /// The release was rolled back.
    RolledBack,
    /// A rule or IAM refused it.
    NotAllowed,
    /// It waits for a person.
    Waits,
    /// A newer release took its place.
    Superseded,
    /// What was compared is not the same.
    Differs,
    /// What became of it could not be observed: the network, or AWS.
    Unobserved,
    /// Interrupted from the keyboard.
    Interrupted,
}

/// All of them, in the order of their codes.
pub(crate) const EXITS: [Exit; 10] = [
    Exit::Done,
    Exit::Failed,
    Exit::Usage,
    Exit::RolledBack,
    Exit::NotAllowed,
    Exit::Waits,
    Exit::Superseded,
    Exit::Differs,
    Exit::Unobserved,
    Exit::Interrupted,
];

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::RolledBack => 3,
            Self::NotAllowed => 4,
            Self::Waits => 5,
            Self::Superseded => 6,
            Self::Differs => 7,
            Self::Unobserved => 8,
            Self::Interrupted => 130,
        }
    }

    /// The word that errors in JSON carry as `code`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::RolledBack => "rolled_back",
            Self::NotAllowed => "not_allowed",
            Self::Waits => "waits",
            Self::Superseded => "superseded",
            Self::Differs => "differs",
            Self::Unobserved => "unobserved",
            Self::Interrupted => "interrupted",
        }
    }

    /// What the code means, in `--help`.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "wrong usage or wrong input",
            Self::RolledBack => "rolled back",
            Self::NotAllowed => "not allowed, by a rule or by IAM",
            Self::Waits => "waits for a person",
            Self::Superseded => "superseded by a newer release",
            Self::Differs => "differs (with --check)",
            Self::Unobserved => "could not be observed (network, AWS): it may have happened",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The part of `--help` about exit codes.
pub(crate) fn exit_codes() -> String {
    EXITS.iter().fold("Exit codes:".to_owned(), |text, exit| {
        format!("{text}\n  {:>3}  {}", exit.code(), exit.meaning())
    })
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The kind.
    pub(crate) exit: Exit,
    /// The plain cause, as a lower-case fragment.
    pub(crate) message: String,
    /// What shows it: lines of a file, AWS's own words.
    pub(crate) evidence: Vec<String>,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// A failure of a kind.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            evidence: Vec::new(),
            hint: None,
        }
    }

    /// What was typed or written is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// It failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The network or AWS did not let it be seen.
    pub(crate) fn unobserved(message: impl Into<String>) -> Self {
        Self::new(Exit::Unobserved, message)
    }

    /// The cause with what shows it, in one line.
    pub(crate) fn line(&self) -> String {
        let parts = std::iter::once(&self.message).chain(&self.evidence);
        parts.map(String::as_str).collect::<Vec<_>>().join(": ")
    }

    /// With a line of evidence.
    #[must_use]
    pub(crate) fn because(mut self, evidence: impl Display) -> Self {
        self.evidence.push(evidence.to_string());
        self
    }

    /// Several as one: the first, with the others as evidence. None of none.
    pub(crate) fn all(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let first = failures.next()?;
        Some(failures.fold(first, |all, failure| {
            let all = all.because("").because(&failure.message);
            let all = failure.evidence.iter().fold(all, Self::because);
            failure.hint.iter().fold(all, Self::because)
        }))
    }

    /// With what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An error with all its causes, each once and in its own words.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = chain.map(ToString::to_string).collect();
    words.dedup();
    words.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_the_promised_ones() {
        insta::assert_snapshot!(exit_codes(), @r"
        Exit codes:
            0  done
            1  failed
            2  wrong usage or wrong input
            3  rolled back
            4  not allowed, by a rule or by IAM
            5  waits for a person
            6  superseded by a newer release
            7  differs (with --check)
            8  could not be observed (network, AWS): it may have happened
          130  interrupted
        ");
    }

    #[test]
    fn words_and_codes_are_never_shared() {
        for (at, exit) in EXITS.iter().enumerate() {
            for other in EXITS.iter().skip(at + 1) {
                assert_ne!(exit.code(), other.code());
                assert_ne!(exit.word(), other.word());
            }
        }
    }
}
