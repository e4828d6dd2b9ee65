//! The rules, each pinned by tests that name it.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one variant among many"
)]

mod ahead;
mod approving;
mod borders;
mod drifting;
mod freezing;
mod golden;
mod holding;
mod laws;
mod observing;
mod planning;
mod protecting;
mod releasing;
mod rolling_back;
mod scanning;
pub(crate) mod story;
mod switching;
mod table;
mod taking_over;
