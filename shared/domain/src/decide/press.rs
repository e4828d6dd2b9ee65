//! A button in a chat: an answer to a gate's question, where the gate's rule takes one from there.
//! Nothing else can be asked through a chat.

use super::{Draft, ask, gate};
use crate::config::SlackMay;
use crate::fact::Press;
use crate::name::Identity;
use crate::question::{Choice, Question};
use crate::reason::Reason;

/// Being in the channel is no authority: the rule has to take buttons, and then says who may what,
/// as it does for requests that people sign themselves.
pub(super) fn press(draft: &mut Draft, press: &Press, by: &Identity) -> Reason {
    let Question {
        stage,
        release,
        asked,
    } = &press.question;
    let Some((config, state)) = draft.pipeline.stage(stage) else {
        return ask::no_stage(stage);
    };
    let rule = gate::approval_rule(config);
    if rule.is_none_or(|rule| rule.slack == SlackMay::NotDecide) {
        return Reason::NotFromSlack;
    }
    let mut waiting = state.waiting.iter();
    let offer = waiting.find(|offer| offer.release == *release);
    if offer.is_some_and(|offer| asked.seq < offer.id.seq) {
        return Reason::AskedAnew;
    }
    let reason = format!("in Slack, as {}", press.user);
    match press.choice {
        Choice::Approve => ask::approve(draft, stage, *release, by, Some(reason)),
        Choice::Reject => ask::reject(draft, stage, *release, by, reason),
    }
}
