//! What GitHub's answers come to: done, later, gone or never.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::follow::Untold;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::http::{Answered, pause};

/// How long it is left alone when it does not say (REST API, "Best practices": at least a minute).
const PAUSE: Duration = Duration::from_secs(60);
/// How long it is left alone while somebody has to set something right.
const PAUSE_MISCONFIGURED: Duration = Duration::from_secs(300);
/// Longest words of GitHub's that are written down, in characters.
const WORDS_LENGTH_MAX: usize = 200;

/// Where a repository is now, when it says that it moved; only on the same API, because a token
/// goes along.
pub(super) fn moved<'a>(answered: &'a Answered, api: &str) -> Option<&'a str> {
    let moved = matches!(answered.status, 301 | 302 | 307 | 308);
    let location = answered.headers.get("location").filter(|_| moved)?;
    let path = location.strip_prefix(api)?;
    path.starts_with('/').then_some(location)
}

/// Reads an answer about a repository.
pub(super) fn of_repository<T: DeserializeOwned>(answered: &Answered) -> Result<T, Untold> {
    if answered.status == 404 {
        // So it answers, too, when the token may not see the repository.
        return Err(misconfigured(answered));
    }
    done(answered)?;
    serde_json::from_slice(&answered.body).map_err(|error| Untold::Later {
        after: None,
        why: format!("HTTP {}: {error}", answered.status),
    })
}

/// Reads an answer about a deployment that was there.
pub(super) fn of_deployment(answered: &Answered) -> Result<(), Untold> {
    if matches!(answered.status, 404 | 410) {
        return Err(Untold::Gone);
    }
    done(answered)
}

fn done(answered: &Answered) -> Result<(), Untold> {
    if let Some(after) = limit(answered) {
        return Err(later(Some(after), answered));
    }
    match answered.status {
        200 | 201 => Ok(()),
        401 | 403 => Err(misconfigured(answered)),
        408 | 500.. => Err(later(None, answered)),
        _ => Err(Untold::Refused(words(answered))),
    }
}

/// How long to wait, when there were too many calls (REST API, "Rate limits"): its limits are
/// told by 429 or by 403.
fn limit(answered: &Answered) -> Option<Duration> {
    if !matches!(answered.status, 403 | 429) {
        return None;
    }
    if let Some(after) = answered.retry_after() {
        return Some(after);
    }
    if answered.headers.get("x-ratelimit-remaining") == Some("0") {
        let reset = answered.headers.get("x-ratelimit-reset");
        let reset = reset.and_then(|seconds| seconds.parse::<u64>().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let wait = reset
            .zip(now.ok())
            .map(|(reset, now)| reset.saturating_sub(now.as_secs()).max(1));
        return wait
            .and_then(|wait| pause(&wait.to_string()))
            .or(Some(PAUSE));
    }
    let limited = answered.status == 429 || message(answered).contains("rate limit");
    limited.then_some(PAUSE)
}

fn misconfigured(answered: &Answered) -> Untold {
    later(Some(PAUSE_MISCONFIGURED), answered)
}

fn later(after: Option<Duration>, answered: &Answered) -> Untold {
    let why = words(answered);
    Untold::Later { after, why }
}

fn words(answered: &Answered) -> String {
    let words = format!("HTTP {}: {}", answered.status, message(answered));
    words.chars().take(WORDS_LENGTH_MAX).collect()
}

fn message(answered: &Answered) -> String {
    #[derive(Deserialize)]
    struct Said {
        message: String,
    }
    let said: Result<Said, _> = serde_json::from_slice(&answered.body);
    said.map_or_else(|_| "no words".to_owned(), |said| said.message)
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::Headers;
    use serde_json::Value;

    use super::*;

    fn answered(status: u16, headers: &[(&'static str, &str)], body: &str) -> Answered {
        let mut all = Headers::new();
        for (name, value) in headers {
            all.insert(*name, (*value).to_owned());
        }
        Answered {
            status,
            headers: all,
            body: body.as_bytes().to_vec(),
        }
    }

    fn waits(status: u16, headers: &[(&'static str, &str)], body: &str) -> Option<u64> {
        match of_repository::<Value>(&answered(status, headers, body)) {
            Err(Untold::Later { after, .. }) => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn too_many_calls_are_told_in_four_ways() {
        assert_eq!(waits(429, &[("retry-after", "7")], ""), Some(7));
        assert_eq!(waits(403, &[("retry-after", "99999999")], ""), Some(3600));
        let secondary = r#"{"message":"You have exceeded a secondary rate limit"}"#;
        assert_eq!(waits(403, &[], secondary), Some(60));
        let past = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1764151200"),
        ];
        assert_eq!(waits(403, &past, ""), Some(1));
        let unsaid = [("x-ratelimit-remaining", "0")];
        assert_eq!(waits(403, &unsaid, ""), Some(60));
    }

    #[test]
    fn what_can_be_set_right_is_not_lost() {
        let remaining = [("x-ratelimit-remaining", "4999")];
        let scope = r#"{"message":"Resource not accessible by personal access token"}"#;
        assert_eq!(waits(403, &remaining, scope), Some(300));
        assert_eq!(
            waits(401, &[], r#"{"message":"Bad credentials"}"#),
            Some(300)
        );
        assert_eq!(waits(404, &[], r#"{"message":"Not Found"}"#), Some(300));
        assert_eq!(waits(503, &[], "<html>"), None);
        assert_eq!(waits(200, &[], "<html>"), None);
    }

    #[test]
    fn what_it_will_never_take_holds_up_nobody() {
        for status in [400, 409, 422] {
            let body = r#"{"message":"No ref found for: 1a2b3c4"}"#;
            let refused = of_repository::<Value>(&answered(status, &[], body)).unwrap_err();
            assert_eq!(
                refused.to_string(),
                format!("refused: HTTP {status}: No ref found for: 1a2b3c4")
            );
        }
    }

    #[test]
    fn a_deployment_that_somebody_deleted_is_gone() {
        let gone = of_deployment(&answered(404, &[], r#"{"message":"Not Found"}"#));
        assert!(matches!(gone, Err(Untold::Gone)));
        assert!(of_deployment(&answered(201, &[], "{}")).is_ok());
    }

    #[test]
    fn a_repository_that_moved_is_followed_only_where_the_token_may_go() {
        let api = "https://api.github.com";
        for (location, followed) in [
            ("https://api.github.com/repositories/1/deployments", true),
            ("https://api.github.com.evil.example/deployments", false),
            ("https://evil.example/deployments", false),
        ] {
            let answered = answered(307, &[("location", location)], "");
            assert_eq!(moved(&answered, api).is_some(), followed, "{location}");
        }
        let here = answered(200, &[("location", "https://api.github.com/x")], "");
        assert_eq!(moved(&here, api), None);
    }
}
