//! S3 says that an object was created.

fn main() {}
