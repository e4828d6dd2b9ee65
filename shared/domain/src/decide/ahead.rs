//! What would have to happen next: the same rules, asked for an answer instead of for entries. No
//! second opinion lives here; what nobody has decided yet is decided on trial and thrown away.

use jiff::Timestamp;

use super::{Recalled, decide, gate};
use crate::apply::Illegal;
use crate::artefact::Release;
use crate::config::StageConfig;
use crate::fact::{Asked, Despite, Fact, Request, RequestId};
use crate::name::{Identity, ReleaseNumber, StageName};
use crate::pipeline::{Active, Phase, Pipeline, Stage, WaitingOn};
use crate::reason::{Reason, Verdict};

/// Who asks on trial. No rule that is asked here looks at the asker.
const NOBODY: &str = "nobody";

/// How a release stands towards a stage, and what would have to happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ahead {
    /// It is being deployed there, or undone: the platform and the clock have to do their part.
    UnderWay {
        /// What is being done.
        active: Box<Active>,
    },
    /// It waits there, for all of this, in the order in which it is looked at. Nothing is left only
    /// in the moment before it starts.
    Waits {
        /// For what.
        on: Vec<WaitingOn>,
    },
    /// It runs there: nothing has to happen.
    Runs,
    /// It should run there, and something else does: a person has to say what becomes of that.
    Drifted,
    /// Nothing offers it there by itself. A person may, and then it waits for this.
    NeedsPromotion {
        /// For what.
        on: Vec<WaitingOn>,
    },
    /// Not even a person can put it there before this has changed.
    Barred {
        /// The rule's word.
        by: Reason,
    },
}

/// How `release` stands towards the stage `name`.
///
/// # Errors
/// When the snapshot contradicts itself.
pub fn ahead(
    pipeline: &Pipeline,
    name: &StageName,
    release: &Release,
    now: Timestamp,
) -> Result<Ahead, Illegal> {
    let Some((config, stage)) = pipeline.stage(name) else {
        let by = Reason::NoSuchStage {
            stage: name.clone(),
        };
        return Ok(Ahead::Barred { by });
    };
    if let Some(active) = &stage.active
        && concerns(active, release.number)
    {
        let active = Box::new(active.clone());
        return Ok(Ahead::UnderWay { active });
    }
    if let Some(on) = waits(pipeline, config, stage, release.number, now) {
        return Ok(Ahead::Waits { on });
    }
    if stage.runs == Some(release.number) && stage.active.is_none() {
        return Ok(Ahead::Runs);
    }
    if stage.should_run() == Some(release.number) && stage.active.is_none() {
        return Ok(Ahead::Drifted);
    }
    promoted(pipeline, name, release, now)
}

/// Whether what a stage does is about a release: it brings it, takes it back, or goes back to it.
fn concerns(active: &Active, release: ReleaseNumber) -> bool {
    let comes_back = match &active.phase {
        Phase::RollingBack { to, .. } => *to == Some(release),
        Phase::Starting { .. } | Phase::InProgress { .. } | Phase::Baking { .. } => false,
    };
    active.offer.release == release || comes_back
}

fn waits(
    pipeline: &Pipeline,
    config: &StageConfig,
    stage: &Stage,
    release: ReleaseNumber,
    now: Timestamp,
) -> Option<Vec<WaitingOn>> {
    let at = stage
        .waiting
        .iter()
        .position(|offer| offer.release == release)?;
    Some(gate::waits_for(pipeline, config, stage, at, now))
}

/// What a person's promotion would come to, decided on trial.
fn promoted(
    pipeline: &Pipeline,
    name: &StageName,
    release: &Release,
    now: Timestamp,
) -> Result<Ahead, Illegal> {
    let asked = Fact::Asked(Asked {
        id: RequestId(NOBODY.to_owned()),
        by: Identity(NOBODY.to_owned()),
        request: Request::Promote {
            stage: name.clone(),
            release: release.number,
            despite: Despite::default(),
        },
    });
    let recalled = Recalled::Release(Box::new(release.clone()));
    let trial = decide(pipeline, &recalled, &asked, now)?;
    if trial.verdict() == Verdict::Refused {
        return Ok(Ahead::Barred { by: trial.reason });
    }
    let on = trial
        .after
        .stage(name)
        .and_then(|(config, stage)| waits(&trial.after, config, stage, release.number, now))
        .unwrap_or_default();
    Ok(Ahead::NeedsPromotion { on })
}
