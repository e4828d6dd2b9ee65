//! The event CloudTrail sends of a call to ECS or CodeDeploy that may have changed something, made
//! from the call, who signed it, and the answer. Pure. On AWS it comes minutes later, and not for
//! sure; here it comes at once, and the delivery may be told to be as unkind.

use fleet::{Api, Reply};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::identity::Identity;

/// What calls that only read begin with; CloudTrail's rules do not match them unless asked to.
const ONLY_READ: [&str; 4] = ["BatchGet", "Describe", "Get", "List"];

/// One call, as far as CloudTrail tells of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) api: Api,
    pub(crate) operation: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) from: &'a str,
    pub(crate) agent: &'a str,
    pub(crate) by: &'a Identity,
    pub(crate) reply: &'a Reply,
}

/// The event of a call; none of one that only reads.
pub(crate) fn recorded(call: &Call<'_>, ids: [String; 3], now: Timestamp) -> Option<Value> {
    if ONLY_READ
        .iter()
        .any(|verb| call.operation.starts_with(verb))
    {
        return None;
    }
    let service = match call.api {
        Api::Ecs => "ecs",
        Api::CodeDeploy => "codedeploy",
    };
    let [id, event_id, request_id] = ids;
    let time = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let answer: Value = serde_json::from_slice(&call.reply.body).unwrap_or(Value::Null);
    let mut detail = json!({
        "eventVersion": "1.11",
        "userIdentity": identity(call.by),
        "eventTime": time,
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": call.operation,
        "awsRegion": call.by.region,
        "sourceIPAddress": call.from,
        "userAgent": call.agent,
        "requestParameters": serde_json::from_slice(call.body).unwrap_or(Value::Null),
        "responseElements": answer,
        "requestID": request_id,
        "eventID": event_id,
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "recipientAccountId": call.by.account,
        "eventCategory": "Management",
    });
    if let (400.., Value::Object(fields)) = (call.reply.status, &mut detail) {
        let said = |name: &str| answer.get(name).cloned().unwrap_or_default();
        fields.insert("errorCode".to_owned(), said("__type"));
        fields.insert("errorMessage".to_owned(), said("message"));
        fields.insert("responseElements".to_owned(), Value::Null);
    }
    Some(json!({
        "version": "0",
        "id": id,
        "detail-type": "AWS API Call via CloudTrail",
        "source": format!("aws.{service}"),
        "account": call.by.account,
        "time": time,
        "region": call.by.region,
        "resources": [],
        "detail": detail,
    }))
}

fn identity(by: &Identity) -> Value {
    let who = |kind: &str, name: &str, value: Value| {
        json!({
            "type": kind,
            "principalId": by.user_id,
            "arn": by.arn,
            "accountId": by.account,
            "accessKeyId": by.access_key,
            name: value,
        })
    };
    let resource = by.arn.splitn(6, ':').nth(5).unwrap_or_default();
    let session = resource
        .strip_prefix("assumed-role/")
        .and_then(|rest| rest.split('/').next());
    if let Some(role) = session {
        let issuer = json!({
            "type": "Role",
            "arn": format!("arn:aws:iam::{}:role/{role}", by.account),
            "accountId": by.account,
            "userName": role,
        });
        let context = json!({ "sessionIssuer": issuer });
        who("AssumedRole", "sessionContext", context)
    } else if let Some(user) = resource.strip_prefix("user/") {
        who("IAMUser", "userName", json!(user))
    } else {
        let attributes = json!({ "mfaAuthenticated": "false" });
        who(
            "Root",
            "sessionContext",
            json!({ "attributes": attributes }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(arn: &str) -> Identity {
        Identity {
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            arn: arn.to_owned(),
            account: "111122223333".to_owned(),
            user_id: "AIDAEXAMPLE".to_owned(),
            region: "eu-west-1".to_owned(),
        }
    }

    fn event(operation: &str, arn: &str, status: u16, answer: &str) -> Option<Value> {
        let reply = Reply {
            status,
            body: answer.as_bytes().to_vec(),
        };
        let call = Call {
            api: Api::Ecs,
            operation,
            body: br#"{"cluster":"shop","service":"web","taskDefinition":"web:6"}"#,
            from: "203.0.113.10",
            agent: "aws-cli/2",
            by: &by(arn),
            reply: &reply,
        };
        let now = "2026-11-23T10:11:12.5Z".parse().unwrap();
        recorded(&call, ["1", "2", "3"].map(str::to_owned), now)
    }

    #[test]
    fn a_call_is_told_with_who_from_where_and_what() {
        let alice = "arn:aws:iam::111122223333:user/alice";
        let event = event("UpdateService", alice, 200, r#"{"service":{}}"#).unwrap();
        assert_eq!(event["source"], "aws.ecs");
        let detail = &event["detail"];
        assert_eq!(detail["eventName"], "UpdateService");
        assert_eq!(detail["userIdentity"]["type"], "IAMUser");
        assert_eq!(detail["userIdentity"]["arn"], alice);
        assert_eq!(detail["sourceIPAddress"], "203.0.113.10");
        assert_eq!(detail["requestParameters"]["taskDefinition"], "web:6");
        assert_eq!(detail["responseElements"], json!({ "service": {} }));
        assert_eq!(detail.get("errorCode"), None);
    }

    #[test]
    fn a_session_is_told_with_its_role() {
        let arn = "arn:aws:sts::111122223333:assumed-role/lastgood-deployer-eu-west-1/a";
        let event = event("UpdateService", arn, 200, "{}").unwrap();
        let issuer = "/detail/userIdentity/sessionContext/sessionIssuer/arn";
        assert_eq!(
            event.pointer(issuer).and_then(Value::as_str),
            Some("arn:aws:iam::111122223333:role/lastgood-deployer-eu-west-1")
        );
    }

    #[test]
    fn a_refused_call_is_told_with_the_error() {
        let refused = r#"{"__type":"AccessDeniedException","message":"no"}"#;
        let root = "arn:aws:iam::111122223333:root";
        let event = event("UpdateService", root, 400, refused).unwrap();
        assert_eq!(event["detail"]["errorCode"], "AccessDeniedException");
        assert_eq!(event["detail"]["responseElements"], Value::Null);
        assert_eq!(event["detail"]["userIdentity"]["type"], "Root");
    }

    #[test]
    fn a_call_that_only_reads_is_not_told() {
        for operation in ["DescribeServices", "ListTasks", "BatchGetDeployments"] {
            assert_eq!(event(operation, "", 200, "{}"), None, "{operation}");
        }
    }
}
