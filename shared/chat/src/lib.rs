//! What people see of a release in a chat.
//!
//! Pure: no clock, no network, no `async`. What happened is [`domain::announce`]'s; how a message
//! travels and where it is kept is the callers'.
//!
//! ```text
//! text     escaping and cutting, so that nobody's words can mention anybody
//! custom   the custom notification of Amazon Q Developer in chat applications
//!
//! answer    what somebody reads who pressed a button
//! card      one release on one stage, as a channel knows it
//! draw      a card as a message
//! block     Slack's Block Kit, within its limits
//! talk      what a channel was told, and what it hears next
//! settings  what an administrator sets
//! ```

pub mod answer;
pub mod block;
pub mod card;
pub mod custom;
pub mod draw;
pub mod settings;
pub mod talk;
pub mod text;
