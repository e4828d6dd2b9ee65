//! The binary as people and scripts meet it: what it prints, sends and ends with.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests panic where a test would"
)]

#[cfg(unix)]
mod asking;
mod request;
mod stack;
#[path = "../../src/testing/story.rs"]
mod story;
mod support;
mod table;
#[cfg(unix)]
mod terminal;
mod usage;
#[cfg(unix)]
mod watching;
