//! Events as the bytes that AWS delivers: the shapes are those of the samples in `events/`.

use domain::alarm::{AlarmSeen, AlarmState, Voice};
use domain::hint::Subject;
use domain::question::{Choice, Question};
use domain::{Commit, Identity, Timestamp};
use intake::cloudtrail::Ourselves;
use intake::slack::SigningSecret;
use intake::wire::Command;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::cloud::{Happening, Word};
use crate::scenario::Pushed;

/// The account and Region in which Lastgood lives.
pub(crate) const ACCOUNT: &str = "111122223333";
/// See [`ACCOUNT`].
pub(crate) const REGION: &str = "ap-south-1";

/// EventBridge's envelope.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope<'a, D> {
    version: &'a str,
    id: &'a str,
    detail_type: &'a str,
    source: &'a str,
    account: &'a str,
    time: Timestamp,
    region: &'a str,
    resources: &'a [&'a str],
    detail: D,
}

/// An event of where Lastgood lives.
fn event(
    (source, detail_type): (&str, &str),
    at: Timestamp,
    resources: &[&str],
    detail: impl Serialize,
) -> Vec<u8> {
    event_of(
        (ACCOUNT, REGION),
        (source, detail_type),
        at,
        resources,
        detail,
    )
}

fn event_of(
    (account, region): (&str, &str),
    (source, detail_type): (&str, &str),
    at: Timestamp,
    resources: &[&str],
    detail: impl Serialize,
) -> Vec<u8> {
    let envelope = Envelope {
        version: "0",
        id: "17793124-05d4-b198-2fde-7ededc63b103",
        detail_type,
        source,
        account,
        time: at,
        region,
        resources,
        detail,
    };
    // What cannot be written would be refused as no event.
    serde_json::to_vec(&envelope).unwrap_or_default()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// An artefact was uploaded or pushed.
pub(crate) fn pushed(pushed: &Pushed, at: Timestamp) -> Vec<u8> {
    match pushed {
        Pushed::Object {
            bucket,
            key,
            version,
        } => event(
            ("aws.s3", "Object Created"),
            at,
            &[&format!("arn:aws:s3:::{bucket}")],
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
        } => event(
            ("aws.ecr", "ECR Image Action"),
            at,
            &[],
            json!({
                "result": "SUCCESS",
                "repository-name": repository,
                "image-digest": digest,
                "action-type": "PUSH",
                "image-tag": tag,
                "manifest-media-type": "application/vnd.oci.image.manifest.v1+json",
            }),
        ),
    }
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
    event(("aws.ecr", IMAGE_SCAN), at, &[&arn], detail)
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
    let kind = ("aws.cloudwatch", "CloudWatch Alarm State Change");
    event(kind, at, &[seen.alarm.as_str()], detail)
}

/// A deployment moved on.
pub(crate) fn deployment(happening: &Happening, at: Timestamp) -> Vec<u8> {
    match &happening.subject {
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
            event(
                ("aws.ecs", "ECS Deployment State Change"),
                at,
                &[arn],
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
            let application_arn = format!("{of}:application:{application}");
            let group_arn = format!("{of}:deploymentgroup:{application}/{group}");
            let detail = json!({
                "instanceGroupId": "9fd2fbef-2157-40d8-91e7-6845af69e2d2",
                "region": REGION,
                "application": application,
                "deploymentId": happening.deployment,
                "state": state,
                "deploymentGroup": group,
            });
            let kind = "CodeDeploy Deployment State-change Notification";
            let resources = [application_arn.as_str(), group_arn.as_str()];
            event(("aws.codedeploy", kind), at, &resources, detail)
        }
        Subject::Alarm(_)
        | Subject::Bucket(_)
        | Subject::Repository { .. }
        | Subject::OciRepository { .. } => Vec::new(),
    }
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
        | Subject::OciRepository { .. } => return Vec::new(),
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
    let source = format!("aws.{service}");
    let kind = (source.as_str(), "AWS API Call via CloudTrail");
    event_of((&account, &region), kind, at, &[], detail)
}

/// The reconciler's wake-up.
pub(crate) fn tick(at: Timestamp) -> Vec<u8> {
    let rule = format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/lastgood-reconciler");
    let kind = ("aws.events", "Scheduled Event");
    event(kind, at, &[&rule], Map::new())
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

/// A button under a question is pressed in Slack, which signs what it sends, as does whoever says
/// to be Slack.
pub(crate) fn button(
    question: &Question,
    choice: Choice,
    user: &str,
    secret: &str,
    at: Timestamp,
) -> Vec<u8> {
    let payload = json!({
        "type": "block_actions",
        "user": { "id": user, "team_id": "T0SHOP" },
        "api_app_id": "A0LASTGOOD",
        "response_url": "https://hooks.slack.com/actions/T0SHOP/1/2",
        "actions": [{
            "type": "button",
            "action_id": choice.id(),
            "block_id": "answers",
            "value": question.to_string(),
        }],
    });
    let mut form = form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair("payload", &payload.to_string()).finish();
    let timestamp = at.as_second().to_string();
    let secret = SigningSecret::new(secret);
    let signature = secret.and_then(|secret| secret.sign(&timestamp, body.as_bytes()));
    bytes(&json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/",
        "headers": {
            "content-type": "application/x-www-form-urlencoded",
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": signature,
        },
        "requestContext": {
            "accountId": "anonymous",
            "http": { "method": "POST", "path": "/", "protocol": "HTTP/1.1" },
        },
        "body": body,
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
