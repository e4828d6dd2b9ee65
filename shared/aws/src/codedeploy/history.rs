//! A deployment group's deployments, newest first, and the attempt's own among them:
//! CreateDeployment takes no idempotency token, but a description.

use aws_sdk_codedeploy::Client;
use aws_sdk_codedeploy::types::{DeploymentCreator, DeploymentInfo, DeploymentStatus};
use domain::EntryId;
use engine::PlatformError;

use crate::errors;
use crate::mark;

/// Most deployments of one call (BatchGetDeployments).
const PER_CALL: usize = 25;
/// How many of the newest are looked at for an attempt's own: a busy group's Auto Scaling makes
/// many.
const LOOKED_AT_MAX: usize = 200;

/// A deployment group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group<'a> {
    pub(super) application: &'a str,
    pub(super) name: &'a str,
}

/// A group's newest deployments, read as far as they are needed.
#[derive(Debug)]
pub(super) struct History {
    unread: Vec<String>,
    read: Vec<DeploymentInfo>,
}

impl History {
    /// Begins with the newest ones.
    pub(super) async fn read(client: &Client, group: Group<'_>) -> Result<Self, PlatformError> {
        let mut pages = client
            .list_deployments()
            .application_name(group.application)
            .deployment_group_name(group.name)
            .into_paginator()
            .items()
            .send();
        let mut ids = Vec::new();
        while let Some(id) = pages.next().await {
            ids.push(id.map_err(errors::platform("codedeploy:ListDeployments"))?);
            if ids.len() >= LOOKED_AT_MAX {
                break;
            }
        }
        let mut history = Self {
            unread: ids,
            read: Vec::new(),
        };
        history.more(client).await?;
        Ok(history)
    }

    /// The newest deployments, newest first.
    pub(super) fn newest(&self) -> &[DeploymentInfo] {
        &self.read
    }

    /// Reads on; says whether there was more.
    async fn more(&mut self, client: &Client) -> Result<bool, PlatformError> {
        if self.unread.is_empty() {
            return Ok(false);
        }
        let count = self.unread.len().min(PER_CALL);
        let ids: Vec<String> = self.unread.drain(..count).collect();
        let answer = client
            .batch_get_deployments()
            .set_deployment_ids(Some(ids))
            .send()
            .await
            .map_err(errors::platform("codedeploy:BatchGetDeployments"))?;
        self.read
            .extend(answer.deployments_info.unwrap_or_default());
        self.read
            .sort_by_key(|info| std::cmp::Reverse(info.create_time().map(to_millis)));
        Ok(true)
    }

    /// The attempt's own deployment.
    pub(super) async fn own(
        &mut self,
        client: &Client,
        attempt: &EntryId,
    ) -> Result<Option<DeploymentInfo>, PlatformError> {
        loop {
            // The first of them, should there ever be two.
            let own = self.read.iter().rev().find(|info| is_of(info, attempt));
            if let Some(own) = own {
                return Ok(Some(own.clone()));
            }
            if !self.more(client).await? {
                return Ok(None);
            }
        }
    }

    /// The id of the deployment that undoes another one.
    pub(super) fn undoing(&self, id: &str) -> Option<&str> {
        let undoes = |info: &&DeploymentInfo| {
            let undone = info
                .rollback_info()
                .and_then(|info| info.rollback_triggering_deployment_id());
            undone == Some(id)
        };
        self.read
            .iter()
            .find(undoes)
            .and_then(DeploymentInfo::deployment_id)
    }

    /// A deployment that occupies the group.
    pub(super) fn busy(&self) -> Option<&str> {
        let busy = self
            .read
            .iter()
            .find(|info| info.status().is_some_and(is_unfinished));
        busy.and_then(DeploymentInfo::deployment_id)
    }
}

fn to_millis(time: &aws_smithy_types::DateTime) -> i64 {
    time.to_millis().unwrap_or_default()
}

/// Whether a deployment was created for an attempt. A rollback that CodeDeploy makes by itself may
/// repeat the description of what it undoes.
fn is_of(info: &DeploymentInfo, attempt: &EntryId) -> bool {
    let undoes = info.creator() == Some(&DeploymentCreator::CodeDeployRollback)
        || info
            .rollback_info()
            .is_some_and(|info| info.rollback_triggering_deployment_id().is_some());
    !undoes
        && info
            .description()
            .is_some_and(|description| mark::is_of(description, attempt))
}

/// Whether CodeDeploy is still busy with it. An unknown status counts as busy.
pub(super) fn is_unfinished(status: &DeploymentStatus) -> bool {
    !matches!(
        status,
        DeploymentStatus::Succeeded | DeploymentStatus::Failed | DeploymentStatus::Stopped
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_codedeploy::types::RollbackInfo;

    use super::*;

    #[test]
    fn a_rollback_with_the_same_words_is_not_ours() {
        let attempt: EntryId = "web/42".parse().unwrap();
        let info = || DeploymentInfo::builder().description("lastgood web/42 release 17");
        assert!(is_of(
            &info().creator(DeploymentCreator::User).build(),
            &attempt
        ));
        assert!(!is_of(
            &info()
                .creator(DeploymentCreator::CodeDeployRollback)
                .build(),
            &attempt
        ));
        let triggered = RollbackInfo::builder()
            .rollback_triggering_deployment_id("d-1")
            .build();
        assert!(!is_of(&info().rollback_info(triggered).build(), &attempt));
    }
}
