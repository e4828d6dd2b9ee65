//! ECS or CodeDeploy says that a deployment moved on.
//!
//! The event names neither reason nor revision: it is a hint, and the look at the target states the
//! fact.

use lambda::house::serve_events;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve_events(intake::deployment::decode).await
}
