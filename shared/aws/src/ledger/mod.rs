//! The ledger on one DynamoDB table. What each item looks like is in [`items`], what one commit
//! writes in [`write`](mod@write), what reading brings in [`read`]. Beside history stand what was
//! there when image sources were last looked through ([`catalogue`]), and what those were told
//! who follow it ([`desk`]).

mod catalogue;
mod desk;
mod items;
mod read;
mod trouble;
mod write;

use std::time::Duration;

use domain::chain::Sealed;
use domain::commit::Watcher;
use domain::hint::Subject;
use domain::{Commit, Pipeline, Release, ReleaseNumber, ServiceName, Timestamp};
use engine::{Ledger, LedgerError, Loaded, Mention};

use crate::connect::WARM_WITHIN;

/// The ledger in a table.
#[derive(Debug, Clone)]
pub struct DynamoLedger {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl DynamoLedger {
    /// The ledger in `table`, through any configuration: a function's or a person's.
    #[must_use]
    pub fn new(config: &aws_types::SdkConfig, table: impl Into<String>) -> Self {
        Self {
            client: aws_sdk_dynamodb::Client::new(config),
            table: table.into(),
        }
    }

    /// Opens the connection that the first real call will use, at most for a second. Called while
    /// the function starts, when it has a whole CPU; what goes wrong here goes wrong again later.
    pub async fn warm(&self) {
        self.warm_within(WARM_WITHIN).await;
    }

    async fn warm_within(&self, limit: Duration) {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(items::key("warm", "warm")))
            .projection_expression("PK")
            .send();
        if tokio::time::timeout(limit, read).await.is_err() {
            tracing::debug!("the ledger did not answer while starting");
        }
    }

    /// All services that were ever configured, by name.
    ///
    /// # Errors
    /// When the ledger is unavailable or corrupt.
    pub async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        read::services(self).await
    }

    /// The snapshots of some services, in the order asked for; those without one are left out.
    ///
    /// # Errors
    /// When the ledger is unavailable or corrupt, or a snapshot is newer than this program.
    pub async fn pipelines(&self, services: &[ServiceName]) -> Result<Vec<Pipeline>, LedgerError> {
        read::pipelines(self, services).await
    }

    /// The newest releases of a service, newest first.
    ///
    /// # Errors
    /// When the ledger is unavailable or corrupt.
    pub async fn newest_releases(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Release>, LedgerError> {
        read::newest_releases(self, service, limit).await
    }
}

impl Ledger for DynamoLedger {
    async fn load(&self, service: &ServiceName, mention: &Mention) -> Result<Loaded, LedgerError> {
        read::load(self, service, mention).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), LedgerError> {
        write::commit(self, commit).await
    }

    async fn services(&self) -> Result<Vec<ServiceName>, LedgerError> {
        read::services(self).await
    }

    async fn watchers(&self, subject: &Subject) -> Result<Vec<Watcher>, LedgerError> {
        read::watchers(self, subject).await
    }

    async fn overdue(&self, now: Timestamp, limit: usize) -> Result<Vec<ServiceName>, LedgerError> {
        read::due(self, items::DUE_SHARD, now, limit).await
    }

    async fn uncompared(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        read::due(self, items::COMPARE_SHARD, now, limit).await
    }

    async fn compare_at(&self, service: &ServiceName, at: Timestamp) -> Result<(), LedgerError> {
        write::compare_at(self, service, at).await
    }

    async fn entries(
        &self,
        service: &ServiceName,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        read::entries(self, service, from, limit).await
    }

    async fn newest_entries(
        &self,
        service: &ServiceName,
        limit: usize,
    ) -> Result<Vec<Sealed>, LedgerError> {
        read::newest_entries(self, service, limit).await
    }

    async fn release(
        &self,
        service: &ServiceName,
        number: ReleaseNumber,
    ) -> Result<Option<Release>, LedgerError> {
        read::release(self, service, number).await
    }
}
