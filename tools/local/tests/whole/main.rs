//! The whole system, end to end: MiniStack, gateway, delivery, fleet, the template and the
//! functions as they are, driven from outside as people and AWS drive it. One system serves all
//! tests of this binary; each test has services of its own on it.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test that cannot go on is to panic"
)]

mod accounts;
mod adopting;
mod alarms;
mod drifting;
mod events;
mod floods;
mod hooks;
mod hub;
mod main_job;
mod meanings;
mod people;
mod rights;
mod scans;
mod shown;
mod talked;
mod uploads;
mod world;

use delivery::Unkind;

/// Here nothing goes wrong on purpose.
fn unkind() -> Unkind {
    Unkind::kind()
}
