//! Revisions of our own, found again by their tags: RegisterTaskDefinition takes no idempotency
//! token, and every call makes another revision.

use aws_sdk_ecs::Client;
use aws_sdk_ecs::types::{SortOrder, TaskDefinitionStatus};
use domain::EntryId;
use engine::PlatformError;
use futures_util::future::try_join_all;

use super::definition::{Definition, describe, family};
use crate::errors;
use crate::mark::TAG_DEPLOYMENT;

/// How many of a family's newest revisions are looked at for an attempt's own: others may register
/// a few while one attempt is repeated, not many.
pub(super) const RECENT: i32 = 8;
/// How many are looked at for a release's own: as far back as a rollback usually goes.
pub(super) const OLDER: i32 = 40;
/// How many are described at the same time.
const AT_A_TIME: usize = 4;

/// Whether a definition was registered for an attempt.
pub(super) fn is_of(definition: &Definition, attempt: &EntryId) -> bool {
    definition
        .tag(TAG_DEPLOYMENT)
        .and_then(|tag| tag.parse().ok())
        .as_ref()
        == Some(attempt)
}

/// The newest active revision of a family that is what is looked for, among the newest `count`.
pub(super) async fn newest(
    client: &Client,
    name: &str,
    count: i32,
    is_it: impl Fn(&Definition) -> bool,
) -> Result<Option<Definition>, PlatformError> {
    let listed = client
        .list_task_definitions()
        .family_prefix(name)
        .status(TaskDefinitionStatus::Active)
        .sort(SortOrder::Desc)
        .max_results(count)
        .send()
        .await
        .map_err(errors::platform("ecs:ListTaskDefinitions"))?;
    let arns: Vec<&String> = listed
        .task_definition_arns()
        .iter()
        .filter(|arn| family(arn) == name)
        .collect();
    for some in arns.chunks(AT_A_TIME) {
        let described = try_join_all(some.iter().map(|arn| describe(client, arn))).await?;
        if let Some(found) = described.into_iter().find(&is_it) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
