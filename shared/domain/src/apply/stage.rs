//! What an entry changes of one stage, and what it needs to find there.

use jiff::Timestamp;

use super::{At, Illegal, ROLLBACKS_COUNT_FOR, push_bounded};
use crate::artefact::Content;
use crate::drift::{ApiCall, CALLS_KEPT, Drift};
use crate::due::{CLEAR_WITHIN, after};
use crate::entry::{Call, Purpose};
use crate::name::{EntryId, Identity, ReleaseNumber};
use crate::pipeline::{Active, Approval, Cause, GOOD_KEPT, How, Offer, Phase, QUARANTINED_KEPT};

impl At<'_> {
    pub(super) fn offer(&mut self, deployment: &EntryId) -> Result<&mut Offer, Illegal> {
        let illegal = self.illegal(deployment);
        let mut waiting = self.stage.waiting.iter_mut();
        waiting.find(|offer| offer.id == *deployment).ok_or(illegal)
    }

    pub(super) fn active(&mut self, deployment: &EntryId) -> Result<&mut Active, Illegal> {
        let illegal = self.illegal(deployment);
        let active = self.stage.active.as_mut();
        active
            .filter(|active| active.offer.id == *deployment)
            .ok_or(illegal)
    }

    /// Whoever adopts it vouches for it, even if it was rolled back before.
    pub(super) fn adopt(&mut self, release: ReleaseNumber) {
        self.make_good(release);
        self.stage.quarantined.remove(&release);
        self.stage.newest = self.stage.newest.max(Some(release));
    }

    pub(super) fn approve(&mut self, deployment: &EntryId, by: &Identity) -> Result<(), Illegal> {
        let over = self.stage.runs;
        let approval = Approval {
            by: by.clone(),
            at: self.entry.at,
            over,
        };
        self.offer(deployment)?.approvals.push(approval);
        Ok(())
    }

    /// A deployment whose start was held before anything was begun waits again, first in line.
    pub(super) fn put_back(&mut self, deployment: &EntryId) -> Result<(), Illegal> {
        if self
            .stage
            .active
            .as_ref()
            .is_none_or(|active| active.offer.id != *deployment)
        {
            return Ok(());
        }
        match self.stage.active.take() {
            Some(Active {
                offer,
                phase:
                    Phase::Starting { .. }
                    | Phase::RollingBack {
                        how: How::Stop,
                        cause: Cause::Alarm { .. },
                        ..
                    },
                ..
            }) => {
                self.stage.waiting.insert(0, offer);
                Ok(())
            }
            Some(_) | None => Err(self.illegal(deployment)),
        }
    }

    /// A first start takes an offer out of the queue; a repeated one counts.
    pub(super) fn start(&mut self, deployment: &EntryId, mark: &EntryId) -> Result<(), Illegal> {
        let now = self.entry.at;
        if self.stage.active.is_some() {
            let illegal = self.illegal(deployment);
            let Phase::Starting { asked_at, tries } = &mut self.active(deployment)?.phase else {
                return Err(illegal);
            };
            *asked_at = now;
            *tries += 1;
            return Ok(());
        }
        let place = self
            .stage
            .waiting
            .iter()
            .position(|offer| offer.id == *deployment);
        let place = place.ok_or_else(|| self.illegal(deployment))?;
        let mut offer = self.stage.waiting.remove(place);
        offer.on = None;
        self.stage.active = Some(Active {
            offer,
            attempt: mark.clone(),
            over: self.stage.runs,
            phase: Phase::Starting {
                asked_at: now,
                tries: 1,
            },
            condemned: None,
            mixed_since: None,
        });
        Ok(())
    }

    pub(super) fn begin(
        &mut self,
        deployment: &EntryId,
        platform_id: &str,
        started_at: Timestamp,
    ) -> Result<(), Illegal> {
        let illegal = self.illegal(deployment);
        let active = self.active(deployment)?;
        if !matches!(active.phase, Phase::Starting { .. }) {
            return Err(illegal);
        }
        active.phase = Phase::InProgress {
            platform_id: platform_id.to_owned(),
            started_at,
        };
        let (release, purpose) = (active.offer.release, active.offer.purpose);
        if purpose == Purpose::Release {
            self.stage.newest = self.stage.newest.max(Some(release));
        }
        Ok(())
    }

    pub(super) fn bake(&mut self, deployment: &EntryId, until: Timestamp) -> Result<(), Illegal> {
        let illegal = self.illegal(deployment);
        let active = self.active(deployment)?;
        let Phase::InProgress {
            platform_id,
            started_at,
        } = &active.phase
        else {
            return Err(illegal);
        };
        let (platform_id, started_at) = (platform_id.clone(), *started_at);
        active.phase = Phase::Baking {
            platform_id,
            started_at,
            until,
        };
        active.mixed_since = None;
        Ok(())
    }

    /// A stop may turn into a return, and either may be asked again; nothing else follows an
    /// undoing.
    pub(super) fn undo(
        &mut self,
        deployment: &EntryId,
        cause: Cause,
        how: How,
        to: Option<ReleaseNumber>,
    ) -> Result<(), Illegal> {
        let (illegal, asked_at) = (self.illegal(deployment), self.entry.at);
        let active = self.active(deployment)?;
        let tries = match &active.phase {
            Phase::RollingBack {
                how: was, tries, ..
            } if *was == how => tries.saturating_add(1),
            Phase::RollingBack {
                how: How::Return | How::Adopted,
                ..
            } => return Err(illegal),
            Phase::Starting { .. }
            | Phase::InProgress { .. }
            | Phase::Baking { .. }
            | Phase::RollingBack { how: How::Stop, .. } => 1,
        };
        active.phase = Phase::RollingBack {
            cause,
            how,
            to,
            asked_at,
            tries,
        };
        active.mixed_since = None;
        Ok(())
    }

    pub(super) fn quarantine(&mut self, release: ReleaseNumber) {
        self.stage.good.retain(|good| *good != release);
        self.stage.quarantined.insert(release);
        while self.stage.quarantined.len() > QUARANTINED_KEPT {
            self.stage.quarantined.pop_first();
        }
    }

    pub(super) fn call(&mut self, call: &Call) {
        match call {
            Call::NothingToReturnTo { problem, .. } | Call::Irreversible { problem, .. } => {
                if let Some(active) = &mut self.stage.active {
                    active.condemned = Some(problem.clone());
                }
            }
            Call::StillFiring { .. } => self.stage.recovers_until = None,
            // What was given up landed all the same: nobody knows what runs now.
            Call::LateAction { .. } => self.stage.runs = None,
            Call::RollbackFailed { .. }
            | Call::TooManyRollbacks { .. }
            | Call::ReturnedElsewhere { .. }
            | Call::RunsSomethingElse { .. }
            | Call::ActionRefused { .. } => {}
        }
    }

    /// Takes the active deployment away; its phase was the answered one.
    pub(super) fn end(&mut self, deployment: &EntryId) -> Result<Phase, Illegal> {
        self.active(deployment)?;
        let ended = self.stage.active.take();
        ended
            .map(|active| active.phase)
            .ok_or_else(|| self.illegal(deployment))
    }

    pub(super) fn succeed(
        &mut self,
        deployment: &EntryId,
        release: ReleaseNumber,
    ) -> Result<(), Illegal> {
        self.end(deployment)?;
        self.make_good(release);
        self.stage.quarantined.remove(&release);
        Ok(())
    }

    pub(super) fn rolled_back(
        &mut self,
        deployment: &EntryId,
        to: Option<ReleaseNumber>,
        firing: &[String],
    ) -> Result<(), Illegal> {
        let Phase::RollingBack { cause, .. } = self.end(deployment)? else {
            return Err(self.illegal(deployment));
        };
        let now = self.entry.at;
        self.runs(to);
        let stage = &mut *self.stage;
        if cause.is_automatic() {
            stage
                .rollbacks
                .retain(|earlier| after(*earlier, ROLLBACKS_COUNT_FOR) > now);
            stage.rollbacks.push(now);
        }
        stage.recovers_until = (!firing.is_empty()).then(|| after(now, CLEAR_WITHIN));
        Ok(())
    }

    fn make_good(&mut self, release: ReleaseNumber) {
        self.stage.good.retain(|good| *good != release);
        push_bounded(&mut self.stage.good, release, GOOD_KEPT);
        self.runs(Some(release));
    }

    /// What runs now. Once that is known, the stage is no longer drifted.
    pub(super) fn runs(&mut self, release: Option<ReleaseNumber>) {
        self.stage.runs = release;
        if release.is_some() {
            self.stage.drift = None;
        }
    }

    /// Somebody else called. CloudTrail is late: what the call did may have been found before.
    pub(super) fn hear_of(&mut self, call: &ApiCall) {
        push_bounded(&mut self.stage.calls, call.clone(), CALLS_KEPT);
        if let Some(drift) = &mut self.stage.drift
            && drift.by.is_none()
            && call.refused.is_none()
            && call.at <= drift.since
        {
            drift.by = Some(call.clone());
        }
    }

    /// Nothing of ours runs as long as the stage is drifted.
    pub(super) fn drift(
        &mut self,
        expected: ReleaseNumber,
        others: &[Content],
        by: Option<&ApiCall>,
    ) {
        let known = self.stage.drift.as_ref().map(|drift| drift.since);
        self.stage.drift = Some(Drift {
            since: known.unwrap_or(self.entry.at),
            expected,
            others: others.to_vec(),
            by: by.cloned(),
        });
        self.stage.runs = None;
    }
}
