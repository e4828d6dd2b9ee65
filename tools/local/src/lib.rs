//! The whole system on one machine: MiniStack, gateway, delivery and fleet behind one address, with
//! the template of `infra/` deployed on it, unchanged, a chat room that plays Slack, and a
//! workshop that plays GitHub.
//!
//! [`System`] starts and ends it all in one process; the verbs of `cargo local` and the end-to-end
//! tests are its users. What the parts do is theirs: see the crates `gateway`, `delivery`,
//! `fleet`, `chatroom` and `workshop`.

pub mod demo;
pub mod environment;
mod functions;
mod github;
pub mod instance;
pub mod ministack;
pub mod paths;
pub mod people;
pub mod screen;
mod secrets;
mod slack;
pub mod stack;
pub mod system;
pub mod trouble;
pub mod verb;

pub use crate::{
    paths::Paths,
    screen::Screen,
    system::{Options, System, neighbours},
    trouble::Trouble,
};
