//! Lambda: invoking, and what functions and mappings say about themselves.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::{Calls, PAGES_MAX, encoded, list};
use crate::{
    Place,
    arn::Arn,
    client::{CallError, Draft},
    letters::Response,
};

/// How long an invocation may take: Lambda's longest timeout and a little more.
const INVOCATION_MAX: Duration = Duration::from_secs(15 * 60 + 30);

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Invoked {
    /// The function ran; it may have failed.
    Ran(Response),
    /// Lambda could not run it now: throttled, or an error of its own.
    Refused(String),
    /// Lambda will not run it: it does not exist, or the payload is no good.
    Impossible {
        /// The HTTP status.
        status: u16,
        /// Why.
        reason: String,
    },
}

impl Calls {
    /// Invokes a function and waits for its answer.
    pub(crate) async fn invoke(&self, function: &Arn, payload: Bytes) -> Invoked {
        let Some(name) = function.function() else {
            return Invoked::Impossible {
                status: 400,
                reason: "not a function".to_owned(),
            };
        };
        let draft = Draft {
            place: function.place(),
            service: "lambda",
            method: Method::POST,
            path: path("/2015-03-31", name, "invocations", function.qualifier()),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("x-amz-invocation-type", "RequestResponse".to_owned()),
            ],
            body: payload,
            limit: INVOCATION_MAX,
        };
        let answer = match self.client.send(draft).await {
            Ok(answer) => answer,
            Err(error) => return Invoked::Refused(error.to_string()),
        };
        match answer.status {
            200..300 => {
                let error = answer.header("x-amz-function-error").map(str::to_owned);
                let version = answer.header("x-amz-executed-version").unwrap_or("$LATEST");
                Invoked::Ran(Response {
                    status: answer.status,
                    version: version.to_owned(),
                    error,
                    payload: answer.json().unwrap_or_else(|_| json!(answer.text())),
                })
            }
            // Lambda retries these itself, also when it is still making the function.
            409 | 429 | 500.. => Invoked::Refused(format!("{}: {}", answer.status, answer.text())),
            status => Invoked::Impossible {
                status,
                reason: answer.text(),
            },
        }
    }

    async fn function(
        &self,
        function: &Arn,
        version: &str,
        what: &str,
    ) -> Result<Value, CallError> {
        let name = function.function().unwrap_or_default();
        let path = path(version, name, what, function.qualifier());
        self.rest(function.place(), "lambda", Method::GET, path, None)
            .await
    }

    /// A function's configuration.
    pub(crate) async fn function_configuration(&self, arn: &Arn) -> Result<Value, CallError> {
        self.function(arn, "/2015-03-31", "configuration").await
    }

    /// The policy document of a function, if it has one.
    pub(crate) async fn function_policy(&self, arn: &Arn) -> Result<Option<Value>, CallError> {
        match self.function(arn, "/2015-03-31", "policy").await {
            Ok(answer) => {
                let policy = answer.get("Policy").and_then(Value::as_str);
                Ok(policy.and_then(|policy| serde_json::from_str(policy).ok()))
            }
            // Without a policy, and without a function, the answer is the same error.
            Err(error) if error.is_not_found() => {
                self.function_configuration(arn).await.map(|_| None)
            }
            Err(error) => Err(error),
        }
    }

    /// What a function's asynchronous invocations are to be done with, if it says so.
    pub(crate) async fn invoke_config(&self, arn: &Arn) -> Result<Option<Value>, CallError> {
        let name = arn.function().unwrap_or_default();
        // Templates say it of `$LATEST`, which is what runs if nothing is said.
        let qualifiers = match arn.qualifier() {
            Some(qualifier) => vec![Some(qualifier)],
            None => vec![None, Some("$LATEST")],
        };
        for qualifier in qualifiers {
            let path = path("/2019-09-25", name, "event-invoke-config", qualifier);
            match self
                .rest(arn.place(), "lambda", Method::GET, path, None)
                .await
            {
                Ok(config) => return Ok(Some(config)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// How many invocations at once are reserved for a function, if any.
    pub(crate) async fn reserved_concurrency(&self, arn: &Arn) -> Result<Option<u64>, CallError> {
        let name = encoded(arn.function().unwrap_or_default());
        let path = format!("/2019-09-30/functions/{name}/concurrency");
        let answer = self
            .rest(arn.place(), "lambda", Method::GET, path, None)
            .await?;
        Ok(answer
            .get("ReservedConcurrentExecutions")
            .and_then(Value::as_u64))
    }

    /// All mappings from a queue or stream to a function.
    pub(crate) async fn mappings(&self, place: &Place) -> Result<Vec<Value>, CallError> {
        let mut all = Vec::new();
        let mut marker = String::new();
        for _ in 0..PAGES_MAX {
            let path = format!("/2015-03-31/event-source-mappings/?MaxItems=100{marker}");
            let answer = self.rest(place, "lambda", Method::GET, path, None).await?;
            all.append(&mut list(&answer, "EventSourceMappings"));
            let Some(next) = answer.get("NextMarker").and_then(Value::as_str) else {
                break;
            };
            marker = format!("&Marker={}", encoded(next));
        }
        Ok(all)
    }

    /// Switches a mapping off in MiniStack.
    pub(crate) async fn disable_mapping(&self, place: &Place, id: &str) -> Result<(), CallError> {
        let path = format!("/2015-03-31/event-source-mappings/{}", encoded(id));
        let body = json!({ "Enabled": false });
        self.rest(place, "lambda", Method::PUT, path, Some(&body))
            .await
            .map(drop)
    }

    /// The tags of a function or mapping.
    pub(crate) async fn lambda_tags(&self, place: &Place, arn: &str) -> Result<Value, CallError> {
        let path = format!("/2017-03-31/tags/{}", encoded(arn));
        let answer = self.rest(place, "lambda", Method::GET, path, None).await?;
        Ok(answer.get("Tags").cloned().unwrap_or_default())
    }

    /// Tags a function or mapping.
    pub(crate) async fn tag_lambda(
        &self,
        place: &Place,
        arn: &str,
        name: &str,
        value: &str,
    ) -> Result<(), CallError> {
        let path = format!("/2017-03-31/tags/{}", encoded(arn));
        let body = json!({ "Tags": { (name): value } });
        self.rest(place, "lambda", Method::POST, path, Some(&body))
            .await
            .map(drop)
    }
}

fn path(version: &str, name: &str, what: &str, qualifier: Option<&str>) -> String {
    let path = format!("{version}/functions/{}/{what}", encoded(name));
    match qualifier {
        Some(qualifier) => format!("{path}?Qualifier={}", encoded(qualifier)),
        None => path,
    }
}
