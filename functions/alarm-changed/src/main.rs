//! CloudWatch says that an alarm changed its state.
//!
//! The event is complete in itself: every service with a stage that watches the alarm takes a turn.

use lambda::house::serve_events;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve_events(intake::cloudwatch::decode).await
}
