//! The control socket: HTTP/1.1 with JSON for programs of the same user.
//!
//! [`bind`] takes the socket, [`serve`] answers on it. Who connects is checked by the system's peer
//! credentials before a byte of theirs is read: the daemon's own user and root are served, anyone
//! else hears `403` and is disconnected. The endpoints are those of [`martlet_protocol::control`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use martlet_protocol::control::Role;
use martlet_protocol::network::NetworkDescriptor;
use tokio::sync::watch;

use crate::blobs::Keeper;
use crate::config::Notify;
use crate::host::EngineHandle;
use crate::net::NetHandle;
use crate::scrape::MetricsSource;
use activity::Activity;
use places::{Places, TRANSFERS};

mod account;
mod activity;
mod backup;
mod blocked;
mod client_stream;
mod contact;
mod conversation;
mod device;
mod doctor;
mod endpoints;
mod ends;
mod event;
mod extract;
mod file;
mod handle;
mod invite;
mod link;
mod listener;
mod message;
mod metrics;
mod network;
mod note;
mod peer;
mod ping;
mod places;
mod privacy;
mod problem;
mod profile;
mod room;
mod router;
mod search;
mod server;
mod shred;
mod status;
mod trust;

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
    /// After how long without a request of the user the vault is locked.
    pub auto_lock: Option<Duration>,
    /// Why the vault is not open already, where it was to be opened at the start.
    pub unlock_failure: Option<String>,
    /// Where databases and keys are.
    pub data_dir: PathBuf,
    /// Who keeps files that are blobs.
    pub blobs: Keeper,
    /// Whether contacts are told where this node is, so that they can fetch files from it.
    pub direct_files: bool,
    /// Whether files can be sent that are too large for mailboxes.
    pub sends_large: bool,
    /// What else of the configuration says who can see what.
    pub exposure: Exposure,
}

/// What of the configuration says who can see what, beside the network's descriptor.
#[derive(Debug, Clone, Default)]
pub struct Exposure {
    /// Whether the LAN is told that the node is there.
    pub mdns: bool,
    /// Peers that are always dialled, by the configuration or the network's descriptor.
    pub dialled: usize,
    /// Whether the router is asked for a port.
    pub upnp: bool,
    /// Whether addresses are named to others.
    pub announces: bool,
    /// Whether it passes on others' connections.
    pub relay_server: bool,
    /// What opens the vault at the start, in words, if something does.
    pub opened_by: Option<String>,
    /// What a notification says.
    pub notify: Notify,
    /// Whether a program shows it, not the desktop.
    pub has_notify_command: bool,
    /// Whether the log has no more than it has by default.
    pub is_log_usual: bool,
}

/// What handlers share. Cheap to clone.
#[derive(Debug, Clone)]
struct Shared(Arc<SharedInner>);

#[derive(Debug)]
struct SharedInner {
    context: ControlContext,
    /// Streams of events end when this changes.
    ending: watch::Sender<Ending>,
    activity: Activity,
    /// For files that are sent and read.
    transfers: Places,
}

/// Why streams of events end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ending {
    /// How often the vault was locked.
    locks: u64,
    /// Whether the daemon stops.
    stopping: bool,
}

impl Shared {
    fn new(context: ControlContext) -> Self {
        let ending = watch::Sender::new(Ending::default());
        let (activity, transfers) = (Activity::default(), Places::new(&TRANSFERS));
        Self(Arc::new(SharedInner { context, ending, activity, transfers }))
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

    fn activity(&self) -> &Activity {
        &self.0.activity
    }

    fn transfers(&self) -> &Places {
        &self.0.transfers
    }

    fn ending(&self) -> watch::Receiver<Ending> {
        self.0.ending.subscribe()
    }

    fn is_stopping(&self) -> bool {
        self.0.ending.borrow().stopping
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
