//! What really runs: what ECS and CodeDeploy say of a stage, and what its front door answers. The
//! ledger is not asked here; the demo compares both.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};

use super::account::Account;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What a stage deploys to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An ECS service.
    Ecs {
        /// Its cluster.
        cluster: String,
        /// Its name.
        service: String,
    },
    /// A CodeDeploy deployment group.
    CodeDeploy {
        /// Its application.
        application: String,
        /// Its name.
        group: String,
    },
}

/// How many tasks or instances run what: image digests, or `bucket/key@version`.
pub type Runs = BTreeMap<String, usize>;

impl Target {
    /// What runs there now, as the platform says.
    ///
    /// # Errors
    /// When the platform refuses, or its answer cannot be read.
    pub async fn runs(&self, account: &Account) -> Result<Runs> {
        match self {
            Self::Ecs { cluster, service } => tasks(account, cluster, service).await,
            Self::CodeDeploy { application, group } => instances(account, application, group).await,
        }
    }

    /// Waits until all of it runs exactly this; gives how many tasks or instances that are.
    ///
    /// # Errors
    /// When it does not in time; with what runs instead.
    pub async fn until(
        &self,
        account: &Account,
        content: &str,
        longest: Duration,
    ) -> Result<usize> {
        let began = Instant::now();
        loop {
            let runs = self.runs(account).await?;
            if let (Some(count), 1) = (runs.get(content), runs.len()) {
                return Ok(*count);
            }
            if began.elapsed() > longest {
                anyhow::bail!("{self:?} should run {content} everywhere, and runs {runs:?}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// What a release's artefact is called where it runs.
///
/// # Errors
/// When it is neither an object nor an image.
pub fn content(artefact: &Value) -> Result<String> {
    let text = |path: &str| artefact.pointer(path).and_then(Value::as_str);
    if let Some(digest) = text("/image/digest") {
        return Ok(digest.to_owned());
    }
    let object = (
        text("/object/bucket"),
        text("/object/key"),
        text("/object/version"),
    );
    match object {
        (Some(bucket), Some(key), Some(version)) => Ok(format!("{bucket}/{key}@{version}")),
        _ => anyhow::bail!("this is no artefact: {artefact}"),
    }
}

/// What the front door at this address answers: the JSON of the local fleet's applications.
///
/// # Errors
/// When nobody answers.
pub async fn answer(url: &str) -> Result<(u16, Value)> {
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let answer = client.get(url.parse()?).await;
    let answer = answer.with_context(|| format!("nobody answers at {url}"))?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

async fn tasks(account: &Account, cluster: &str, service: &str) -> Result<Runs> {
    let input = json!({ "cluster": cluster, "serviceName": service });
    let listed = account.ecs("ListTasks", input).await?;
    let arns = listed.get("taskArns").cloned().unwrap_or_default();
    if arns.as_array().is_none_or(Vec::is_empty) {
        return Ok(Runs::new());
    }
    let input = json!({ "cluster": cluster, "tasks": arns });
    let told = account.ecs("DescribeTasks", input).await?;
    let mut runs = Runs::new();
    for task in list(&told, "/tasks") {
        for container in list(task, "/containers") {
            let digest = container.get("imageDigest").and_then(Value::as_str);
            *runs
                .entry(digest.unwrap_or("unknown").to_owned())
                .or_default() += 1;
        }
    }
    Ok(runs)
}

/// What the last deployment of every instance of a group brought.
async fn instances(account: &Account, application: &str, group: &str) -> Result<Runs> {
    let input = json!({ "applicationName": application, "deploymentGroupName": group });
    let listed = account.codedeploy("ListDeployments", input).await?;
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    // Newest first: what an instance had before is not looked at.
    for id in list(&listed, "/deployments") {
        let input = json!({ "deploymentId": id });
        let told = account.codedeploy("GetDeployment", input.clone()).await?;
        let location = told.pointer("/deploymentInfo/revision/s3Location");
        let revision = location.map(revision).unwrap_or_default();
        let listed = account.codedeploy("ListDeploymentTargets", input).await?;
        let targets: Vec<&Value> = list(&listed, "/targetIds").collect();
        if targets.is_empty() {
            continue;
        }
        let input = json!({ "deploymentId": id, "targetIds": targets });
        let told = account
            .codedeploy("BatchGetDeploymentTargets", input)
            .await?;
        for target in list(&told, "/deploymentTargets") {
            let field = |name: &str| target.pointer(&format!("/instanceTarget/{name}"));
            let touched = field("status").is_some_and(|status| status != "Skipped");
            if let (Some(instance), true) = (field("targetId").and_then(Value::as_str), touched) {
                last.entry(instance.to_owned())
                    .or_insert_with(|| revision.clone());
            }
        }
    }
    let mut runs = Runs::new();
    for revision in last.into_values() {
        *runs.entry(revision).or_default() += 1;
    }
    Ok(runs)
}

fn revision(location: &Value) -> String {
    let text = |name: &str| {
        location
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    format!("{}/{}@{}", text("bucket"), text("key"), text("version"))
}

fn list<'a>(value: &'a Value, path: &str) -> impl Iterator<Item = &'a Value> {
    value
        .pointer(path)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artefact_is_called_the_same_on_the_platform() {
        let image = json!({ "image": { "repository": "shop", "digest": "sha256:00" } });
        assert_eq!(content(&image).unwrap(), "sha256:00");
        let object = json!({ "object": { "bucket": "b", "key": "k.zip", "version": "3" } });
        assert_eq!(content(&object).unwrap(), "b/k.zip@3");
        let location = json!({ "bucket": "b", "key": "k.zip", "version": "3", "eTag": "x" });
        assert_eq!(revision(&location), "b/k.zip@3");
        assert!(content(&json!({ "object": {} })).is_err());
    }
}
