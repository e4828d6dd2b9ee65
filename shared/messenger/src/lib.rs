//! Other people's web APIs: Slack's and GitHub's.
//!
//! What is said is `chat`'s and `forge`'s, and when, the engine's. It travels with the HTTP client
//! that the AWS SDK brings into every function anyway, because a second one would only make them
//! larger.

mod github;
mod http;
mod slack;

pub use github::GitHub;
pub use http::HttpError;
pub use slack::{Messenger, MessengerError};
