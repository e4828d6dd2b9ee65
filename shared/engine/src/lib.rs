//! One look, one turn, and carrying out one entry, over three traits.
//!
//! The engine moves what the pure core decides in and out of the world, and holds no rule of its
//! own: [`look`] makes facts of hints by asking, [`turn`] loads, decides and commits, [`carry_out`]
//! does on the platform what one entry asks for, [`tell`] announces it. It knows no AWS: the world
//! behind [`Ledger`], [`Platform`] and [`Announcer`] may be DynamoDB, ECS and CodeDeploy, or
//! memory.

mod behind;
pub mod carry_out;
pub mod converse;
pub mod follow;
pub mod inspect;
pub mod look;
#[cfg(feature = "memory")]
pub mod memory;
pub mod ports;
pub mod publish;
pub mod receive;
pub mod source;
pub mod spread;
pub mod tell;
pub mod turn;
pub mod units;

/// What stands between an event and its end.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The platform.
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

pub use ports::{
    AnnounceError, Announcer, Catalogues, Clock, Ledger, LedgerError, Loaded, Mention, Platform,
    PlatformError,
};
pub use units::{Onlooker, Unit, UnitState, Units};
