//! One module per verb: its options, and what it does with them.

pub(crate) mod apply;
pub(crate) mod approve;
pub(crate) mod cancel;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod freeze;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod plan;
pub(crate) mod promote;
pub(crate) mod publish;
pub(crate) mod reject;
pub(crate) mod rollback;
#[cfg(feature = "schema")]
pub(crate) mod schema;
pub(crate) mod services;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod thaw;
pub(crate) mod validate;
pub(crate) mod verify;
pub(crate) mod wait;
pub(crate) mod watch;
pub(crate) mod why;
