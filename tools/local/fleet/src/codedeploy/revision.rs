//! What a deployment deploys: the revision as callers write it and as they read it back.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::api::ApiError;

/// A revision. Equality is what makes two deployments deploy the same thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Revision {
    /// A bundle in S3.
    S3(S3Location),
    /// The text of an AppSpec file (ECS).
    AppSpec(Content),
}

/// Where a bundle is in S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct S3Location {
    /// The bucket's name.
    pub(super) bucket: String,
    /// The object's key.
    pub(super) key: String,
    /// How it is packed.
    pub(super) bundle_type: BundleType,
    /// The object's version; without it, whatever is newest when an instance downloads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    /// What the ETag must be; without it, it is not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) e_tag: Option<String>,
}

/// How a bundle is packed. CodeDeploy's `YAML` and `JSON` are for ECS and Lambda only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum BundleType {
    /// A tar archive.
    #[serde(rename = "tar")]
    Tar,
    /// A compressed tar archive.
    #[serde(rename = "tgz")]
    Tgz,
    /// A zip archive.
    #[serde(rename = "zip")]
    Zip,
    /// An AppSpec file alone.
    #[serde(rename = "YAML")]
    Yaml,
    /// An AppSpec file alone, as JSON.
    #[serde(rename = "JSON")]
    Json,
}

/// The text of an AppSpec file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    /// YAML or JSON.
    pub(super) content: String,
    /// The SHA-256 of `content`, hex, as the caller computed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
}

/// A revision as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    revision_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    s3_location: Option<S3Location>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_spec_content: Option<Content>,
}

impl Revision {
    /// Reads a revision.
    pub(super) fn parse(value: Option<Value>) -> Result<Self, ApiError> {
        let Some(value) = value else {
            return Err(ApiError::client(
                "RevisionRequiredException",
                "Revision is required",
            ));
        };
        let invalid = |message: String| ApiError::client("InvalidRevisionException", message);
        let wire: Wire = serde_json::from_value(value)
            .map_err(|error| invalid(format!("Revision is invalid: {error}")))?;
        match (
            wire.revision_type.as_deref(),
            wire.s3_location,
            wire.app_spec_content,
        ) {
            (Some("S3") | None, Some(s3), None) => {
                if s3.bucket.is_empty() || s3.key.is_empty() {
                    return Err(invalid("The bucket and the key are required".to_owned()));
                }
                Ok(Self::S3(s3))
            }
            (Some("AppSpecContent") | None, None, Some(content)) => Ok(Self::AppSpec(content)),
            (Some(other @ ("GitHub" | "String")), _, _) => Err(invalid(format!(
                "Revisions of type {other} are not deployed here"
            ))),
            _ => Err(invalid(
                "Exactly one of s3Location and appSpecContent is required".to_owned(),
            )),
        }
    }

    /// The revision as callers read it.
    pub(super) fn to_json(&self) -> Value {
        let (revision_type, s3_location, app_spec_content) = match self {
            Self::S3(s3) => ("S3", Some(s3.clone()), None),
            Self::AppSpec(content) => ("AppSpecContent", None, Some(content.clone())),
        };
        let revision_type = Some(revision_type.to_owned());
        serde_json::to_value(Wire {
            revision_type,
            s3_location,
            app_spec_content,
        })
        .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_revision_reads_back_as_it_was_written() {
        for written in [
            json!({"revisionType":"S3","s3Location":{"bucket":"b","key":"k","bundleType":"zip"}}),
            json!({"revisionType":"S3","s3Location":
                {"bucket":"b","key":"k","bundleType":"tgz","version":"3","eTag":"e"}}),
            json!({"revisionType":"AppSpecContent","appSpecContent":{"content":"x","sha256":"y"}}),
        ] {
            assert_eq!(
                Revision::parse(Some(written.clone())).unwrap().to_json(),
                written
            );
        }
    }

    #[test]
    fn what_cannot_be_deployed_is_refused_by_its_name() {
        assert_eq!(
            Revision::parse(None).unwrap_err().code,
            "RevisionRequiredException"
        );
        for bad in [
            json!({"revisionType":"S3"}),
            json!({"revisionType":"GitHub","gitHubLocation":{}}),
            json!({"revisionType":"S3","s3Location":{"bucket":"","key":"k","bundleType":"zip"}}),
            json!({"revisionType":"S3","s3Location":{"bucket":"b","key":"k","bundleType":"rar"}}),
        ] {
            assert_eq!(
                Revision::parse(Some(bad)).unwrap_err().code,
                "InvalidRevisionException"
            );
        }
    }
}
