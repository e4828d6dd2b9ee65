//! From the SDK's errors to ours, in one place. Which of our errors it becomes is decided by AWS's
//! code, else by the HTTP status; the words are always AWS's own.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// Longest piece of AWS's words kept, in characters: an entry holds them.
const WORDS_LENGTH_MAX: usize = 600;

/// Codes that mean "later" although their HTTP status is 400, across the services used here.
const LATER: [&str; 16] = [
    "BandwidthLimitExceeded",
    "ExpiredToken",
    "ExpiredTokenException",
    "InternalServerError",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "RequestTimeout",
    "ServerException",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// Whether the same call may go through later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hope {
    /// It may.
    Later,
    /// It never will.
    Never,
}

/// What an SDK error comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// AWS's code, when there was an answer.
    pub(crate) code: Option<String>,
    /// The HTTP status, when there was an answer.
    pub(crate) status: Option<u16>,
    /// Whether the same call may go through later.
    pub(crate) hope: Hope,
    /// What was asked, AWS's code and message.
    pub(crate) words: String,
}

impl Trouble {
    /// Reads an SDK error. `asked` names the call, such as `ecs:UpdateService`.
    pub(crate) fn of<E>(asked: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let Some(answer) = error.as_service_error() else {
            return Self {
                code: None,
                status,
                hope: unanswered(error),
                words: cut(&format!("{asked}: {}", chain(error))),
            };
        };
        let code = answer.code().map(ToOwned::to_owned);
        let words = match (answer.code(), answer.message(), status) {
            (Some(code), Some(message), _) => format!("{asked}: {code}: {message}"),
            (Some(words), None, _) | (None, Some(words), _) => format!("{asked}: {words}"),
            // Without AWS's own words: an answer that cannot be read, or an empty one.
            (None, None, status) => {
                let status = status.map(|status| format!("HTTP status {status}: "));
                format!("{asked}: {}{}", status.unwrap_or_default(), chain(error))
            }
        };
        Self {
            hope: hope(code.as_deref(), status),
            code,
            status,
            words: cut(&words),
        }
    }

    /// Whether AWS answered with one of these codes.
    #[cfg(any(feature = "ledger", feature = "secret"))]
    pub(crate) fn is(&self, codes: &[&str]) -> bool {
        self.code
            .as_deref()
            .is_some_and(|code| codes.contains(&code))
    }
}

impl From<Trouble> for engine::PlatformError {
    fn from(trouble: Trouble) -> Self {
        match trouble.hope {
            Hope::Later => Self::Transient(trouble.words),
            Hope::Never => Self::Terminal(trouble.words),
        }
    }
}

/// An error of the platform, for `map_err`.
#[cfg(feature = "platform")]
pub(crate) fn platform<E>(
    asked: &'static str,
) -> impl Fn(SdkError<E, HttpResponse>) -> engine::PlatformError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    move |error| Trouble::of(asked, &error).into()
}

fn hope(code: Option<&str>, status: Option<u16>) -> Hope {
    let later = code.is_some_and(|code| LATER.contains(&code))
        || status.is_some_and(|status| status >= 500 || status == 429 || status == 408);
    if later { Hope::Later } else { Hope::Never }
}

/// Without an answer only what we built wrong ourselves is hopeless.
fn unanswered<E>(error: &SdkError<E, HttpResponse>) -> Hope {
    let hopeless = match error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::DispatchFailure(failure) => failure.is_user(),
        // No answer, or one that broke off: it may or may not have taken effect.
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) | SdkError::ServiceError(_) | _ => {
            false
        }
    };
    if hopeless { Hope::Never } else { Hope::Later }
}

/// An error with its causes, the words of each once. The SDK's own display adds the fields of its
/// types, which nobody reads at night.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = Vec::new();
    for cause in causes.map(ToString::to_string) {
        if !words.last().is_some_and(|last| last.contains(&cause)) {
            words.push(cause);
        }
    }
    words.join(": ")
}

/// Cuts words to what an entry may hold.
pub(crate) fn cut(words: &str) -> String {
    words.chars().take(WORDS_LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttling_and_server_errors_are_for_later() {
        assert_eq!(hope(Some("ThrottlingException"), Some(400)), Hope::Later);
        assert_eq!(hope(Some("ServerException"), Some(400)), Hope::Later);
        assert_eq!(hope(Some("InternalError"), Some(500)), Hope::Later);
        assert_eq!(hope(None, Some(503)), Hope::Later);
        assert_eq!(hope(None, Some(429)), Hope::Later);
    }

    #[test]
    fn what_is_refused_stays_refused() {
        assert_eq!(hope(Some("AccessDeniedException"), Some(400)), Hope::Never);
        assert_eq!(
            hope(Some("InvalidParameterException"), Some(400)),
            Hope::Never
        );
        assert_eq!(hope(None, Some(404)), Hope::Never);
    }

    #[test]
    fn without_an_answer_each_cause_is_told_once_and_in_words() {
        let refused = std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "no one listens");
        let error =
            SdkError::<aws_smithy_types::error::ErrorMetadata, HttpResponse>::dispatch_failure(
                aws_smithy_runtime_api::client::result::ConnectorError::io(refused.into()),
            );
        let trouble = Trouble::of("dynamodb:Query", &error);
        assert_eq!(
            trouble.words,
            "dynamodb:Query: dispatch failure: io error: no one listens"
        );
        assert_eq!(trouble.hope, Hope::Later);
    }

    #[test]
    fn words_are_cut_between_characters() {
        assert_eq!(
            cut(&"ü".repeat(WORDS_LENGTH_MAX + 5)).chars().count(),
            WORDS_LENGTH_MAX
        );
    }
}
