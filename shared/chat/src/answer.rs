//! What somebody reads who pressed a button. Nobody else sees it: the message itself shows what
//! came of it.

use domain::Reason;
use domain::reason::Verdict;

use crate::text::escaped;

/// What is read of a decision; `None` when the message itself will show it.
#[must_use]
pub fn decided(verdict: Verdict, reason: &Reason) -> Option<String> {
    match (verdict, reason) {
        // The second of two clicks.
        (Verdict::Done, _) | (_, Reason::RequestKnown) => None,
        (Verdict::Nothing, _) => Some(format!("Nothing had to be done: {}.", words(reason))),
        (Verdict::Refused, _) => Some(format!(":no_entry_sign: Refused: {}.", words(reason))),
    }
}

fn words(reason: &Reason) -> String {
    escaped(&reason.to_string())
}

/// What a stranger reads.
#[must_use]
pub fn stranger(user: &str) -> String {
    format!(
        ":no_entry_sign: Lastgood does not know who you are. Ask an administrator to map `{}` to \
         your IAM identity; being in this channel is no authority.",
        escaped(user)
    )
}

/// What is read when nobody can say whether it was recorded.
pub const UNDECIDED: &str =
    "There was no answer in time. Press it once more: it counts once, however often it is pressed.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pressed_reads_only_what_the_message_does_not_show() {
        assert_eq!(decided(Verdict::Done, &Reason::PersonAsked), None);
        assert_eq!(decided(Verdict::Nothing, &Reason::RequestKnown), None);
        let twice = decided(Verdict::Nothing, &Reason::ApprovedAlready).unwrap();
        assert_eq!(
            twice,
            "Nothing had to be done: this identity approved it already."
        );
        let refused = decided(Verdict::Refused, &Reason::NotAnApprover).unwrap();
        assert!(refused.contains("does not name this identity"), "{refused}");
    }

    #[test]
    fn a_stranger_reads_what_to_ask_for_and_can_put_no_markup_into_it() {
        assert!(stranger("U0EVE").contains("`U0EVE`"));
        assert!(!stranger("<!channel>").contains("<!channel>"));
    }
}
