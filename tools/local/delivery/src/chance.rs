//! What goes wrong on purpose, drawn from the seed. Pure: it decides, others delay and double.

use std::time::Duration;

use crate::{Unkind, envelope::Level};

/// Where the choices come from.
#[derive(Debug)]
pub(crate) struct Chance {
    unkind: Unkind,
    random: fastrand::Rng,
}

/// What happens to an event before any rule sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing.
    Straight,
    /// It waits until others have overtaken it.
    HeldBack,
    /// It is lost.
    Lost,
}

/// How something is delivered to one target: one entry per copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copies {
    /// How much later the first arrives.
    pub(crate) first: Duration,
    /// How much later the second arrives, if there is one.
    pub(crate) second: Option<Duration>,
}

impl Chance {
    /// Choices from the seed.
    pub(crate) fn new(unkind: Unkind) -> Self {
        let random = fastrand::Rng::with_seed(unkind.seed);
        Self { unkind, random }
    }

    /// Draws what happens to an event.
    pub(crate) fn fate(&mut self, level: Level) -> Fate {
        // Both are drawn always, so that one does not shift what the other draws later.
        let lost = self.happens(self.unkind.drop_best_effort);
        let held_back = self.happens(self.unkind.shuffle);
        match (lost && level == Level::BestEffort, held_back) {
            (true, _) => Fate::Lost,
            (false, true) => Fate::HeldBack,
            (false, false) => Fate::Straight,
        }
    }

    /// Draws how something is delivered to one target.
    pub(crate) fn copies(&mut self) -> Copies {
        let double = self.happens(self.unkind.double);
        let (first, second) = (self.delay(), self.delay());
        Copies {
            first,
            second: double.then_some(second),
        }
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.random.f64() < probability
    }

    fn delay(&mut self) -> Duration {
        let drawn = self.random.f64();
        self.unkind.delay.as_ref().map_or(Duration::ZERO, |range| {
            let span = range.end.saturating_sub(range.start);
            range.start + span.mul_f64(drawn)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unkind(seed: u64) -> Unkind {
        Unkind {
            double: 0.5,
            delay: Some(Duration::from_millis(10)..Duration::from_millis(20)),
            shuffle: 0.3,
            drop_best_effort: 0.3,
            seed,
        }
    }

    fn draw(unkind: Unkind) -> Vec<(Fate, Copies)> {
        let mut chance = Chance::new(unkind);
        let levels = [Level::BestEffort, Level::Durable].into_iter().cycle();
        levels
            .take(200)
            .map(|level| (chance.fate(level), chance.copies()))
            .collect()
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(draw(unkind(7)), draw(unkind(7)));
        assert_ne!(draw(unkind(7)), draw(unkind(8)));
    }

    #[test]
    fn a_kind_delivery_does_nothing() {
        for (fate, copies) in draw(Unkind::kind()) {
            assert_eq!(fate, Fate::Straight);
            assert_eq!(
                copies,
                Copies {
                    first: Duration::ZERO,
                    second: None
                }
            );
        }
    }

    #[test]
    fn only_best_effort_events_are_lost_and_everything_happens() {
        let drawn = draw(unkind(7));
        assert!(
            drawn
                .iter()
                .skip(1)
                .step_by(2)
                .all(|(fate, _)| *fate != Fate::Lost)
        );
        assert!(drawn.iter().any(|(fate, _)| *fate == Fate::Lost));
        assert!(drawn.iter().any(|(fate, _)| *fate == Fate::HeldBack));
        assert!(drawn.iter().any(|(_, copies)| copies.second.is_some()));
        assert!(drawn.iter().any(|(_, copies)| copies.second.is_none()));
        let range = Duration::from_millis(10)..Duration::from_millis(20);
        assert!(
            drawn
                .iter()
                .all(|(_, copies)| range.contains(&copies.first))
        );
    }
}
