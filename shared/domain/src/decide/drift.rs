//! What others do behind the ledger's back: calls that CloudTrail recorded, and targets that run
//! something else than the ledger brought about. CloudTrail says who; what is true was looked at.

use std::collections::BTreeSet;

use super::ask::no_stage;
use super::{Draft, arrive, configure};
use crate::artefact::{Artefact, Content};
use crate::drift::{ATTRIBUTED_WITHIN, ApiCall, TOLD_AGAIN_AFTER};
use crate::due::after;
use crate::entry::{Drop, Purpose, What};
use crate::fact::{Called, Compared, Despite, Running};
use crate::name::{EntryId, Identity, ReleaseNumber, StageName};
use crate::pipeline::Stage;
use crate::reason::Reason;

/// Somebody else called. That is written down whatever came of it: what it did to the target is for
/// [`compared`] to say.
pub(super) fn called(draft: &mut Draft, called: &Called) -> Reason {
    let (name, call) = (&called.stage, &called.call);
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return no_stage(name);
    };
    if stage.calls.iter().any(|known| is_again(known, call)) {
        return Reason::CallKnown;
    }
    let what = What::CallSeen {
        stage: name.clone(),
        call: call.clone(),
    };
    draft.write(what, Reason::CallRecorded);
    Reason::CallRecorded
}

/// Whether a call is one that was written down. What is refused over and over, by a script that
/// does not give up, is written and told once in a while: CloudTrail itself has them all.
fn is_again(known: &ApiCall, call: &ApiCall) -> bool {
    let same = known.by == call.by && known.action == call.action && known.refused == call.refused;
    let lately = after(known.at, TOLD_AGAIN_AFTER) > call.at;
    known.id == call.id || (same && call.refused.is_some() && lately)
}

/// What a stage that does nothing runs, against what the ledger brought about. Only what Lastgood
/// decides is compared, the content; what runs nowhere, or cannot be told, proves nothing.
pub(super) fn compared(draft: &mut Draft, compared: &Compared) -> Reason {
    let name = &compared.stage;
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return no_stage(name);
    };
    if stage.has_moved_since(&compared.over) {
        return Reason::StageMovedOn;
    }
    let expected = stage
        .should_run()
        .and_then(|release| Some((release, draft.pipeline.content(release)?)));
    let Some((expected, content)) = expected else {
        return Reason::NothingToCompare;
    };
    let others = others(&compared.running, &content);
    let drift = stage.drift.as_ref();
    if others.is_empty() {
        let ended = drift.is_some() && matches!(compared.running, Running::All(_));
        if !ended {
            return Reason::NothingNew;
        }
        return end(draft, name, expected);
    }
    if drift.is_some_and(|drift| drift.others == others) {
        return Reason::NothingNew;
    }
    let what = What::Drifted {
        stage: name.clone(),
        expected,
        by: probably(stage, draft).cloned(),
        others,
    };
    draft.write(what, Reason::RunsSomethingElse);
    Reason::RunsSomethingElse
}

fn end(draft: &mut Draft, name: &StageName, release: ReleaseNumber) -> Reason {
    let what = What::DriftEnded {
        stage: name.clone(),
        release,
    };
    draft.write(what, Reason::RunsEverywhere);
    Reason::RunsEverywhere
}

/// What runs that should not, in whatever order it was seen. A rollout by hand that is half done
/// differs from one that is done in nothing that has to be told twice.
fn others(running: &Running, expected: &Content) -> Vec<Content> {
    let seen: BTreeSet<&Content> = match running {
        Running::All(one) => BTreeSet::from([one]),
        Running::Mixed(several) => several.iter().collect(),
        Running::Nothing | Running::Unknown => BTreeSet::new(),
    };
    let others = seen.into_iter().filter(|content| *content != expected);
    others.cloned().collect()
}

/// The newest call that was granted lately.
fn probably<'a>(stage: &'a Stage, draft: &Draft) -> Option<&'a ApiCall> {
    let granted = stage.calls.iter().filter(|call| call.refused.is_none());
    let lately = granted.filter(|call| after(call.at, ATTRIBUTED_WITHIN) > draft.now);
    lately.max_by_key(|call| call.at)
}

/// A person takes what runs for what should run: it is last good from now on.
pub(super) fn adopt(
    draft: &mut Draft,
    name: &StageName,
    by: &Identity,
    reason: &str,
    found: Option<&Artefact>,
) -> Reason {
    let expected = match drifted(draft, name) {
        Ok(expected) => expected,
        Err(reason) => return reason,
    };
    let Some(artefact) = found else {
        return Reason::CannotBeProved;
    };
    if draft.pipeline.content(expected) == Some(artefact.content()) {
        return end(draft, name, expected);
    }
    let release = configure::release_for(draft, artefact);
    let what = What::Adopted {
        stage: name.clone(),
        release,
        reason: Some(reason.to_owned()),
    };
    draft.write(what, Reason::PersonAsked);
    end_what_it_replaces(draft, name, release, by, reason);
    Reason::PersonAsked
}

/// What waits and is older than what was adopted would undo it; what waits to bring that very
/// release waits for nothing.
fn end_what_it_replaces(
    draft: &mut Draft,
    name: &StageName,
    adopted: ReleaseNumber,
    by: &Identity,
    reason: &str,
) {
    let stage = draft.pipeline.stages.get(name);
    let replaced: Vec<(EntryId, ReleaseNumber)> = stage
        .into_iter()
        .flat_map(|stage| &stage.waiting)
        .filter(|offer| offer.release <= adopted)
        .map(|offer| (offer.id.clone(), offer.release))
        .collect();
    for (deployment, release) in replaced {
        let (end, why) = if release == adopted {
            let (by, reason) = (by.clone(), reason.to_owned());
            (Drop::Cancelled { by, reason }, Reason::RunsAlready)
        } else {
            (Drop::Superseded { by: adopted }, Reason::NewerReachedGate)
        };
        let what = What::Dropped {
            stage: name.clone(),
            deployment,
            release,
            end,
        };
        draft.write(what, why);
    }
}

/// A person has what should run brought back. Like a rollback it passes gate, windows and freezes;
/// unlike one it holds nothing afterwards: what comes next was meant to come.
pub(super) fn restore(draft: &mut Draft, name: &StageName) -> Reason {
    let expected = match drifted(draft, name) {
        Ok(expected) => expected,
        Err(reason) => return reason,
    };
    let good = draft
        .pipeline
        .stages
        .get(name)
        .is_some_and(|stage| stage.good.contains(&expected));
    if !good {
        return Reason::NeverGood { release: expected };
    }
    let despite = Despite::default();
    arrive::put(
        draft,
        name,
        expected,
        Purpose::Rollback,
        despite,
        Reason::StageDrifted,
    );
    Reason::PersonAsked
}

/// The release that a drifted stage should run.
fn drifted(draft: &Draft, name: &StageName) -> Result<ReleaseNumber, Reason> {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return Err(no_stage(name));
    };
    let Some(drift) = &stage.drift else {
        return Err(Reason::NotDrifted);
    };
    let returning = stage
        .waiting
        .iter()
        .any(|offer| offer.purpose == Purpose::Rollback);
    if returning {
        return Err(Reason::RollbackUnderWay);
    }
    if stage.active.is_some() {
        return Err(Reason::StageBusy {
            stage: name.clone(),
        });
    }
    Ok(drift.expected)
}
