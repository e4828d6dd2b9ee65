//! Keeping the books: what each entry changes of them. Kept apart from the domain's own fold, so
//! that a mistake there is not made here too.

use std::collections::{BTreeMap, BTreeSet};

use domain::config::ServiceConfig;
use domain::entry::{Actor, Purpose};
use domain::pipeline::Phase;
use domain::{Entry, EntryId, ReleaseNumber, StageName, Timestamp, What};

use super::{Book, Offered};

impl Book {
    /// Books an entry that was folded in.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    pub(super) fn keep(&mut self, entry: &Entry, now: Timestamp) {
        match &entry.what {
            What::Configured { config } => self.reconfigure(config),
            What::Released { release } => {
                self.artefacts.insert(release.artefact.id(), release.number);
            }
            What::Offered { .. } => self.offer(entry),
            What::Overridden {
                deployment,
                despite,
                ..
            } => {
                let findings = despite.findings.is_some();
                self.change(deployment, |offer| {
                    offer.by_hand = true;
                    offer.despite_findings = findings;
                });
            }
            What::Scanned { release, scan } => {
                self.scans.insert(*release, scan.clone());
            }
            What::Approved {
                deployment,
                by,
                stage,
                ..
            } => {
                let runs = self.pipeline.stages.get(stage).and_then(|one| one.runs);
                self.change(deployment, |offer| {
                    offer.approvals.insert(by.clone(), runs);
                });
            }
            What::ApprovalsVoided { deployment, .. } => {
                self.change(deployment, |offer| offer.approvals.clear());
            }
            What::Adopted { stage, release, .. } => self.good(stage, *release),
            What::Begun {
                stage,
                release,
                deployment,
                ..
            } => {
                let offer = self.offers.get(deployment);
                if let Some(offer) = offer.filter(|one| one.purpose == Purpose::Release) {
                    let begun = self.begun.entry(stage.clone()).or_default();
                    // Who goes backwards by hand means it: from there it goes on.
                    if offer.by_hand {
                        begun.clear();
                    }
                    begun.insert(*release);
                }
            }
            What::Quarantined { stage, release } => {
                self.good.entry(stage.clone()).or_default().remove(release);
                self.quarantined.insert((stage.clone(), *release));
            }
            What::Frozen { stage, freeze } => {
                self.freezes.insert(stage.clone(), freeze.clone());
            }
            What::Thawed { stage } => {
                self.freezes.remove(stage);
            }
            _ => self.keep_course(entry),
        }
        self.note_what_ceased(now);
    }

    /// What undoes and ends deployments.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    fn keep_course(&mut self, entry: &Entry) {
        match &entry.what {
            What::StopAsked {
                deployment, cause, ..
            } => {
                let automatic = cause.is_automatic();
                self.change(deployment, |offer| offer.automatic = automatic);
            }
            What::ReturnAsked {
                deployment,
                cause,
                order,
                ..
            } => {
                let automatic = cause.is_automatic();
                self.change(deployment, |offer| {
                    offer.automatic = automatic;
                    offer.returns.insert(order.attempt.clone());
                });
            }
            What::RollbackAdopted { deployment, .. } => {
                self.change(deployment, |offer| offer.automatic = true);
            }
            What::Succeeded {
                stage,
                deployment,
                release,
            } => {
                self.good(stage, *release);
                self.change(deployment, |offer| offer.ends += 1);
            }
            What::RolledBack {
                stage, deployment, ..
            } => {
                self.change(deployment, |offer| {
                    offer.undone = true;
                    offer.ends += 1;
                });
                if self.offers.get(deployment).is_some_and(|one| one.automatic) {
                    let times = self.rollbacks.entry(stage.clone()).or_default();
                    times.push(entry.at);
                }
            }
            What::Failed { deployment, .. }
            | What::Unproven { deployment, .. }
            | What::RollbackFailed { deployment, .. }
            | What::Dropped { deployment, .. } => {
                self.change(deployment, |offer| offer.ends += 1);
            }
            _ => {}
        }
    }

    fn offer(&mut self, entry: &Entry) {
        let What::Offered {
            stage,
            release,
            purpose,
            despite,
        } = &entry.what
        else {
            return;
        };
        let id = EntryId {
            service: self.pipeline.service.clone(),
            seq: entry.seq,
        };
        let offered = Offered {
            stage: stage.clone(),
            release: *release,
            purpose: *purpose,
            offered_at: entry.at,
            by_hand: matches!(entry.actor, Actor::Person(_)),
            despite_findings: despite.findings.is_some(),
            approvals: BTreeMap::new(),
            ends: 0,
            alarmed: false,
            undone: false,
            automatic: false,
            returns: BTreeSet::new(),
        };
        self.offers.insert(id, offered);
    }

    fn change(&mut self, deployment: &EntryId, by: impl FnOnce(&mut Offered)) {
        if let Some(offer) = self.offers.get_mut(deployment) {
            by(offer);
        }
    }

    fn good(&mut self, stage: &StageName, release: ReleaseNumber) {
        self.good.entry(stage.clone()).or_default().insert(release);
        self.ever_good.insert((stage.clone(), release));
        self.quarantined.remove(&(stage.clone(), release));
    }

    /// A stage that is new, or deploys to something else now, has no past; approvals are for the
    /// configuration they were given under.
    fn reconfigure(&mut self, config: &ServiceConfig) {
        let before = self.config.replace(config.clone());
        for stage in &config.stages {
            let before = before.as_ref().and_then(|one| one.stage(&stage.name));
            if before != Some(stage) {
                let mut offers = self.offers.values_mut();
                while let Some(offer) = offers.find(|offer| offer.stage == stage.name) {
                    offer.approvals.clear();
                }
            }
        }
        self.alarms
            .retain(|arn, _| config.stages.iter().any(|stage| stage.alarms.contains(arn)));
        let there: BTreeSet<&StageName> = config.stages.iter().map(|stage| &stage.name).collect();
        self.freezes
            .retain(|of, _| of.as_ref().is_none_or(|of| there.contains(of)));
        self.good.retain(|stage, _| there.contains(stage));
        self.begun.retain(|stage, _| there.contains(stage));
        self.rollbacks.retain(|stage, _| there.contains(stage));
        self.quarantined.retain(|(stage, _)| there.contains(stage));
    }

    /// Attempts that were asked for and are no longer what their stage does.
    fn note_what_ceased(&mut self, now: Timestamp) {
        let wanted: BTreeSet<&EntryId> = self
            .pipeline
            .stages
            .values()
            .filter_map(|stage| stage.active.as_ref())
            .filter(|active| match &active.phase {
                Phase::Starting { .. } | Phase::InProgress { .. } | Phase::Baking { .. } => true,
                Phase::RollingBack { how, .. } => *how == domain::pipeline::How::Return,
            })
            .map(|active| &active.attempt)
            .collect();
        let wanted: BTreeSet<EntryId> = wanted.into_iter().cloned().collect();
        for gone in self.current.difference(&wanted) {
            self.ceased.insert(gone.clone(), now);
        }
        self.ceased.retain(|attempt, _| !wanted.contains(attempt));
        self.current = wanted;
    }
}
