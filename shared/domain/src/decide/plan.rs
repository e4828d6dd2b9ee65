//! What would become of a release on a stage, told before anybody asks for it: the same rules on
//! the same snapshot, and nothing is written.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Decision, Recalled, decide, gate};
use crate::apply::Illegal;
use crate::config::Gate;
use crate::entry::{Order, Purpose, What};
use crate::fact::{Asked, Despite, Fact, Request, RequestId};
use crate::name::{Identity, ReleaseNumber, StageName};
use crate::pipeline::{Offer, Pipeline, WaitingOn};

/// What somebody thinks of doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Deploying a release.
    Deploy {
        /// The release.
        release: ReleaseNumber,
        /// Rules that would be overridden.
        despite: Despite,
    },
    /// Rolling back.
    Return {
        /// Where to; none means last good.
        to: Option<ReleaseNumber>,
        /// Why, as the ledger would record it.
        reason: String,
    },
    /// Bringing back what a drifted stage should run.
    Restore,
}

/// What would become of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What would be asked for, in the asker's name.
    pub request: Request,
    /// The answer to it.
    pub decision: Decision,
    /// What the stage runs now, as far as the ledger brought it about.
    pub from: Option<ReleaseNumber>,
    /// What it would run; none when there is nothing to go back to.
    pub release: Option<ReleaseNumber>,
    /// All that would still hold it after the answer, not only the first.
    pub holds: Vec<WaitingOn>,
    /// What `deployer` would be told in the end, once nothing holds it any more; none when the
    /// answer is no, or when a running deployment is to be stopped.
    pub order: Option<Box<Order>>,
    /// Where a rollback from it would lead.
    pub back_to: Option<ReleaseNumber>,
}

/// Plans: decides as if `by` asked for it now. Where the stage's gate is a person, that person's
/// yes is supposed for the order, and only for it.
///
/// # Errors
/// When the snapshot contradicts itself.
pub fn plan(
    pipeline: &Pipeline,
    recalled: &Recalled,
    (stage, wish): (&StageName, &Wish),
    by: &Identity,
    now: Timestamp,
) -> Result<Plan, Illegal> {
    let request = request(pipeline, stage, wish);
    let asked = Fact::Asked(Asked {
        // Nothing is stored, so no other request can be taken for it.
        id: RequestId(String::new()),
        by: by.clone(),
        request: request.clone(),
    });
    let decision = decide(pipeline, recalled, &asked, now)?;
    let state = pipeline.stages.get(stage);
    let from = state.and_then(|state| state.runs);
    let leaves = state.and_then(|state| match &state.active {
        Some(active) => Some(active.offer.release),
        None => state.runs,
    });
    let good = |leaves| state.and_then(|state| state.good_without(leaves));
    let release = match wish {
        Wish::Deploy { release, .. } => Some(*release),
        Wish::Return { to, .. } => to.or_else(|| good(leaves)),
        Wish::Restore => state.and_then(|state| Some(state.drift.as_ref()?.expected)),
    };
    let order = match release {
        Some(release) => order(&decision, stage, release, now)?,
        None => None,
    };
    Ok(Plan {
        from,
        holds: release.map_or_else(Vec::new, |it| holds(&decision.after, stage, it, now)),
        order,
        back_to: release.and_then(|release| good(Some(release))),
        release,
        request,
        decision,
    })
}

/// The request that a wish leads to. Who waits for a person is approved; anything else is offered.
fn request(pipeline: &Pipeline, stage: &StageName, wish: &Wish) -> Request {
    let stage = stage.clone();
    match wish {
        Wish::Return { to, reason } => Request::Rollback {
            stage,
            to: *to,
            reason: reason.clone(),
        },
        Wish::Restore => Request::Restore { stage },
        Wish::Deploy { release, despite } => {
            let missing = pipeline.stage(&stage).and_then(|(config, _)| {
                gate::missing_approval(config, offer(pipeline, &stage, *release)?)
            });
            if missing.is_some() && *despite == Despite::default() {
                Request::Approve {
                    stage,
                    release: *release,
                    reason: None,
                }
            } else {
                Request::Promote {
                    stage,
                    release: *release,
                    despite: despite.clone(),
                }
            }
        }
    }
}

fn offer<'a>(
    pipeline: &'a Pipeline,
    stage: &StageName,
    release: ReleaseNumber,
) -> Option<&'a Offer> {
    let mut waiting = pipeline.stages.get(stage)?.waiting.iter();
    waiting.find(|offer| offer.release == release)
}

fn holds(
    pipeline: &Pipeline,
    stage: &StageName,
    release: ReleaseNumber,
    now: Timestamp,
) -> Vec<WaitingOn> {
    let Some((config, state)) = pipeline.stage(stage) else {
        return Vec::new();
    };
    let Some(offer) = offer(pipeline, stage, release) else {
        return Vec::new();
    };
    let mut holds = gate::holds(pipeline, config, state, offer, now);
    let busy = state.active.as_ref().map(|active| WaitingOn::Stage {
        busy_with: active.offer.release,
    });
    holds.extend(busy);
    match &offer.on {
        Some(turn @ WaitingOn::Turn { .. }) => holds.push(turn.clone()),
        Some(
            WaitingOn::Scan { .. }
            | WaitingOn::Approval { .. }
            | WaitingOn::Drift { .. }
            | WaitingOn::Freeze { .. }
            | WaitingOn::Window { .. }
            | WaitingOn::Alarm { .. }
            | WaitingOn::Stage { .. }
            | WaitingOn::Target { .. }
            | WaitingOn::Switch { .. },
        )
        | None => {}
    }
    holds
}

/// The order that was decided; else the one that follows when nothing holds the release any more.
fn order(
    decision: &Decision,
    stage: &StageName,
    release: ReleaseNumber,
    now: Timestamp,
) -> Result<Option<Box<Order>>, Illegal> {
    if let Some(order) = ordered(decision, stage, release) {
        return Ok(Some(order));
    }
    let mut open = decision.after.clone();
    open.freeze = None;
    open.switch.freeze = None;
    open.alarms.clear();
    if let Some(state) = open.stages.get_mut(stage) {
        state.freeze = None;
        state.waiting.retain(|offer| offer.release == release);
        // Only what stands in its way is left out; what is being deployed there must end first.
        if state.active.is_some() {
            state.active = None;
        }
    }
    let config = open.config.as_mut().map(Arc::make_mut);
    let stages = config.into_iter().flat_map(|config| &mut config.stages);
    for config in stages.filter(|config| config.name == *stage) {
        config.gate = Gate::Automatic;
        config.windows.clear();
    }
    let then = decide(&open, &Recalled::Nothing, &Fact::TimePassed, now)?;
    Ok(ordered(&then, stage, release))
}

fn ordered(decision: &Decision, stage: &StageName, release: ReleaseNumber) -> Option<Box<Order>> {
    let orders = decision.entries.iter().filter_map(|sealed| {
        if let What::StartAsked { order, .. } | What::ReturnAsked { order, .. } = &sealed.entry.what
        {
            Some(order)
        } else {
            None
        }
    });
    let mut orders = orders.filter(|order| order.stage == *stage && order.release == release);
    orders.next().cloned()
}

impl Plan {
    /// Whether it is a rollback.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self.request {
            Request::Rollback { .. } | Request::Restore { .. } => Purpose::Rollback,
            Request::Configure { .. }
            | Request::Approve { .. }
            | Request::Reject { .. }
            | Request::Press(_)
            | Request::Promote { .. }
            | Request::Cancel { .. }
            | Request::Adopt { .. }
            | Request::Freeze { .. }
            | Request::Thaw { .. }
            | Request::Announce => Purpose::Release,
        }
    }

    /// Whether the stage would run something else in the end.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.release.is_some() && self.release != self.from
    }
}
