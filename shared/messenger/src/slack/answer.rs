//! What Slack's answers come to: done, later, gone or never.

use std::time::Duration;

use chat::card::MessageId;
use engine::follow::Untold;
use serde::Deserialize;

use crate::http::Answered;

/// How long a channel is left alone when Slack does not say.
const PAUSE: Duration = Duration::from_secs(30);
/// How long it is left alone while somebody has to set something right.
const PAUSE_MISCONFIGURED: Duration = Duration::from_secs(300);

/// Slack's words for "not now" (docs.slack.dev, `chat.postMessage`, "Errors").
const LATER: [&str; 6] = [
    "fatal_error",
    "internal_error",
    "rate_limited",
    "ratelimited",
    "request_timeout",
    "service_unavailable",
];

/// Slack's words for what an administrator has to set right: nothing is lost until then.
const MISCONFIGURED: [&str; 14] = [
    "access_denied",
    "account_inactive",
    "channel_not_found",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "is_archived",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "token_expired",
    "token_revoked",
];

/// Slack's words for a message that cannot be updated any more.
const GONE: [&str; 4] = [
    "cant_update_message",
    "edit_window_closed",
    "message_not_found",
    "thread_not_found",
];

#[derive(Deserialize)]
struct Answer {
    ok: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    ts: String,
}

/// Reads the answer of a method of the Web API.
pub(super) fn of_method(answered: &Answered) -> Result<MessageId, Untold> {
    let pause = answered.retry_after().unwrap_or(PAUSE);
    let status = answered.status;
    busy(status, pause)?;
    let answer: Answer = serde_json::from_slice(&answered.body).map_err(|_| Untold::Later {
        after: None,
        why: format!("HTTP {status} without an answer"),
    })?;
    if answer.ok {
        return Ok(MessageId(answer.ts));
    }
    let error = answer.error;
    let after = if MISCONFIGURED.contains(&error.as_str()) {
        Some(PAUSE_MISCONFIGURED)
    } else if LATER.contains(&error.as_str()) {
        Some(pause)
    } else if GONE.contains(&error.as_str()) {
        return Err(Untold::Gone);
    } else {
        return Err(Untold::Refused(error));
    };
    Err(Untold::Later { after, why: error })
}

/// Reads the answer of an incoming webhook: `ok`, or a word and a status
/// (docs.slack.dev, "Sending messages using incoming webhooks").
pub(super) fn of_webhook(answered: &Answered) -> Result<MessageId, Untold> {
    busy(answered.status, answered.retry_after().unwrap_or(PAUSE))?;
    let why = String::from_utf8_lossy(&answered.body);
    let why = why.chars().take(100).collect();
    match answered.status {
        200 => Ok(MessageId(String::new())),
        400 => Err(Untold::Refused(why)),
        _ => Err(Untold::Later {
            after: Some(PAUSE_MISCONFIGURED),
            why,
        }),
    }
}

fn busy(status: u16, pause: Duration) -> Result<(), Untold> {
    match status {
        429 => Err(Untold::Later {
            after: Some(pause),
            why: "rate limited".to_owned(),
        }),
        500.. => Err(Untold::Later {
            after: None,
            why: format!("HTTP {status}"),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::Headers;

    use super::*;

    fn answered(status: u16, retry_after: Option<&str>, body: &[u8]) -> Answered {
        let mut headers = Headers::new();
        if let Some(seconds) = retry_after {
            headers.insert("retry-after", seconds.to_owned());
        }
        Answered {
            status,
            headers,
            body: body.to_vec(),
        }
    }

    fn of_method(status: u16, retry_after: Option<&str>, body: &[u8]) -> Result<MessageId, Untold> {
        super::of_method(&answered(status, retry_after, body))
    }

    fn of_webhook(status: u16, body: &[u8]) -> Result<MessageId, Untold> {
        super::of_webhook(&answered(status, None, body))
    }

    fn said(error: &str) -> String {
        format!(r#"{{"ok":false,"error":"{error}"}}"#)
    }

    #[test]
    fn slack_says_how_long_to_wait() {
        let later = of_method(429, Some("7"), b"").unwrap_err();
        assert!(matches!(later, Untold::Later { after: Some(after), .. } if after.as_secs() == 7));
        let later = of_method(429, Some("999999999"), b"").unwrap_err();
        assert!(
            matches!(later, Untold::Later { after: Some(after), .. } if after.as_secs() == 3600)
        );
    }

    #[test]
    fn what_can_be_set_right_is_not_lost_and_what_cannot_holds_up_nobody() {
        for error in MISCONFIGURED.into_iter().chain(LATER) {
            let answer = of_method(200, None, said(error).as_bytes());
            assert!(matches!(answer, Err(Untold::Later { .. })), "{error}");
        }
        for error in GONE {
            let answer = of_method(200, None, said(error).as_bytes());
            assert!(matches!(answer, Err(Untold::Gone)), "{error}");
        }
        for error in ["invalid_blocks", "msg_too_long", "of_next_year"] {
            let answer = of_method(200, None, said(error).as_bytes());
            assert!(matches!(answer, Err(Untold::Refused(_))), "{error}");
        }
        for status in [500, 502, 503] {
            let answer = of_method(status, None, b"<html>");
            assert!(matches!(answer, Err(Untold::Later { .. })), "{status}");
        }
    }

    #[test]
    fn a_webhook_answers_in_its_own_way() {
        assert!(of_webhook(200, b"ok").is_ok());
        let refused = of_webhook(400, b"invalid_payload").unwrap_err();
        assert_eq!(refused.to_string(), "refused: invalid_payload");
        for status in [403, 404, 410, 429, 503] {
            let answer = of_webhook(status, b"");
            assert!(matches!(answer, Err(Untold::Later { .. })), "{status}");
        }
    }
}
