//! The data plane: small real HTTP servers of releases, behind small real load balancers.
//! Who starts and stops them, and when, is decided by the control planes.

mod app;
mod balancer;
mod health;
mod http;
mod pool;
mod proxy;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use app::APP_VARIABLE;
pub use app::{App, AppError, Crash};
pub use balancer::{Balancer, DEFAULT_GROUP, Listener};
pub use health::HealthCheck;
pub use pool::{Counts, Health};
pub use server::{Exit, Server};

/// Why a server or a balancer could not start.
#[derive(Debug, thiserror::Error)]
pub enum PlaneError {
    /// The port on loopback could not be had.
    #[error("port {port} of 127.0.0.1 cannot be listened on")]
    Listen {
        /// The port asked for; 0 is any.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
}
