//! One plain HTTP request and its whole answer, within limits. What is asked and what the answer
//! means is the caller's business.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::http::Headers;
use aws_smithy_types::byte_stream::ByteStream;

/// How long one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// An answer, read whole.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may come later.
    Later(String),
    /// It never will.
    Never(String),
}

/// Sends a request and reads its answer, `bytes_max` of it at most.
pub(super) async fn send(
    connector: &SharedHttpConnector,
    request: HttpRequest,
    bytes_max: usize,
) -> Result<Reply, Failure> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, read(connector, request, bytes_max));
    let late = |_| Err(Failure::Later("it took too long".to_owned()));
    answer.await.unwrap_or_else(late)
}

async fn read(
    connector: &SharedHttpConnector,
    request: HttpRequest,
    bytes_max: usize,
) -> Result<Reply, Failure> {
    let answer = connector
        .call(request)
        .await
        .map_err(|error| Failure::Later(error.to_string()))?;
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let mut pieces = ByteStream::new(answer.into_body());
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|error| Failure::Later(error.to_string()))?);
        if body.len() > bytes_max {
            let words = format!("it has more than {bytes_max} bytes");
            return Err(Failure::Never(words));
        }
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

/// Whether a status means that the same request may go through later.
pub(super) fn is_for_later(status: u16) -> bool {
    status >= 500 || status == 429 || status == 408
}
