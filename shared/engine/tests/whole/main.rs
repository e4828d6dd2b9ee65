//! The engine over the world in memory: one release from an event to last good and back, with
//! events lost and doubled, races lost, and handlers that die before and after they commit.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test panics where something is wrong"
)]

mod asking;
mod chatroom;
mod conversing;
mod drifting;
mod publishing;
mod races;
mod releases;
mod scans;
mod sources;
mod switch;
mod world;

#[tokio::test]
async fn the_memory_ledger_keeps_the_contract() {
    let ledger = engine::memory::MemoryLedger::default();
    engine::memory::contract::ledger_keeps_its_contract(&ledger, "memory").await;
    engine::memory::contract::catalogues_keep_their_contract(&ledger, "memory").await;
}
