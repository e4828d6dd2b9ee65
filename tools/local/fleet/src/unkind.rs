//! What the control planes do wrong on purpose: they throttle, they lose an answer after they did
//! what was asked, they are away for a while. Only functions are struck: whoever watches sees.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::api::{ApiError, Caller};

/// What callers that are functions have to put up with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unkind {
    /// How likely a call is refused with AWS's `ThrottlingException`, from 0 to 1.
    pub throttle: f64,
    /// How likely a call is carried out and its answer lost, from 0 to 1.
    pub lose_answer: f64,
    /// Where the choices come from.
    pub seed: u64,
}

impl Unkind {
    /// Nothing goes wrong on purpose.
    #[must_use]
    pub const fn kind() -> Self {
        Self {
            throttle: 0.0,
            lose_answer: 0.0,
            seed: 0,
        }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is carried out and answered.
    Straight,
    /// It is refused before anything is done.
    Refused(ApiError),
    /// It is carried out, and answered with this.
    AnswerLost(ApiError),
}

/// Draws the fates.
#[derive(Debug)]
pub(crate) struct Chance(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    unkind: Unkind,
    random: fastrand::Rng,
    away_until: Option<Instant>,
}

impl Chance {
    pub(crate) fn kind() -> Self {
        Self(Mutex::new(Inner {
            unkind: Unkind::kind(),
            random: fastrand::Rng::with_seed(0),
            away_until: None,
        }))
    }

    pub(crate) fn set(&self, unkind: Unkind) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.unkind = unkind;
        inner.random = fastrand::Rng::with_seed(unkind.seed);
    }

    pub(crate) fn go_away(&self, time: Duration) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.away_until = Instant::now().checked_add(time);
    }

    pub(crate) fn draw(&self, caller: &Caller) -> Fate {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_function(caller) {
            return Fate::Straight;
        }
        if inner.away_until.is_some_and(|until| Instant::now() < until) {
            return Fate::Refused(unavailable());
        }
        // Both are drawn always, so that one does not shift what the other draws later.
        let (throttle, lose) = (inner.random.f64(), inner.random.f64());
        if throttle < inner.unkind.throttle {
            return Fate::Refused(ApiError::client("ThrottlingException", "Rate exceeded"));
        }
        if lose < inner.unkind.lose_answer {
            return Fate::AnswerLost(unavailable());
        }
        Fate::Straight
    }
}

/// Functions call with the credentials of a role.
fn is_function(caller: &Caller) -> bool {
    caller.arn.contains(":assumed-role/")
}

fn unavailable() -> ApiError {
    ApiError {
        code: "ServiceUnavailable",
        message: "Service is unavailable.".to_owned(),
        status: 503,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(arn: &str) -> Caller {
        Caller {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            arn: arn.to_owned(),
        }
    }

    fn function() -> Caller {
        caller("arn:aws:sts::111122223333:assumed-role/deployer/deployer")
    }

    fn unkind() -> Unkind {
        Unkind {
            throttle: 0.3,
            lose_answer: 0.3,
            seed: 7,
        }
    }

    fn draw(caller: &Caller) -> Vec<Fate> {
        let chance = Chance::kind();
        chance.set(unkind());
        (0..100).map(|_| chance.draw(caller)).collect()
    }

    #[test]
    fn functions_are_struck_in_every_way_and_the_same_way_each_time() {
        let drawn = draw(&function());
        assert_eq!(drawn, draw(&function()));
        assert!(drawn.contains(&Fate::Straight));
        assert!(drawn.contains(&Fate::AnswerLost(unavailable())));
        let throttled = |fate: &Fate| matches!(fate, Fate::Refused(error) if error.status == 400);
        assert!(drawn.iter().any(throttled));
    }

    #[test]
    fn who_watches_is_never_struck() {
        let root = caller("arn:aws:iam::111122223333:root");
        assert!(draw(&root).iter().all(|fate| *fate == Fate::Straight));
        let chance = Chance::kind();
        chance.go_away(Duration::from_secs(3600));
        assert_eq!(chance.draw(&root), Fate::Straight);
    }

    #[test]
    fn while_it_is_away_nothing_is_done_and_then_everything_is() {
        let chance = Chance::kind();
        chance.go_away(Duration::from_secs(3600));
        assert_eq!(chance.draw(&function()), Fate::Refused(unavailable()));
        chance.go_away(Duration::ZERO);
        assert_eq!(chance.draw(&function()), Fate::Straight);
    }
}
