//! What entries claim about the world, held against the world: within the time that a handler may
//! take from its look to its commit.

use domain::alarm::AlarmState;
use domain::artefact::Content;
use domain::entry::Purpose;
use domain::fact::Running;
use domain::pipeline::{How, Phase};
use domain::scan::Scan;
use domain::{Artefact, Entry, Reason, Release, ReleaseNumber, StageName, Timestamp, What, due};

use super::{Book, LOOKED_WITHIN};
use crate::cloud::{Cloud, Site};

impl Book {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what the books do not need is passed over"
    )]
    pub(super) fn check_truth(
        &self,
        entry: &Entry,
        cloud: &Cloud,
        now: Timestamp,
        wrong: &mut Vec<String>,
    ) {
        match &entry.what {
            What::Released { release } => self.check_release_is_true(entry, release, cloud, wrong),
            What::ArtefactRejected { artefact, .. } => {
                let stored = cloud.registry.get(&artefact.content());
                if stored.is_none_or(|stored| stored.broken.is_none()) {
                    wrong.push("1: an artefact is rejected that is well".to_owned());
                }
            }
            What::Scanned {
                release,
                scan: Scan::Complete(findings),
            } => {
                let release = self.pipeline.release(*release);
                let found = |one: &Release| cloud.registry.found(&one.artefact, findings, now);
                if !release.is_some_and(found) {
                    wrong.push("3: a scan is noted that did not end so".to_owned());
                }
            }
            What::BakeBegun { stage, release, .. } => {
                self.check_runs(stage, *release, cloud, now, wrong);
            }
            What::Succeeded { stage, release, .. } => {
                self.check_runs(stage, *release, cloud, now, wrong);
                self.check_alarms_are_quiet(stage, cloud, now, wrong);
            }
            What::RolledBack {
                stage,
                to: Some(to),
                ..
            } => self.check_went_back(stage, *to, cloud, now, wrong),
            What::Drifted { stage, others, .. } => {
                let ran = |site: &Site| others.iter().any(|one| site.had_since(one, ago(now)));
                if !self.site(stage, cloud).is_some_and(ran) {
                    wrong.push(format!("6: {stage} drifted to what ran nowhere on it"));
                }
            }
            _ => {}
        }
    }

    fn check_release_is_true(
        &self,
        entry: &Entry,
        release: &Release,
        cloud: &Cloud,
        wrong: &mut Vec<String>,
    ) {
        let found_running = entry.why == Reason::FoundRunning;
        if self.artefacts.contains_key(&release.artefact.id()) && !found_running {
            wrong.push("1: one artefact becomes two releases".to_owned());
        }
        if release.number.0 != self.pipeline.last_release + 1 {
            wrong.push("1: release numbers have a gap".to_owned());
        }
        let Some(stored) = cloud.registry.get(&release.artefact.content()) else {
            return wrong.push("1: a release of nothing".to_owned());
        };
        if found_running {
            return;
        }
        if stored.broken.is_some() {
            wrong.push("1: an artefact that cannot be deployed becomes a release".to_owned());
        }
        if stored.build != release.build {
            wrong.push("1: a release does not say what its build said".to_owned());
        }
        if let Artefact::Image { tag, .. } = &release.artefact
            && !tag.as_ref().is_some_and(|tag| tag.starts_with("main-"))
        {
            wrong.push("1: a release of a tag that makes none".to_owned());
        }
    }

    fn site<'a>(&self, stage: &StageName, cloud: &'a Cloud) -> Option<&'a Site> {
        let (config, _) = self.pipeline.stage(stage)?;
        cloud.sites.get(&config.subject())
    }

    fn content(&self, release: ReleaseNumber) -> Option<Content> {
        self.pipeline.content(release)
    }

    /// Our own deployment ended well, and all of the target runs it.
    fn check_runs(
        &self,
        stage: &StageName,
        release: ReleaseNumber,
        cloud: &Cloud,
        now: Timestamp,
        wrong: &mut Vec<String>,
    ) {
        let state = self.pipeline.stages.get(stage);
        let (Some(site), Some(active), Some(content)) = (
            self.site(stage, cloud),
            state.and_then(|state| state.active.as_ref()),
            self.content(release),
        ) else {
            return wrong.push("6: success of nothing".to_owned());
        };
        let ended_well = site
            .own(&active.attempt)
            .is_some_and(|own| own.state == crate::cloud::State::Succeeded);
        if !ended_well {
            wrong.push("6: success, and the platform does not say so".to_owned());
        }
        if !site.ran_since(&content, ago(now)) {
            wrong.push("6: success, and the target does not run it".to_owned());
        }
    }

    /// No alarm has been firing since the deployment began, for longer than a look is old.
    fn check_alarms_are_quiet(
        &self,
        stage: &StageName,
        cloud: &Cloud,
        now: Timestamp,
        wrong: &mut Vec<String>,
    ) {
        let Some((config, state)) = self.pipeline.stage(stage) else {
            return;
        };
        let Some(active) = &state.active else { return };
        let started = match &active.phase {
            Phase::InProgress { started_at, .. } | Phase::Baking { started_at, .. } => *started_at,
            Phase::Starting { .. } | Phase::RollingBack { .. } => return,
        };
        if active.offer.purpose == Purpose::Rollback || active.offer.despite.alarm.is_some() {
            return;
        }
        let mut truth = config.alarms.iter().filter_map(|arn| cloud.alarms.get(arn));
        let missed = truth.find(|seen| {
            seen.state == AlarmState::Alarm
                && seen.voice == domain::alarm::Voice::Heard
                && seen.changed_at >= started
                && seen.changed_at < ago(now)
        });
        if let Some(seen) = missed {
            wrong.push(format!("4: success while {} fires", seen.alarm.name()));
        }
    }

    fn check_went_back(
        &self,
        stage: &StageName,
        to: ReleaseNumber,
        cloud: &Cloud,
        now: Timestamp,
        wrong: &mut Vec<String>,
    ) {
        let (Some(site), Some(content)) = (self.site(stage, cloud), self.content(to)) else {
            return;
        };
        let state = self.pipeline.stages.get(stage);
        let active = state.and_then(|state| state.active.as_ref());
        // What was never begun changed nothing: nothing is claimed to have been seen.
        let never_begun = active.is_some_and(|active| {
            let stopping = matches!(active.phase, Phase::RollingBack { how: How::Stop, .. });
            stopping && site.own(&active.attempt).is_none()
        });
        let idle = site.idle_since(ago(now));
        if !never_begun && !idle && !site.meddled && !site.ran_since(&content, ago(now)) {
            let running: Running = site.running();
            wrong.push(format!(
                "6: rolled back to {to}, and what runs is {running:?}"
            ));
        }
    }
}

fn ago(now: Timestamp) -> Timestamp {
    due::after(now, -LOOKED_WITHIN)
}
