//! ECS or CodeDeploy says that a deployment moved on.

fn main() {}
