//! The pure core: every rule of Lastgood, and nothing that touches the world.
//!
//! It contains no clock, no network, no chance, no `async` and no AWS type. Time, ids and
//! permissions come in as arguments; what is to be done comes out as [`Entry`]s, which other crates
//! commit and carry out. The way through the crate:
//!
//! ```text
//! Fact ─▶ decide(&Pipeline, …) ─▶ Decision { entries, reason, after }
//!                                   entries: folded by `apply` they give `after`
//! ```
//!
//! What lives where: the words as types ([`name`], [`artefact`], [`config`], [`pipeline`]), what
//! comes in ([`fact`], [`hint`], [`question`]), what goes out ([`entry`], [`reason`],
//! [`announce`]), and the rules between them ([`mod@decide`], [`mod@apply`], [`due`], [`wanted`],
//! [`catalogue`], [`scan`]).

pub mod alarm;
pub mod announce;
pub mod apply;
pub mod artefact;
pub mod bundle;
pub mod call;
pub mod catalogue;
pub mod chain;
pub mod commit;
pub mod config;
pub mod decide;
pub mod drift;
pub mod drop;
pub mod due;
pub mod entry;
pub mod fact;
pub mod file;
pub mod hint;
pub mod hook;
pub mod name;
pub mod order;
pub mod peril;
pub mod pipeline;
pub mod question;
pub mod reason;
pub mod scan;
pub mod switch;
pub mod wanted;
pub mod window;

pub use artefact::{Artefact, ArtefactId, BuildFacts, Release};
pub use commit::Commit;
pub use config::ServiceConfig;
pub use decide::{Decision, decide, decide_under};
pub use entry::{Entry, What};
pub use fact::Fact;
pub use hint::Hint;
pub use jiff::{SignedDuration, Timestamp};
pub use name::{
    AccountId, AlarmArn, EntryId, Identity, Region, Registry, ReleaseNumber, ServiceName, StageName,
};
pub use pipeline::Pipeline;
pub use reason::Reason;
