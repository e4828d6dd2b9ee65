//! Plays GitHub on this machine: deployments and their statuses with the limits, defaults and
//! errors of the real ones, and a page that shows where what runs, as GitHub would.
//!
//! ```text
//! site    what there is, and what GitHub refuses
//! server  the addresses
//! page    the page
//! ```

mod page;
mod server;
mod site;

pub use server::{Options, Workshop};
pub use site::{Deployment, Manners, Site, Status};
