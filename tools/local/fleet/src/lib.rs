//! ECS and CodeDeploy on one machine: control planes and a data plane that serves HTTP.
