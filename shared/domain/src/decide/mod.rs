//! The decision: a snapshot, a fact and the time come in; entries and a reason go out. All rules
//! live below this module, one file for each kind of fact, and `gate` for what lets a release in.

mod act;
mod ahead;
mod alarms;
mod arrive;
mod ask;
mod configure;
mod drift;
mod gate;
mod observe;
mod plan;
mod press;
mod protect;
mod scan;
mod switch;
mod undo;
mod undoing;

#[cfg(test)]
pub(crate) mod tests;

pub use ahead::{Ahead, ahead};

use std::borrow::Cow;

use jiff::Timestamp;

use crate::apply::{Illegal, apply};
use crate::artefact::{Artefact, Release};
use crate::chain::Sealed;
use crate::entry::{Actor, ENTRY_FORMAT, Entry, What};
use crate::fact::{Fact, RequestId};
use crate::name::{EntryId, ReleaseNumber, StageName};
use crate::pipeline::{Active, Pipeline};
use crate::reason::{Reason, Verdict};
use crate::switch::Switch;

pub use plan::{Plan, Wish, plan};

/// Most entries of one decision: a transaction has 100 items, and a commit is one of them.
pub const ENTRIES_MAX: usize = 200;

/// What a fact mentions that the snapshot may have forgotten, looked up by whoever loads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recalled {
    /// Nothing was mentioned, or it was not found.
    Nothing,
    /// The artefact has its place already, as that release or as none.
    Artefact(Option<ReleaseNumber>),
    /// The release.
    Release(Box<Release>),
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// What to write, in order; empty when nothing is to be done.
    pub entries: Vec<Sealed>,
    /// Why.
    pub reason: Reason,
    /// The snapshot after the entries.
    pub after: Pipeline,
    /// What became of the fact, whatever else was due.
    verdict: Verdict,
}

impl Decision {
    /// What became of the fact, in a word.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }
}

/// Decides what follows from a fact. Pure: the same arguments give the same decision.
///
/// # Errors
/// When the snapshot contradicts itself, so that no entry can follow: it is corrupt.
pub fn decide(
    pipeline: &Pipeline,
    recalled: &Recalled,
    fact: &Fact,
    now: Timestamp,
) -> Result<Decision, Illegal> {
    let mut draft = Draft::new(pipeline, fact, now);
    let reason = match fact {
        Fact::Artefact(found) => arrive::arrived(&mut draft, recalled, found),
        Fact::Scanned(scanned) => scan::scanned(&mut draft, scanned),
        Fact::Alarm(seen) => alarms::changed(&mut draft, seen),
        Fact::Observed(observed) => observe::observed(&mut draft, observed),
        Fact::Acted(acted) => act::acted(&mut draft, acted),
        Fact::Asked(asked) => ask::asked(&mut draft, recalled, asked),
        Fact::Switched(switch) => switch::told(&mut draft, switch),
        Fact::AllTold { turned } => switch::all_told(&mut draft, *turned),
        Fact::Called(called) => drift::called(&mut draft, called),
        Fact::Compared(compared) => drift::compared(&mut draft, compared),
        Fact::Inspected(inspected) => protect::inspected(&mut draft, inspected),
        Fact::TimePassed => Reason::NothingDue,
    };
    // A request that changes nothing is not done because something else is due.
    let in_vain = draft.request.is_some() && draft.entries.is_empty();
    gate::settle(&mut draft);
    draft.finish(reason, in_vain)
}

/// Decides knowing how the switch for all is. A pipeline that has yet to be told of it is told
/// first, in the same decision; one that the fact describes for the first time, right after.
///
/// # Errors
/// As [`decide`].
pub fn decide_under(
    switch: &Switch,
    pipeline: &Pipeline,
    recalled: &Recalled,
    fact: &Fact,
    now: Timestamp,
) -> Result<Decision, Illegal> {
    let tell = |pipeline: &Pipeline| {
        let told = Fact::Switched(switch.clone());
        decide(pipeline, &Recalled::Nothing, &told, now)
    };
    let mut entries = Vec::new();
    let mut before = Cow::Borrowed(pipeline);
    if switch.is_news_to(&before) {
        let told = tell(&before)?;
        entries.extend(told.entries);
        before = Cow::Owned(told.after);
    }
    let mut decision = decide(&before, recalled, fact, now)?;
    entries.append(&mut decision.entries);
    if switch.is_news_to(&decision.after) {
        let told = tell(&decision.after)?;
        entries.extend(told.entries);
        decision.after = told.after;
    }
    Ok(Decision {
        entries,
        ..decision
    })
}

/// A decision in the making: every entry is folded in at once, so that each rule sees what those
/// before it decided.
struct Draft {
    now: Timestamp,
    actor: Actor,
    request: Option<RequestId>,
    pipeline: Pipeline,
    entries: Vec<Sealed>,
    broken: Option<Illegal>,
}

impl Draft {
    fn new(pipeline: &Pipeline, fact: &Fact, now: Timestamp) -> Self {
        let request = match fact {
            Fact::Asked(asked) => Some(asked.id.clone()),
            Fact::Artefact(_)
            | Fact::Scanned(_)
            | Fact::Alarm(_)
            | Fact::Observed(_)
            | Fact::Acted(_)
            | Fact::Switched(_)
            | Fact::AllTold { .. }
            | Fact::Called(_)
            | Fact::Compared(_)
            | Fact::Inspected(_)
            | Fact::TimePassed => None,
        };
        Self {
            now,
            actor: actor(fact),
            request,
            pipeline: pipeline.clone(),
            entries: Vec::new(),
            broken: None,
        }
    }

    /// The id that the next entry will have.
    fn next_id(&self) -> EntryId {
        EntryId {
            service: self.pipeline.service.clone(),
            seq: self.next_seq(),
        }
    }

    /// The number that the next entry will have. Nothing follows the largest one: `apply` refuses
    /// what has the same number.
    fn next_seq(&self) -> u64 {
        self.pipeline.seq.saturating_add(1)
    }

    /// The number that the next release will have; the same of it.
    fn next_release(&self) -> ReleaseNumber {
        ReleaseNumber(self.pipeline.last_release.saturating_add(1))
    }

    fn write(&mut self, what: What, why: Reason) {
        if self.broken.is_some() || self.entries.len() >= ENTRIES_MAX {
            return;
        }
        let sealed = Sealed::new(Entry {
            format: ENTRY_FORMAT,
            seq: self.next_seq(),
            at: self.now,
            actor: self.actor.clone(),
            what,
            why,
            request: self.request.clone(),
            before: self.pipeline.head.clone(),
        });
        match apply(&mut self.pipeline, &sealed) {
            Ok(()) => self.entries.push(sealed),
            Err(illegal) => self.broken = Some(illegal),
        }
    }

    /// The deployment that a stage does now.
    fn active(&self, name: &StageName) -> Option<&Active> {
        self.pipeline.stages.get(name)?.active.as_ref()
    }

    fn stage_names(&self) -> Vec<StageName> {
        let stages = self
            .pipeline
            .config
            .iter()
            .flat_map(|config| &config.stages);
        stages.map(|stage| stage.name.clone()).collect()
    }

    fn finish(self, reason: Reason, in_vain: bool) -> Result<Decision, Illegal> {
        if let Some(illegal) = self.broken {
            return Err(illegal);
        }
        // When the fact itself changed nothing but something was due all the same, that is the
        // reason.
        let idle = matches!(
            reason,
            Reason::NothingDue | Reason::NothingNew | Reason::NotYet
        );
        let reason = match self.entries.first() {
            Some(first) if idle && !in_vain => first.entry.why.clone(),
            Some(_) | None => reason,
        };
        let verdict = if self.request.is_some() && reason.refuses() {
            Verdict::Refused
        } else if in_vain || self.entries.is_empty() {
            Verdict::Nothing
        } else {
            Verdict::Done
        };
        Ok(Decision {
            verdict,
            entries: self.entries,
            reason,
            after: self.pipeline,
        })
    }
}

fn actor(fact: &Fact) -> Actor {
    let source = |name: &str| Actor::Source(name.to_owned());
    match fact {
        Fact::Artefact(found) => match &found.artefact {
            Artefact::Object { .. } => source("aws.s3"),
            Artefact::Image { .. } => source("aws.ecr"),
            Artefact::Oci { registry, .. } => source(registry.as_str()),
        },
        Fact::Scanned(_) => source("aws.ecr"),
        Fact::Alarm(_) => source("aws.cloudwatch"),
        Fact::Called(_) => source("aws.cloudtrail"),
        Fact::Observed(_) | Fact::Compared(_) | Fact::Inspected(_) => source("platform"),
        Fact::Acted(_) => source("deployer"),
        Fact::Asked(asked) => Actor::Person(asked.by.clone()),
        // Who turned the switch did so for every service.
        Fact::Switched(switch) => switch.by.clone().map_or(Actor::Clock, Actor::Person),
        Fact::AllTold { .. } => source("switch"),
        Fact::TimePassed => Actor::Clock,
    }
}
