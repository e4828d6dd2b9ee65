//! What was counted in a run, and what should have been reached and was not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde::de::{self, Visitor};

use crate::adversary::Adversary;
use crate::point::{Call, Moment, Point};

/// What was counted in a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) seeds: u64,
    pub(crate) steps: u64,
    pub(crate) facts: u64,
    /// Adversaries that struck.
    pub(crate) faults: BTreeMap<Adversary, u64>,
    /// Await points that were passed, and what struck there.
    pub(crate) points: BTreeSet<Point>,
    pub(crate) struck: BTreeMap<(Point, Adversary), u64>,
    /// Reasons that decisions gave, and that entries bear.
    pub(crate) reasons: BTreeMap<String, u64>,
    pub(crate) entries: BTreeMap<String, u64>,
    /// Rare things that happened.
    pub(crate) paths: BTreeMap<&'static str, u64>,
    /// The longest time something that was under way when the faults ended took to come to rest,
    /// in seconds.
    pub(crate) settled: i64,
}

/// Rare paths that a long run has to have taken.
pub(crate) const PATHS: [&str; 24] = [
    "a button came too late to be believed",
    "a button was pressed by nobody",
    "an image was refused over what its scan found",
    "a scan brought nothing to rely on",
    "an image was found by looking through its source",
    "a start met a freeze at the last look",
    "nothing was begun because the switch for all could not be read",
    "a world in which all that is stored is read back",
    "a lost event was made good by the reconciler",
    "an action that was no longer wanted was dropped",
    "an attempt was found by its mark instead of begun twice",
    "an attempt landed after it was given up",
    "a record of the stream became a dead letter",
    "an invocation became a dead letter",
    "a batch was bisected",
    "a target was occupied by somebody else",
    "a stage was taken over with its last good",
    "an artefact could no longer be deployed when its turn came",
    "a lifecycle hook undid a deployment",
    "a handler was too old for a snapshot",
    "a turn lost the race and decided again",
    "a request was repeated and done once",
    "a platform rolled back by itself",
    "a person was refused",
];

impl Tally {
    pub(crate) fn struck(&mut self, adversary: Adversary, at: Option<Point>) {
        *self.faults.entry(adversary).or_default() += 1;
        if let Some(point) = at {
            *self.struck.entry((point, adversary)).or_default() += 1;
        }
    }

    pub(crate) fn path(&mut self, path: &'static str) {
        *self.paths.entry(path).or_default() += 1;
    }

    /// Adds another run's.
    pub(crate) fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.facts += other.facts;
        self.settled = self.settled.max(other.settled);
        self.points.extend(other.points);
        sum(&mut self.faults, other.faults);
        sum(&mut self.struck, other.struck);
        sum(&mut self.reasons, other.reasons);
        sum(&mut self.entries, other.entries);
        sum(&mut self.paths, other.paths);
    }

    /// Await points that were passed although something that can strike there never did.
    pub(crate) fn spared(&self) -> Vec<String> {
        let mut spared = Vec::new();
        for point in &self.points {
            for adversary in strikes_at(*point) {
                if !self.struck.contains_key(&(*point, adversary)) {
                    spared.push(format!("{} at {point}", adversary.name()));
                }
            }
        }
        spared
    }

    /// Those of `all` that were never counted in `counts`.
    pub(crate) fn missing<'a>(all: &[&'a str], counts: &BTreeMap<String, u64>) -> Vec<&'a str> {
        let missing = all.iter().filter(|name| !counts.contains_key(**name));
        missing.copied().collect()
    }
}

fn sum<K: Ord>(mine: &mut BTreeMap<K, u64>, theirs: BTreeMap<K, u64>) {
    for (what, often) in theirs {
        *mine.entry(what).or_default() += often;
    }
}

/// What can strike at an await point.
fn strikes_at(point: Point) -> Vec<Adversary> {
    let mut all = vec![Adversary::Kill, Adversary::Slow];
    match point.moment {
        Moment::Before => all.push(Adversary::Refuse),
        Moment::After => all.push(Adversary::LoseAnswer),
    }
    match (point.call, point.moment) {
        (Call::Commit, Moment::Before) => all.push(Adversary::Conflict),
        (Call::Begin | Call::Stop, Moment::Before) => all.push(Adversary::LateEffect),
        (
            Call::Load
            | Call::Commit
            | Call::Services
            | Call::Watchers
            | Call::Overdue
            | Call::Uncompared
            | Call::CompareAt
            | Call::Running
            | Call::GroupOf
            | Call::SourcesDue
            | Call::Catalogue
            | Call::KeepCatalogue
            | Call::Listing
            | Call::Examine
            | Call::Scan
            | Call::Obstacle
            | Call::FindRunning
            | Call::Alarms
            | Call::Observe
            | Call::FindOwn
            | Call::Begin
            | Call::Stop
            | Call::Publish
            | Call::AnswerHook,
            Moment::Before | Moment::After,
        ) => {}
    }
    all
}

/// The variant's name of a value, in `snake_case`.
pub(crate) fn name_of(value: &impl fmt::Debug) -> String {
    let mut name = Name::default();
    // It ends as soon as the name does.
    let _ = write!(name, "{value:?}");
    name.0
}

#[derive(Default)]
struct Name(String);

impl fmt::Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            if !letter.is_alphanumeric() {
                return Err(fmt::Error);
            }
            if letter.is_uppercase() && !self.0.is_empty() {
                self.0.push('_');
            }
            self.0.extend(letter.to_lowercase());
        }
        Ok(())
    }
}

/// The names of all variants of an enum, as it is stored: serde has to know them all.
pub(crate) fn variants<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Ask<'a>(&'a mut &'static [&'static str]);
    impl<'de> de::Deserializer<'de> for Ask<'_> {
        type Error = de::value::Error;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("an enum is asked for"))
        }
        fn deserialize_enum<V: Visitor<'de>>(
            self,
            _: &'static str,
            variants: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            *self.0 = variants;
            Err(de::Error::custom("only its names are wanted"))
        }
        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
        }
    }
    let mut names: &'static [&'static str] = &[];
    let _ = T::deserialize(Ask(&mut names));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_variants_are_known_by_their_stored_names() {
        let reasons = variants::<domain::Reason>();
        assert!(reasons.contains(&"new_artefact"), "{reasons:?}");
        assert_eq!(name_of(&domain::Reason::NewArtefact), "new_artefact");
        let stale = domain::Reason::AlarmFired { alarm: "x".into() };
        assert!(reasons.contains(&name_of(&stale).as_str()));
    }
}
