//! CloudWatch says that an alarm changed its state.

fn main() {}
