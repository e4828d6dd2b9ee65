//! Tasks and instances one by one, for people who watch. Read only, and nothing is ever decided on
//! them: what counts is [`Platform::observe`](crate::Platform::observe).

use domain::artefact::Content;
use domain::config::{Place, Target};
use domain::{EntryId, Timestamp};

use crate::ports::PlatformError;

/// Sees a target's tasks or instances.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Onlooker {
    /// The target's units, those of an attempt first of all, and those that died since a time.
    async fn units(
        &self,
        place: &Place,
        target: &Target,
        attempt: &EntryId,
        since: Timestamp,
    ) -> Result<Units, PlatformError>;
}

/// What a target consists of now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Units {
    /// How many there are to be.
    pub wanted: usize,
    /// Each of them, by name.
    pub all: Vec<Unit>,
    /// What else the platform says since then, such as that there is no room for a task.
    pub notes: Vec<String>,
}

/// One task or one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its short name: a task's or an instance's id.
    pub name: String,
    /// How far it is.
    pub state: UnitState,
    /// What it runs, where that can be told.
    pub runs: Option<Content>,
    /// The platform's words: the step it is at, or why it died.
    pub words: Option<String>,
}

/// How far a task or an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitState {
    /// It has not been touched, or is not there yet.
    Waiting,
    /// It is being brought up, or deployed to.
    Starting,
    /// It runs.
    Running,
    /// It is being taken away.
    Stopping,
    /// It died, or could not be deployed to.
    Died,
}
