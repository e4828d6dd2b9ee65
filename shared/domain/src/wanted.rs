//! The last look before acting: is what an entry asked for still wanted? `deployer` asks this with
//! a snapshot it has just read, so that an entry that comes late or twice does no harm.

use jiff::Timestamp;

use crate::entry::{Action, Order, Purpose};
use crate::pipeline::{Freeze, How, Phase, Pipeline};
use crate::reason::Reason;
use crate::switch::Switch;

/// Whether an action is still wanted.
///
/// # Errors
/// Why it is not.
pub fn wanted(pipeline: &Pipeline, action: Action<'_>) -> Result<(), Reason> {
    let (stage, attempt) = match action {
        Action::Deploy(order) => (&order.stage, &order.attempt),
        Action::Stop(order) => (&order.stage, &order.attempt),
    };
    let not_current = || Reason::AttemptNotCurrent {
        attempt: attempt.clone(),
    };
    let (_, state) = pipeline.stage(stage).ok_or_else(|| Reason::NoSuchStage {
        stage: stage.clone(),
    })?;
    let active = state
        .active
        .as_ref()
        .filter(|active| active.attempt == *attempt);
    let phase = &active.ok_or_else(not_current)?.phase;
    let fits = match (action, phase) {
        (Action::Deploy(_), Phase::Starting { .. }) => true,
        (Action::Deploy(_), Phase::RollingBack { how, .. }) => *how == How::Return,
        (Action::Stop(_), Phase::RollingBack { how, .. }) => *how == How::Stop,
        (Action::Deploy(_) | Action::Stop(_), Phase::InProgress { .. } | Phase::Baking { .. })
        | (Action::Stop(_), Phase::Starting { .. }) => false,
    };
    if fits {
        Ok(())
    } else {
        Err(Reason::NothingNew)
    }
}

/// Whether an order begins something new. What goes back passes every freeze.
#[must_use]
pub fn goes_forward(pipeline: &Pipeline, order: &Order) -> bool {
    let active = pipeline
        .stage(&order.stage)
        .and_then(|(_, stage)| stage.active.as_ref());
    active.is_some_and(|active| {
        active.offer.purpose == Purpose::Release && matches!(active.phase, Phase::Starting { .. })
    })
}

/// The freeze that came between asking for a deployment and beginning it: the stage's, the
/// service's, or everything's.
#[must_use]
pub fn frozen(
    pipeline: &Pipeline,
    switch: &Switch,
    order: &Order,
    now: Timestamp,
) -> Option<Freeze> {
    if !goes_forward(pipeline, order) {
        return None;
    }
    let (_, stage) = pipeline.stage(&order.stage)?;
    let own = [&stage.freeze, &pipeline.freeze].into_iter().flatten();
    own.filter(|freeze| freeze.holds(now))
        .chain(switch.holding(now))
        .next()
        .cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::AlarmState;
    use crate::decide::tests::story::Story;
    use crate::entry::What;

    /// The newest entries that asked for a start, a stop and a return, as far as there are such.
    fn asked(story: &Story) -> [Option<What>; 3] {
        let newest = |wanted: fn(&What) -> bool| {
            let mut all = story.ledger.iter().rev().map(|sealed| &sealed.entry.what);
            all.find(|what| wanted(what)).cloned()
        };
        [
            newest(|what| matches!(what, What::StartAsked { .. })),
            newest(|what| matches!(what, What::StopAsked { .. })),
            newest(|what| matches!(what, What::ReturnAsked { .. })),
        ]
    }

    /// Which of them are wanted now.
    fn still(story: &Story, asked: &[Option<What>; 3]) -> [bool; 3] {
        asked.each_ref().map(|what| {
            let action = what.as_ref().and_then(What::action);
            action.is_some_and(|action| wanted(&story.pipeline, action).is_ok())
        })
    }

    #[test]
    fn a_start_is_wanted_until_it_has_begun_or_is_to_be_stopped() {
        let mut story = Story::released_everywhere(1);
        story.upload(2);
        assert_eq!(still(&story, &asked(&story)), [true, false, false]);
        let mut begun = story.clone();
        begun.begins("dev");
        assert_eq!(still(&begun, &asked(&begun)), [false, false, false]);
        story.alarm("dev", AlarmState::Alarm);
        assert_eq!(still(&story, &asked(&story)), [false, true, false]);
    }

    #[test]
    fn a_return_is_wanted_and_the_attempt_that_it_replaces_is_not() {
        let mut story = Story::released_everywhere(1);
        story.upload(2);
        story.begins("dev");
        story.finishes("dev");
        story.alarm("dev", AlarmState::Alarm);
        assert_eq!(still(&story, &asked(&story)), [false, false, true]);
        let all = asked(&story);
        story.begins("dev");
        story.finishes("dev");
        assert_eq!(still(&story, &all), [false, false, false], "it is done");
    }
}
