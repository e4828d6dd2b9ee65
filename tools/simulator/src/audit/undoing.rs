//! Invariant 5: what may be undone, where to, and what follows.

use domain::entry::{Order, Purpose};
use domain::pipeline::Cause;
use domain::{Commit, EntryId, Reason, ReleaseNumber, SignedDuration, StageName, What, due};

use super::Book;

/// How long an automatic rollback counts against its stage.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

impl Book {
    pub(super) fn is_good(&self, stage: &StageName, release: ReleaseNumber) -> bool {
        self.good
            .get(stage)
            .is_some_and(|good| good.contains(&release))
    }

    pub(super) fn check_undo(
        &self,
        deployment: &EntryId,
        stage: &StageName,
        to: ReleaseNumber,
        cause: &Cause,
        object: &mut impl FnMut(&str),
    ) {
        if !self.is_good(stage, to) {
            object("5: a rollback to a release that is not good there");
        }
        let Some(offer) = self.offers.get(deployment) else {
            return object("5: a rollback of nothing");
        };
        if offer.purpose == Purpose::Rollback && cause.is_automatic() {
            object("5: a rollback is rolled back");
        }
        if offer.undone || offer.ends > 0 {
            object("5: a deployment is rolled back after its end");
        }
        let irreversible = self
            .pipeline
            .releases
            .get(&offer.release)
            .is_some_and(|one| one.build.irreversible);
        if irreversible && cause.is_automatic() {
            object("5: an irreversible release is rolled back by itself");
        }
        if let Cause::Alarm { name } = cause {
            self.check_alarm_cause(stage, name, object);
        }
    }

    /// One deployment over it, and no other.
    pub(super) fn check_return(
        &self,
        deployment: &EntryId,
        order: &Order,
        object: &mut impl FnMut(&str),
    ) {
        let Some(offer) = self.offers.get(deployment) else {
            return;
        };
        let other = offer.returns.iter().any(|mark| *mark != order.attempt);
        if other {
            object("5: two rollbacks of one deployment");
        }
        let config = self.pipeline.config.as_ref();
        let config = config.and_then(|config| config.stage(&order.stage));
        if config.is_none_or(|one| one.target != order.target || one.place != order.place) {
            object("5: a rollback on another target than the stage's");
        }
        let released = self.pipeline.releases.get(&order.release);
        if released.is_none_or(|release| release.artefact != order.artefact) {
            object("5: a rollback to another artefact than the release's");
        }
    }

    /// The release is quarantined, and after many the stage is frozen.
    pub(super) fn after_rollback(
        &self,
        commit: &Commit,
        stage: &StageName,
        deployment: &EntryId,
        (release, to): (ReleaseNumber, Option<ReleaseNumber>),
        wrong: &mut Vec<String>,
    ) {
        let quarantined = commit.entries.iter().any(|one| {
            matches!(&one.entry.what, What::Quarantined { stage: at, release: one }
                if at == stage && *one == release)
        });
        if to != Some(release) && !quarantined {
            wrong.push(format!(
                "5: release {release} was rolled back and is not quarantined"
            ));
        }
        let Some(config) = self
            .pipeline
            .config
            .as_ref()
            .and_then(|one| one.stage(stage))
        else {
            return;
        };
        let automatic = self.offers.get(deployment).is_some_and(|one| one.automatic);
        let times = self.rollbacks.get(stage).map_or(&[][..], Vec::as_slice);
        let Some(last) = times.last().filter(|_| automatic) else {
            return;
        };
        let lately = times.iter().filter(|at| due::after(**at, A_DAY) > *last);
        let many = lately.count() >= config.rollbacks_per_day as usize;
        if many && !self.freezes.contains_key(&Some(stage.clone())) {
            wrong.push(format!("5: {stage} is not frozen after many rollbacks"));
        }
    }

    /// A person's rollback holds its stage. Restoring a drifted one does not: what waits was meant
    /// to come.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    pub(super) fn after_persons_rollback(&self, commit: &Commit, wrong: &mut Vec<String>) {
        for sealed in &commit.entries {
            let stage = match &sealed.entry.what {
                What::Offered {
                    stage,
                    purpose: Purpose::Rollback,
                    ..
                } if sealed.entry.why != Reason::StageDrifted => stage,
                What::StopAsked {
                    cause: Cause::Person { .. },
                    order,
                    ..
                } => &order.stage,
                What::ReturnAsked {
                    cause: Cause::Person { .. },
                    order,
                    ..
                } => &order.stage,
                _ => continue,
            };
            // Asked for again, it may have been thawed meanwhile.
            let first = sealed.entry.request.is_some();
            if first && !self.freezes.contains_key(&Some(stage.clone())) {
                wrong.push(format!("5: a person's rollback does not hold {stage}"));
            }
        }
    }
}
