//! A person asks for something.

fn main() {}
