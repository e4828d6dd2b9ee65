//! What lets a release in: approvals, freezes, windows, alarms, and the stage being free. After
//! every fact all stages are settled: what may start is started, what waits says for what.

use jiff::Timestamp;

use super::{Draft, scan, switch};
use crate::config::{ApprovalRule, Gate, Queue, StageConfig};
use crate::due::after;
use crate::entry::{AlarmsAtStart, Call, Drop, Order, Purpose, What};
use crate::name::{EntryId, ReleaseNumber, StageName};
use crate::pipeline::{Offer, Pipeline, Stage, WaitingOn};
use crate::reason::Reason;
use crate::window;

pub(super) fn settle(draft: &mut Draft) {
    if draft
        .pipeline
        .freeze
        .as_ref()
        .is_some_and(|freeze| !freeze.holds(draft.now))
    {
        draft.write(What::Thawed { stage: None }, Reason::NothingDue);
    }
    switch::end_freeze(draft);
    for name in draft.stage_names() {
        scan::refuse_too_bad(draft, &name);
        give_way(draft, &name);
        // Before what expired, because a request that misses its approvals again may have expired
        // meanwhile.
        void_approvals(draft, &name);
        end_what_expired(draft, &name);
        start_one(draft, &name);
        say_what_waits(draft, &name);
    }
}

/// With `queue: newest` a release gives way to a newer one that was offered after it: at once, or
/// when that one's scan has ended, which may yet refuse it.
fn give_way(draft: &mut Draft, name: &StageName) {
    let pipeline = &draft.pipeline;
    let config = pipeline.config.as_ref();
    let newest_only = config.is_some_and(|config| config.queue == Queue::Newest);
    let Some((_, stage)) = pipeline.stage(name).filter(|_| newest_only) else {
        return;
    };
    let forward = |offer: &&Offer| offer.purpose == Purpose::Release;
    let older: Vec<_> = stage
        .waiting
        .iter()
        .filter(forward)
        .filter_map(|offer| {
            let later = stage.waiting.iter().filter(forward).find(|later| {
                later.id.seq > offer.id.seq
                    && later.release > offer.release
                    && scan::hold(pipeline, later).is_none()
            });
            Some((offer.id.clone(), offer.release, later?.release))
        })
        .collect();
    for (deployment, release, by) in older {
        let what = What::Dropped {
            stage: name.clone(),
            deployment,
            release,
            end: Drop::Superseded { by },
        };
        draft.write(what, Reason::NewerReachedGate);
    }
}

fn end_what_expired(draft: &mut Draft, name: &StageName) {
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let now = draft.now;
    let thaw = stage
        .freeze
        .as_ref()
        .is_some_and(|freeze| !freeze.holds(now));
    let expired: Vec<(EntryId, ReleaseNumber)> = stage
        .waiting
        .iter()
        .filter(|offer| {
            missing_approval(config, offer).is_some_and(|(_, expires_at)| expires_at <= now)
        })
        .map(|offer| (offer.id.clone(), offer.release))
        .collect();
    let recovers = stage.recovers_until.filter(|until| *until <= now);
    let firing = recovers.map(|_| draft.pipeline.firing(config));
    let unwell = firing.filter(|firing| !firing.is_empty());
    if thaw {
        draft.write(
            What::Thawed {
                stage: Some(name.clone()),
            },
            Reason::NothingDue,
        );
    }
    for (deployment, release) in expired {
        let what = What::Dropped {
            stage: name.clone(),
            deployment,
            release,
            end: Drop::Expired,
        };
        draft.write(what, Reason::RequestExpired);
    }
    if let Some(alarms) = unwell {
        let call = Call::StillFiring { alarms };
        draft.write(
            What::PersonCalled {
                stage: name.clone(),
                call,
            },
            Reason::RollbackEnded,
        );
    }
}

/// An approval was given over what ran then.
fn void_approvals(draft: &mut Draft, name: &StageName) {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let void: Vec<(EntryId, ReleaseNumber)> = stage
        .waiting
        .iter()
        .filter(|offer| {
            offer
                .approvals
                .iter()
                .any(|approval| approval.over != stage.runs)
        })
        .map(|offer| (offer.id.clone(), offer.release))
        .collect();
    for (deployment, release) in void {
        let what = What::ApprovalsVoided {
            stage: name.clone(),
            deployment,
            release,
        };
        draft.write(what, Reason::StageChanged);
    }
}

/// Starts what may start, when the stage is free. With `queue: all` only the first may.
fn start_one(draft: &mut Draft, name: &StageName) {
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    if stage.active.is_some() {
        return;
    }
    let in_line = match draft.pipeline.config.as_ref().map(|config| config.queue) {
        Some(Queue::All) => 1,
        Some(Queue::Newest) | None => stage.waiting.len(),
    };
    let may_start =
        |offer: &&Offer| hold(&draft.pipeline, config, stage, offer, draft.now).is_none();
    let mut rollbacks = stage
        .waiting
        .iter()
        .filter(|offer| offer.purpose == Purpose::Rollback);
    let ready = rollbacks
        .find(may_start)
        .or_else(|| stage.waiting.iter().take(in_line).find(may_start));
    let Some(offer) = ready else { return };
    let alarms = if offer.purpose == Purpose::Rollback || offer.despite.alarm.is_some() {
        AlarmsAtStart::PassOver
    } else {
        AlarmsAtStart::Hold
    };
    let Some(order) = order(
        &draft.pipeline,
        config,
        offer.release,
        draft.next_id(),
        alarms,
    ) else {
        return;
    };
    let what = What::StartAsked {
        deployment: offer.id.clone(),
        order: Box::new(order),
    };
    draft.write(what, Reason::WayIsFree);
}

/// An order for a stage; `None` only when the snapshot has lost the release.
pub(super) fn order(
    pipeline: &Pipeline,
    config: &StageConfig,
    release: ReleaseNumber,
    attempt: EntryId,
    alarms: AlarmsAtStart,
) -> Option<Order> {
    Some(Order {
        attempt,
        stage: config.name.clone(),
        place: config.place.clone(),
        target: config.target.clone(),
        release,
        artefact: pipeline.releases.get(&release)?.artefact.clone(),
        alarms,
    })
}

/// What holds an offer when the stage is free; `None` lets it in.
#[must_use]
pub(super) fn hold(
    pipeline: &Pipeline,
    config: &StageConfig,
    stage: &Stage,
    offer: &Offer,
    now: Timestamp,
) -> Option<WaitingOn> {
    holds(pipeline, config, stage, offer, now)
        .into_iter()
        .next()
}

/// All that holds an offer when the stage is free, what people can do something about first.
#[must_use]
pub(super) fn holds(
    pipeline: &Pipeline,
    config: &StageConfig,
    stage: &Stage,
    offer: &Offer,
    now: Timestamp,
) -> Vec<WaitingOn> {
    let mut holds = Vec::new();
    // A rollback passes everything but a target that takes no deployment now.
    if offer.purpose == Purpose::Rollback {
        holds.extend(found_out(stage, offer.purpose, now));
        return holds;
    }
    // Nobody is asked to approve what may yet be refused.
    holds.extend(scan::hold(pipeline, offer));
    if let Some((missing, expires_at)) = missing_approval(config, offer) {
        holds.push(WaitingOn::Approval {
            missing,
            expires_at,
        });
    }
    // Somebody put something there by hand, perhaps to put out a fire: nothing overwrites it
    // before a person has said what becomes of it.
    if let Some(drift) = stage
        .drift
        .as_ref()
        .filter(|_| offer.despite.drift.is_none())
    {
        holds.push(WaitingOn::Drift {
            expected: drift.expected,
        });
    }
    if let Some(freeze) = pipeline.freeze_of(stage, now) {
        holds.push(freeze.waiting_on());
    }
    if !config.windows.is_empty() && !config.windows.iter().any(|window| window.is_open(now)) {
        holds.push(WaitingOn::Window {
            opens_at: window::opens_at(&config.windows, now),
        });
    }
    let firing = pipeline.firing(config);
    if !firing.is_empty() && offer.despite.alarm.is_none() {
        holds.push(WaitingOn::Alarm { names: firing });
    }
    holds.extend(found_out(stage, offer.purpose, now));
    holds
}

/// What is in the way of all that waits: what one offer found out when it was to begin holds the
/// others too, or they would take turns in asking, without a pause.
fn found_out(stage: &Stage, purpose: Purpose, now: Timestamp) -> Option<WaitingOn> {
    let found = stage.waiting.iter().filter_map(|offer| offer.on.as_ref());
    let mut resting = found.filter(|on| rests(on, now));
    let holds = |on: &&WaitingOn| match purpose {
        Purpose::Release => true,
        Purpose::Rollback => matches!(on, WaitingOn::Target { .. }),
    };
    resting.find(holds).cloned()
}

/// Whether it was found out lately, and is not to be tried yet.
fn rests(on: &WaitingOn, now: Timestamp) -> bool {
    match on {
        WaitingOn::Target { again_at, .. } | WaitingOn::Switch { again_at } => *again_at > now,
        WaitingOn::Scan { .. }
        | WaitingOn::Approval { .. }
        | WaitingOn::Drift { .. }
        | WaitingOn::Freeze { .. }
        | WaitingOn::Window { .. }
        | WaitingOn::Alarm { .. }
        | WaitingOn::Stage { .. }
        | WaitingOn::Turn { .. } => false,
    }
}

/// All that the offer at a place in the queue waits for. A scan may end and an approval be given
/// while the stage is busy; everything else is looked at when the stage is free and it is the
/// offer's turn.
pub(super) fn waits_for(
    pipeline: &Pipeline,
    config: &StageConfig,
    stage: &Stage,
    at: usize,
    now: Timestamp,
) -> Vec<WaitingOn> {
    let Some(offer) = stage.waiting.get(at) else {
        return Vec::new();
    };
    let mut on = holds(pipeline, config, stage, offer, now);
    let behind = at
        .checked_sub(1)
        .and_then(|_| stage.waiting.first())
        .map(|first| first.release);
    let turn = match (&stage.active, behind) {
        (Some(active), _) => Some(WaitingOn::Stage {
            busy_with: active.offer.release,
        }),
        (None, Some(behind)) => Some(WaitingOn::Turn { behind }),
        (None, None) => None,
    };
    if let Some(turn) = turn {
        let meanwhile =
            |on: &&WaitingOn| matches!(on, WaitingOn::Scan { .. } | WaitingOn::Approval { .. });
        let first = on.iter().take_while(meanwhile).count();
        on.insert(first, turn);
    }
    on
}

/// How many approvals an offer misses, and when the request expires.
pub(super) fn missing_approval(config: &StageConfig, offer: &Offer) -> Option<(u32, Timestamp)> {
    let rule = approval_rule(config)?;
    if offer.purpose == Purpose::Rollback {
        return None;
    }
    let given = u32::try_from(offer.approvals.len()).unwrap_or(u32::MAX);
    let missing = rule.count.saturating_sub(given);
    (missing > 0).then(|| (missing, after(offer.offered_at, rule.expires_after)))
}

/// The stage's rule, when its gate is a person.
#[must_use]
pub(super) fn approval_rule(config: &StageConfig) -> Option<&ApprovalRule> {
    match &config.gate {
        Gate::Automatic => None,
        Gate::Approval(rule) => Some(rule),
    }
}

/// Writes down what each offer waits for, when that changed.
fn say_what_waits(draft: &mut Draft, name: &StageName) {
    let Some((config, stage)) = draft.pipeline.stage(name) else {
        return;
    };
    let mut news = Vec::new();
    for (at, offer) in stage.waiting.iter().enumerate() {
        // What it found out holds the whole stage, and is not written over before its time.
        if offer.on.as_ref().is_some_and(|on| rests(on, draft.now)) {
            continue;
        }
        let on = waits_for(&draft.pipeline, config, stage, at, draft.now);
        let on = on.into_iter().next();
        if let Some(on) = on
            && offer.on.as_ref() != Some(&on)
        {
            news.push((offer.id.clone(), offer.release, on));
        }
    }
    for (deployment, release, on) in news {
        let what = What::Waits {
            stage: name.clone(),
            deployment,
            release,
            on,
        };
        draft.write(what, Reason::NotYet);
    }
}
