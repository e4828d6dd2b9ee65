//! ECS, CodeDeploy, CloudWatch, S3 and ECR as they behave, as far as Lastgood can notice. Where a
//! rule comes from AWS's documentation the place is named. No rule of Lastgood lives here.

mod ecs;
mod group;
mod registry;
mod site;

use std::collections::BTreeMap;

use domain::alarm::AlarmSeen;
use domain::config::{Place, StageConfig, Target};
use domain::fact::{Progress, Running};
use domain::hint::Subject;
use domain::{AlarmArn, Artefact, EntryId, Timestamp};
use fastrand::Rng;

pub(crate) use registry::{Registry, Stored};
pub(crate) use site::{Begin, Begun, Deployment, Habits, Kind, Nature, Site, State, Unit};

/// Everything behind the platform port.
#[derive(Debug, Default)]
pub(crate) struct Cloud {
    pub(crate) sites: BTreeMap<Subject, Site>,
    pub(crate) alarms: BTreeMap<AlarmArn, AlarmSeen>,
    /// All that was ever true of alarms.
    pub(crate) alarms_past: Vec<AlarmSeen>,
    pub(crate) registry: Registry,
    /// Events that are still to be sent.
    pub(crate) outgoing: Vec<Happening>,
    /// Lifecycle hooks that are still to be called.
    pub(crate) hooks: Vec<HookCall>,
    serial: u64,
}

/// What the platform says to EventBridge: that a deployment moved on, and its word for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Happening {
    pub(crate) subject: Subject,
    pub(crate) deployment: String,
    pub(crate) word: Word,
}

/// The event's word. A rollback says the same as any other deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Start,
    Success,
    Failure,
    Stop,
}

/// A lifecycle hook is called; the deployment waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HookCall {
    pub(crate) subject: Subject,
    pub(crate) deployment: String,
    /// Whether the traffic is being shifted back already.
    pub(crate) back: bool,
}

/// What the model needs to move on: the time, chance, and who is about.
pub(crate) struct Moved<'a> {
    pub(crate) now: Timestamp,
    pub(crate) rng: &'a mut Rng,
    /// In a thousand.
    pub(crate) fails: u32,
    pub(crate) endless: u32,
    pub(crate) serial: &'a mut u64,
    pub(crate) said: &'a mut Vec<Happening>,
    pub(crate) hooks: &'a mut Vec<HookCall>,
    pub(crate) alarms: &'a BTreeMap<AlarmArn, AlarmSeen>,
    pub(crate) registry: &'a Registry,
}

impl Moved<'_> {
    pub(crate) fn chance(&mut self, in_thousand: u32) -> bool {
        self.rng.u32(0..1000) < in_thousand
    }

    pub(crate) fn later(&mut self, from: i64, to: i64) -> Timestamp {
        let seconds = self.rng.i64(from..=to);
        domain::due::after(self.now, domain::SignedDuration::from_secs(seconds))
    }

    pub(crate) fn fires(&self, alarm: &AlarmArn) -> bool {
        self.alarms
            .get(alarm)
            .is_some_and(|seen| seen.state == domain::alarm::AlarmState::Alarm)
    }
}

/// How unkind the platform is, in a thousand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Temper {
    pub(crate) fails: u32,
    pub(crate) endless: u32,
}

impl Cloud {
    /// Does something on one site.
    pub(crate) fn on<T>(
        &mut self,
        subject: &Subject,
        now: Timestamp,
        rng: &mut Rng,
        temper: Temper,
        act: impl FnOnce(&mut Site, &mut Moved<'_>) -> T,
    ) -> Option<T> {
        let site = self.sites.get_mut(subject)?;
        let mut moved = Moved {
            now,
            rng,
            fails: temper.fails,
            endless: temper.endless,
            serial: &mut self.serial,
            said: &mut self.outgoing,
            hooks: &mut self.hooks,
            alarms: &self.alarms,
            registry: &self.registry,
        };
        let done = act(site, &mut moved);
        site.remember(now);
        Some(done)
    }

    /// Moves on everything that is due.
    pub(crate) fn advance(&mut self, now: Timestamp, rng: &mut Rng, temper: Temper) {
        let due: Vec<Subject> = self
            .sites
            .iter()
            .filter(|(_, site)| site.next_at().is_some_and(|next| next <= now))
            .map(|(subject, _)| subject.clone())
            .collect();
        for subject in due {
            self.on(&subject, now, rng, temper, Site::advance);
        }
    }

    /// An alarm is there, and has not changed since.
    pub(crate) fn alarm_made(&mut self, seen: AlarmSeen) {
        self.alarms_past.push(seen.clone());
        self.alarms.insert(seen.alarm.clone(), seen);
    }

    /// An alarm changed: deployments that are watched by it notice.
    pub(crate) fn alarm_changed(
        &mut self,
        seen: AlarmSeen,
        now: Timestamp,
        rng: &mut Rng,
        temper: Temper,
    ) {
        self.alarm_made(seen);
        let all: Vec<Subject> = self.sites.keys().cloned().collect();
        for subject in all {
            self.on(&subject, now, rng, temper, Site::notice_alarms);
        }
    }

    /// When the next thing happens by itself.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.sites.values().filter_map(Site::next_at).min()
    }

    /// How far an attempt is and what the target runs, as the platform port tells it.
    pub(crate) fn observe(
        &self,
        subject: &Subject,
        attempt: &EntryId,
        now: Timestamp,
    ) -> (Progress, Running) {
        self.sites
            .get(subject)
            .map_or((Progress::NotFound, Running::Unknown), |site| {
                (site.progress(attempt, now), site.running())
            })
    }

    /// Which target a deployment is of.
    pub(crate) fn group_of(&self, deployment: &str) -> Option<Subject> {
        let mut sites = self.sites.values();
        let site = sites.find(|site| site.by_id(deployment).is_some());
        site.map(|site| site.subject.clone())
    }

    /// What a stage's target runs, when it can be proved.
    pub(crate) fn find_running(&self, stage: &StageConfig) -> Option<Artefact> {
        let site = self.sites.get(&stage.subject())?;
        site.provable()
            .and_then(|content| self.registry.artefact(&content))
    }
}

/// The subject of a target, as its events name it.
pub(crate) fn subject_of(place: &Place, target: &Target) -> Subject {
    match target {
        Target::Ecs {
            cluster, service, ..
        } => {
            let (region, account) = (&place.region, &place.account);
            Subject::EcsService(format!(
                "arn:aws:ecs:{region}:{account}:service/{cluster}/{service}"
            ))
        }
        Target::CodeDeploy { application, group }
        | Target::CodeDeployEcs {
            application, group, ..
        } => Subject::DeploymentGroup {
            account: place.account.clone(),
            region: place.region.clone(),
            application: application.clone(),
            group: group.clone(),
        },
    }
}
