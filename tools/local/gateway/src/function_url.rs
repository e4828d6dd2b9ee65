//! Serving a function URL: which function it is, whether the caller may, and calling it. What the
//! function sees and what its answer means is `url_event`.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    answer::{self, Answer},
    emulator::{Emulator, EmulatorError, Place},
    guard::IamGuard,
    identity::{Identities, Identity},
    keys::{Keys, list_functions},
    lock::lock,
    route::UrlRequest,
    sigv4, url_event,
    uuid::uuid,
};

/// How long the list of function URLs is believed.
const BELIEVED: Duration = Duration::from_secs(10);

/// What a function URL leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    place: Place,
    function_arn: String,
    access: Access,
}

/// Who may call a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// `AuthType: AWS_IAM`.
    Signed,
    /// `AuthType: NONE`.
    Everybody,
}

/// All function URLs, by id.
#[derive(Debug)]
pub(crate) struct FunctionUrls {
    emulator: Emulator,
    keys: Arc<Keys>,
    identities: Arc<Identities>,
    guard: Arc<IamGuard>,
    known: Mutex<Option<(Instant, HashMap<String, Target>)>>,
}

impl FunctionUrls {
    /// Looks for functions where `keys` saw somebody.
    pub(crate) fn new(
        emulator: Emulator,
        keys: Arc<Keys>,
        identities: Arc<Identities>,
        guard: Arc<IamGuard>,
    ) -> Self {
        Self {
            emulator,
            keys,
            identities,
            guard,
            known: Mutex::new(None),
        }
    }

    /// Answers one request.
    pub(crate) async fn serve(
        &self,
        url: &UrlRequest,
        request: &Request<Bytes>,
        peer: IpAddr,
    ) -> Answer {
        match self.try_serve(url, request, peer).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, id = url.id, "a function URL could not be served");
                answer::message(
                    StatusCode::BAD_GATEWAY,
                    "InternalFailure",
                    &error.to_string(),
                )
            }
        }
    }

    async fn try_serve(
        &self,
        url: &UrlRequest,
        request: &Request<Bytes>,
        peer: IpAddr,
    ) -> Result<Answer, EmulatorError> {
        let Some(target) = self.target(&url.id).await? else {
            let sentence = "there is no function URL of this id";
            return Ok(answer::message(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                sentence,
            ));
        };
        let caller = match target.access {
            Access::Everybody => None,
            Access::Signed => match self.caller(&target, request).await? {
                Ok(caller) => Some(caller),
                Err(refusal) => return Ok(refusal),
            },
        };
        let event = url_event::event(&url_event::Incoming {
            url_id: &url.id,
            account: &target.place.account,
            region: &target.place.region,
            method: request.method(),
            path: &url.path,
            query: request.uri().query().unwrap_or_default(),
            headers: request.headers(),
            body: request.body(),
            caller: caller.as_ref(),
            source_ip: &peer.to_string(),
            request_id: &uuid(),
            now: Timestamp::now(),
        });
        self.invoke(&target, &event).await
    }

    /// Who signed, if the signature counts and the caller may call this function by its URL.
    async fn caller(
        &self,
        target: &Target,
        request: &Request<Bytes>,
    ) -> Result<Result<Identity, Answer>, EmulatorError> {
        let signed = sigv4::Request {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            body: request.body(),
        };
        let caller = match self.identities.of(signed, "lambda").await {
            Ok(caller) => caller,
            Err(error) => return Ok(Err(answer::forbidden(&error))),
        };
        // Since October 2025 AWS asks for both (Lambda developer guide, "urls-auth").
        for action in ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"] {
            let (arn, function) = (&caller.arn, &target.function_arn);
            if !self
                .guard
                .simulate(&target.place, arn, action, function)
                .await?
            {
                let sentence =
                    format!("User: {arn} is not authorized to perform: {action} on {function}");
                let refusal =
                    answer::message(StatusCode::FORBIDDEN, "AccessDeniedException", &sentence);
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(caller))
    }

    async fn invoke(&self, target: &Target, event: &Value) -> Result<Answer, EmulatorError> {
        let request = Request::post(format!(
            "/2015-03-31/functions/{}/invocations",
            target.function_arn.replace(':', "%3A")
        ))
        .header("x-amz-invocation-type", "RequestResponse")
        .body(event.to_string().into_bytes())
        .map_err(|error| EmulatorError::Protocol(error.into()))?;
        let root = self.emulator.root(&target.place);
        let (parts, body) = self.emulator.send(&root, "lambda", request).await?;
        if !parts.status.is_success() {
            tracing::warn!(status = %parts.status, function = target.function_arn, "not invoked");
            let sentence = String::from_utf8_lossy(&body);
            return Ok(answer::message(parts.status, "InvokeFailed", &sentence));
        }
        if failed(&parts.headers) {
            // What the function said is in its log, and nobody else's business.
            let sentence = "Internal Server Error";
            return Ok(answer::message(
                StatusCode::BAD_GATEWAY,
                "FunctionError",
                sentence,
            ));
        }
        Ok(url_event::response(&body).map(Bytes::from))
    }

    async fn target(&self, id: &str) -> Result<Option<Target>, EmulatorError> {
        let believed = lock(&self.known)
            .as_ref()
            .filter(|(read, _)| read.elapsed() < BELIEVED)
            .and_then(|(_, urls)| urls.get(id).cloned());
        if believed.is_some() {
            return Ok(believed);
        }
        let urls = self.read().await?;
        let found = urls.get(id).cloned();
        *lock(&self.known) = Some((Instant::now(), urls));
        Ok(found)
    }

    async fn read(&self) -> Result<HashMap<String, Target>, EmulatorError> {
        let mut urls = HashMap::new();
        for place in self.keys.places() {
            for function in list_functions(&self.emulator, &place, "").await? {
                let Some(name) = function.get("FunctionName").and_then(Value::as_str) else {
                    continue;
                };
                let path = format!("/2021-10-31/functions/{name}/urls");
                let answer = self.emulator.get_json(&place, "lambda", &path).await?;
                let configs = answer.get("FunctionUrlConfigs").and_then(Value::as_array);
                for config in configs.into_iter().flatten() {
                    urls.extend(target(&place, config));
                }
            }
        }
        Ok(urls)
    }
}

/// The id and the target of one URL's configuration.
fn target(place: &Place, config: &Value) -> Option<(String, Target)> {
    let field = |name| config.get(name).and_then(Value::as_str);
    let address = field("FunctionUrl")?;
    let id = address.trim_start_matches("https://").split('.').next()?;
    let access = if field("AuthType")? == "NONE" {
        Access::Everybody
    } else {
        Access::Signed
    };
    let function_arn = field("FunctionArn")?.to_owned();
    Some((
        id.to_owned(),
        Target {
            place: place.clone(),
            function_arn,
            access,
        },
    ))
}

fn failed(headers: &HeaderMap) -> bool {
    headers.contains_key("x-amz-function-error")
}

/// The plain address of a function URL behind a gateway at `gateway` (`http://127.0.0.1:4577`),
/// from the one that AWS's host name makes: `https://<id>.lambda-url.<region>.on.aws/`.
#[must_use]
pub fn plain_address(gateway: &str, function_url: &str) -> Option<String> {
    let (id, rest) = function_url.strip_prefix("https://")?.split_once('.')?;
    rest.strip_prefix("lambda-url.")?;
    Some(format!("{gateway}{}{id}/", crate::route::URL_PATH))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_configuration_names_function_and_access() {
        let place = Place {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
        };
        let config = |access| {
            json!({
                "FunctionUrl": "https://abc.lambda-url.eu-west-1.on.aws/",
                "FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:command",
                "AuthType": access,
            })
        };
        let (id, found) = target(&place, &config("AWS_IAM")).unwrap();
        assert_eq!(id, "abc");
        assert_eq!(found.access, Access::Signed);
        assert_eq!(
            target(&place, &config("NONE")).unwrap().1.access,
            Access::Everybody
        );
        assert_eq!(target(&place, &json!({})), None);
    }

    #[test]
    fn the_plain_address_leads_through_the_gateway() {
        let plain = plain_address(
            "http://127.0.0.1:1",
            "https://abc.lambda-url.eu-west-1.on.aws/",
        );
        assert_eq!(plain.as_deref(), Some("http://127.0.0.1:1/_url/abc/"));
        assert_eq!(
            plain_address("http://127.0.0.1:1", "https://example.com/"),
            None
        );
    }
}
