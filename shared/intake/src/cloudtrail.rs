//! CloudTrail's events through EventBridge: a call that changed a target, or was refused. They come
//! late and not for sure (best effort), and name no revision that runs: each says *who*, and is a
//! reason to look at what is true. Calls of our own deployer, and of AWS's services that scale a
//! target or carry out a deployment, are passed over.

use domain::drift::{ApiCall, WORDS_LENGTH_MAX};
use domain::hint::{CallTarget, Input, Subject};
use domain::{AccountId, Hint, Identity, Region};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::envelope::Envelope;
use crate::{Decoded, Ignored, Refusal, codedeploy, ecs, read};

/// The kind that tells of one call (EventBridge, "Events from AWS services via CloudTrail").
const API_CALL: &str = "AWS API Call via CloudTrail";
/// Longest name or ARN in a call's parameters, in bytes.
const NAME_BYTES_MAX: usize = 1024;
/// Longest identity, in bytes (IAM: 2,048 characters).
const IDENTITY_BYTES_MAX: usize = 2048;
/// AWS's services that put what already runs on more machines or fewer, or carry out what somebody
/// else began. CloudFormation is not among them: there a person changed a template.
const AT_WORK: [&str; 5] = [
    "application-autoscaling.amazonaws.com",
    "autoscaling.amazonaws.com",
    "codedeploy.amazonaws.com",
    "ecs.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
];
/// Parameters that name the target, and say nothing of what is asked for.
const NAMING: [&str; 9] = [
    "applicationName",
    "cluster",
    "clientToken",
    "currentDeploymentGroupName",
    "deploymentGroupName",
    "deploymentId",
    "service",
    "serviceDeploymentArn",
    "serviceName",
];

/// Who we are when we deploy, so that our own calls are told from everybody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ourselves {
    /// The ARN of the deployer's role.
    pub role: String,
    /// What the deployer calls its sessions: the name of its function. In another account it calls
    /// under a role of that account, which trusts nobody but us.
    pub session: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Detail {
    #[serde(rename = "eventID")]
    event_id: Option<String>,
    event_name: Option<String>,
    event_time: Option<String>,
    error_code: Option<String>,
    read_only: Option<bool>,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Option<String>,
    user_identity: Option<UserIdentity>,
    request_parameters: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct UserIdentity {
    r#type: Option<String>,
    arn: Option<String>,
    principal_id: Option<String>,
    invoked_by: Option<String>,
    session_context: Option<SessionContext>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct SessionContext {
    session_issuer: Option<SessionIssuer>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct SessionIssuer {
    arn: Option<String>,
}

/// Decodes a call to ECS or CodeDeploy.
///
/// # Errors
/// When it is no call to either, or one that changes a target without saying which.
pub fn decode(bytes: &[u8], ourselves: &Ourselves) -> Result<Decoded, Refusal> {
    let expected = "aws.ecs or aws.codedeploy, via CloudTrail";
    let envelope = Envelope::read(bytes, expected)?;
    let service = match envelope.source() {
        ecs::SOURCE => "ecs",
        codedeploy::SOURCE => "codedeploy",
        _ => return Err(envelope.foreign(expected)),
    };
    if envelope.detail_type() != API_CALL {
        return Ok(Decoded::Ignored(Ignored::other_kind(
            envelope.detail_type(),
        )));
    }
    let detail: Detail = envelope.detail()?;
    let name = read::filled(detail.event_name.clone(), "detail.eventName", 128)?;
    let action = format!("{service}:{name}");
    let who = detail.user_identity.as_ref();
    if let Some(who) = who.and_then(|who| nobody_else(who, &envelope, ourselves)) {
        return Ok(Decoded::Ignored(Ignored::OwnCall { who }));
    }
    let nothing = Map::new();
    let asked = detail.request_parameters.as_ref().unwrap_or(&nothing);
    if detail.read_only == Some(true) || !changes_a_target(&action, asked) {
        return Ok(Decoded::Ignored(Ignored::OtherCall { action }));
    }
    let target = target(service, asked, &envelope)?;
    let call = ApiCall {
        id: read::filled(detail.event_id, "detail.eventID", NAME_BYTES_MAX)?,
        at: read::parsed(detail.event_time.as_deref(), "detail.eventTime")?,
        by: identity(detail.user_identity.unwrap_or_default())?,
        from: detail
            .source_ip_address
            .unwrap_or_else(|| "an unknown address".to_owned()),
        asked: words(asked),
        refused: detail.error_code,
        action,
    };
    let call = Box::new(call);
    Ok(Decoded::Input(Input::Hint(Hint::Call { target, call })))
}

/// Whose call it is, when it is ours or that of a service at work.
fn nobody_else(
    who: &UserIdentity,
    envelope: &Envelope<'_>,
    ourselves: &Ourselves,
) -> Option<String> {
    let by = who.invoked_by.as_deref().unwrap_or_default();
    if AT_WORK.contains(&by) {
        return Some(by.to_owned());
    }
    let context = who.session_context.as_ref();
    let role = context.and_then(|context| context.session_issuer.as_ref()?.arn.as_deref());
    let home = ourselves.role.split(':').nth(4);
    let elsewhere = envelope.account().ok()?;
    let elsewhere = home != Some(elsewhere.as_str());
    let session = who
        .arn
        .as_deref()
        .and_then(|arn| Some(arn.split_once(":assumed-role/")?.1.split_once('/')?.1));
    let ours = role == Some(ourselves.role.as_str())
        || (elsewhere && session == Some(ourselves.session.as_str()));
    ours.then(|| "our deployer".to_owned())
}

/// Whether a call is of those that change what a target runs, how it is deployed to, or whether it
/// is there. A desired count alone is none: that is scaling.
fn changes_a_target(action: &str, asked: &Map<String, Value>) -> bool {
    match action {
        "ecs:UpdateService" => {
            let count = |name: &str| ["cluster", "service", "desiredCount"].contains(&name);
            let says = |value: &Value| !(value.is_null() || *value == Value::Bool(false));
            asked
                .iter()
                .any(|(name, value)| !count(name) && says(value))
        }
        "ecs:CreateService"
        | "ecs:DeleteService"
        | "ecs:CreateTaskSet"
        | "ecs:UpdateTaskSet"
        | "ecs:DeleteTaskSet"
        | "ecs:UpdateServicePrimaryTaskSet"
        | "ecs:StopServiceDeployment"
        | "codedeploy:CreateDeployment"
        | "codedeploy:StopDeployment"
        | "codedeploy:ContinueDeployment"
        | "codedeploy:SkipWaitTimeForInstanceTermination"
        | "codedeploy:UpdateDeploymentGroup"
        | "codedeploy:DeleteDeploymentGroup" => true,
        _ => false,
    }
}

fn target(
    service: &str,
    asked: &Map<String, Value>,
    envelope: &Envelope<'_>,
) -> Result<CallTarget, Refusal> {
    let (account, region) = (envelope.account()?, envelope.region()?);
    if service == "ecs" {
        let arn = service_arn(asked, &account, &region)?;
        return Ok(CallTarget::Subject(Subject::EcsService(arn)));
    }
    if let Some(deployment) = text(asked, "deploymentId") {
        return Ok(CallTarget::Deployment {
            account,
            region,
            deployment: filled(Some(deployment), "deploymentId")?,
        });
    }
    let group =
        text(asked, "deploymentGroupName").or_else(|| text(asked, "currentDeploymentGroupName"));
    Ok(CallTarget::Subject(Subject::DeploymentGroup {
        account,
        region,
        application: filled(text(asked, "applicationName"), "applicationName")?,
        group: filled(group, "deploymentGroupName")?,
    }))
}

/// An ECS service's ARN, from a name or an ARN; a call that names no cluster means `default`.
fn service_arn(
    asked: &Map<String, Value>,
    account: &AccountId,
    region: &Region,
) -> Result<String, Refusal> {
    let partition = region.partition();
    let prefix = format!("arn:{partition}:ecs:{region}:{account}:service");
    if let Some(deployment) = text(asked, "serviceDeploymentArn") {
        // `…:service-deployment/cluster/service/id`
        let path = "serviceDeploymentArn";
        let names = deployment.split_once(":service-deployment/");
        let names = names.and_then(|(_, rest)| Some(rest.rsplit_once('/')?.0));
        let names = filled(names, path)?;
        return Ok(format!("{prefix}/{names}"));
    }
    let service = text(asked, "service").or_else(|| text(asked, "serviceName"));
    let service = filled(service, "service")?;
    let name = last(&service);
    // The long form of an ARN names the cluster; the short one does not.
    let in_arn = service
        .split_once(":service/")
        .and_then(|(_, rest)| rest.split_once('/'));
    let cluster = match (in_arn, text(asked, "cluster")) {
        (Some((cluster, _)), _) => cluster,
        (None, Some(cluster)) => last(cluster),
        (None, None) => "default",
    };
    Ok(format!("{prefix}/{cluster}/{name}"))
}

fn last(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, name)| name)
}

fn text<'a>(asked: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    asked.get(name).and_then(Value::as_str)
}

fn filled(value: Option<&str>, name: &str) -> Result<String, Refusal> {
    let path = format!("detail.requestParameters.{name}");
    read::filled(value.map(ToOwned::to_owned), &path, NAME_BYTES_MAX)
}

/// Who called: the ARN, or for what has none the service or principal.
fn identity(who: UserIdentity) -> Result<Identity, Refusal> {
    let name = who
        .arn
        .or(who.invoked_by)
        .or(who.principal_id)
        .or(who.r#type);
    read::filled(name, "detail.userIdentity", IDENTITY_BYTES_MAX).map(Identity)
}

/// What was asked for: short values as they are, the others by their names.
fn words(asked: &Map<String, Value>) -> Option<String> {
    let told = asked
        .iter()
        .filter(|(name, _)| !NAMING.contains(&name.as_str()));
    let told: Vec<String> = told
        .filter_map(|(name, value)| match value {
            Value::Null | Value::Bool(false) => None,
            Value::Bool(true) => Some(name.clone()),
            Value::Number(number) => Some(format!("{name} {number}")),
            Value::String(text) => Some(format!("{name} {text}")),
            Value::Array(_) => Some(name.clone()),
            Value::Object(fields) => Some(match object(fields) {
                Some(object) => format!("{name} {object}"),
                None => name.clone(),
            }),
        })
        .collect();
    let words: String = told.join(", ").chars().take(WORDS_LENGTH_MAX).collect();
    (!words.is_empty()).then_some(words)
}

/// The object that a revision of CodeDeploy names.
fn object(revision: &Map<String, Value>) -> Option<String> {
    let location = revision.get("s3Location")?.as_object()?;
    let (bucket, key) = (text(location, "bucket")?, text(location, "key")?);
    let version = text(location, "version").map(|version| format!("@{version}"));
    Some(format!("{bucket}/{key}{}", version.unwrap_or_default()))
}
