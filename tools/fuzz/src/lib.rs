//! Everything that reads bytes somebody else wrote, shaken.
//!
//! A [`Target`] is one reader with the laws that hold whatever it is given, and seeds that it
//! reads well. [`mutate`] makes of a seed what nobody should send: bytes turned, pieces moved,
//! values put where others belong, lists without end. The tests do so a bounded number of times
//! and the same way each time; the same targets and the same mutations under libFuzzer, guided by
//! what code an input reaches, are a campaign: see [`campaign`]. Nothing here is shipped, and no
//! rule of Lastgood lives here.

pub mod campaign;
pub mod mutate;
pub mod shake;
mod targets;

pub use targets::{TARGETS, Target};
