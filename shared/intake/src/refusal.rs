//! Why an event is not acted on: refused, or ignored. What to do about it is the caller's work.

use std::fmt;

/// Longest piece of an event that is repeated in a message, in characters: the event itself is
/// parked elsewhere, and a log is no place for it.
const QUOTE_LENGTH_MAX: usize = 160;

/// Why an event cannot be understood. The answer is always the same: acknowledge it and park it,
/// because the same bytes will never be understood by trying again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not JSON, or nested too deeply to be read.
    #[error("not JSON: {problem}")]
    NotJson {
        /// What the parser said.
        problem: String,
    },
    /// It is JSON, but nothing this function's sender sends.
    #[error("not an event of {expected}: {found}")]
    Foreign {
        /// Whose event it should be.
        expected: &'static str,
        /// What it is instead.
        found: String,
    },
    /// It is of the right kind, but something in it is missing or wrong.
    #[error("malformed at {path}: {problem}")]
    Malformed {
        /// Where, such as `detail.object.key`.
        path: String,
        /// What is wrong there.
        problem: String,
    },
    /// It is larger than anything its sender can mean.
    #[error("too large: {what} has {bytes} bytes, and the limit is {max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// How large it may be.
        max: usize,
    },
    /// A person's request that belongs to the other function URL.
    #[error("this is asked for at another address: the stack's output {output}")]
    OtherDesk {
        /// The output that names it.
        output: &'static str,
    },
    /// A person's request without an identity that AWS verified.
    #[error("no identity that AWS verified: the function URL must have AWS_IAM authorisation")]
    NoIdentity,
    /// A webhook at another path than the one it was given.
    #[error("the path does not end with the webhook's key")]
    WrongKey,
    /// A request that Slack signed at another time, as it says.
    #[error("it was not sent within five minutes of now")]
    OutOfTime,
    /// A request that Slack did not sign, or not like this.
    #[error("the signature is not Slack's")]
    NotSigned,
}

impl Refusal {
    pub(crate) fn malformed(path: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self::Malformed {
            path: cut(&path.into()),
            problem: cut(&problem.to_string()),
        }
    }

    pub(crate) fn foreign(expected: &'static str, found: impl fmt::Display) -> Self {
        Self::Foreign {
            expected,
            found: cut(&found.to_string()),
        }
    }
}

/// Why nothing follows from an event that is understood. These are fine, and silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// The sender's event of a kind that nobody here waits for, such as "Object Deleted".
    OtherKind {
        /// Its detail-type.
        detail_type: String,
    },
    /// An image was not pushed but deleted, archived or restored.
    OtherImageAction {
        /// ECR's action-type.
        action: String,
    },
    /// An image was not pushed because pushing failed.
    FailedPush {
        /// ECR's result.
        result: String,
    },
    /// A call of our own deployer, or of a service of AWS that scales or carries out.
    OwnCall {
        /// Whose.
        who: String,
    },
    /// A call that changes no target.
    OtherCall {
        /// Which.
        action: String,
    },
    /// An item of the table was changed or removed, not added: commits are only ever added.
    NotAdded {
        /// The stream's event name.
        event: String,
    },
    /// An item of the table that is no commit.
    NotACommit {
        /// Its sort key.
        key: String,
    },
}

impl Ignored {
    pub(crate) fn other_kind(detail_type: &str) -> Self {
        Self::OtherKind {
            detail_type: cut(detail_type),
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherKind { detail_type } => write!(f, "nothing follows from {detail_type:?}"),
            Self::OtherImageAction { action } => {
                write!(f, "nothing follows from an image's {action}")
            }
            Self::FailedPush { result } => write!(f, "the push ended with {result}"),
            Self::OwnCall { who } => write!(f, "{who} called"),
            Self::OtherCall { action } => write!(f, "{action} like this changes no target"),
            Self::NotAdded { event } => write!(f, "nothing follows from {event} of an item"),
            Self::NotACommit { key } => write!(f, "{key:?} is no commit"),
        }
    }
}

/// The beginning of a text, long enough to recognise it.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(QUOTE_LENGTH_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_repeats_only_the_beginning_of_what_it_quotes() {
        let long = "ü".repeat(QUOTE_LENGTH_MAX + 1);
        assert_eq!(
            cut(&long).chars().count(),
            QUOTE_LENGTH_MAX + 1,
            "the ellipsis is one more"
        );
        assert_eq!(cut("short"), "short");
    }
}
