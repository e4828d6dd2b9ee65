//! What people see of a release where its code is: GitHub's deployments, and their statuses.
//!
//! Pure: no clock, no network, no `async`. What happened is the ledger's; how it travels and where
//! it is kept is the callers'.
//!
//! ```text
//! repository  where a build says that its code is
//! board       what GitHub shows of a service, and what changes there with an entry
//! settings    what an administrator sets
//! ```

pub mod board;
pub mod repository;
pub mod settings;

pub use board::{Board, Change, Shown, Spot, State};
pub use repository::Repository;
pub use settings::Settings;
