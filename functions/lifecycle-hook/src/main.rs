//! ECS or CodeDeploy asks whether a deployment may go on.

fn main() {}
