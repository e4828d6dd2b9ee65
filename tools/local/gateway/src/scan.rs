//! Scans of images, played: what a scan is to find, the image's manifest says in an annotation.
//! Images that say nothing are never scanned, as without scanning on push. Pure.

use serde_json::{Map, Value, json};

/// The annotation: severities with their counts, such as `CRITICAL=1,LOW=4`; empty for a scan that
/// finds nothing.
const FINDINGS: &str = "lastgood.local.findings";

/// What a scan of an image with this manifest finds, by severity; none when it is not scanned.
pub(crate) fn findings(manifest: &Value) -> Option<Map<String, Value>> {
    let said = manifest.get("annotations")?.get(FINDINGS)?.as_str()?;
    let counts = said.split(',').filter_map(|one| {
        let (severity, count) = one.split_once('=')?;
        Some((severity.to_owned(), json!(count.parse::<u32>().ok()?)))
    });
    Some(counts.collect())
}

/// ECR's answer to `DescribeImageScanFindings`.
pub(crate) fn described(repository: &str, digest: &str, counts: Map<String, Value>) -> Value {
    let named = |(at, severity): (usize, &String)| {
        json!({
            "name": format!("CVE-2026-{}", 10_001 + at),
            "severity": severity,
            "attributes": [{ "key": "package_name", "value": "openssl" }],
        })
    };
    let findings: Vec<Value> = counts.keys().enumerate().map(named).collect();
    json!({
        "repositoryName": repository,
        "imageId": { "imageDigest": digest },
        "imageScanStatus": { "status": "COMPLETE" },
        "imageScanFindings": {
            "imageScanCompletedAt": 1_764_000_000,
            "findingSeverityCounts": counts,
            "findings": findings,
        },
    })
}

/// The event of a scan that has ended, after the event of the push.
pub(crate) fn ended(pushed: &Value, counts: &Map<String, Value>, id: &str) -> Option<Value> {
    let mut event = pushed.clone();
    let detail = pushed.get("detail")?;
    let told = json!({
        "scan-status": "COMPLETE",
        "repository-name": detail.get("repository-name")?,
        "finding-severity-counts": counts,
        "image-digest": detail.get("image-digest")?,
        "image-tags": [detail.get("image-tag")?],
    });
    let fields = event.as_object_mut()?;
    fields.insert("id".to_owned(), json!(id));
    fields.insert("detail-type".to_owned(), json!("ECR Image Scan"));
    fields.insert("detail".to_owned(), told);
    Some(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saying(findings: &str) -> Value {
        json!({ "annotations": { FINDINGS: findings } })
    }

    #[test]
    fn an_image_says_what_its_scan_is_to_find() {
        let counts = findings(&saying("CRITICAL=1,LOW=4")).unwrap();
        assert_eq!(Value::from(counts), json!({ "CRITICAL": 1, "LOW": 4 }));
        assert_eq!(findings(&saying("")).map(|none| none.len()), Some(0));
        assert_eq!(findings(&json!({ "annotations": {} })), None);
        assert_eq!(findings(&Value::Null), None);
    }

    #[test]
    fn the_event_has_the_shape_of_ecrs() {
        let pushed = json!({
            "version": "0",
            "id": "an id",
            "detail-type": "ECR Image Action",
            "source": "aws.ecr",
            "account": "111122223333",
            "detail": {
                "repository-name": "shop/web",
                "image-digest": "sha256:1",
                "image-tag": "main-1",
            },
        });
        let counts = findings(&saying("HIGH=2")).unwrap();
        let event = ended(&pushed, &counts, "another id").unwrap();
        let expected = json!({
            "version": "0",
            "id": "another id",
            "detail-type": "ECR Image Scan",
            "source": "aws.ecr",
            "account": "111122223333",
            "detail": {
                "scan-status": "COMPLETE",
                "repository-name": "shop/web",
                "finding-severity-counts": { "HIGH": 2 },
                "image-digest": "sha256:1",
                "image-tags": ["main-1"],
            },
        });
        assert_eq!(event, expected);
    }
}
