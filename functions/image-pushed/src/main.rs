//! ECR says that an image was pushed.

fn main() {}
