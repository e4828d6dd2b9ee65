//! The port of the ledger's catalogues, under faults: what was there when image sources were last
//! looked through.

use domain::catalogue::Catalogue;
use domain::{ServiceName, Timestamp};
use engine::{Catalogues, LedgerError};

use crate::bug::Bug;
use crate::point::Call;
use crate::ports::Ports;

impl Catalogues for Ports {
    async fn sources_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        // Under this bug only the first look is due, which makes the catalogue.
        let forgets = self.shared.bug == Some(Bug::ForgetSources);
        let now = if forgets { Timestamp::UNIX_EPOCH } else { now };
        let asked = self.shared.ledger.sources_due(now, limit);
        self.reads(Call::SourcesDue, asked).await
    }

    async fn catalogue(&self, service: &ServiceName) -> Result<Option<Catalogue>, LedgerError> {
        let asked = self.shared.ledger.catalogue(service);
        self.reads(Call::Catalogue, asked).await
    }

    async fn keep_catalogue(
        &self,
        service: &ServiceName,
        catalogue: &Catalogue,
        due_at: Timestamp,
    ) -> Result<(), LedgerError> {
        let asked = self
            .shared
            .ledger
            .keep_catalogue(service, catalogue, due_at);
        self.reads(Call::KeepCatalogue, asked).await
    }
}
