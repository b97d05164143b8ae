//! The control socket: HTTP/1.1 with JSON for programs of the same user.
//!
//! [`bind`] takes the socket, [`serve`] answers on it. Who connects is checked by the system's peer
//! credentials before a byte of theirs is read: the daemon's own user and root are served, anyone
//! else hears `403` and is disconnected. The endpoints are those of [`martlet_protocol::control`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use libp2p::PeerId;
use martlet_protocol::control::Role;
use martlet_protocol::network::NetworkDescriptor;
use tokio::sync::watch;

use crate::host::EngineHandle;
use crate::net::NetHandle;
use crate::scrape::MetricsSource;

mod backup;
mod client_stream;
mod contact;
mod doctor;
mod endpoints;
mod event;
mod extract;
mod listener;
mod message;
mod metrics;
mod network;
mod note;
mod peer;
mod ping;
mod problem;
mod room;
mod router;
mod server;
mod status;

pub use listener::{BindError, ControlSocket, bind};
pub use router::openapi;
pub use server::{ControlServer, serve};

/// What requests are answered from.
#[derive(Debug, Clone)]
pub struct ControlContext {
    /// The messenger.
    pub engine: EngineHandle,
    /// The network.
    pub net: NetHandle,
    /// What is counted.
    pub metrics: MetricsSource,
    /// Where metrics are served by TCP.
    pub metrics_listen: Option<SocketAddr>,
    /// The network.
    pub network: NetworkDescriptor,
    /// Where its descriptor is looked for at the next start.
    pub network_file: Option<PathBuf>,
    /// What the user should know about the configuration.
    pub warnings: Vec<String>,
    /// What this node does for the network.
    pub role: Role,
    /// This node's peer id.
    pub peer_id: PeerId,
    /// Whether an identity may be made here.
    pub user: bool,
    /// Where databases and keys are.
    pub data_dir: PathBuf,
}

/// What handlers share. Cheap to clone.
#[derive(Debug, Clone)]
struct Shared(Arc<SharedInner>);

#[derive(Debug)]
struct SharedInner {
    context: ControlContext,
    /// Streams of events end when this changes.
    ending: watch::Sender<Ending>,
}

/// Why streams of events end.
#[derive(Debug, Clone, Copy, Default)]
struct Ending {
    /// How often the vault was locked.
    locks: u64,
    /// Whether the daemon stops.
    stopping: bool,
}

impl Shared {
    fn new(context: ControlContext) -> Self {
        Self(Arc::new(SharedInner { context, ending: watch::Sender::new(Ending::default()) }))
    }

    fn engine(&self) -> &EngineHandle {
        &self.0.context.engine
    }

    fn net(&self) -> &NetHandle {
        &self.0.context.net
    }

    fn metrics(&self) -> &MetricsSource {
        &self.0.context.metrics
    }

    fn context(&self) -> &ControlContext {
        &self.0.context
    }

    fn ending(&self) -> watch::Receiver<Ending> {
        self.0.ending.subscribe()
    }

    fn vault_was_locked(&self) {
        self.0.ending.send_modify(|ending| ending.locks += 1);
    }

    fn stop(&self) {
        self.0.ending.send_modify(|ending| ending.stopping = true);
    }
}

/// Waits until the daemon stops.
async fn stopping(ending: &mut watch::Receiver<Ending>) {
    // An error means that the server is gone, which is an end as well.
    let _ = ending.wait_for(|ending| ending.stopping).await;
}
