//! The rules, each pinned by tests that name it.

mod approving;
mod freezing;
mod golden;
mod laws;
mod observing;
mod releasing;
mod rolling_back;
mod story;
mod table;
mod taking_over;
