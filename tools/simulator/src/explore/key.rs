//! When two states are the same. Numbers of entries, times and hashes differ between histories that
//! differ in nothing else: ids become their rank, times their distances, and what no rule reads is
//! left out. Everything else counts, fields that are added later too, because the state is taken as
//! it prints itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use domain::Timestamp;
use domain::chain::Hash;
use domain::pipeline::WaitingOn;

use super::model::State;

/// Names a state; equal for states that behave alike. 128 bits: among a billion states a chance of
/// one in 10^20 that two are taken for one.
pub(crate) type Key = u128;

/// Distances in time are exact up to so many minutes; no rule here counts further, but for the
/// quarter of an hour in which alarms have to clear.
const FAR: i64 = 4;

/// A state's key.
pub(crate) fn of(state: &State) -> Key {
    let text = canonical(state);
    let mut low = DefaultHasher::new();
    let mut high = DefaultHasher::new();
    text.hash(&mut low);
    (&text, "high").hash(&mut high);
    (u128::from(high.finish()) << 64) | u128::from(low.finish())
}

/// The state as text, with ranks and distances in place of numbers and times.
pub(crate) fn canonical(state: &State) -> String {
    let mut printed = String::new();
    let bare = bare(state);
    // Printing to a string does not fail.
    let _ = write!(printed, "now={} {bare:?}", bare.now);
    let (mut ids, mut times) = (BTreeMap::new(), BTreeMap::new());
    for token in Tokens::of(&printed) {
        match token {
            Token::Id(id) => drop(ids.insert(id, 0)),
            Token::Time(at) => drop(times.insert(at, 0)),
            Token::Text(_) => {}
        }
    }
    for (rank, (_, place)) in (0_i64..).zip(&mut ids) {
        *place = rank;
    }
    let mut last: Option<(Timestamp, i64)> = None;
    for (at, place) in &mut times {
        *place = last.map_or(0, |(before, place)| place + distance(before, *at));
        last = Some((*at, *place));
    }
    let mut text = String::with_capacity(printed.len());
    for token in Tokens::of(&printed) {
        let _ = match token {
            Token::Text(part) => text.write_str(part),
            Token::Id(id) => write!(text, "#{}", ids.get(&id).unwrap_or(&-1)),
            Token::Time(at) => write!(text, "@{}", times.get(&at).unwrap_or(&-1)),
        };
    }
    text
}

/// How far apart two times are, as far as rules can tell: a moment, or so many minutes.
fn distance(before: Timestamp, after: Timestamp) -> i64 {
    let seconds = after.duration_since(before).as_secs();
    if seconds < 30 {
        1
    } else {
        100 * ((seconds + 30) / 60).min(FAR)
    }
}

/// The state without what no rule reads.
fn bare(state: &State) -> State {
    let mut bare = state.clone();
    bare.asked = 0;
    let pipeline = &mut bare.pipeline;
    pipeline.config = None;
    pipeline.seq = 0;
    pipeline.head = Hash::ZERO;
    pipeline.requests.clear();
    pipeline.arrivals.clear();
    pipeline.releases.clear();
    pipeline.flood_told_at = None;
    for entry in &mut bare.outbox {
        entry.seq = 0;
        entry.at = Timestamp::UNIX_EPOCH;
        entry.before = Hash::ZERO;
        entry.request = None;
    }
    let stages = pipeline.stages.values_mut();
    for stage in stages {
        // A day never passes here, so that only their count matters.
        for at in &mut stage.rollbacks {
            *at = Timestamp::UNIX_EPOCH;
        }
        if let Some(freeze) = &mut stage.freeze {
            freeze.since = Timestamp::UNIX_EPOCH;
        }
        let active = stage.active.as_mut();
        if let Some(at) = active.and_then(|active| active.mixed_since.as_mut()) {
            *at = Timestamp::UNIX_EPOCH;
        }
        let offers = stage.waiting.iter_mut();
        for offer in offers.chain(stage.active.iter_mut().map(|active| &mut active.offer)) {
            for approval in &mut offer.approvals {
                approval.at = Timestamp::UNIX_EPOCH;
            }
            // Only an approval's expiry is counted from it.
            let asked = matches!(offer.on, Some(WaitingOn::Approval { .. }));
            if !asked && offer.approvals.is_empty() {
                offer.offered_at = Timestamp::UNIX_EPOCH;
            }
        }
    }
    bare
}

/// A piece of a printed state.
enum Token<'a> {
    Text(&'a str),
    Id(u64),
    Time(Timestamp),
}

/// Cuts a printed state into ids, times and what is between them.
struct Tokens<'a> {
    rest: &'a str,
    next: Option<Token<'a>>,
}

/// What ids begin with, printed and displayed.
const ID_MARKS: [&str; 2] = ["seq: ", "web/"];
/// A time is printed as `2026-11-23T10:00:00Z`; this is where its first `-` stands.
const YEAR: usize = 4;
/// The longest a time prints, in bytes: with nanoseconds.
const TIME_MAX: usize = 32;

impl<'a> Tokens<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            rest: text,
            next: None,
        }
    }

    /// The first id or time in the rest: where it begins, where it ends, and what it is.
    fn first(&self) -> Option<(usize, usize, Token<'a>)> {
        let bytes = self.rest.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            let found = match byte {
                b's' | b'w' => self.id_at(at),
                b'0'..=b'9' if bytes.get(at + YEAR) == Some(&b'-') => self.time_at(at),
                _ => None,
            };
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn id_at(&self, at: usize) -> Option<(usize, usize, Token<'a>)> {
        let here = self.rest.get(at..)?;
        let mark = ID_MARKS.iter().find(|mark| here.starts_with(**mark))?;
        let digits = here.get(mark.len()..)?;
        let end = digits.find(|c: char| !c.is_ascii_digit());
        let end = end.unwrap_or(digits.len());
        let id = digits.get(..end)?.parse().ok()?;
        let begin = at + mark.len();
        Some((begin, begin + end, Token::Id(id)))
    }

    fn time_at(&self, at: usize) -> Option<(usize, usize, Token<'a>)> {
        let here = self.rest.get(at..)?;
        let text = here.get(..=here.find('Z')?)?;
        let time = Some(text)
            .filter(|text| text.len() <= TIME_MAX)?
            .parse()
            .ok()?;
        Some((at, at + text.len(), Token::Time(time)))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(token) = self.next.take() {
            return Some(token);
        }
        if self.rest.is_empty() {
            return None;
        }
        let Some((begin, end, token)) = self.first() else {
            return Some(Token::Text(std::mem::take(&mut self.rest)));
        };
        let (before, rest) = (self.rest.get(..begin), self.rest.get(end..));
        self.rest = rest.unwrap_or_default();
        self.next = Some(token);
        before.map(Token::Text)
    }
}
