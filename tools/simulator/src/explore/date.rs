//! What rules read of each time in a state of the small world, and the times that say just that.

use std::collections::BTreeMap;

use domain::config::{Gate, StageConfig};
use domain::drift::ATTRIBUTED_WITHIN;
use domain::due::{ANSWER_WITHIN, after};
use domain::entry::Purpose;
use domain::fact::{Answer, Progress};
use domain::pipeline::{Active, Freeze, Offer, Phase, Pipeline, Stage, WaitingOn};
use domain::{EntryId, Fact, SignedDuration, Timestamp};
use engine::memory::contract::noon;

use super::key::held;
use super::model::{Acting, Attempt, Is, Model, Site, State};

/// What is read of a time.
#[derive(Debug, Clone, Copy)]
enum Role {
    /// Nothing.
    Unread,
    /// How many minutes ago it was, up to so many.
    Since(i64),
    /// In how many minutes it comes, and when it has come, how many ago that was, up to so many.
    Until(i64),
    /// Whether it is before or after others that happened outside.
    Order,
    /// How many minutes ago it was, up to so many, and whether it is before or after others.
    SinceInOrder(i64),
}

/// Before all that is counted, in minutes from now.
const LONG_AGO: i64 = -60;

/// Sets every time anew, as its role asks. Time goes by in whole minutes, and what happens outside
/// within one is a few microseconds apart (see [`State::moment`]): of two times one is the later
/// one because it happened later, and how many minutes lie between them is exact.
pub(super) fn date(model: &Model, state: &mut State) {
    let minute = |at: Timestamp| at.as_second().div_euclid(60);
    let this = minute(state.now);
    let ago = |at: Timestamp, most: i64| (minute(at) - this).max(-most);
    let mut order: BTreeMap<Timestamp, (i64, i64)> = BTreeMap::new();
    each_time(model, state, &mut |at, role| match role {
        Role::Order => drop(order.entry(*at).or_insert((LONG_AGO, 0))),
        Role::SinceInOrder(most) => drop(order.insert(*at, (ago(*at, most), 0))),
        Role::Unread | Role::Since(_) | Role::Until(_) => {}
    });
    // What is only ordered has no minute of its own, and takes that of what was before it.
    let mut latest = LONG_AGO;
    for (rank, (_, (minutes, place))) in (1..).zip(&mut order) {
        latest = latest.max(*minutes);
        (*minutes, *place) = (latest, rank);
    }
    let from_noon = |minutes: i64, place: i64| {
        let far = SignedDuration::from_mins(minutes) + SignedDuration::from_micros(place);
        after(noon(), far)
    };
    each_time(model, state, &mut |at, role| {
        *at = match role {
            Role::Unread => noon(),
            Role::Since(most) | Role::Until(most) => from_noon(ago(*at, most), 0),
            Role::Order | Role::SinceInOrder(_) => {
                let (minutes, place) = order.get(at).copied().unwrap_or((LONG_AGO, 0));
                from_noon(minutes, place)
            }
        };
    });
    state.now = from_noon(0, order.len() as i64 + 1);
}

fn each_time(model: &Model, state: &mut State, with: &mut impl FnMut(&mut Timestamp, Role)) {
    let State {
        pipeline,
        now: _,
        sites,
        outbox: _,
        acting,
        looked,
        alarm,
        changes,
        uploaded: _,
        asked: _,
        books: _,
    } = state;
    let starting = starting(model, pipeline);
    for config in &model.config.stages {
        if let Some(stage) = pipeline.stages.get_mut(&config.name) {
            times_of_stage(config, stage, with);
        }
    }
    let role = |mark: Option<&EntryId>| {
        let role = mark.and_then(|mark| starting.get(&mark.seq));
        role.copied().unwrap_or(Role::Unread)
    };
    for seen in pipeline.alarms.values_mut() {
        with(&mut seen.changed_at, Role::Order);
    }
    with(&mut alarm.changed_at, Role::Order);
    for seen in changes {
        with(&mut seen.changed_at, Role::Order);
    }
    for attempt in sites
        .iter_mut()
        .flat_map(|site: &mut Site| &mut site.attempts)
    {
        let Attempt {
            mark,
            started_at,
            content: _,
            before: _,
            is,
        } = attempt;
        let told = matches!(is, Is::Underway | Is::Succeeded);
        let role = role(mark.as_ref().filter(|_| told));
        with(started_at, role);
    }
    if let Some(Fact::Observed(observed)) = looked {
        let role = role(Some(&observed.attempt));
        match &mut observed.progress {
            Progress::Underway { started_at, .. } | Progress::Succeeded { started_at, .. } => {
                with(started_at, role);
            }
            Progress::NotFound
            | Progress::Failed { .. }
            | Progress::Undoing { .. }
            | Progress::Undone { .. } => {}
        }
        for seen in &mut observed.alarms {
            with(&mut seen.changed_at, Role::Order);
        }
    }
    if let Some(seen) = held(acting) {
        with(&mut seen.changed_at, Role::Order);
    }
    if let Some(Acting::Acted(fact)) = acting
        && let Fact::Acted(acted) = &mut **fact
        && let Answer::Begun { started_at, .. } = &mut acted.answer
    {
        with(started_at, role(Some(&acted.attempt)));
    }
}

/// What is read of the beginning of the attempts that the ledger has not heard of yet.
fn starting(model: &Model, pipeline: &Pipeline) -> BTreeMap<u64, Role> {
    let mut starting = BTreeMap::new();
    for config in &model.config.stages {
        let stage = pipeline.stages.get(&config.name);
        if let Some(active) = stage.and_then(|stage| stage.active.as_ref())
            && matches!(active.phase, Phase::Starting { .. })
        {
            starting.insert(active.attempt.seq, began(config));
        }
    }
    starting
}

/// What is read of the beginning of a deployment: whether it takes too long, and whether an alarm
/// was before it.
fn began(config: &StageConfig) -> Role {
    let most = config.timeout.as_mins();
    if config.alarms.is_empty() {
        Role::Since(most)
    } else {
        Role::SinceInOrder(most)
    }
}

fn times_of_stage(
    config: &StageConfig,
    stage: &mut Stage,
    with: &mut impl FnMut(&mut Timestamp, Role),
) {
    let Stage {
        waiting,
        active,
        good: _,
        quarantined: _,
        runs: _,
        newest: _,
        freeze,
        rollbacks,
        recovers_until,
        drift,
        calls,
        perils: _,
    } = stage;
    for offer in waiting {
        times_of_offer(config, offer, with);
    }
    if let Some(Freeze { since, until, .. }) = freeze {
        with(since, Role::Unread);
        until.iter_mut().for_each(|at| with(at, Role::Until(0)));
    }
    // A day never passes here (see `turn`), so that only their count matters.
    for at in rollbacks {
        with(at, Role::Unread);
    }
    recovers_until
        .iter_mut()
        .for_each(|at| with(at, Role::Until(0)));
    if let Some(drift) = drift {
        with(
            &mut drift.since,
            Role::SinceInOrder(ATTRIBUTED_WITHIN.as_mins()),
        );
    }
    for call in calls {
        with(
            &mut call.at,
            Role::SinceInOrder(ATTRIBUTED_WITHIN.as_mins()),
        );
    }
    let Some(Active {
        offer,
        attempt: _,
        over: _,
        phase,
        condemned: _,
        mixed_since,
    }) = active
    else {
        return;
    };
    times_of_offer(config, offer, with);
    mixed_since.iter_mut().for_each(|at| with(at, Role::Unread));
    let (answer, timeout) = (ANSWER_WITHIN.as_mins(), config.timeout.as_mins());
    match phase {
        Phase::Starting { asked_at, .. } => with(asked_at, Role::Since(answer)),
        Phase::InProgress { started_at, .. } => with(started_at, began(config)),
        Phase::Baking {
            started_at, until, ..
        } => {
            with(started_at, Role::Order);
            with(until, Role::Until(timeout));
        }
        Phase::RollingBack { asked_at, .. } => with(asked_at, Role::Since(answer.max(timeout))),
    }
}

fn times_of_offer(
    config: &StageConfig,
    offer: &mut Offer,
    with: &mut impl FnMut(&mut Timestamp, Role),
) {
    let Offer {
        id: _,
        release: _,
        purpose,
        offered_at,
        approvals,
        despite: _,
        on,
    } = offer;
    let expires = match &config.gate {
        Gate::Approval(rule) if *purpose == Purpose::Release => {
            Role::Since(rule.expires_after.as_mins())
        }
        Gate::Approval(_) | Gate::Automatic => Role::Unread,
    };
    with(offered_at, expires);
    for approval in approvals {
        with(&mut approval.at, Role::Unread);
    }
    match on {
        Some(
            WaitingOn::Approval { expires_at: at, .. }
            | WaitingOn::Target { again_at: at, .. }
            | WaitingOn::Switch { again_at: at },
        ) => {
            with(at, Role::Until(0));
        }
        Some(WaitingOn::Freeze { until: at, .. } | WaitingOn::Window { opens_at: at }) => {
            at.iter_mut().for_each(|at| with(at, Role::Until(0)));
        }
        Some(
            WaitingOn::Scan { .. }
            | WaitingOn::Drift { .. }
            | WaitingOn::Alarm { .. }
            | WaitingOn::Stage { .. }
            | WaitingOn::Turn { .. },
        )
        | None => {}
    }
}
