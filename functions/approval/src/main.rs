//! A person says yes or no to a release.
//!
//! A function of its own behind a URL of its own, so that IAM decides who may approve and who may
//! publish and ask: each of the two functions takes only what belongs to it.

use intake::wire::Desk;
use lambda::serve_requests;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve_requests(Desk::Approval).await
}
