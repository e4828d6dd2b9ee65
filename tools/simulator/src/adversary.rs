//! The adversaries: each is one way in which the world is unkind. Every seed draws which of them
//! are about and how strong; each can be switched on and off alone.

use clap::ValueEnum;
use fastrand::Rng;

/// One way to be unkind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Adversary {
    /// A handler dies at one of its calls.
    Kill,
    /// A call takes long, so that others come between, or the handler's time runs out.
    Slow,
    /// A call is throttled before it had an effect.
    Refuse,
    /// A call had its effect, and its answer is lost.
    LoseAnswer,
    /// A transaction meets another one (DynamoDB: TransactionConflict).
    Conflict,
    /// A call that was given up takes effect seconds later.
    LateEffect,
    /// Clocks of handlers differ by up to five minutes.
    Skew,
    /// An event is delivered twice.
    Double,
    /// An event is late, and so out of order.
    Late,
    /// An event whose source is best effort is never delivered.
    Lose,
    /// The stream stands still for a while.
    Stall,
    /// A batch of the stream that was done comes again.
    Repeat,
    /// The platform fails deployments.
    Fail,
    /// Deployments that the platform never ends, or not in the stage's time.
    Endless,
    /// Somebody deploys, stops and scales behind the ledger's back.
    Meddle,
    /// Alarms fire, flap and are muted.
    Alarms,
    /// People at bad moments.
    People,
    /// The configuration changes in the middle.
    Reconfigure,
    /// Bursts of artefacts, old ones, broken ones, and ones that vanish.
    Artefacts,
    /// While a new version rolls out, some handlers meet items they are too old for.
    OldFunction,
    /// Somebody freezes everything, and thaws it.
    Switch,
    /// Scans of images come late, fail, never come, or find too much.
    Scans,
}

impl Adversary {
    /// How likely it strikes when it may, in a thousand, at normal strength.
    fn odds(self) -> u32 {
        match self {
            Self::Kill => 4,
            Self::Conflict | Self::LoseAnswer => 15,
            Self::LateEffect => 12,
            Self::Refuse | Self::Stall => 20,
            Self::Slow | Self::Repeat => 30,
            Self::Late => 80,
            Self::Double => 100,
            Self::Lose | Self::Fail => 150,
            Self::Scans => 300,
            Self::Endless => 25,
            Self::Skew
            | Self::Meddle
            | Self::Alarms
            | Self::People
            | Self::Reconfigure
            | Self::Artefacts
            | Self::OldFunction
            | Self::Switch => 1000,
        }
    }

    /// What the command line calls it.
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

/// Some of the adversaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Adversaries(u32);

impl Adversaries {
    pub(crate) const NONE: Self = Self(0);

    /// All of them.
    pub(crate) fn all() -> Self {
        Adversary::value_variants()
            .iter()
            .fold(Self::NONE, |set, one| set.with(*one))
    }

    pub(crate) fn with(self, one: Adversary) -> Self {
        Self(self.0 | one.bit())
    }

    pub(crate) fn without(self, one: Adversary) -> Self {
        Self(self.0 & !one.bit())
    }

    pub(crate) fn has(self, one: Adversary) -> bool {
        self.0 & one.bit() != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Adversary> {
        let all = Adversary::value_variants().iter().copied();
        all.filter(move |one| self.has(*one))
    }
}

/// How likely each adversary strikes in one world.
#[derive(Debug, Clone)]
pub(crate) struct Odds(Vec<u32>);

impl Odds {
    /// Drawn anew for every world: a world in which everything goes wrong a little hides what one
    /// in which a few things go wrong often would show.
    pub(crate) fn draw(rng: &mut Rng, among: Adversaries) -> Self {
        let strength = |one: &Adversary, rng: &mut Rng| {
            let drawn = match rng.u32(0..10) {
                0..2 => 0,
                2..5 => one.odds() / 3,
                5..8 => one.odds(),
                _ => (one.odds() * 4).min(1000),
            };
            if among.has(*one) { drawn } else { 0 }
        };
        let all = Adversary::value_variants();
        Self(all.iter().map(|one| strength(one, rng)).collect())
    }

    /// Nobody is about.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether anybody is about.
    pub(crate) fn any(&self) -> bool {
        self.0.iter().any(|odds| *odds > 0)
    }

    /// In a thousand.
    pub(crate) fn of(&self, one: Adversary) -> u32 {
        self.0.get(one as usize).copied().unwrap_or(0)
    }

    /// Whether it is about at all.
    pub(crate) fn about(&self, one: Adversary) -> bool {
        self.of(one) > 0
    }
}
