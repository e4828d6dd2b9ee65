//! Tells people what the ledger recorded.

fn main() {}
