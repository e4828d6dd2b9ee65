//! Invariant 3 for buttons in a chat: a button decides what it says and nothing else, where the
//! gate's rule takes buttons, by whom the rule names, and soon.

use domain::config::{ApprovalRule, Gate, SlackMay};
use domain::entry::Drop;
use domain::fact::RequestId;
use domain::question::{Choice, Question};
use domain::{Entry, Identity, ServiceName, SignedDuration, Timestamp, What, due};

use super::{Audit, Book, LOOKED_WITHIN, SKEW};

/// What Slack signed longer ago is not believed (docs.slack.dev, "Verifying requests from Slack").
const BELIEVED_WITHIN: SignedDuration = SignedDuration::from_mins(5);
/// How the ids of requests begin that people sign themselves.
pub(crate) const BY_COMMAND: &str = "request-";

/// A button that somebody pressed.
#[derive(Debug)]
pub(crate) struct Press {
    pub(crate) question: Question,
    pub(crate) choice: Choice,
    pub(crate) by: Identity,
    /// When, for the last time.
    pub(crate) at: Timestamp,
}

impl Audit {
    /// Books that somebody presses a button.
    pub(crate) fn pressed(&mut self, service: &ServiceName, id: RequestId, press: Press) {
        if let Some(book) = self.books.get_mut(service) {
            book.presses.insert(id, press);
        }
    }
}

impl Book {
    /// What is decided on a request is what was asked for.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    pub(super) fn check_press(&self, entry: &Entry, now: Timestamp, object: &mut impl FnMut(&str)) {
        let Some(request) = &entry.request else {
            return;
        };
        let (stage, deployment, by, choice) = match &entry.what {
            What::Approved {
                stage,
                deployment,
                by,
                ..
            } => (stage, deployment, by, Choice::Approve),
            What::Dropped {
                stage,
                deployment,
                end: Drop::Rejected { by, .. },
                ..
            } => (stage, deployment, by, Choice::Reject),
            _ => return,
        };
        let Some(press) = self.presses.get(request) else {
            if !request.0.starts_with(BY_COMMAND) {
                object("3: decided on a button that nobody pressed");
            }
            return;
        };
        if (choice, by, stage) != (press.choice, &press.by, &press.question.stage) {
            object("3: a button decides what it does not say");
        }
        let offer = self.offers.get(deployment);
        if offer.is_none_or(|offer| offer.release != press.question.release) {
            object("3: a button decides on another release than its message shows");
        }
        if press.question.asked.seq < deployment.seq {
            object("3: a button answers a question that was asked later");
        }
        let rule = self.rule(stage);
        if rule.is_none_or(|rule| rule.slack == SlackMay::NotDecide) {
            object("3: a button decides where the rule takes none");
        }
        let soon = BELIEVED_WITHIN + SKEW + LOOKED_WITHIN;
        if due::after(press.at, soon) < now {
            object("3: a button decides long after it was pressed");
        }
    }

    /// A no is for those whom the rule names, and for who wrote it.
    pub(super) fn check_rejection(&self, entry: &Entry, object: &mut impl FnMut(&str)) {
        let What::Dropped {
            stage,
            release,
            end: Drop::Rejected { by, .. },
            ..
        } = &entry.what
        else {
            return;
        };
        let release = self.pipeline.release(*release);
        let author = release.and_then(|one| one.build.author.as_deref());
        let wrote = author.is_some_and(|author| wrote(by, author));
        let named = self.rule(stage).is_none_or(|rule| names(rule, by));
        if !wrote && !named {
            object("3: rejected by somebody the rule does not name");
        }
    }

    fn rule(&self, stage: &domain::StageName) -> Option<&ApprovalRule> {
        let config = self.pipeline.config.as_ref()?.stage(stage)?;
        match &config.gate {
            Gate::Approval(rule) => Some(rule),
            Gate::Automatic => None,
        }
    }
}

/// Whether a rule names somebody.
pub(super) fn names(rule: &ApprovalRule, by: &Identity) -> bool {
    rule.approvers
        .iter()
        .any(|pattern| match pattern.split_once('*') {
            Some((head, tail)) => by.0.starts_with(head) && by.0.ends_with(tail),
            None => by.0 == *pattern,
        })
}

/// Whether somebody is a commit's author.
pub(super) fn wrote(by: &Identity, author: &str) -> bool {
    let name = by.0.rsplit('/').next().unwrap_or_default();
    author.to_lowercase().starts_with(name)
}
