//! The adapters against what speaks AWS's protocols: MiniStack, where it is named, and a server
//! that answers as a test tells it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

mod balancers;
mod codedeploy;
mod ecs;
mod ledger;
mod reflexes;
mod registry;
mod store;
mod support;
mod units;
