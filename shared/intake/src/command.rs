//! A person's request as a Lambda function URL delivers it. Who asks is what AWS verified, and
//! nothing in the body can say otherwise.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Identity;
use serde::{Deserialize, Serialize};

use crate::versions::Versions;
use crate::wire::{Answer, Command, Desk, Failure};
use crate::{Refusal, read};

/// Largest request body, in bytes: a service file with all its stages has a few thousand.
pub const BODY_BYTES_MAX: usize = 128 * 1024;
/// Largest event of a function URL, in bytes (Lambda: 6 MB for synchronous calls).
const EVENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// Longest ARN of an identity, in bytes (IAM: 2,048 characters).
const ARN_BYTES_MAX: usize = 2048;

/// A request and who makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// The user's or session's whole ARN, as AWS verified it.
    pub by: Identity,
    /// What they ask for.
    pub command: Command,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct UrlEvent {
    request_context: Option<RequestContext>,
    body: Option<String>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct RequestContext {
    http: Option<Http>,
    /// Absent with auth type NONE, where anybody may have sent it.
    authorizer: Option<Authorizer>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Http {
    method: Option<String>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Authorizer {
    iam: Option<Iam>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object")]
struct Iam {
    user_arn: Option<String>,
}

/// Decodes a request that came to a desk.
///
/// # Errors
/// When it comes from no function URL, AWS verified nobody, the body is no request, or it belongs
/// to another desk: IAM was asked about this one only.
pub fn decode(bytes: &[u8], desk: Desk) -> Result<Called, Refusal> {
    read::limit(bytes, "the event", EVENT_BYTES_MAX)?;
    let expected = "a function URL";
    let event: UrlEvent = read::event(bytes, expected)?;
    let Some(context) = event.request_context else {
        return Err(Refusal::foreign(expected, "it has no requestContext"));
    };
    let by = identity(context.authorizer)?;
    let method = context.http.and_then(|http| http.method);
    if method.as_deref() != Some("POST") {
        return Err(Refusal::malformed(
            "requestContext.http.method",
            "a request is a POST",
        ));
    }
    let body = body(event.body, event.is_base64_encoded.unwrap_or_default())?;
    let command: Command = read::json(&body, "body")?;
    command
        .check()
        .map_err(|error| Refusal::malformed("body", error))?;
    let wanted = command.ask.desk();
    if wanted != desk {
        let output = wanted.output();
        return Err(Refusal::OtherDesk { output });
    }
    Ok(Called { by, command })
}

fn identity(authorizer: Option<Authorizer>) -> Result<Identity, Refusal> {
    let iam = authorizer
        .and_then(|authorizer| authorizer.iam)
        .ok_or(Refusal::NoIdentity)?;
    let path = "requestContext.authorizer.iam.userArn";
    let arn = read::filled(iam.user_arn, path, ARN_BYTES_MAX)?;
    if !arn.starts_with("arn:") {
        return Err(Refusal::malformed(path, format_args!("{arn:?} is no ARN")));
    }
    Ok(Identity(arn))
}

/// A request's body, decoded, when it is a JSON object of a sensible size.
pub(crate) fn body(body: Option<String>, is_base64: bool) -> Result<Vec<u8>, Refusal> {
    let body = url_body(body, is_base64)?;
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::malformed("body", "it is no JSON object"));
    }
    Ok(body)
}

/// A request's body, byte for byte as it was sent.
pub(crate) fn url_body(body: Option<String>, is_base64: bool) -> Result<Vec<u8>, Refusal> {
    let text = body.ok_or_else(|| Refusal::malformed("body", "it is missing"))?;
    let body = if is_base64 {
        STANDARD
            .decode(&text)
            .map_err(|_| Refusal::malformed("body", "it is no base64"))?
    } else {
        text.into_bytes()
    };
    read::limit(&body, "the request", BODY_BYTES_MAX)?;
    Ok(body)
}

/// What a function URL answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    status_code: u16,
    headers: BTreeMap<&'static str, String>,
    body: String,
}

/// Why a request could not be answered, for the status of its [`Response`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The request itself is wrong; sending it again changes nothing. 400.
    Request,
    /// Nothing is known of who asks. 403.
    Identity,
    /// Not now: sending it again, under the same id, is right. 503.
    Unavailable,
    /// What is stored cannot be understood; a person has to look. 500.
    Corrupt,
}

impl Response {
    /// An answer; 200, or 409 when the ledger refused the request.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which the types rule out.
    pub fn answer(answer: &Answer) -> Result<Self, serde_json::Error> {
        let status = match answer.verdict {
            domain::reason::Verdict::Done | domain::reason::Verdict::Nothing => 200,
            domain::reason::Verdict::Refused => 409,
        };
        Ok(Self::with(status, serde_json::to_string(answer)?))
    }

    /// No answer, and why.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which the types rule out.
    pub fn failure(trouble: Trouble, failure: &Failure) -> Result<Self, serde_json::Error> {
        let status = match trouble {
            Trouble::Request => 400,
            Trouble::Identity => 403,
            Trouble::Unavailable => 503,
            Trouble::Corrupt => 500,
        };
        Ok(Self::with(status, serde_json::to_string(failure)?))
    }

    /// The answer to a request that was refused before anybody decided on it.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which the types rule out.
    pub fn refusal(refusal: &Refusal) -> Result<Self, serde_json::Error> {
        let trouble = match refusal {
            Refusal::NoIdentity => Trouble::Identity,
            Refusal::OtherDesk { .. }
            | Refusal::NotJson { .. }
            | Refusal::Foreign { .. }
            | Refusal::Malformed { .. }
            | Refusal::TooLarge { .. }
            | Refusal::WrongKey
            | Refusal::OutOfTime
            | Refusal::NotSigned => Trouble::Request,
        };
        let failure = Failure {
            error: refusal.to_string(),
            problems: Vec::new(),
        };
        Self::failure(trouble, &failure)
    }

    /// Its HTTP status.
    #[must_use]
    pub fn status_code(&self) -> u16 {
        self.status_code
    }

    /// The same, telling which version answers.
    #[must_use]
    pub fn of(mut self, versions: &Versions) -> Self {
        self.headers.extend(versions.headers());
        self
    }

    fn with(status_code: u16, body: String) -> Self {
        let headers = BTreeMap::from([("content-type", "application/json".to_owned())]);
        Self {
            status_code,
            headers,
            body,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_the_shape_function_urls_expect() {
        let response = Response::refusal(&Refusal::NoIdentity).unwrap();
        let response: serde_json::Value = serde_json::to_value(response).unwrap();
        assert_eq!(response["statusCode"], 403);
        assert_eq!(response["headers"]["content-type"], "application/json");
        let failure: Failure = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        assert_eq!(failure.error, Refusal::NoIdentity.to_string());
    }

    #[test]
    fn every_answer_tells_which_version_answers() {
        let versions = Versions {
            functions: Some("0.2.0".to_owned()),
            template: Some("0.1.0".to_owned()),
        };
        let response = Response::refusal(&Refusal::NoIdentity).unwrap();
        let headers = response.of(&versions).headers;
        assert_eq!(headers["content-type"], "application/json");
        let header = |name: &str| headers.get(name).map(String::as_str);
        assert_eq!(Versions::told(header), versions);
        assert_eq!(Versions::told(|_| None), Versions::default());
    }

    #[test]
    fn only_the_ledgers_no_is_a_conflict() {
        let answer = |verdict| Answer {
            verdict,
            reason: domain::Reason::NoSuchService,
            entries: Vec::new(),
        };
        for (verdict, status) in [
            (domain::reason::Verdict::Done, 200),
            (domain::reason::Verdict::Nothing, 200),
            (domain::reason::Verdict::Refused, 409),
        ] {
            assert_eq!(
                Response::answer(&answer(verdict)).unwrap().status_code(),
                status
            );
        }
    }
}
