//! The wire: reading what callers send, AWS's errors by name, and small helpers for answers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::api::ApiError;

/// The most entries of one page of a list. Source: CodeDeploy API, `ListDeployments`.
const PAGE_MAX: usize = 100;

/// The longest description of a deployment, in characters. Source: CodeDeploy quotas.
pub(super) const DESCRIPTION_CHARS_MAX: usize = 256;

/// Reads a request.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body)
        .map_err(|error| ApiError::client("SerializationException", error.to_string()))
}

/// A name that must be given.
pub(super) fn required(
    name: Option<String>,
    code: &'static str,
    what: &str,
) -> Result<String, ApiError> {
    name.filter(|name| !name.is_empty())
        .ok_or_else(|| ApiError::client(code, format!("{what} is required")))
}

/// The name of an application, which must be given.
pub(super) fn application_name(name: Option<String>) -> Result<String, ApiError> {
    required(name, "ApplicationNameRequiredException", "Application name")
}

/// The name of a deployment group, which must be given.
pub(super) fn group_name(name: Option<String>) -> Result<String, ApiError> {
    required(
        name,
        "DeploymentGroupNameRequiredException",
        "Deployment group name",
    )
}

/// The id of a deployment, which must be given and look like one.
pub(super) fn deployment_id(id: Option<String>) -> Result<String, ApiError> {
    let id = required(id, "DeploymentIdRequiredException", "Deployment ID")?;
    match id.strip_prefix("d-") {
        Some(rest) if rest.chars().all(|c| c.is_ascii_alphanumeric()) => Ok(id),
        _ => {
            let message = format!("Specified DeploymentId is not valid: {id}");
            Err(ApiError::client("InvalidDeploymentIdException", message))
        }
    }
}

/// There is no such application.
pub(super) fn no_application(name: &str) -> ApiError {
    let message = format!("No application found for name: {name}");
    ApiError::client("ApplicationDoesNotExistException", message)
}

/// There is no such deployment group.
pub(super) fn no_group(name: &str) -> ApiError {
    let message = format!("No Deployment Group found for name: {name}");
    ApiError::client("DeploymentGroupDoesNotExistException", message)
}

/// There is no such deployment.
pub(super) fn no_deployment(id: &str) -> ApiError {
    let message = format!("The deployment {id} could not be found");
    ApiError::client("DeploymentDoesNotExistException", message)
}

/// There is no such deployment configuration.
pub(super) fn no_config(name: &str) -> ApiError {
    let message = format!("No Deployment Configuration found for name: {name}");
    ApiError::client("DeploymentConfigDoesNotExistException", message)
}

/// A value without the fields that say nothing.
pub(super) fn compact(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let told = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(told.map(|(name, value)| (name, compact(value))).collect())
        }
        Value::Array(values) => values.into_iter().map(compact).collect(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => other,
    }
}

/// The time as callers read it: to the millisecond, so that they can ask for it again.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// A time as callers write it: seconds since 1970.
pub(super) fn time(seconds: f64) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "out of range is refused by jiff"
    )]
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).ok()
}

/// One page of a list, and where the next begins.
pub(super) fn page<T>(all: Vec<T>, token: Option<&str>) -> Result<(Vec<T>, Value), ApiError> {
    let bad = |_| ApiError::client("InvalidNextTokenException", "The next token is not valid");
    let from: usize = token.map_or(Ok(0), str::parse).map_err(bad)?;
    let next = from.saturating_add(PAGE_MAX);
    let more = if all.len() > next {
        Value::String(next.to_string())
    } else {
        Value::Null
    };
    Ok((all.into_iter().skip(from).take(PAGE_MAX).collect(), more))
}

/// A tag of ours or of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    /// Its name.
    pub(super) key: String,
    /// Its value.
    #[serde(default)]
    pub(super) value: String,
}

/// What an instance's tags must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TagFilter {
    /// The tag's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The tag's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Which of both counts.
    #[serde(rename = "Type", default, skip_serializing_if = "Option::is_none")]
    kind: Option<FilterKind>,
}

/// Which part of a tag a filter looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum FilterKind {
    KeyOnly,
    ValueOnly,
    KeyAndValue,
}

impl TagFilter {
    /// Whether one of these tags is meant.
    pub(super) fn matches(&self, tags: &[Tag]) -> bool {
        let kind = self.kind.unwrap_or(match (&self.key, &self.value) {
            (Some(_), None) => FilterKind::KeyOnly,
            (None, Some(_)) => FilterKind::ValueOnly,
            (Some(_), Some(_)) | (None, None) => FilterKind::KeyAndValue,
        });
        let key = self.key.as_deref().unwrap_or_default();
        let value = self.value.as_deref().unwrap_or_default();
        tags.iter().any(|tag| match kind {
            FilterKind::KeyOnly => tag.key == key,
            FilterKind::ValueOnly => tag.value == value,
            FilterKind::KeyAndValue => tag.key == key && tag.value == value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_look_at_what_they_say() {
        let tags: Vec<Tag> =
            serde_json::from_value(json!([{"Key":"Name","Value":"web"},{"Key":"x"}])).unwrap();
        let matches = |filter: Value| -> bool {
            serde_json::from_value::<TagFilter>(filter)
                .unwrap()
                .matches(&tags)
        };
        assert!(matches(
            json!({"Key":"Name","Value":"web","Type":"KEY_AND_VALUE"})
        ));
        assert!(!matches(
            json!({"Key":"Name","Value":"db","Type":"KEY_AND_VALUE"})
        ));
        assert!(matches(json!({"Key":"Name","Type":"KEY_ONLY"})));
        assert!(matches(json!({"Value":"web"})));
        assert!(!matches(json!({})));
    }

    #[test]
    fn ids_must_look_like_ids() {
        assert!(deployment_id(Some("d-ABC123".to_owned())).is_ok());
        let bad = |id: Option<&str>| deployment_id(id.map(str::to_owned)).unwrap_err().code;
        assert_eq!(bad(Some("../x")), "InvalidDeploymentIdException");
        assert_eq!(bad(None), "DeploymentIdRequiredException");
    }

    #[test]
    fn lists_come_in_pages() {
        let all: Vec<usize> = (0..250).collect();
        let (first, next) = page(all.clone(), None).unwrap();
        assert_eq!((first.len(), next.as_str()), (100, Some("100")));
        let (last, next) = page(all.clone(), Some("200")).unwrap();
        assert_eq!((last.len(), next.as_str()), (50, None));
        assert!(page(all, Some("x")).is_err());
    }
}
