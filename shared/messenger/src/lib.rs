//! Slack's Web API: posting, updating, and answering who pressed a button.
//!
//! What is said is `chat`'s, and when, the engine's. It travels with the HTTP client that the AWS
//! SDK brings into every function anyway, because a second one would only make them larger.

mod answer;
mod client;

pub use client::{Messenger, MessengerError};
