//! ECR says that an image was pushed.
//!
//! The event may be lost and may be doubled; the look at the repository states the fact.

use lambda::house::serve_events;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve_events(intake::ecr::decode).await
}
