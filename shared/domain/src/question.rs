//! A gate's question as a button in a chat carries it, and the two answers to it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::{EntryId, NameError, ReleaseNumber, ServiceName, StageName};

/// What an approver is asked. Written and read as `production 17 web/42`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The stage.
    pub stage: StageName,
    /// The release.
    pub release: ReleaseNumber,
    /// The entry that asked. The same asked anew, because approvals were voided or the release was
    /// offered again, is another question.
    pub asked: EntryId,
}

impl Question {
    /// The service it is about.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        &self.asked.service
    }
}

/// What is no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoQuestion {
    /// It has not the three words of one.
    #[error("a question is `stage release entry`")]
    Shape,
    /// A word is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The release is no number.
    #[error("{0:?} is no release")]
    Release(String),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            stage,
            release,
            asked,
        } = self;
        write!(f, "{stage} {release} {asked}")
    }
}

impl FromStr for Question {
    type Err = NoQuestion;
    fn from_str(text: &str) -> Result<Self, NoQuestion> {
        let mut words = text.split(' ');
        let all = (words.next(), words.next(), words.next(), words.next());
        let (Some(stage), Some(release), Some(asked), None) = all else {
            return Err(NoQuestion::Shape);
        };
        let number = release.parse().map(ReleaseNumber);
        Ok(Self {
            stage: stage.parse()?,
            release: number.map_err(|_| NoQuestion::Release(release.to_owned()))?,
            asked: asked.parse()?,
        })
    }
}

/// What a button says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Let it in.
    Approve,
    /// Refuse it.
    Reject,
}

impl Choice {
    /// The button's own id, which comes back when it is pressed.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Approve => "lastgood_approve",
            Self::Reject => "lastgood_reject",
        }
    }

    /// The choice with this id; none when the button is somebody else's.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        [Self::Approve, Self::Reject]
            .into_iter()
            .find(|choice| choice.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_as_it_was_written() {
        let text = "production 17 web/42";
        let question: Question = text.parse().unwrap();
        assert_eq!(question.to_string(), text);
        assert_eq!(question.service().as_str(), "web");
        for wrong in [
            "",
            "production 17",
            "production 17 web/42 more",
            "production  17 web/42",
            "production x web/42",
            "production 17 web",
        ] {
            assert!(wrong.parse::<Question>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_choice_is_known_by_its_buttons_id_and_no_other_is() {
        for choice in [Choice::Approve, Choice::Reject] {
            assert_eq!(Choice::of_id(choice.id()), Some(choice));
        }
        assert_eq!(Choice::of_id("approve"), None);
    }
}
