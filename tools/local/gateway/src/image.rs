//! The event ECR sends after an image was pushed, made from the call that pushed it. Pure.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// What we read of a `PutImage` request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutImage {
    repository_name: String,
    image_tag: Option<String>,
    image_manifest: String,
    image_manifest_media_type: Option<String>,
}

/// What we read of its answer.
#[derive(Debug, Deserialize)]
struct Answer {
    image: Image,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    registry_id: String,
    image_id: ImageId,
    image_manifest_media_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: String,
}

/// The "ECR Image Action" of a push that succeeded; none if request or answer cannot be read.
pub(crate) fn pushed(
    request: &[u8],
    answer: &[u8],
    region: &str,
    id: &str,
    now: Timestamp,
) -> Option<Value> {
    let request: PutImage = serde_json::from_slice(request).ok()?;
    let Answer { image } = serde_json::from_slice(answer).ok()?;
    let manifest: Value = serde_json::from_str(&request.image_manifest).unwrap_or(Value::Null);
    let mut detail = json!({
        "result": "SUCCESS",
        "repository-name": request.repository_name,
        "image-digest": image.image_id.image_digest,
        "action-type": "PUSH",
        // AWS sends an empty tag for a push by digest.
        "image-tag": request.image_tag.unwrap_or_default(),
    });
    let manifest_type = request
        .image_manifest_media_type
        .or_else(|| {
            manifest
                .get("mediaType")
                .and_then(Value::as_str)
                .map(str::to_owned)
        })
        .or(image.image_manifest_media_type);
    let artefact_type = manifest.pointer("/config/mediaType").cloned();
    if let Value::Object(fields) = &mut detail {
        for (name, value) in [
            ("artifact-media-type", artefact_type),
            ("manifest-media-type", manifest_type.map(Value::String)),
        ] {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
    }
    Some(json!({
        "version": "0",
        "id": id,
        "detail-type": "ECR Image Action",
        "source": "aws.ecr",
        "account": image.registry_id,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "region": region,
        "resources": [],
        "detail": detail,
    }))
}

/// The manifest that a `PutImage` request brings.
pub(crate) fn manifest(request: &[u8]) -> Option<Value> {
    let request: PutImage = serde_json::from_slice(request).ok()?;
    serde_json::from_str(&request.image_manifest).ok()
}

/// The manifest in the answer to `BatchGetImage`.
pub(crate) fn handed_out(answer: &Value) -> Option<Value> {
    let text = answer.pointer("/images/0/imageManifest")?.as_str()?;
    serde_json::from_str(text).ok()
}

/// The repository and the digest that a request asks about.
pub(crate) fn asked(request: &[u8]) -> Option<(String, String)> {
    let request: Value = serde_json::from_slice(request).ok()?;
    let text = |path| Some(request.pointer(path)?.as_str()?.to_owned());
    Some((text("/repositoryName")?, text("/imageId/imageDigest")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:98c8b060c21d9adbb6b8c41b916e95e6307102786973ab93a41e8b86d1fc6d3e";

    fn push(request: Value) -> Option<Value> {
        let answer = json!({ "image": {
            "registryId": "111122223333",
            "repositoryName": "shop/api",
            "imageId": { "imageDigest": DIGEST, "imageTag": "an older tag" },
            "imageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
        } });
        let now = "2026-11-23T10:11:12.5Z".parse().unwrap();
        let (request, answer) = (request.to_string(), answer.to_string());
        pushed(
            request.as_bytes(),
            answer.as_bytes(),
            "eu-west-1",
            "an id",
            now,
        )
    }

    #[test]
    fn a_push_with_a_tag() {
        let manifest = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": { "mediaType": "application/vnd.oci.image.config.v1+json" },
        });
        let event = push(json!({
            "repositoryName": "shop/api",
            "imageTag": "1.4.2",
            "imageManifest": manifest.to_string(),
        }));
        let expected = json!({
            "version": "0",
            "id": "an id",
            "detail-type": "ECR Image Action",
            "source": "aws.ecr",
            "account": "111122223333",
            "time": "2026-11-23T10:11:12Z",
            "region": "eu-west-1",
            "resources": [],
            "detail": {
                "result": "SUCCESS",
                "repository-name": "shop/api",
                "image-digest": DIGEST,
                "action-type": "PUSH",
                "image-tag": "1.4.2",
                "artifact-media-type": "application/vnd.oci.image.config.v1+json",
                "manifest-media-type": "application/vnd.oci.image.manifest.v1+json",
            },
        });
        assert_eq!(event, Some(expected));
    }

    #[test]
    fn a_push_by_digest_has_an_empty_tag() {
        let event = push(json!({ "repositoryName": "shop/api", "imageManifest": "no JSON" }));
        let detail = &event.unwrap()["detail"];
        assert_eq!(detail["image-tag"], "");
        assert_eq!(detail.get("artifact-media-type"), None);
    }

    #[test]
    fn what_cannot_be_read_makes_no_event() {
        assert_eq!(push(json!({ "imageTag": "1" })), None);
    }
}
