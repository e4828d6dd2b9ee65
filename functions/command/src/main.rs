//! A person asks for something.
//!
//! Behind a function URL with IAM authorisation: who asks is what AWS verified. Everything but
//! approvals is asked for here; whether somebody may ask is IAM's decision on this function alone.

use intake::wire::Desk;
use lambda::serve_requests;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve_requests(Desk::Command).await
}
