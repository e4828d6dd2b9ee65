//! The only address that people and functions of the local system know.
//!
//! Everything is passed on to MiniStack with its `Host` header kept, so that signatures still
//! verify, except: ECS and CodeDeploy are answered by the fleet, once it is clear who calls;
//! function URLs get the caller's identity, which MiniStack leaves out; a pushed image, and a call
//! that may have changed something on ECS or CodeDeploy, are told to the delivery. On the way it
//! learns the secrets of keys that IAM and STS give away, because who signs a request must be known
//! where MiniStack does not look.
//!
//! Not here: starting MiniStack, delivering events, and what ECS and CodeDeploy do.

mod answer;
mod emulator;
mod function_url;
mod guard;
mod identity;
mod image;
mod keys;
mod lock;
mod route;
mod scan;
mod server;
mod sign;
mod sigv4;
mod trail;
mod url_event;
mod uuid;
mod xml;

use std::{net::SocketAddr, sync::Arc};

use fleet::Fleet;
use serde_json::Value;
use tokio::{net::TcpListener, sync::mpsc::UnboundedSender, task::JoinHandle};

pub use crate::{
    emulator::{Emulator, EmulatorError, Place},
    function_url::plain_address,
    guard::IamGuard,
    sign::Signer,
    xml::text as xml_text,
};
use crate::{function_url::FunctionUrls, identity::Identities, keys::Keys, server::Server};

/// How a gateway is set up.
pub struct Options {
    /// Where it listens; bound by the caller, who can say best what to do about a port in use.
    pub listener: TcpListener,
    /// MiniStack.
    pub emulator: Emulator,
    /// Where the stack lives: the first place to look for functions.
    pub home: Place,
    /// Decides who may call what, for the fleet as for function URLs.
    pub guard: Arc<IamGuard>,
    /// Answers for ECS and CodeDeploy.
    pub fleet: Arc<Fleet>,
    /// Takes the event of a pushed image.
    pub events: UnboundedSender<Value>,
}

/// A gateway that listens.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Gateway {
    /// Starts listening.
    ///
    /// # Errors
    /// When the listener has no address.
    pub fn start(options: Options) -> std::io::Result<Self> {
        let Options {
            listener,
            emulator,
            home,
            guard,
            fleet,
            events,
        } = options;
        let address = listener.local_addr()?;
        let keys = Arc::new(Keys::new(emulator.clone(), home));
        let identities = Arc::new(Identities::new(emulator.clone(), Arc::clone(&keys)));
        let urls = FunctionUrls::new(
            emulator.clone(),
            Arc::clone(&keys),
            Arc::clone(&identities),
            Arc::clone(&guard),
        );
        let server = Server {
            emulator,
            keys,
            identities,
            guard,
            urls,
            fleet,
            events,
        };
        let task = tokio::spawn(Arc::new(server).run(listener));
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to set `AWS_ENDPOINT_URL` to.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and drops every connection.
    pub async fn shutdown(self) {
        self.task.abort();
        // The only result is that it was aborted.
        drop(self.task.await);
    }
}
