//! Invariant 9 for the switch for all: nothing begins while everything is frozen, on any stage of
//! any service. What was looked at right before it was turned may still go through.

use domain::entry::{Order, Purpose};
use domain::pipeline::Freeze;
use domain::{Commit, EntryId, Timestamp, What, due};

use super::{Audit, Book, LOOKED_WITHIN, SKEW};

/// The switch for all as it is, and since when everything has been frozen.
#[derive(Debug, Default)]
pub(super) struct Everything(Option<(Freeze, Timestamp)>);

impl Everything {
    /// Books a commit of the reserved pipeline.
    pub(super) fn note(&mut self, commit: &Commit, now: Timestamp) {
        for sealed in &commit.entries {
            if let What::Switched { switch } = &sealed.entry.what {
                let before = self.0.take().filter(|(freeze, _)| freeze.holds(now));
                let since = before.map_or(now, |(_, since)| since);
                self.0 = switch.freeze.clone().map(|freeze| (freeze, since));
            }
        }
    }

    /// Whether it holds by any clock, and has for longer than a look is old.
    pub(super) fn holds(&self, now: Timestamp) -> bool {
        self.0.as_ref().is_some_and(|(freeze, since)| {
            let looked = due::after(*since, LOOKED_WITHIN) < now;
            looked && freeze.holds(due::after(now, SKEW))
        })
    }
}

impl Audit {
    /// Whether an act begins a deployment although everything is frozen.
    pub(super) fn begins_frozen(&self, book: &Book, of: &EntryId, now: Timestamp) -> bool {
        let forward = |id| {
            book.offers
                .get(id)
                .is_some_and(|offer| offer.purpose == Purpose::Release)
        };
        self.everything.holds(now) && forward(of)
    }
}

impl Book {
    /// Whether an entry asks for a deployment that has not been asked for before.
    pub(super) fn begins(&self, deployment: &EntryId, order: &Order) -> bool {
        let offer = self.offers.get(deployment);
        let stage = self.pipeline.stages.get(&order.stage);
        offer.is_some_and(|offer| offer.purpose == Purpose::Release)
            && stage.is_none_or(|stage| stage.active.is_none())
    }
}
