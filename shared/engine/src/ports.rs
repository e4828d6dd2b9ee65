//! The three traits between the engine and the world, and the errors that cross them.

use std::time::Duration;

use domain::announce::Announcement;
use domain::artefact::ArtefactId;
use domain::catalogue::{Catalogue, Listed};
use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::config::{Place, Source, StageConfig, Target};
use domain::entry::{Order, StopOrder};
use domain::fact::{Answer, ArtefactFound, Progress, Running};
use domain::hint::Subject;
use domain::peril::Reflexes;
use domain::pipeline::Pipeline;
use domain::scan::ScanFound;
use domain::switch::Switch;
use domain::{
    AccountId, AlarmArn, Artefact, Commit, EntryId, Hint, Region, Release, ReleaseNumber,
    ServiceName, Timestamp,
};

/// Tells the time. Outside the core, so that a test world can jump.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;

    /// Waits a random while, `at_most` long: what lost a race must not run into the next one.
    async fn breathe(&self, at_most: Duration);
}

/// What a fact mentions that the snapshot may have forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mention {
    /// Nothing.
    Nothing,
    /// An artefact: has it a place in this service's ledger already?
    Artefact(ArtefactId),
    /// A release by number.
    Release(ReleaseNumber),
}

/// What a load brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The snapshot; a new one when the service has none.
    pub pipeline: Pipeline,
    /// The mentioned artefact's place, or the mentioned release.
    pub recalled: domain::decide::Recalled,
    /// The switch for all. `None` when what is stored cannot be read: nothing new is begun then,
    /// and what goes back goes on.
    pub switch: Option<Switch>,
}

/// The ledger. All reads are strongly consistent unless said otherwise.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Ledger {
    /// Loads a pipeline together with what a fact mentions and the switch for all, in one round
    /// trip.
    async fn load(&self, service: &ServiceName, mention: &Mention) -> Result<Loaded, LedgerError>;

    /// Writes everything of a commit, or nothing. On [`LedgerError::Stale`] nothing was written:
    /// load and decide again. An answer that was lost is no harm: the same commit again succeeds.
    async fn commit(&self, commit: &Commit) -> Result<(), LedgerError>;

    /// All services that were ever described, by name.
    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError>;

    /// Who watches a subject.
    async fn watchers(&self, subject: &Subject) -> Result<Vec<Watcher>, LedgerError>;

    /// Services whose due time has passed, the longest overdue first, at most `limit`. May lag.
    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<ServiceName>, LedgerError>;

    /// Services whose targets are due to be compared with the ledger, the longest overdue first, at
    /// most `limit`. May lag.
    async fn uncompared(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError>;

    /// Puts off when a service's targets are compared next. Told twice it is no harm.
    async fn compare_at(&self, service: &ServiceName, at: Timestamp) -> Result<(), LedgerError>;

    /// Entries with `from <= seq`, in order, at most about `limit` (whole commits).
    async fn entries(
        &self,
        service: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError>;

    /// A service's newest entries, in order, at most about `limit` (whole commits).
    async fn newest_entries(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError>;

    /// A release by number.
    async fn release(
        &self,
        service: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError>;
}

/// What was there when image sources were last looked through. It stands beside the ledger's
/// history: nothing is decided on it, and what is lost of it costs a look.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Catalogues {
    /// Services whose source is to be looked through, the longest overdue first, at most `limit`.
    /// May lag.
    async fn sources_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError>;

    /// A service's catalogue; none when its source need not be looked through.
    async fn catalogue(&self, service: &ServiceName) -> Result<Option<Catalogue>, LedgerError>;

    /// Keeps a catalogue, and when its source is to be looked through again. When the service has
    /// got another source meanwhile, nothing is kept.
    async fn keep_catalogue(
        &self,
        service: &ServiceName,
        catalogue: &Catalogue,
        due_at: Timestamp,
    ) -> Result<(), LedgerError>;
}

/// What stands between us and the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Somebody was faster: load and decide again.
    #[error("the pipeline changed meanwhile")]
    Stale,
    /// Not now: let the event's source retry.
    #[error("the ledger is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be understood: stop, and call a person.
    #[error("the ledger is corrupt: {0}")]
    Corrupt(String),
    /// Written by a newer version of Lastgood: leave it alone, and let the source retry.
    #[error("the snapshot has format {found}, and this function understands up to {known}")]
    Newer {
        /// The format met.
        found: u32,
        /// The newest format understood.
        known: u32,
    },
}

/// The platform: ECS, CodeDeploy, and what has to be asked to look (S3, ECR, CloudWatch).
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Platform {
    /// Looks at an artefact that was hinted at: what it is exactly, what its build said, whether it
    /// can be deployed. `None` when it is gone (deleted since), or is no artefact at all (a
    /// folder's key).
    async fn examine(&self, hint: &Hint) -> Result<Option<ArtefactFound>, PlatformError>;

    /// What an image source offers now, tags that make no release too. Nothing for sources that
    /// need not be looked through.
    async fn listing(&self, source: &Source) -> Result<Vec<Listed>, PlatformError>;

    /// What the scan of an image found, as far as it is. Nothing else is scanned.
    async fn scan(&self, artefact: &Artefact) -> Result<ScanFound, PlatformError>;

    /// Whether an artefact can still be deployed; `Some(why not)`, for people.
    async fn obstacle(&self, artefact: &Artefact) -> Result<Option<String>, PlatformError>;

    /// Begins a deployment, or finds the one it began before under the same mark.
    async fn deploy(&self, order: &Order) -> Result<Answer, PlatformError>;

    /// Stops an attempt and has the platform undo it; fine when it is stopped already.
    async fn stop(&self, order: &StopOrder) -> Result<Answer, PlatformError>;

    /// How far the attempt with this mark is, and what the target runs.
    async fn observe(
        &self,
        place: &Place,
        target: &Target,
        attempt: &EntryId,
        artefact: &Artefact,
    ) -> Result<(Progress, Running), PlatformError>;

    /// What a target runs now, whoever brought it there.
    async fn running(&self, place: &Place, target: &Target) -> Result<Running, PlatformError>;

    /// The deployment group that a deployment of CodeDeploy belongs to; none when there is no such
    /// deployment. Only our own account can be asked: elsewhere the role depends on the group.
    async fn group_of(
        &self,
        account: &AccountId,
        region: &Region,
        deployment: &str,
    ) -> Result<Option<Subject>, PlatformError>;

    /// What a stage's target runs now, when it can be proved: the first last good of a service that
    /// is taken over.
    async fn find_running(&self, stage: &StageConfig) -> Result<Option<Artefact>, PlatformError>;

    /// What a target does by itself about a deployment.
    async fn reflexes(&self, place: &Place, target: &Target) -> Result<Reflexes, PlatformError>;

    /// Alarms as they are. One that does not exist is missing from the answer.
    async fn alarms(
        &self,
        place: &Place,
        alarms: &[AlarmArn],
    ) -> Result<Vec<domain::alarm::AlarmSeen>, PlatformError>;
}

/// What stands between us and the platform.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PlatformError {
    /// The same call may go through later.
    #[error("not now: {0}")]
    Transient(String),
    /// It will never go through; record it as a fact.
    #[error("never: {0}")]
    Terminal(String),
}

/// Tells people.
#[expect(
    async_fn_in_trait,
    reason = "used with one runtime and static types only"
)]
pub trait Announcer {
    /// Tells one thing. A repeat is recognisable by the announcement's id.
    async fn announce(&self, announcement: &Announcement) -> Result<(), AnnounceError>;
}

/// An announcement that did not go through; the stream will bring it again.
#[derive(Debug, thiserror::Error)]
#[error("cannot announce: {0}")]
pub struct AnnounceError(pub String);
