//! The network: libp2p behind a handle.
//!
//! One task owns the swarm and does nothing slow. Gossip is the fast path; sync is the guarantee
//! and runs in tasks of its own, which talk to the swarm's task by messages. What the network
//! brings goes to a [`NetSink`], the engine's handle.

mod asked;
mod bans;
mod behaviour;
mod cache;
mod connections;
mod counted;
mod dialer;
mod forward;
mod gossip;
mod handshakes;
mod intake;
mod lane;
mod link;
mod linked;
mod links;
mod listen;
mod mdns6;
mod meter;
mod mismatches;
pub(crate) mod names;
mod pace;
pub mod peer_key;
mod peers;
mod probes;
mod rates;
pub mod report;
mod reserved;
mod rpc;
mod scores;
pub mod shards;
pub(crate) mod shorten;
mod skew;
mod state_files;
mod stem;
mod streams;
mod sync;
mod task;
mod tickets;
pub mod transport;
mod wan;
mod zones;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::limits::{
    DIAL_WAITED_MAX, GOSSIP_LAZY, GOSSIP_MESH, GOSSIP_MESH_MAX, IDONTWANT_BYTES_MIN, NET_QUEUE_MAX,
    PEER_EVENTS_KEPT,
};
use libp2p::{Multiaddr, PeerId, Stream};
use martlet_engine::{FromNet, PeerKey, Stemmed, ToNet};
use martlet_protocol::Shard;
use martlet_protocol::control::{Ban, Peer, PeerEvent, PeerList, Role};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_store::Mailbox;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use tokio::task::JoinSet;

use crate::metrics::Metrics;

pub use crate::clock::{Clock, NodeClock, SystemClock};
pub(crate) use asked::Unread;
pub use connections::ConnectionPolicy;
pub use pace::Pace;
pub use state_files::NotStored;
pub(crate) use streams::{DepotPeer, Misuse};
pub use wan::{Provider, Reach, WanOptions};

use task::{Command, Ends};
use tickets::Tickets;

/// How to run the network.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// The network to be part of.
    pub network: NetworkDescriptor,
    /// The transport's key: tied to no identity.
    pub keypair: libp2p::identity::Keypair,
    /// Addresses to listen on.
    pub listen: Vec<Multiaddr>,
    /// Peers always dialled, and redialled.
    pub static_peers: Vec<Multiaddr>,
    /// Whether to find peers by mDNS.
    pub mdns: bool,
    /// Where the network counts.
    pub metrics: Arc<Metrics>,
    /// How many connections to have.
    pub connections: ConnectionPolicy,
    /// Where remembered peers and bans are kept; `None` to keep them in memory only.
    pub data_dir: Option<PathBuf>,
    /// The share of a peer: envelopes it may bring by gossip in a minute.
    pub peer_envelopes_per_minute: u32,
    /// What to do for others, where the network reaches beyond the LAN.
    pub wan: WanOptions,
    /// What the node does for the network.
    pub role: Role,
    /// The shards it keeps for the network, its user's apart: see [`shards::kept`].
    pub kept: ShardSet,
    /// How often the node does what it does unasked.
    pub pace: Pace,
    /// How gossip spreads.
    pub gossip: GossipPolicy,
    /// Takes the streams of the blob protocol that others open; `None` to speak none.
    pub blobs: Option<mpsc::Sender<(PeerId, Stream)>>,
    /// Whether it keeps blobs for others, and says so.
    pub is_depot: bool,
    /// Memory of the process past which connections are refused; `None` where the process is not this node's alone.
    pub memory_bytes_max: Option<usize>,
}

/// How gossip spreads: more ways to each node bear more loss, and bring more copies of what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GossipPolicy {
    /// Peers of a topic to which all is passed on; gossipsub's D.
    pub mesh: usize,
    /// The most peers of a mesh; gossipsub's D_high.
    pub mesh_max: usize,
    /// Other peers of a topic that are told at each heartbeat what there is; gossipsub's D_lazy.
    pub lazy: usize,
    /// Whether what is the node's own goes to every peer of the topic, not those of the mesh alone. On a
    /// network that is `mixed` it never does.
    pub flood_publish: bool,
    /// Whether what is the node's own goes by the stem, on a network that is `mixed`. Without it that is
    /// published as if no neighbour spoke the stem: for those who study what it is good for.
    pub stem: bool,
    /// Size from which peers are told that a message has arrived already (IDONTWANT), bytes.
    pub idontwant_bytes_min: usize,
}

impl Default for GossipPolicy {
    fn default() -> Self {
        Self {
            mesh: GOSSIP_MESH,
            mesh_max: GOSSIP_MESH_MAX,
            lazy: GOSSIP_LAZY,
            flood_publish: true,
            stem: true,
            idontwant_bytes_min: IDONTWANT_BYTES_MIN,
        }
    }
}

/// Why the network could not be started.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The transport's key cannot be used.
    #[error("the transport key cannot be used ({reason}); move peer.key away to get a new one")]
    Key {
        /// What the transport said.
        reason: String,
    },
    /// None of the addresses can be listened on.
    #[error("cannot listen on any of the configured addresses; the last, {address}: {reason}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// What the system said.
        reason: String,
    },
    /// A port that this node tells others to connect to is another program's.
    #[error(
        "the port of {address} is taken, though `announce` tells everyone to connect to this node: stop the \
         program that has it, or change the port in `listen`, and in `announce` where it is the same"
    )]
    PortTaken {
        /// The address that was to be listened on.
        address: Multiaddr,
    },
    /// A bootstrap address of the network descriptor is malformed.
    #[error("bootstrap address {address:?} of the network: {reason}")]
    Bootstrap {
        /// The address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The network's name cannot be part of a protocol's.
    #[error("network name {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Gossip cannot be set up with these limits: a defect.
    #[error("gossip cannot be set up: {reason}")]
    Gossip {
        /// What libp2p said.
        reason: String,
    },
}

/// Where the network delivers: the engine, or a test.
pub trait NetSink: Send + Sync + 'static {
    /// Takes an event; waits while the taker is behind.
    fn deliver(&self, event: FromNet) -> impl Future<Output = ()> + Send;

    /// Takes an event if that is possible without waiting; else gives it back.
    ///
    /// # Errors
    /// The event.
    fn try_deliver(&self, event: FromNet) -> Result<(), FromNet> {
        Err(event)
    }

    /// Shown what a neighbour brings by the stem, which is not for the engine: for those who study what an
    /// observer learns.
    fn passes_by(&self, _from: PeerKey, _stemmed: &Stemmed) {}
}

/// Starts the network on the system's sockets. Must be called within a tokio runtime.
///
/// # Errors
/// [`NetError`].
pub fn spawn(
    config: NetConfig,
    mailbox: Arc<Mailbox>,
    sink: impl NetSink,
    clock: Arc<NodeClock>,
) -> Result<NetHandle, NetError> {
    let transport = transport::system(&config.keypair, &config.network)?;
    let (mdns, mut helpers) = (config.mdns, JoinSet::new());
    let handle = spawn_on(config, mailbox, sink, clock, transport)?;
    let changed = Arc::new(Notify::new());
    helpers.spawn(links::watch(handle.commands.downgrade(), Arc::clone(&changed)));
    if mdns {
        helpers.spawn(mdns6::run(handle.peer_id, handle.commands.downgrade(), changed));
    }
    Ok(NetHandle { _helpers: Arc::new(helpers), ..handle })
}

/// Starts the network on a clock and a transport of the caller's, as a simulator has them. Must be
/// called within a tokio runtime.
///
/// # Errors
/// [`NetError`].
pub fn spawn_on(
    config: NetConfig,
    mailbox: Arc<Mailbox>,
    sink: impl NetSink,
    clock: Arc<NodeClock>,
    transport: transport::Boxed,
) -> Result<NetHandle, NetError> {
    let peer_id = config.keypair.public().to_peer_id();
    let (commands, receiver) = mpsc::channel(NET_QUEUE_MAX);
    let (changes, tickets) =
        (broadcast::Sender::new(PEER_EVENTS_KEPT), Arc::new(Tickets::default()));
    let ends = Ends { tickets: Arc::clone(&tickets), commands: receiver, changes: changes.clone() };
    let handle = NetHandle { peer_id, commands, tickets, changes, _helpers: Arc::default() };
    task::start(config, mailbox, Arc::new(sink), clock, transport, ends)?;
    Ok(handle)
}

/// A handle to the network task. Cheap to clone. Sending waits when the task is behind; once the
/// task has ended, what is sent is dropped.
#[derive(Clone, Debug)]
pub struct NetHandle {
    peer_id: PeerId,
    commands: mpsc::Sender<Command>,
    tickets: Arc<Tickets>,
    changes: broadcast::Sender<PeerEvent>,
    /// What watches the system for the network; ends with the last handle.
    _helpers: Arc<JoinSet<()>>,
}

impl NetHandle {
    /// Takes what the engine tells.
    pub async fn tell(&self, to_net: Vec<ToNet>) {
        let rest = self.answer(to_net);
        if !rest.is_empty() {
            self.send(Command::Engine(rest)).await;
        }
    }

    /// The same if that is possible without waiting; else gives it back.
    ///
    /// # Errors
    /// What was to be told.
    pub(crate) fn try_tell(&self, to_net: Vec<ToNet>) -> Result<(), Vec<ToNet>> {
        let rest = self.answer(to_net);
        if rest.is_empty() {
            return Ok(());
        }
        match self.commands.try_send(Command::Engine(rest)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(Command::Engine(rest))) => Err(rest),
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => {
                tracing::debug!("the network has stopped; what the engine tells is dropped");
                Ok(())
            }
        }
    }

    /// Gives the answers in it to those who asked; returns the rest.
    fn answer(&self, to_net: Vec<ToNet>) -> Vec<ToNet> {
        let mut rest = Vec::with_capacity(to_net.len());
        for told in to_net {
            match told {
                ToNet::Answer(ticket, answer) => self.tickets.answer(ticket, answer),
                told => rest.push(told),
            }
        }
        rest
    }

    /// The shards kept here, the user's included.
    pub async fn kept(&self) -> ShardSet {
        self.ask(Command::Kept).await.unwrap_or(ShardSet::NONE)
    }

    /// Connected and known peers, connected ones first.
    pub async fn peers(&self) -> Vec<Peer> {
        self.peer_list().await.peers
    }

    /// The same, and the addresses that could not be connected to.
    pub async fn peer_list(&self) -> PeerList {
        let none = PeerList { peers: Vec::new(), failed: Vec::new() };
        self.ask(Command::Peers).await.unwrap_or(none)
    }

    /// Peers that come and go from now on.
    #[must_use]
    pub fn peer_events(&self) -> broadcast::Receiver<PeerEvent> {
        self.changes.subscribe()
    }

    /// Starts to dial; the connection, if it comes about, is seen in [`Self::peers`]. Tried `limits::DIAL_ATTEMPTS_MAX` times.
    pub async fn dial(&self, address: Multiaddr) {
        self.send(Command::Dial(address, None)).await;
    }

    /// Dials a peer where someone else says that it is: a few times, and only while more connections are wanted.
    pub(crate) async fn dial_named(&self, peer: PeerId, addresses: Vec<Multiaddr>) {
        self.send(Command::DialNamed(peer, addresses)).await;
    }

    /// The same as [`Self::dial`], and waits for what comes of the first attempt, for `limits::DIAL_WAITED_MAX` at most.
    ///
    /// # Errors
    /// Why there is no connection with a node of this network, for people.
    pub async fn dial_and_wait(&self, address: Multiaddr) -> Result<PeerId, String> {
        let outcome = self.ask(|reply| Command::Dial(address, Some(reply)));
        match tokio::time::timeout(DIAL_WAITED_MAX, outcome).await {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Err("the daemon is stopping".into()),
            Err(_) => Err(format!("nothing was heard within {} s", DIAL_WAITED_MAX.as_secs())),
        }
    }

    /// Refuses a peer, for a time or until the ban is lifted. Returns once that is on disk; `None` once the task
    /// has ended.
    ///
    /// # Errors
    /// [`NotStored`]: the ban is in force, and forgotten at a restart unless it can be written before.
    pub async fn ban(
        &self,
        peer: PeerId,
        lasts: Option<Duration>,
        reason: String,
    ) -> Result<Option<Ban>, NotStored> {
        let done = self.ask(|reply| Command::Ban { peer, lasts, reason, reply }).await;
        done.transpose().map(Option::flatten)
    }

    /// Lifts a ban, and what else a peer's score led to. Returns, once that is on disk, whether there was anything
    /// to lift.
    ///
    /// # Errors
    /// [`NotStored`]: it is lifted, and in force again after a restart unless that can be written before.
    pub async fn unban(&self, peer: PeerId) -> Result<bool, NotStored> {
        self.ask(|reply| Command::Unban(peer, reply)).await.unwrap_or(Ok(false))
    }

    /// The bans in force, the newest first.
    pub async fn bans(&self) -> Vec<Ban> {
        self.ask(Command::Bans).await.unwrap_or_default()
    }

    /// Addresses listened on, each with `/p2p/<peer id>`.
    pub async fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.ask(Command::ListenAddresses).await.unwrap_or_default()
    }

    /// Sets the metrics that are states (peers, meshes, queues), and returns once they are set.
    pub async fn measure(&self) {
        // No answer: the network has stopped, and there is nothing more to measure.
        self.ask(Command::Measure).await.unwrap_or_default();
    }

    /// Commands that wait for the task.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.commands.max_capacity() - self.commands.capacity()
    }

    /// How far others reach this node.
    pub async fn reach(&self) -> Reach {
        self.ask(Command::Reach).await.unwrap_or_default()
    }

    /// Tells the network from now on whether this node keeps a shard. Where there is only one, it
    /// is told without asking. On a LAN nothing is told: there everyone sees what everyone keeps.
    pub async fn provide(&self, shard: Shard, keeps: bool) {
        self.send(Command::Provide(shard, keeps)).await;
    }

    /// Asks the network who keeps a shard: takes up to `limits::LOOKUP_MAX`. Empty where no one is
    /// found, too many are asking, or the network stays on the LAN.
    pub async fn find_providers(&self, shard: Shard) -> Vec<Provider> {
        self.ask(|reply| Command::FindProviders(shard, reply)).await.unwrap_or_default()
    }

    /// This node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Closes all connections and ends the task.
    pub async fn shutdown(&self) {
        // No answer: it had ended before.
        self.ask(Command::Shutdown).await.unwrap_or_default();
    }

    async fn send(&self, command: Command) {
        if self.commands.send(command).await.is_err() {
            tracing::debug!("the network has stopped; a command is dropped");
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply)).await;
        answer.await.ok()
    }
}
