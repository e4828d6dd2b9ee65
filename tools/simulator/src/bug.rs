//! Bugs that are planted on purpose: a simulator that cannot fail proves nothing. Most distort what
//! a handler reads, as a wrong rule would, and write what was decided on that.

use std::sync::Arc;

use clap::ValueEnum;
use domain::alarm::{AlarmSeen, Voice};
use domain::config::{Gate, SlackMay, Source, StageConfig};
use domain::fact::{Progress, Running};
use domain::pipeline::Snapshot;
use domain::{Artefact, Timestamp};
use engine::Loaded;

use crate::run::{Case, run};

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bug {
    /// 1: An artefact's event is acknowledged although its handler failed.
    LoseArtefact,
    /// 1: Artefacts that cannot be deployed become releases.
    BelieveArtefacts,
    /// 1: Image sources are looked through once, and never again.
    ForgetSources,
    /// 2: A deployment is begun without looking for one with the same mark.
    DeployTwice,
    /// 2: Deployer does not read the ledger again before it acts.
    DropFence,
    /// 2: Commits do not check the version they were decided on.
    SkipVersionCheck,
    /// 3: Gates let everything in.
    ForgetGate,
    /// 3: Buttons decide where the gate's rule takes none.
    ForgetFromSlack,
    /// 3: A button counts whenever its question was asked.
    AnswerAnew,
    /// 3: The stage before is not asked whether a release is good there.
    SkipStages,
    /// 3: Images are let in before they are scanned, and whatever their scan found.
    SkipScans,
    /// 3: What is deployed is another artefact than the release's.
    DeployNewest,
    /// 4: Alarms are never heard.
    DeafToAlarms,
    /// 4: Every change of an alarm counts as the newest.
    StaleAlarms,
    /// 4: Muted alarms act.
    HearMuted,
    /// 5: Whatever was ever deployed counts as good.
    AnyIsGood,
    /// 5: Quarantine is forgotten.
    ForgetQuarantine,
    /// 6: An attempt that the platform undid is taken for one that went well.
    UndoneIsSuccess,
    /// 6: A mixture counts as the release running everywhere.
    MixedIsAll,
    /// 6: What targets run is never compared with the ledger.
    ForgetToCompare,
    /// 7: The snapshot loses something that its entries say.
    LoseSnapshot,
    /// 8: The notifier takes a failed announcement for done.
    LoseAnnouncement,
    /// 9: Freezes hold nothing.
    ForgetFreeze,
    /// 9: The switch for all holds nothing.
    ForgetSwitch,
    /// 9: Windows hold nothing.
    ForgetWindows,
    /// 10: A clock is hours wrong and nobody minds.
    TrustClocks,
    /// Liveness: nothing is ever overdue.
    ForgetDue,
    /// A request is answered as done although its commit failed.
    PromiseTooMuch,
    /// Builds that are older than what runs are deployed.
    DeployBackwards,
}

/// So many seeds are enough to find each.
pub(crate) const ENOUGH: u64 = 200;

/// The first seed that finds a bug, and how it shows.
///
/// # Errors
/// When a scenario cannot be drawn.
pub(crate) fn find(bug: Bug) -> anyhow::Result<Option<(u64, String)>> {
    for seed in 0..ENOUGH {
        let case = Case {
            bug: Some(bug),
            ..Case::of(seed)
        };
        if let Some(first) = run(&case)?.violations.into_iter().next() {
            return Ok(Some((seed, first)));
        }
    }
    Ok(None)
}

fn take_buttons(stage: &mut StageConfig) {
    if let Gate::Approval(rule) = &mut stage.gate {
        rule.slack = SlackMay::Decide;
    }
}

impl Bug {
    /// What a handler reads under this bug.
    pub(crate) fn distort(self, loaded: &mut Loaded) {
        let pipeline: &mut Snapshot = &mut loaded.pipeline;
        let stages = pipeline.stages.values_mut();
        let config = pipeline.config.as_mut().map(Arc::make_mut);
        match self {
            Self::ForgetGate => {
                for stage in config.into_iter().flat_map(|one| &mut one.stages) {
                    stage.gate = Gate::Automatic;
                }
            }
            Self::ForgetFromSlack => {
                let stages = config.into_iter().flat_map(|one| &mut one.stages);
                stages.for_each(take_buttons);
            }
            Self::SkipScans => {
                if let Some(Source::Ecr { max_severity, .. }) = config.map(|one| &mut one.source) {
                    *max_severity = None;
                }
            }
            Self::ForgetWindows => {
                for stage in config.into_iter().flat_map(|one| &mut one.stages) {
                    stage.windows.clear();
                }
            }
            Self::ForgetFreeze => {
                pipeline.freeze = None;
                stages.for_each(|stage| stage.freeze = None);
            }
            Self::ForgetSwitch => {
                pipeline.switch.freeze = None;
                if let Some(switch) = &mut loaded.switch {
                    switch.freeze = None;
                }
            }
            Self::ForgetQuarantine => stages.for_each(|stage| stage.quarantined.clear()),
            Self::AnyIsGood => {
                let all: Vec<_> = pipeline.releases.keys().copied().collect();
                stages.for_each(|stage| stage.good.clone_from(&all));
            }
            Self::SkipStages => {
                if let Some(config) = config {
                    config.stages.reverse();
                }
            }
            Self::DeployBackwards => {
                for release in pipeline.releases.values_mut() {
                    Arc::make_mut(release).build.job = None;
                }
                stages.for_each(|stage| stage.newest = None);
            }
            Self::LoseArtefact
            | Self::ForgetSources
            | Self::ForgetToCompare
            | Self::BelieveArtefacts
            | Self::DeployTwice
            | Self::DropFence
            | Self::SkipVersionCheck
            | Self::DeployNewest
            | Self::DeafToAlarms
            | Self::StaleAlarms
            | Self::HearMuted
            | Self::UndoneIsSuccess
            | Self::MixedIsAll
            | Self::LoseSnapshot
            | Self::LoseAnnouncement
            | Self::TrustClocks
            | Self::ForgetDue
            | Self::AnswerAnew
            | Self::PromiseTooMuch => {}
        }
    }

    /// Whether what was decided has to be folded anew, because it was decided on something else.
    pub(crate) fn distorts(self) -> bool {
        match self {
            Self::ForgetGate
            | Self::ForgetWindows
            | Self::ForgetFreeze
            | Self::ForgetSwitch
            | Self::ForgetQuarantine
            | Self::AnyIsGood
            | Self::SkipStages
            | Self::SkipScans
            | Self::ForgetFromSlack
            | Self::DeployBackwards => true,
            Self::LoseArtefact
            | Self::ForgetSources
            | Self::ForgetToCompare
            | Self::BelieveArtefacts
            | Self::DeployTwice
            | Self::DropFence
            | Self::SkipVersionCheck
            | Self::DeployNewest
            | Self::DeafToAlarms
            | Self::StaleAlarms
            | Self::HearMuted
            | Self::UndoneIsSuccess
            | Self::MixedIsAll
            | Self::LoseSnapshot
            | Self::LoseAnnouncement
            | Self::TrustClocks
            | Self::ForgetDue
            | Self::AnswerAnew
            | Self::PromiseTooMuch => false,
        }
    }

    /// An alarm as a handler hears it under this bug.
    pub(crate) fn hears(self, seen: &AlarmSeen, now: Timestamp) -> Option<AlarmSeen> {
        let mut seen = seen.clone();
        if self == Self::DeafToAlarms {
            return None;
        }
        if self == Self::StaleAlarms {
            seen.changed_at = now;
        }
        if self == Self::HearMuted {
            seen.voice = Voice::Heard;
        }
        Some(seen)
    }

    /// What a handler sees of a target under this bug.
    pub(crate) fn see(
        self,
        progress: Progress,
        running: Running,
        artefact: &Artefact,
        now: Timestamp,
    ) -> (Progress, Running) {
        let all = Running::All(artefact.content());
        match (self, progress, running) {
            (Self::UndoneIsSuccess, Progress::Undone { platform_id, .. }, _) => {
                let started_at = now;
                let progress = Progress::Succeeded {
                    platform_id,
                    started_at,
                };
                (progress, all)
            }
            (Self::MixedIsAll, progress, Running::Mixed(_) | Running::Unknown) => (progress, all),
            (_, progress, running) => (progress, running),
        }
    }
}
