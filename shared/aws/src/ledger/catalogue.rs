//! Catalogues of image sources: one item beside a service's history, overwritten at every look.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::catalogue::{Catalogue, Mark};
use domain::commit::NewCatalogue;
use domain::{ServiceName, Timestamp};
use engine::{Catalogues, LedgerError};

use super::items::{self, Item};
use super::{DynamoLedger, read, trouble};

/// The sort key of a catalogue.
const SOURCE: &str = "source";
/// The partition of the index of what is due that holds sources: they never keep a pipeline
/// waiting.
const DUE_SHARD: &str = "sources";
/// Which source it is of.
const OF: &str = "of";
/// What was there, eight bytes each.
const SEEN: &str = "seen";
/// Bytes of a mark.
const MARK_BYTES: usize = 8;

fn key(service: &ServiceName) -> Item {
    items::key(&items::partition(service), SOURCE)
}

/// The item of a catalogue that begins: due at once, or never when there is nothing to look
/// through.
pub(super) fn begin(service: &ServiceName, new: &NewCatalogue) -> Item {
    let mut item = key(service);
    if let Some(of) = &new.of {
        item.insert(OF.to_owned(), items::text(of));
        item.insert("due_shard".to_owned(), items::text(DUE_SHARD));
        item.insert("due_at".to_owned(), items::number(0));
    }
    item
}

fn read_item(item: &Item) -> Result<Option<Catalogue>, LedgerError> {
    if !item.contains_key(OF) {
        return Ok(None);
    }
    let seen = match item.get(SEEN) {
        None => None,
        Some(AttributeValue::B(bytes)) => {
            let marks = bytes.as_ref().chunks_exact(MARK_BYTES);
            let mark = |bytes: &[u8]| bytes.first_chunk().map(|b| Mark(u64::from_be_bytes(*b)));
            Some(marks.filter_map(mark).collect())
        }
        Some(_) => {
            return Err(LedgerError::Corrupt(
                "a catalogue that is no bytes".to_owned(),
            ));
        }
    };
    let of = items::read_text(item, OF)?.to_owned();
    Ok(Some(Catalogue { of, seen }))
}

impl Catalogues for DynamoLedger {
    async fn sources_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<ServiceName>, LedgerError> {
        read::due(self, DUE_SHARD, now, limit).await
    }

    async fn catalogue(&self, service: &ServiceName) -> Result<Option<Catalogue>, LedgerError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(service)))
            .consistent_read(true)
            .send()
            .await
            .map_err(trouble::read("dynamodb:GetItem"))?;
        answer.item.map_or(Ok(None), |item| read_item(&item))
    }

    async fn keep_catalogue(
        &self,
        service: &ServiceName,
        catalogue: &Catalogue,
        due_at: Timestamp,
    ) -> Result<(), LedgerError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(service)))
            .condition_expression("#of = :of")
            .expression_attribute_names("#of", OF)
            .expression_attribute_names("#due", "due_at")
            .expression_attribute_values(":of", items::text(&catalogue.of))
            .expression_attribute_values(":due", items::number(due_at.as_second()));
        let update = match &catalogue.seen {
            None => update.update_expression("SET #due = :due"),
            Some(seen) => {
                let bytes: Vec<u8> = seen.iter().flat_map(|mark| mark.0.to_be_bytes()).collect();
                update
                    .update_expression("SET #due = :due, #seen = :seen")
                    .expression_attribute_names("#seen", SEEN)
                    .expression_attribute_values(":seen", AttributeValue::B(Blob::new(bytes)))
            }
        };
        match update.send().await {
            Ok(_) => Ok(()),
            // The service has another source meanwhile.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(trouble::read("dynamodb:UpdateItem")(error)),
        }
    }
}
