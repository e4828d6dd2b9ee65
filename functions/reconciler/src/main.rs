//! Looks, every minute, at what is overdue.

fn main() {}
