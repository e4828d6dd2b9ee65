//! CodeDeploy as callers, instances and users see it: real scripts, real servers, real requests.

mod blue_green;
mod calls;
mod going_back;
mod instances;
mod world;
