//! What those who follow the ledger were told, kept in its table beside it: `slack#web` /
//! `channel#C0123`, one item for each service and each of them. Nothing of the ledger depends on
//! it.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ServiceName;
use engine::LedgerError;
use engine::follow::{Desk, Notes, Seat};
use serde::{Serialize, de::DeserializeOwned};

use super::items::{self, Item, VERSION, number, text};
use super::{DynamoLedger, trouble};
use crate::errors::Trouble;

/// The attribute that holds the notes.
const TALK: &str = "talk";

/// A function may write only under its own name: its role says so.
fn key(service: &ServiceName, seat: &Seat<'_>) -> Item {
    let Seat {
        function,
        kind,
        name,
    } = seat;
    items::key(&format!("{function}#{service}"), &format!("{kind}#{name}"))
}

impl<B: Serialize + DeserializeOwned> Desk<B> for DynamoLedger {
    async fn notes(
        &self,
        service: &ServiceName,
        seat: &Seat<'_>,
    ) -> Result<Option<(Notes<B>, u64)>, LedgerError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(service, seat)))
            .consistent_read(true)
            .send()
            .await;
        let read = read.map_err(trouble::read("dynamodb:GetItem"))?;
        let Some(item) = read.item else {
            return Ok(None);
        };
        let stored = item.get(TALK).and_then(|value| value.as_s().ok());
        let stored = stored.ok_or_else(|| trouble::corrupt("notes without their words"))?;
        let notes = serde_json::from_str(stored).map_err(trouble::corrupt)?;
        Ok(Some((notes, items::read_number(&item, VERSION)?)))
    }

    async fn keep(
        &self,
        service: &ServiceName,
        seat: &Seat<'_>,
        notes: &Notes<B>,
        replaces: u64,
    ) -> Result<(), LedgerError> {
        let mut item = key(service, seat);
        let stored = serde_json::to_string(notes).map_err(trouble::corrupt)?;
        item.insert(TALK.to_owned(), text(stored));
        item.insert(VERSION.to_owned(), number(replaces + 1));
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item));
        put = if replaces == 0 {
            put.condition_expression("attribute_not_exists(PK)")
        } else {
            put.condition_expression("#version = :replaces")
                .expression_attribute_names("#version", VERSION)
                .expression_attribute_values(":replaces", AttributeValue::N(replaces.to_string()))
        };
        match put.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if matches!(
                    error.as_service_error(),
                    Some(PutItemError::ConditionalCheckFailedException(_))
                ) =>
            {
                Err(LedgerError::Stale)
            }
            Err(error) => {
                let words = Trouble::of("dynamodb:PutItem", &error).words;
                Err(LedgerError::Unavailable(words))
            }
        }
    }
}
