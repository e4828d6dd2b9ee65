//! What people see of a release in a chat.
//!
//! Pure: no clock, no network, no `async`. What happened is [`domain::announce`]'s; how a message
//! travels and where it is kept is the callers'.
//!
//! ```text
//! text     escaping and cutting, so that nobody's words can mention anybody
//! read_on  where people read on
//! custom   the custom notification of Amazon Q Developer in chat applications
//! ```

pub mod custom;
pub mod read_on;
pub mod text;

pub use read_on::ReadOn;
