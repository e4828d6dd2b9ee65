//! Carries out what the ledger asks for on ECS and CodeDeploy.

fn main() {}
