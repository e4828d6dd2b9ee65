//! One call over HTTP, with a deadline. None is repeated here: what did not go through comes again
//! with the queue.

use std::fmt;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnector as _, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long one call may take.
pub(crate) const CALL_WITHIN: Duration = Duration::from_secs(6);
/// The longest pause that is believed when somebody asks for one.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Makes calls.
pub(crate) struct Http(SharedHttpConnector);

/// What to call.
pub(crate) struct Call<'a> {
    pub(crate) method: &'static str,
    pub(crate) address: &'a str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The request could not be built.
    #[error("the request cannot be built: {0}")]
    Request(String),
    /// No answer came.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

/// An answer.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: Headers,
    pub(crate) body: Vec<u8>,
}

impl Answered {
    /// How long the other side asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        pause(self.headers.get("retry-after")?)
    }
}

/// A pause in seconds, as far as it is believed.
pub(crate) fn pause(seconds: &str) -> Option<Duration> {
    let seconds = seconds.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(PAUSE_MAX))
}

impl Http {
    pub(crate) fn new() -> Self {
        let times = HttpConnectorSettings::builder()
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(CALL_WITHIN)
            .build();
        let connector = Connector::builder()
            .connector_settings(times)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .build();
        Self(SharedHttpConnector::new(connector))
    }

    pub(crate) async fn call(
        &self,
        call: Call<'_>,
        within: Duration,
    ) -> Result<Answered, HttpError> {
        let wrong = |error: &dyn fmt::Display| HttpError::Request(error.to_string());
        let mut request = HttpRequest::new(call.body.map_or_else(SdkBody::empty, SdkBody::from));
        request
            .set_method(call.method)
            .map_err(|error| wrong(&error))?;
        request
            .set_uri(call.address)
            .map_err(|error| wrong(&error))?;
        for (name, value) in call.headers {
            let inserted = request.headers_mut().try_insert(name, value);
            inserted.map_err(|error| wrong(&error))?;
        }
        let answered = async {
            let response = self.0.call(request).await;
            let response = response.map_err(|error| HttpError::NoAnswer(chain(&error)))?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = ByteStream::new(response.into_body()).collect().await;
            let body = body.map_err(|error| HttpError::NoAnswer(chain(&error)))?;
            Ok(Answered {
                status,
                headers,
                body: body.to_vec(),
            })
        };
        let timeout = tokio::time::timeout(within, answered).await;
        timeout.map_err(|late| HttpError::NoAnswer(late.to_string()))?
    }
}

/// An error with its causes; the address, which may be secret, is in none of them.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
