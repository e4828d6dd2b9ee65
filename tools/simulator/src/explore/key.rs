//! When two states are the same: the state that stands for all that behave alike. Numbers of
//! entries and times differ between histories that differ in nothing else. So numbers become ranks,
//! times become minutes from now, as far as a rule counts them, or a place in the order of what
//! happened outside, and words that only people read are left out.
//!
//! The walk goes on from such a state, and not from the one it was reached with. That nothing is
//! lost by it is checked by walking both (`Shadow` in `walk`): whatever happens to the one comes to
//! the same, and is judged the same, as what happens to the other. Every field is named here, so
//! that one that is added has to be thought about.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hasher as _};

use domain::alarm::{AlarmSeen, AlarmState};
use domain::artefact::Content;
use domain::chain::Hash;
use domain::due::after;
use domain::fact::{Acted, Answer, Progress, Running};
use domain::pipeline::{Cause, Freeze, Offer, Phase, Snapshot, WaitingOn};
use domain::{EntryId, Fact, Pipeline, SignedDuration, Timestamp};

use super::date::date;
use super::model::{Acting, Books, Model, Ordered, State};

/// Names a state; equal for states that behave alike. 128 bits: among a billion states the chance
/// that two are taken for one is below 1 in 10^20.
pub(crate) type Key = u128;

/// A canonical state's key.
pub(crate) fn of(state: &State) -> Key {
    let mut hash = Hashing(DefaultHasher::new(), DefaultHasher::new());
    hash.1.write_u8(1);
    // Hashing does not fail.
    let _ = print(state, &mut hash);
    (u128::from(hash.0.finish()) << 64) | u128::from(hash.1.finish())
}

/// All that tells a canonical state from others.
pub(crate) fn printed(state: &State) -> String {
    let mut text = String::new();
    // Printing to a string does not fail.
    let _ = print(state, &mut text);
    text
}

/// Hashes what is printed to it, twice.
struct Hashing(DefaultHasher, DefaultHasher);

impl fmt::Write for Hashing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        self.1.write(text.as_bytes());
        Ok(())
    }
}

/// Prints all that tells a canonical state from others. What is named and not printed is the same
/// in every state, or follows from the rest.
fn print(state: &State, out: &mut impl fmt::Write) -> fmt::Result {
    let State {
        pipeline,
        now,
        sites,
        outbox,
        acting,
        looked,
        alarm,
        changes,
        uploaded,
        asked: _,
        books,
    } = state;
    let Snapshot {
        format: _,
        service: _,
        seq: _,
        head: _,
        config: _,
        last_release: _,
        releases,
        scans,
        stages,
        alarms,
        freeze,
        requests: _,
        arrivals: _,
        flood_told_at: _,
        switch,
        telling_since,
    } = &**pipeline;
    let releases: Vec<_> = releases.keys().collect();
    write!(out, "{releases:?}{scans:?}{stages:?}{alarms:?}{freeze:?}")?;
    write!(out, "{switch:?}{telling_since:?}{uploaded}{now}{sites:?}")?;
    for one in outbox {
        // What an order says of target and artefact follows from its stage and release.
        match one {
            Ordered::Deploy(order) => {
                let (stage, release) = (&order.stage, order.release);
                write!(
                    out,
                    "deploy{stage}{release}{}{:?}",
                    order.attempt, order.alarms
                )?;
            }
            Ordered::Stop(order) => write!(out, "stop{}{}", order.stage, order.attempt)?,
        }
    }
    write!(out, "{acting:?}{looked:?}{alarm:?}{changes:?}{books:?}")
}

/// The state that stands for this one.
pub(crate) fn canonical(model: &Model, mut state: State) -> State {
    forget_words(&mut state);
    forget_what_is_over(&mut state);
    forget_old_alarms(&mut state);
    number(&mut state);
    date(model, &mut state);
    state.asked = 0;
    state
}

/// Leaves out what only people read, and what nothing is compared with.
fn forget_words(state: &mut State) {
    let pipeline = &mut state.pipeline;
    pipeline.head = Hash::ZERO;
    pipeline.requests.clear();
    pipeline.arrivals.clear();
    pipeline.flood_told_at = None;
    for stage in pipeline.stages.values_mut() {
        stage.freeze.iter_mut().for_each(silence_freeze);
        stage.waiting.iter_mut().for_each(silence_offer);
        if let Some(active) = &mut stage.active {
            silence_offer(&mut active.offer);
            active.condemned.iter_mut().for_each(String::clear);
            match &mut active.phase {
                Phase::Starting { .. } => {}
                Phase::InProgress { platform_id, .. } | Phase::Baking { platform_id, .. } => {
                    platform_id.clear();
                }
                Phase::RollingBack { cause, .. } => match cause {
                    Cause::Alarm { .. } | Cause::Timeout => {}
                    Cause::Platform { problem: words } | Cause::Person { reason: words, .. } => {
                        words.clear();
                    }
                },
            }
        }
    }
    for one in &mut state.outbox {
        match one {
            Ordered::Deploy(_) => {}
            Ordered::Stop(order) => order.platform_id = None,
        }
    }
    for site in &mut state.sites {
        silence_running(&mut site.running);
        for attempt in &mut site.attempts {
            silence_running(&mut attempt.before);
        }
    }
}

fn silence_freeze(freeze: &mut Freeze) {
    let Freeze {
        by,
        reason,
        since: _,
        until: _,
    } = freeze;
    *by = None;
    reason.clear();
}

fn silence_offer(offer: &mut Offer) {
    match &mut offer.on {
        Some(WaitingOn::Freeze { by, reason, .. }) => {
            // As a freeze says it that nobody made.
            "a rule".clone_into(by);
            reason.clear();
        }
        Some(WaitingOn::Target { by, .. }) => by.clear(),
        Some(
            WaitingOn::Scan { .. }
            | WaitingOn::Approval { .. }
            | WaitingOn::Drift { .. }
            | WaitingOn::Window { .. }
            | WaitingOn::Alarm { .. }
            | WaitingOn::Stage { .. }
            | WaitingOn::Turn { .. }
            | WaitingOn::Switch { .. },
        )
        | None => {}
    }
}

/// No rule looks into a mixture.
fn silence_running(running: &mut Running) {
    match running {
        Running::Mixed(all) => all.clear(),
        Running::All(_) | Running::Nothing | Running::Unknown => {}
    }
}

/// The number of what nobody can ask for any more; no entry that can be asked for has it.
const OVER: u64 = 1;

/// What has ended has no content any more, and what nobody asks for no number.
fn forget_what_is_over(state: &mut State) {
    let current = current(&state.pipeline);
    let mut wanted = current.clone();
    wanted.extend(state.outbox.iter().map(|one| one.attempt().seq));
    for attempt in state.sites.iter_mut().flat_map(|site| &mut site.attempts) {
        if !attempt.is_open() {
            attempt.content = Content(String::new());
            attempt.before = Running::Nothing;
        }
        if let Some(mark) = &mut attempt.mark
            && !wanted.contains(&mark.seq)
        {
            mark.seq = OVER;
        }
    }
    for site in &mut state.sites {
        site.attempts
            .sort_by(|one, other| one.mark.cmp(&other.mark));
    }
    if let Some(Fact::Observed(observed)) = &mut state.looked {
        if current.contains(&observed.attempt.seq) {
            silence_progress(&mut observed.progress);
            silence_running(&mut observed.running);
        } else {
            observed.attempt.seq = OVER;
            observed.progress = Progress::NotFound;
            observed.running = Running::Unknown;
        }
    }
    if let Some(Acting::Acted(fact)) = &mut state.acting
        && let Fact::Acted(acted) = &mut **fact
    {
        if !current.contains(&acted.attempt.seq) {
            acted.attempt.seq = OVER;
        }
        match &mut acted.answer {
            Answer::Begun {
                platform_id: words, ..
            }
            | Answer::Occupied { by: words }
            | Answer::Refused(words) => words.clear(),
            Answer::Stopping
            | Answer::NeverBegun
            | Answer::Frozen(_)
            | Answer::Withheld
            | Answer::Held(_) => {}
        }
    }
}

fn silence_progress(progress: &mut Progress) {
    match progress {
        Progress::NotFound => {}
        Progress::Underway { platform_id, .. } | Progress::Succeeded { platform_id, .. } => {
            platform_id.clear();
        }
        Progress::Failed { platform_id, why }
        | Progress::Undoing { platform_id, why }
        | Progress::Undone { platform_id, why } => {
            platform_id.clear();
            why.clear();
        }
    }
}

/// The attempts that the ledger is about.
fn current(pipeline: &Pipeline) -> BTreeSet<u64> {
    let stages = pipeline.stages.values();
    let active = stages.filter_map(|stage| stage.active.as_ref());
    active.map(|active| active.attempt.seq).collect()
}

/// What is believed of the alarm is compared with what is heard of it, and with nothing else. What
/// is not newer is passed over whenever it is heard.
fn forget_old_alarms(state: &mut State) {
    let Some(believed) = state.pipeline.alarms.get_mut(&state.alarm.alarm) else {
        return;
    };
    let was = believed.clone();
    let is_old = |seen: &AlarmSeen| {
        let same = seen.changed_at == was.changed_at && seen.state == was.state;
        seen.changed_at < was.changed_at || same
    };
    // Before all else, and one before the other.
    let older = Timestamp::UNIX_EPOCH;
    let old = after(older, SignedDuration::from_secs(1));
    believed.changed_at = old;
    if is_old(&state.alarm) {
        state.alarm.changed_at = old;
    }
    let looked = match &mut state.looked {
        Some(Fact::Observed(observed)) => observed.alarms.as_mut_slice(),
        Some(_) | None => &mut [],
    };
    let heard = state.changes.iter_mut().chain(looked);
    for seen in heard.chain(held(&mut state.acting)) {
        if is_old(seen) {
            seen.state = AlarmState::Ok;
            seen.changed_at = older;
        }
    }
}

/// The alarm that held what the deployer would have begun.
pub(super) fn held(acting: &mut Option<Acting>) -> Option<&mut AlarmSeen> {
    let Some(Acting::Acted(fact)) = acting else {
        return None;
    };
    if let Fact::Acted(Acted {
        answer: Answer::Held(seen),
        ..
    }) = &mut **fact
    {
        Some(seen)
    } else {
        None
    }
}

/// Numbers entries anew, in their order: rules only ask which of two is later.
fn number(state: &mut State) {
    let mut ranks = BTreeMap::new();
    each_id(state, &mut |id| {
        ranks.insert(id.seq, OVER);
    });
    ranks.remove(&OVER);
    for (rank, (_, new)) in (OVER + 1..).zip(&mut ranks) {
        *new = rank;
    }
    each_id(state, &mut |id| {
        id.seq = ranks.get(&id.seq).copied().unwrap_or(OVER);
    });
    state.pipeline.seq = OVER + ranks.len() as u64;
}

fn each_id(state: &mut State, with: &mut impl FnMut(&mut EntryId)) {
    for stage in state.pipeline.stages.values_mut() {
        for offer in &mut stage.waiting {
            with(&mut offer.id);
        }
        if let Some(active) = &mut stage.active {
            with(&mut active.offer.id);
            with(&mut active.attempt);
        }
    }
    for one in &mut state.outbox {
        with(match one {
            Ordered::Deploy(order) => &mut order.attempt,
            Ordered::Stop(order) => &mut order.attempt,
        });
    }
    for attempt in state.sites.iter_mut().flat_map(|site| &mut site.attempts) {
        attempt.mark.iter_mut().for_each(&mut *with);
    }
    if let Some(Fact::Observed(observed)) = &mut state.looked {
        with(&mut observed.attempt);
    }
    if let Some(Acting::Acted(fact)) = &mut state.acting
        && let Fact::Acted(acted) = &mut **fact
    {
        with(&mut acted.attempt);
    }
    let Books {
        good: _,
        ever_good: _,
        yes,
        alarmed,
        by_hand,
    } = &mut state.books;
    let mut renamed = |mut id: EntryId| {
        with(&mut id);
        id
    };
    *yes = std::mem::take(yes)
        .into_iter()
        .map(|(id, by)| (renamed(id), by))
        .collect();
    for ids in [alarmed, by_hand] {
        *ids = std::mem::take(ids).into_iter().map(&mut renamed).collect();
    }
}
