//! Calls about the revisions that an application knows.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    CodeDeploy,
    events::application_arn,
    group::{Application, Registered},
    revision::Revision,
    wire::{application_name, compact, page, parse},
};
use crate::{
    api::{ApiError, Call},
    envelope::{Place, epoch},
};

/// The most revisions of one `BatchGetApplicationRevisions`. Source: CodeDeploy API.
const BATCH_MAX: usize = 25;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    application_name: Option<String>,
    revision: Option<Value>,
    #[serde(default)]
    revisions: Vec<Value>,
    description: Option<String>,
    sort_order: Option<SortOrder>,
    s3_bucket: Option<String>,
    s3_key_prefix: Option<String>,
    deployed: Option<Deployed>,
    next_token: Option<String>,
}

/// How a list is sorted by the time its revisions became known.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum SortOrder {
    Ascending,
    Descending,
}

/// What a list has of what some group deployed last with success.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Deployed {
    Include,
    Exclude,
    Ignore,
}

impl CodeDeploy {
    pub(super) async fn register_revision(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, name, input) = self.of_application(call).await?;
        let revision = Revision::parse(input.revision)?;
        let mut state = self.state();
        state
            .application_mut(&place, &name)?
            .register(&revision, input.description);
        Ok(json!({}))
    }

    pub(super) async fn get_revision(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, name, input) = self.of_application(call).await?;
        let revision = Revision::parse(input.revision)?;
        let state = self.state();
        let application = state.application(&place, &name)?;
        let known = known(application, &revision).ok_or_else(|| {
            let message = "The specified revision could not be found";
            ApiError::client("RevisionDoesNotExistException", message)
        })?;
        Ok(json!({
            "applicationName": name,
            "revision": revision.to_json(),
            "revisionInfo": info(application, known),
        }))
    }

    pub(super) async fn batch_get_revisions(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, name, input) = self.of_application(call).await?;
        if input.revisions.len() > BATCH_MAX {
            let message = format!("The maximum number of revisions is {BATCH_MAX}");
            return Err(ApiError::client("BatchLimitExceededException", message));
        }
        let wanted = input
            .revisions
            .into_iter()
            .map(|one| Revision::parse(Some(one)));
        let wanted: Vec<Revision> = wanted.collect::<Result<_, _>>()?;
        let state = self.state();
        let application = state.application(&place, &name)?;
        let told: Vec<Value> = wanted
            .iter()
            .filter_map(|revision| known(application, revision))
            .map(|known| {
                let location = known.revision.to_json();
                json!({ "revisionLocation": location, "genericRevisionInfo": info(application, known) })
            })
            .collect();
        Ok(json!({ "applicationName": name, "errorMessage": "", "revisions": told }))
    }

    pub(super) async fn list_revisions(&self, call: &Call) -> Result<Value, ApiError> {
        let (place, name, input) = self.of_application(call).await?;
        let state = self.state();
        let application = state.application(&place, &name)?;
        let wanted = |known: &&Registered| {
            let (bucket, key) = match &known.revision {
                Revision::S3(at) => (at.bucket.as_str(), at.key.as_str()),
                Revision::AppSpec(_) => ("", ""),
            };
            let deployed = !users(application, &known.revision).is_empty();
            input
                .s3_bucket
                .as_ref()
                .is_none_or(|wanted| wanted == bucket)
                && input
                    .s3_key_prefix
                    .as_ref()
                    .is_none_or(|prefix| key.starts_with(prefix))
                && match input.deployed {
                    Some(Deployed::Include) => deployed,
                    Some(Deployed::Exclude) => !deployed,
                    Some(Deployed::Ignore) | None => true,
                }
        };
        let told = |known: &Registered| known.revision.to_json();
        let mut all: Vec<Value> = application
            .revisions
            .iter()
            .filter(wanted)
            .map(told)
            .collect();
        match input.sort_order {
            Some(SortOrder::Descending) => all.reverse(),
            Some(SortOrder::Ascending) | None => {}
        }
        let (revisions, next) = page(all, input.next_token.as_deref())?;
        Ok(compact(
            json!({ "revisions": revisions, "nextToken": next }),
        ))
    }

    /// The application that a call names, if the caller may.
    async fn of_application(&self, call: &Call) -> Result<(Place, String, Input), ApiError> {
        let mut input: Input = parse(&call.body)?;
        let name = application_name(input.application_name.take())?;
        let place = call.caller.place();
        let arn = application_arn(&place, &name);
        self.allow(&call.caller, &call.operation, &arn).await?;
        Ok((place, name, input))
    }
}

fn known<'a>(application: &'a Application, revision: &Revision) -> Option<&'a Registered> {
    application
        .revisions
        .iter()
        .find(|known| known.revision == *revision)
}

/// The groups that deployed a revision last with success.
fn users<'a>(application: &'a Application, revision: &Revision) -> Vec<&'a str> {
    let uses = application.groups.values().filter(|group| {
        group
            .last_successful
            .as_ref()
            .is_some_and(|last| last.revision == *revision)
    });
    uses.map(|group| group.name.as_str()).collect()
}

fn info(application: &Application, known: &Registered) -> Value {
    compact(json!({
        "description": known.description,
        "deploymentGroups": users(application, &known.revision),
        "registerTime": epoch(known.registered),
    }))
}
