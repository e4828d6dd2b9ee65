//! How a delivery is set up, and how unkind it is. No behaviour lives here.

use std::{ops::Range, time::Duration};

/// How a [`Delivery`](crate::Delivery) is set up.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Where MiniStack listens, plain HTTP, for example `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// The accounts and Regions whose rules, schedules and stream mappings are taken over.
    pub accounts: Vec<Place>,
    /// How often a schedule of `rate(1 minute)` fires on this machine; longer rates are scaled
    /// alike. `cron(…)` and `at(…)` go by the real clock, looked at as often.
    pub tick: Duration,
    /// What goes wrong on purpose.
    pub unkind: Unkind,
    /// The first pause before a retry. AWS waits a minute after the first failure of a function
    /// that was invoked asynchronously; here it is this, and all other pauses keep their ratio.
    pub retry_base: Duration,
}

/// One account in one Region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The account, twelve digits.
    pub account: String,
    /// The Region, for example `ap-south-1`.
    pub region: String,
}

/// What a delivery does wrong on purpose. AWS allows itself all of it. Every choice comes from
/// the seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Unkind {
    /// How likely one delivery is made twice, 0 to 1.
    pub double: f64,
    /// From what range a delivery's delay is drawn; none: no delay.
    pub delay: Option<Range<Duration>>,
    /// How likely an event is held back until others have overtaken it, 0 to 1.
    pub shuffle: f64,
    /// How likely an event is lost, 0 to 1, if AWS delivers its source at best effort only:
    /// CodeDeploy, ECR, and API calls recorded by CloudTrail.
    pub drop_best_effort: f64,
    /// Where all choices come from.
    pub seed: u64,
}

impl Unkind {
    /// Nothing goes wrong on purpose.
    #[must_use]
    pub const fn kind() -> Self {
        Self {
            double: 0.0,
            delay: None,
            shuffle: 0.0,
            drop_best_effort: 0.0,
            seed: 0,
        }
    }
}
