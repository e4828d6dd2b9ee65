//! S3 says that an object was created.
//!
//! The event names no commit and no checksum: it is a hint, and the look at the object states the
//! fact.

use lambda::house::serve_events;
use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve_events(intake::s3::decode).await
}
