//! Events as the bytes that AWS delivers: the shapes are those of the samples in `events/`.

use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::hint::Subject;
use domain::{Commit, Identity, Timestamp};
use intake::cloudtrail::Ourselves;
use intake::wire::Command;
use serde_json::{Value, json};

use crate::cloud::{Happening, Word};
use crate::scenario::Pushed;

/// The account and Region in which Lastgood lives.
pub(crate) const ACCOUNT: &str = "111122223333";
/// See [`ACCOUNT`].
pub(crate) const REGION: &str = "ap-south-1";

fn envelope(
    source: &str,
    detail_type: &str,
    at: Timestamp,
    resources: Value,
    detail: Value,
) -> Value {
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": detail_type,
        "source": source,
        "account": ACCOUNT,
        "time": at.to_string(),
        "region": REGION,
        "resources": resources,
        "detail": detail,
    })
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// An artefact was uploaded or pushed.
pub(crate) fn pushed(pushed: &Pushed, at: Timestamp) -> Vec<u8> {
    bytes(&match pushed {
        Pushed::Object {
            bucket,
            key,
            version,
        } => envelope(
            "aws.s3",
            "Object Created",
            at,
            json!([format!("arn:aws:s3:::{bucket}")]),
            json!({
                "version": "0",
                "bucket": { "name": bucket },
                "object": {
                    "key": key,
                    "size": 4096,
                    "etag": "b1946ac92492d2347c6235b4d2611184",
                    "version-id": version,
                    "sequencer": "617f08299329d189",
                },
                "request-id": "N4N7GDK58NMKJ12R",
                "requester": ACCOUNT,
                "source-ip-address": "192.0.2.4",
                "reason": "CompleteMultipartUpload",
            }),
        ),
        Pushed::Image {
            repository,
            digest,
            tag,
        } => envelope(
            "aws.ecr",
            "ECR Image Action",
            at,
            json!([]),
            json!({
                "result": "SUCCESS",
                "repository-name": repository,
                "image-digest": digest,
                "action-type": "PUSH",
                "image-tag": tag,
                "manifest-media-type": "application/vnd.oci.image.manifest.v1+json",
            }),
        ),
    })
}

/// How ECR says that a scan has ended; what it found is looked up.
pub(crate) const IMAGE_SCAN: &str = "ECR Image Scan";

/// The scan of an image has ended, well or not.
pub(crate) fn scanned(repository: &str, digest: &str, at: Timestamp) -> Vec<u8> {
    let arn = format!("arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}");
    let detail = json!({
        "scan-status": "COMPLETE",
        "repository-name": repository,
        "finding-severity-counts": {},
        "image-digest": digest,
        "image-tags": [],
    });
    bytes(&envelope("aws.ecr", IMAGE_SCAN, at, json!([arn]), detail))
}

/// CloudWatch's times have an offset without a colon.
fn cloudwatch_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// An alarm changed.
pub(crate) fn alarm(seen: &AlarmSeen, at: Timestamp) -> Vec<u8> {
    let state = match seen.state {
        AlarmState::Ok => "OK",
        AlarmState::Alarm => "ALARM",
        AlarmState::InsufficientData => "INSUFFICIENT_DATA",
    };
    let mut detail = json!({
        "alarmName": seen.alarm.name(),
        "configuration": { "metrics": [] },
        "previousState": {
            "value": "OK",
            "reason": "Unchecked: Initial alarm creation",
            "timestamp": cloudwatch_time(at),
        },
        "state": {
            "value": state,
            "reason": seen.reason,
            "reasonData": "{\"version\":\"1.0\",\"recentDatapoints\":[99.5],\"threshold\":50.0}",
            "timestamp": cloudwatch_time(seen.changed_at),
        },
    });
    if let (Voice::Muted, Some(detail)) = (seen.voice, detail.as_object_mut()) {
        let rule = "arn:aws:cloudwatch:ap-south-1:111122223333:alarm-mute-rule:night";
        detail.insert("muteDetail".into(), json!({ "mutedByArn": rule }));
    }
    let resources = json!([seen.alarm.as_str()]);
    let kind = "CloudWatch Alarm State Change";
    bytes(&envelope("aws.cloudwatch", kind, at, resources, detail))
}

/// A deployment moved on.
pub(crate) fn deployment(happening: &Happening, at: Timestamp) -> Vec<u8> {
    bytes(&match &happening.subject {
        Subject::EcsService(arn) => {
            let (kind, name) = match happening.word {
                Word::Start => ("INFO", "SERVICE_DEPLOYMENT_IN_PROGRESS"),
                Word::Success => ("INFO", "SERVICE_DEPLOYMENT_COMPLETED"),
                Word::Failure | Word::Stop => ("ERROR", "SERVICE_DEPLOYMENT_FAILED"),
            };
            let detail = json!({
                "eventType": kind,
                "eventName": name,
                "deploymentId": happening.deployment,
                "updatedAt": at.to_string(),
                "reason": format!("ECS deployment {} moved on.", happening.deployment),
            });
            envelope(
                "aws.ecs",
                "ECS Deployment State Change",
                at,
                json!([arn]),
                detail,
            )
        }
        Subject::DeploymentGroup {
            application, group, ..
        } => {
            let state = match happening.word {
                Word::Start => "START",
                Word::Success => "SUCCESS",
                Word::Failure => "FAILURE",
                Word::Stop => "STOP",
            };
            let of = format!("arn:aws:codedeploy:{REGION}:{ACCOUNT}");
            let resources = json!([
                format!("{of}:application:{application}"),
                format!("{of}:deploymentgroup:{application}/{group}"),
            ]);
            let detail = json!({
                "instanceGroupId": "9fd2fbef-2157-40d8-91e7-6845af69e2d2",
                "region": REGION,
                "application": application,
                "deploymentId": happening.deployment,
                "state": state,
                "deploymentGroup": group,
            });
            let kind = "CodeDeploy Deployment State-change Notification";
            envelope("aws.codedeploy", kind, at, resources, detail)
        }
        Subject::Alarm(_)
        | Subject::Bucket(_)
        | Subject::Repository { .. }
        | Subject::OciRepository { .. } => Value::Null,
    })
}

/// Who deploys, as the template tells the function that hears of calls.
pub(crate) fn ourselves() -> Ourselves {
    Ourselves {
        role: format!("arn:aws:iam::{ACCOUNT}:role/lastgood-deployer-{REGION}"),
        session: "lastgood-deployer".to_owned(),
    }
}

/// Somebody called for a deployment, and AWS did it or refused.
pub(crate) fn called(target: &Subject, id: u64, refused: bool, at: Timestamp) -> Vec<u8> {
    let (service, account, region, asked) = match target {
        Subject::EcsService(arn) => {
            let mut parts = arn.split(':').skip(3);
            let (region, account) = (parts.next(), parts.next());
            let asked = json!({ "service": arn, "taskDefinition": "theirs:1" });
            let names = (region.unwrap_or_default(), account.unwrap_or_default());
            ("ecs", names.1.to_owned(), names.0.to_owned(), asked)
        }
        Subject::DeploymentGroup {
            account,
            region,
            application,
            group,
        } => {
            let asked = json!({ "applicationName": application, "deploymentGroupName": group });
            ("codedeploy", account.to_string(), region.to_string(), asked)
        }
        Subject::Alarm(_)
        | Subject::Bucket(_)
        | Subject::Repository { .. }
        | Subject::OciRepository { .. } => return bytes(&Value::Null),
    };
    let name = match service {
        "ecs" => "UpdateService",
        _ => "CreateDeployment",
    };
    let detail = json!({
        "eventID": format!("call-{id}"),
        "eventName": name,
        "eventTime": at.to_string(),
        "sourceIPAddress": "203.0.113.10",
        "userIdentity": { "type": "IAMUser", "arn": format!("arn:aws:iam::{account}:user/carol") },
        "requestParameters": asked,
        "errorCode": refused.then_some("AccessDenied"),
        "readOnly": false,
    });
    let kind = "AWS API Call via CloudTrail";
    let mut event = envelope(&format!("aws.{service}"), kind, at, json!([]), detail);
    if let Some(event) = event.as_object_mut() {
        event.insert("account".to_owned(), json!(account));
        event.insert("region".to_owned(), json!(region));
    }
    bytes(&event)
}

/// The reconciler's wake-up.
pub(crate) fn tick(at: Timestamp) -> Vec<u8> {
    let rule = json!([format!(
        "arn:aws:events:{REGION}:{ACCOUNT}:rule/lastgood-reconciler"
    )]);
    bytes(&envelope(
        "aws.events",
        "Scheduled Event",
        at,
        rule,
        json!({}),
    ))
}

/// A person's request through the function URL. Without `by` AWS verified nobody.
pub(crate) fn request(command: &Command, by: Option<&Identity>) -> Vec<u8> {
    let authorizer = by.map_or(Value::Null, |Identity(arn)| {
        json!({ "iam": { "accessKey": "AKIA0", "accountId": ACCOUNT, "userArn": arn } })
    });
    bytes(&json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "requestContext": {
            "accountId": ACCOUNT,
            "authorizer": authorizer,
            "http": { "method": "POST", "path": "/", "protocol": "HTTP/1.1" },
        },
        "body": serde_json::to_string(command).unwrap_or_default(),
        "isBase64Encoded": false,
    }))
}

/// A lifecycle hook is called: by ECS with its traffic weights, by CodeDeploy with two ids.
pub(crate) fn hook(service_arn: Option<&str>, deployment: &str, back: bool) -> Vec<u8> {
    let Some(service_arn) = service_arn else {
        return bytes(&json!({
            "DeploymentId": deployment,
            "LifecycleEventHookExecutionId": "eyJlbmNyeXB0ZWREYXRhIjoi",
        }));
    };
    let revision = service_arn.replace(":service/", ":service-revision/");
    let (green, blue) = (format!("{revision}/2"), format!("{revision}/1"));
    let weight = if back { 0 } else { 100 };
    bytes(&json!({
        "executionId": "a2b3c4d5-e6f7-8901-abcd-ef1234567890",
        "lifecycleStage": "PRODUCTION_TRAFFIC_SHIFT",
        "resourceArn": service_arn.replace(":service/", ":service-deployment/"),
        "executionDetails": {
            "serviceArn": service_arn,
            "targetServiceRevisionArn": green,
            "testTrafficWeights": {},
            "productionTrafficWeights": { green.clone(): weight, blue: 100 - weight },
        },
    }))
}

/// A record's number as the stream writes it.
pub(crate) fn sequence(number: u64) -> String {
    format!("{number:021}")
}

/// A batch of the table's stream.
pub(crate) fn batch<'a>(records: impl Iterator<Item = (u64, &'a Commit)>) -> Vec<u8> {
    let record = |(number, commit): (u64, &Commit)| {
        let first = commit.entries.first().map_or(0, |one| one.entry.seq);
        let entries: Vec<Value> = commit
            .entries
            .iter()
            .map(|one| json!({ "S": one.stored }))
            .collect();
        let keys = json!({
            "PK": { "S": format!("service#{}", commit.service) },
            "SK": { "S": format!("commit#{first:010}") },
        });
        json!({
            "eventID": number.to_string(),
            "eventName": "INSERT",
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": {
                "ApproximateCreationDateTime": 1_693_997_155.0,
                "Keys": keys,
                "NewImage": { "entries": { "L": entries } },
                "SequenceNumber": sequence(number),
                "StreamViewType": "NEW_IMAGE",
            },
        })
    };
    bytes(&json!({ "Records": records.map(record).collect::<Vec<_>>() }))
}
