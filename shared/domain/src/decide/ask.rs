//! What people ask for. Who may ask at all is IAM's business; who may approve is the gate's.

use std::sync::Arc;

use super::{Draft, Recalled, arrive, configure, drift, gate, press, scan, switch, undo};
use crate::config::{ApprovalRule, AuthorMay};
use crate::entry::{Drop, Purpose, What};
use crate::fact::{Asked, Despite, Request};
use crate::name::{Identity, ReleaseNumber, StageName};
use crate::pipeline::{Cause, Freeze, Offer, Phase};
use crate::reason::Reason;
use jiff::Timestamp;

/// Why a promotion passes a drift.
const BY_HAND: &str = "promoted by hand";

pub(super) fn asked(draft: &mut Draft, recalled: &Recalled, asked: &Asked) -> Reason {
    if draft.pipeline.requests.contains(&asked.id) {
        return Reason::RequestKnown;
    }
    if draft.pipeline.service.is_everything() {
        return switch::asked(draft, &asked.by, &asked.request);
    }
    if let Request::Configure { config, found } = &asked.request {
        return configure::configure(draft, config, found);
    }
    if draft.pipeline.config.is_none() {
        return Reason::NoSuchService;
    }
    let by = &asked.by;
    match &asked.request {
        Request::Configure { .. } => Reason::NothingNew,
        Request::Approve {
            stage,
            release,
            reason,
        } => approve(draft, stage, *release, by, reason.clone()),
        Request::Reject {
            stage,
            release,
            reason,
        } => reject(draft, stage, *release, by, reason.clone()),
        Request::Press(pressed) => press::press(draft, pressed, by),
        Request::Promote {
            stage,
            release,
            despite,
        } => promote(draft, recalled, stage, *release, despite),
        Request::Rollback { stage, to, reason } => roll_back(draft, stage, *to, by, reason),
        Request::Cancel {
            stage,
            release,
            reason,
        } => {
            let end = Drop::Cancelled {
                by: by.clone(),
                reason: reason.clone(),
            };
            drop_offer(draft, stage, *release, end)
        }
        Request::Adopt {
            stage,
            reason,
            found,
        } => drift::adopt(draft, stage, by, reason, found.as_deref()),
        Request::Restore { stage } => drift::restore(draft, stage),
        Request::Freeze {
            stage,
            reason,
            until,
        } => freeze(draft, stage.as_ref(), by, reason, *until),
        Request::Thaw { stage } => thaw(draft, stage.as_ref()),
        Request::Announce => announce(draft, by),
    }
}

/// Goes the way that every announcement goes, so that a person sees whether it arrives.
pub(super) fn announce(draft: &mut Draft, by: &Identity) -> Reason {
    let what = What::TestAnnounced { by: by.clone() };
    draft.write(what, Reason::PersonAsked);
    Reason::PersonAsked
}

pub(super) fn no_stage(stage: &StageName) -> Reason {
    Reason::NoSuchStage {
        stage: stage.clone(),
    }
}

fn author_of(draft: &Draft, release: ReleaseNumber) -> Option<String> {
    draft.pipeline.releases.get(&release)?.build.author.clone()
}

fn may_decide(draft: &Draft, stage: &StageName, by: &Identity) -> bool {
    let rule = draft
        .pipeline
        .stage(stage)
        .and_then(|(config, _)| gate::approval_rule(config));
    rule.is_none_or(|rule| rule.approvers.iter().any(|pattern| by.matches(pattern)))
}

fn find_offer(draft: &Draft, stage: &StageName, release: ReleaseNumber) -> Result<Offer, Reason> {
    let Some((_, state)) = draft.pipeline.stage(stage) else {
        return Err(no_stage(stage));
    };
    if let Some(offer) = state.waiting.iter().find(|offer| offer.release == release) {
        return Ok(offer.clone());
    }
    let on_its_way = state
        .active
        .as_ref()
        .is_some_and(|active| active.offer.release == release);
    if on_its_way || state.runs == Some(release) {
        return Err(Reason::AlreadyThere);
    }
    if release.0 == 0 || release.0 > draft.pipeline.last_release {
        return Err(Reason::NoSuchRelease { release });
    }
    Err(Reason::NotWaiting {
        instead: state.waiting.first().map(|offer| offer.release),
    })
}

/// An approval is for exactly this release on exactly this stage, by somebody the rule names, who
/// did not write it, once each.
pub(super) fn approve(
    draft: &mut Draft,
    stage: &StageName,
    release: ReleaseNumber,
    by: &Identity,
    reason: Option<String>,
) -> Reason {
    let Some((config, _)) = draft.pipeline.stage(stage) else {
        return no_stage(stage);
    };
    let rule = gate::approval_rule(config);
    // Who asks comes first: whoever may not approve hears that, also when there is nothing left to
    // approve.
    if let Some(refused) = rule.and_then(|rule| may_not_approve(draft, rule, release, by)) {
        return refused;
    }
    let offer = match find_offer(draft, stage, release) {
        Ok(offer) => offer,
        Err(reason) => return reason,
    };
    let Some(rule) = rule else {
        return Reason::NoApprovalNeeded;
    };
    if offer.approvals.iter().any(|approval| approval.by == *by) {
        return Reason::ApprovedAlready;
    }
    let expires_at = crate::due::after(offer.offered_at, rule.expires_after);
    if expires_at <= draft.now && offer.approvals.len() < rule.count as usize {
        return Reason::ApprovalExpired;
    }
    let what = What::Approved {
        stage: stage.clone(),
        deployment: offer.id,
        release,
        by: by.clone(),
        reason,
    };
    draft.write(what, Reason::PersonAsked);
    Reason::PersonAsked
}

/// Whoever may say yes may say no, and so may who wrote it.
pub(super) fn reject(
    draft: &mut Draft,
    stage: &StageName,
    release: ReleaseNumber,
    by: &Identity,
    reason: String,
) -> Reason {
    let author = author_of(draft, release).is_some_and(|author| by.is_author(&author));
    if !author && !may_decide(draft, stage, by) {
        return Reason::NotAnApprover;
    }
    let end = Drop::Rejected {
        by: by.clone(),
        reason,
    };
    drop_offer(draft, stage, release, end)
}

/// Why somebody may not approve a release, whatever waits.
fn may_not_approve(
    draft: &Draft,
    rule: &ApprovalRule,
    release: ReleaseNumber,
    by: &Identity,
) -> Option<Reason> {
    if !rule.approvers.iter().any(|pattern| by.matches(pattern)) {
        return Some(Reason::NotAnApprover);
    }
    let author = author_of(draft, release);
    let own = author.is_some_and(|author| by.is_author(&author));
    (own && rule.author == AuthorMay::NotApprove).then_some(Reason::AuthorMayNotApprove)
}

fn drop_offer(draft: &mut Draft, stage: &StageName, release: ReleaseNumber, end: Drop) -> Reason {
    let offer = match find_offer(draft, stage, release) {
        Ok(offer) => offer,
        Err(reason) => return reason,
    };
    let what = What::Dropped {
        stage: stage.clone(),
        deployment: offer.id,
        release,
        end,
    };
    draft.write(what, Reason::PersonAsked);
    Reason::PersonAsked
}

/// A person offers a release to a stage. It still passes the stage's gate.
fn promote(
    draft: &mut Draft,
    recalled: &Recalled,
    name: &StageName,
    release: ReleaseNumber,
    despite: &Despite,
) -> Reason {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return no_stage(name);
    };
    let known = draft.pipeline.releases.contains_key(&release);
    let recall = match recalled {
        Recalled::Release(recalled) if recalled.number == release => {
            Some(Arc::from(recalled.clone()))
        }
        Recalled::Release(_) | Recalled::Artefact(_) | Recalled::Nothing => None,
    };
    if !known && recall.is_none() {
        return Reason::NoSuchRelease { release };
    }
    // Who names a release and a drifted stage means it.
    let despite = &Despite {
        drift: stage.drift.as_ref().map(|_| BY_HAND.to_owned()),
        ..despite.clone()
    };
    if stage.quarantined.contains(&release) && despite.quarantine.is_none() {
        return Reason::Quarantined;
    }
    if let Some(findings) = scan::too_bad(&draft.pipeline, release)
        && despite.findings.is_none()
    {
        return Reason::Vulnerable { findings };
    }
    let before = draft
        .pipeline
        .config
        .as_ref()
        .and_then(|config| config.stage_before(name));
    if let Some(before) = before.map(|stage| stage.name.clone()) {
        let state = draft.pipeline.stages.get(&before);
        if !state.is_some_and(|state| state.good.contains(&release)) {
            return Reason::NotGoodBefore { stage: before };
        }
    }
    if stage
        .active
        .as_ref()
        .is_some_and(|active| active.offer.release == release)
    {
        return Reason::AlreadyThere;
    }
    if stage.runs == Some(release) && stage.active.is_none() {
        return Reason::RunsAlready;
    }
    if let Some(offer) = stage.waiting.iter().find(|offer| offer.release == release) {
        return override_rules(draft, name, &offer.clone(), despite);
    }
    arrive::put(
        draft,
        name,
        release,
        Purpose::Release,
        despite.clone(),
        Reason::PersonAsked,
    );
    // After the offer: a release that no stage refers to is forgotten again at once.
    if let (false, Some(release)) = (known, recall) {
        draft.write(What::Recalled { release }, Reason::PersonAsked);
    }
    Reason::PersonAsked
}

fn override_rules(draft: &mut Draft, name: &StageName, offer: &Offer, despite: &Despite) -> Reason {
    let despite = Despite {
        quarantine: despite
            .quarantine
            .clone()
            .or_else(|| offer.despite.quarantine.clone()),
        alarm: despite
            .alarm
            .clone()
            .or_else(|| offer.despite.alarm.clone()),
        findings: despite
            .findings
            .clone()
            .or_else(|| offer.despite.findings.clone()),
        drift: despite
            .drift
            .clone()
            .or_else(|| offer.despite.drift.clone()),
    };
    if despite == offer.despite {
        return Reason::AlreadyThere;
    }
    let what = What::Overridden {
        stage: name.clone(),
        deployment: offer.id.clone(),
        release: offer.release,
        despite,
    };
    draft.write(what, Reason::PersonAsked);
    Reason::PersonAsked
}

/// A person rolls back: passes gate, windows and freezes, and freezes the stage, else the next
/// upload undoes it.
fn roll_back(
    draft: &mut Draft,
    name: &StageName,
    to: Option<ReleaseNumber>,
    by: &Identity,
    reason: &str,
) -> Reason {
    let Some((_, stage)) = draft.pipeline.stage(name) else {
        return no_stage(name);
    };
    let leaves = match &stage.active {
        Some(active) if active.offer.purpose == Purpose::Rollback => {
            return Reason::RollbackUnderWay;
        }
        Some(active) if matches!(active.phase, Phase::RollingBack { .. }) => {
            return Reason::RollbackUnderWay;
        }
        Some(active) => Some(active.offer.release),
        None => stage.runs,
    };
    if stage
        .waiting
        .iter()
        .any(|offer| offer.purpose == Purpose::Rollback)
    {
        return Reason::RollbackUnderWay;
    }
    let busy = stage.active.is_some();
    let to = match to {
        Some(to) if !stage.good.contains(&to) => return Reason::NeverGood { release: to },
        Some(to) => to,
        None => match stage.good_without(leaves) {
            Some(to) => to,
            None => return Reason::NothingToReturnTo,
        },
    };
    if Some(to) == leaves {
        return Reason::RunsAlready;
    }
    hold_after(draft, name, by, reason);
    if busy {
        let cause = Cause::Person {
            by: by.clone(),
            reason: reason.to_owned(),
        };
        undo::roll_back(draft, name, cause, Some(to));
        return Reason::PersonAsked;
    }
    if let Some(release) = leaves {
        let what = What::Quarantined {
            stage: name.clone(),
            release,
        };
        draft.write(what, Reason::WasRolledBack);
    }
    let despite = Despite::default();
    arrive::put(
        draft,
        name,
        to,
        Purpose::Rollback,
        despite,
        Reason::PersonAsked,
    );
    Reason::PersonAsked
}

fn hold_after(draft: &mut Draft, name: &StageName, by: &Identity, reason: &str) {
    let now = draft.now;
    let frozen = draft
        .pipeline
        .stages
        .get(name)
        .and_then(|stage| stage.freeze.as_ref());
    if frozen.is_some_and(|freeze| freeze.holds(now) && freeze.until.is_none()) {
        return;
    }
    let freeze = Freeze {
        by: Some(by.clone()),
        reason: format!("rolled back: {reason}"),
        since: now,
        until: None,
    };
    let what = What::Frozen {
        stage: Some(name.clone()),
        freeze,
    };
    draft.write(what, Reason::HoldAfterRollback);
}

fn freeze(
    draft: &mut Draft,
    stage: Option<&StageName>,
    by: &Identity,
    reason: &str,
    until: Option<Timestamp>,
) -> Reason {
    if until.is_some_and(|until| until <= draft.now) {
        return Reason::EndsInThePast;
    }
    let there = match stage {
        None => &draft.pipeline.freeze,
        Some(name) => match draft.pipeline.stage(name) {
            None => return no_stage(name),
            Some((_, state)) => &state.freeze,
        },
    };
    let now = draft.now;
    if there
        .as_ref()
        .is_some_and(|there| there.holds(now) && there.until == until && there.reason == reason)
    {
        return Reason::FrozenAlready;
    }
    let freeze = Freeze {
        by: Some(by.clone()),
        reason: reason.to_owned(),
        since: now,
        until,
    };
    draft.write(
        What::Frozen {
            stage: stage.cloned(),
            freeze,
        },
        Reason::PersonAsked,
    );
    Reason::PersonAsked
}

fn thaw(draft: &mut Draft, stage: Option<&StageName>) -> Reason {
    let there = match stage {
        None => &draft.pipeline.freeze,
        Some(name) => match draft.pipeline.stage(name) {
            None => return no_stage(name),
            Some((_, state)) => &state.freeze,
        },
    };
    if there.is_none() {
        return Reason::NotFrozen;
    }
    draft.write(
        What::Thawed {
            stage: stage.cloned(),
        },
        Reason::PersonAsked,
    );
    Reason::PersonAsked
}
