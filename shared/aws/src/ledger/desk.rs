//! What channels were told, kept in the ledger's table beside the ledger: `slack#web` /
//! `channel#C0123`, one item for each service and channel. Nothing of the ledger depends on it.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use chat::talk::Talk;
use domain::ServiceName;
use engine::LedgerError;
use engine::converse::Desk;

use super::items::{self, Item, VERSION, number, text};
use super::{DynamoLedger, trouble};
use crate::errors::Trouble;

/// What partition keys of talks begin with.
const TALKS: &str = "slack#";
const TALK: &str = "talk";

fn key(service: &ServiceName, channel: &str) -> Item {
    items::key(&format!("{TALKS}{service}"), &format!("channel#{channel}"))
}

impl Desk for DynamoLedger {
    async fn talk(
        &self,
        service: &ServiceName,
        channel: &str,
    ) -> Result<Option<(Talk, u64)>, LedgerError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key(service, channel)))
            .consistent_read(true)
            .send()
            .await;
        let read = read.map_err(trouble::read("dynamodb:GetItem"))?;
        let Some(item) = read.item else {
            return Ok(None);
        };
        let stored = item.get(TALK).and_then(|value| value.as_s().ok());
        let stored = stored.ok_or_else(|| trouble::corrupt("a talk without its words"))?;
        let talk = serde_json::from_str(stored).map_err(trouble::corrupt)?;
        Ok(Some((talk, items::read_number(&item, VERSION)?)))
    }

    async fn keep(
        &self,
        service: &ServiceName,
        channel: &str,
        talk: &Talk,
        replaces: u64,
    ) -> Result<(), LedgerError> {
        let mut item = key(service, channel);
        let stored = serde_json::to_string(talk).map_err(trouble::corrupt)?;
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
