//! The clients against those whom they call, as this machine plays them.

#![expect(clippy::unwrap_used, reason = "a test panics where something is wrong")]

mod github;
mod slack;
