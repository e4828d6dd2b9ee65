//! Answers the gateway gives itself: errors by AWS's names.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    identity::{Identity, IdentityError},
    sigv4::SignatureError,
    uuid::uuid,
};

/// A complete answer.
pub(crate) type Answer = Response<Bytes>;

const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer of the JSON 1.1 protocol. Errors carry their name in a header too.
pub(crate) fn json_1_1(status: u16, body: Vec<u8>) -> Answer {
    let name = error_name(status, &body);
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    answer.headers_mut().insert(header::CONTENT_TYPE, JSON_1_1);
    finish(answer, name.as_deref())
}

/// Why nobody is let in to ECS or CodeDeploy, as these say it.
pub(crate) fn unknown_caller(error: &IdentityError) -> Answer {
    let (status, code) = match error {
        IdentityError::Signature(SignatureError::Missing) => {
            (400, "MissingAuthenticationTokenException")
        }
        IdentityError::Signature(SignatureError::Incomplete(_)) => {
            (400, "IncompleteSignatureException")
        }
        IdentityError::Signature(SignatureError::Skewed(_) | SignatureError::Mismatch)
        | IdentityError::Service(_) => (400, "InvalidSignatureException"),
        IdentityError::UnknownKey => (400, "UnrecognizedClientException"),
        IdentityError::Emulator(_) => (500, "ServerException"),
    };
    let body = json!({ "__type": code, "message": error.to_string() });
    json_1_1(status, body.to_string().into_bytes())
}

/// Why nobody is let in to a function URL.
pub(crate) fn forbidden(error: &IdentityError) -> Answer {
    let code = match error {
        IdentityError::Emulator(_) => {
            return message(
                StatusCode::BAD_GATEWAY,
                "InternalFailure",
                &error.to_string(),
            );
        }
        IdentityError::Signature(SignatureError::Missing | SignatureError::Incomplete(_)) => {
            "AccessDeniedException"
        }
        IdentityError::Signature(SignatureError::Skewed(_) | SignatureError::Mismatch)
        | IdentityError::Service(_) => "InvalidSignatureException",
        IdentityError::UnknownKey => "UnrecognizedClientException",
    };
    message(StatusCode::FORBIDDEN, code, &error.to_string())
}

/// A plain sentence with an error's name in the header.
pub(crate) fn message(status: StatusCode, code: &str, sentence: &str) -> Answer {
    let mut answer = Response::new(Bytes::from(json!({ "Message": sentence }).to_string()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, JSON);
    finish(answer, Some(code))
}

/// Notes who called what, for those who look at the log.
pub(crate) fn noted(caller: &Identity, operation: &str, answer: Answer) -> Answer {
    tracing::debug!(caller = caller.arn, operation, status = %answer.status(), "answered");
    answer
}

fn finish(mut answer: Answer, error: Option<&str>) -> Answer {
    if let Ok(id) = HeaderValue::from_str(&uuid()) {
        answer.headers_mut().insert("x-amzn-requestid", id);
    }
    if let Some(Ok(error)) = error.map(HeaderValue::from_str) {
        answer.headers_mut().insert("x-amzn-errortype", error);
    }
    answer
}

fn error_name(status: u16, body: &[u8]) -> Option<String> {
    if status < 400 {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let name = value.get("__type")?.as_str()?;
    Some(name.rsplit('#').next().unwrap_or(name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_carry_their_name_in_the_header() {
        let body = br#"{"__type":"com.amazonaws.ecs#ClusterNotFoundException"}"#;
        let answer = json_1_1(400, body.to_vec());
        assert_eq!(
            answer.headers()["x-amzn-errortype"],
            "ClusterNotFoundException"
        );
        assert_eq!(
            answer.headers()["content-type"],
            "application/x-amz-json-1.1"
        );
        let fine = json_1_1(200, b"{}".to_vec());
        assert_eq!(fine.headers().get("x-amzn-errortype"), None);
        assert!(fine.headers().contains_key("x-amzn-requestid"));
    }

    #[test]
    fn whoever_is_not_known_hears_why() {
        let answer = unknown_caller(&IdentityError::Signature(SignatureError::Mismatch));
        assert_eq!(
            answer.headers()["x-amzn-errortype"],
            "InvalidSignatureException"
        );
        let answer = forbidden(&IdentityError::UnknownKey);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(
            answer.headers()["x-amzn-errortype"],
            "UnrecognizedClientException"
        );
    }
}
