//! The Lambda side of every function: it starts, warms and feeds them, so that each `main.rs` is
//! the one line that makes it different. No rule lives here, and no AWS call.

#[cfg(feature = "announced")]
pub mod announced;
#[cfg(feature = "house")]
pub mod house;
#[cfg(feature = "house")]
pub mod requests;
pub mod serve;
pub mod stream;

#[cfg(feature = "announced")]
pub use announced::serve_followers;
#[cfg(feature = "house")]
pub use house::House;
#[cfg(feature = "house")]
pub use requests::serve_requests;
pub use serve::{Failed, serve, start};
pub use stream::serve_commits;
