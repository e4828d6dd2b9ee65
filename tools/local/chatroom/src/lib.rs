//! Plays Slack on this machine: `chat.postMessage`, `chat.update` and incoming webhooks with the
//! limits and errors of the real ones, buttons that come back signed, and a page that shows the
//! channel as Slack would draw it.
//!
//! ```text
//! room    what stands in the channel, and what Slack refuses
//! server  the addresses
//! markup  Slack's markup as HTML
//! page    the page
//! ```

mod markup;
mod page;
mod room;
mod server;

pub use room::{Manners, Posted, Room};
pub use server::{Chatroom, Options};
