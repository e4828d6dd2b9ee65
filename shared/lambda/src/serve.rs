//! Starting a function and taking its events as the bytes that came.

use std::fmt;
use std::future::Future;

use lambda_runtime::{Diagnostic, Error, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::value::RawValue;

/// An event that could not be handled, with the whole chain of causes. Lambda delivers it again,
/// and in the end to the dead letters.
#[derive(Debug)]
pub struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self {
            error_type: "Failed".to_owned(),
            error_message: failed.0,
        }
    }
}

impl Failed {
    /// Reports an error once, at the border that gives up on it.
    #[must_use]
    pub fn report(error: &(dyn std::error::Error + 'static)) -> Self {
        let mut report = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            report = format!("{report}: {error}");
            cause = error.source();
        }
        tracing::error!(report, "the event is to be delivered again");
        Self(report)
    }
}

/// Begins a function: logs first, so that whatever goes wrong next is heard of.
pub fn start() {
    aws::telemetry::start();
}

/// Feeds a handler with every event, one at a time, until Lambda ends the sandbox.
///
/// # Errors
/// When Lambda's own interface fails.
pub async fn serve<Handler, Handled, Out>(handler: Handler) -> Result<(), Error>
where
    Handler: Fn(Box<RawValue>) -> Handled,
    Handled: Future<Output = Result<Out, Failed>>,
    Out: Serialize,
{
    lambda_runtime::run(service_fn(|event: LambdaEvent<Box<RawValue>>| {
        handler(event.payload)
    }))
    .await
}
