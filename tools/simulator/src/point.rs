//! Where a handler can be struck: the function it belongs to and the call it makes.

use std::fmt;

/// The functions, as the template has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Function {
    ArtefactUploaded,
    ImagePushed,
    AlarmChanged,
    DeploymentChanged,
    ApiCallRecorded,
    LifecycleHook,
    Command,
    ButtonPressed,
    Deployer,
    Notifier,
    Reconciler,
}

/// The calls behind the engine's traits. A call of a trait may be several to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum Call {
    Load,
    Commit,
    Services,
    Watchers,
    Overdue,
    SourcesDue,
    Catalogue,
    KeepCatalogue,
    /// The tags of a repository.
    Listing,
    Uncompared,
    CompareAt,
    Examine,
    /// What the scan of an image found.
    Scan,
    Obstacle,
    FindRunning,
    Alarms,
    Observe,
    /// What a target runs, whoever brought it there.
    Running,
    GroupOf,
    /// Looking for what was begun before, right before beginning or stopping.
    FindOwn,
    /// UpdateService, CreateDeployment: the call that has the effect.
    Begin,
    /// StopServiceDeployment, StopDeployment.
    Stop,
    Publish,
    /// PutLifecycleEventHookExecutionStatus.
    AnswerHook,
}

/// Before or after the call had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    Before,
    After,
}

/// One await point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) function: Function,
    pub(crate) call: Call,
    pub(crate) moment: Moment,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (function, call) = (kebab(&self.function), kebab(&self.call));
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "{function} {moment} {call}")
    }
}

/// The variant's name in the words of the command line.
pub(crate) fn kebab(value: &impl fmt::Debug) -> String {
    let mut name = String::new();
    for (at, letter) in format!("{value:?}").char_indices() {
        if letter.is_uppercase() && at > 0 {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
