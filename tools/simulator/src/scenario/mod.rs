//! What happens in a world: services, what runs on their targets, and a list of steps. A seed draws
//! one; a text may tell one.

pub(crate) mod people;
pub(crate) mod services;
pub(crate) mod steps;
pub(crate) mod text;

use std::collections::BTreeSet;

use domain::alarm::{AlarmState, Voice};
use domain::artefact::Content;
use domain::config::ServiceConfig;
use domain::file::ServiceFile;
use domain::hint::Subject;
use domain::question::Choice;
use domain::{AlarmArn, ReleaseNumber, ServiceName, StageName};
use fastrand::Rng;

use crate::adversary::{Adversaries, Adversary};
use crate::cloud::{Habits, Stored, Unit};
use crate::point::Point;
use crate::scanning::Outcome;
use people::{Who, Wish};

/// How long things keep happening, in seconds.
pub(crate) const STORM_SECONDS: i64 = 4 * 3600;

/// All of a world before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) services: Vec<Planned>,
    pub(crate) steps: Vec<Step>,
    /// When the faults end, in seconds.
    pub(crate) calm_at: i64,
}

/// One service, with its targets.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    pub(crate) file: ServiceFile,
    pub(crate) config: ServiceConfig,
    pub(crate) sites: Vec<(Subject, Habits, Vec<Unit>)>,
    /// What ran there before.
    pub(crate) before: Vec<Stored>,
    /// Alarms that are there from the beginning, and quiet; others come to be when they change.
    pub(crate) alarms: BTreeSet<AlarmArn>,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Its number in the plan, so that it can be named.
    pub(crate) number: usize,
    /// When, in seconds.
    pub(crate) at: i64,
    /// Whose doing it is; none for what simply goes on.
    pub(crate) by: Option<Adversary>,
    /// The service it is about.
    pub(crate) service: ServiceName,
    pub(crate) what: Happens,
}

/// What happens.
#[derive(Debug, Clone)]
pub(crate) enum Happens {
    /// A build server uploads or pushes.
    Push { pushed: Pushed, stored: Box<Stored> },
    /// An artefact is deleted, or archived.
    Vanish { content: Content },
    /// A person asks. Without a release one is chosen when it comes to it.
    Ask {
        stage: StageName,
        wish: Wish,
        who: Who,
        release: Option<ReleaseNumber>,
    },
    /// Somebody presses a button under a message of a stage.
    Press {
        stage: StageName,
        who: Who,
        choice: Choice,
        glance: Glance,
    },
    /// Somebody rejects what waits and thinks better of it; somebody else has the old message still
    /// before him.
    ThinkBetter,
    /// Somebody turns the switch for all: freezes everything, for so many minutes when given, or
    /// thaws it.
    Switch { how: Turn, who: Who },
    /// All approvers approve all that waits.
    ApproveAll,
    /// An alarm changes.
    Alarm {
        alarm: AlarmArn,
        state: AlarmState,
        voice: Voice,
    },
    /// Somebody changes a target behind the ledger's back.
    Meddle { subject: Subject, how: Meddling },
    /// Somebody changes a stage's target.
    MeddleWith { stage: StageName, how: Meddling },
    /// The next deployment to a stage fails, and the platform may undo it.
    FailNext { stage: StageName, undoes: bool },
    /// What becomes of the next scan of an image.
    NextScan { outcome: Outcome },
    /// An adversary strikes when it may next, at a point or anywhere.
    Strike {
        adversary: Adversary,
        at: Option<Point>,
    },
    /// The configuration changes, in the middle of whatever is going on.
    Configure { file: Box<ServiceFile> },
    /// A newer version of Lastgood rolls out, for so many minutes.
    RollOut { minutes: i64 },
}

/// Which message somebody looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Glance {
    /// The one that asked last.
    Newest,
    /// The first that ever asked about what waits now.
    First,
    /// Any, however old.
    Any,
}

/// What is asked of the switch for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Freeze,
    FreezeFor(i64),
    Thaw,
}

/// What somebody does behind the ledger's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meddling {
    Deploy,
    Stop,
    ScaleAway,
    ScaleBack,
    AutoScale,
}

/// What a build server brought.
#[derive(Debug, Clone)]
pub(crate) enum Pushed {
    Object {
        bucket: String,
        key: String,
        version: String,
    },
    Image {
        repository: String,
        digest: String,
        tag: String,
    },
}

/// Draws a world.
///
/// # Errors
/// When what is drawn here is no service.
pub(crate) fn draw(rng: &mut Rng, among: Adversaries) -> anyhow::Result<Plan> {
    let services = services::draw(rng)?;
    let steps = steps::draw(rng, &services, among)?;
    Ok(Plan {
        services,
        steps,
        calm_at: STORM_SECONDS,
    })
}
