//! What an entry changes of one stage, and what it needs to find there.

use jiff::Timestamp;

use super::{At, Illegal, ROLLBACKS_COUNT_FOR, push_bounded};
use crate::due::{CLEAR_WITHIN, after};
use crate::entry::{Call, Purpose};
use crate::name::{EntryId, Identity, ReleaseNumber};
use crate::pipeline::{
    Active, Approval, Cause, GOOD_KEPT, How, Offer, Phase, QUARANTINED_KEPT, Stage,
};

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

    pub(super) fn adopt(&mut self, release: ReleaseNumber) {
        make_good(self.stage, release);
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
        make_good(self.stage, release);
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
        let stage = &mut *self.stage;
        stage.runs = to;
        if cause.is_automatic() {
            stage
                .rollbacks
                .retain(|earlier| after(*earlier, ROLLBACKS_COUNT_FOR) > now);
            stage.rollbacks.push(now);
        }
        stage.recovers_until = (!firing.is_empty()).then(|| after(now, CLEAR_WITHIN));
        Ok(())
    }
}

fn make_good(stage: &mut Stage, release: ReleaseNumber) {
    stage.good.retain(|good| *good != release);
    push_bounded(&mut stage.good, release, GOOD_KEPT);
    stage.runs = Some(release);
}
