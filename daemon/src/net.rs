//! The network: libp2p behind a handle.
//!
//! One task owns the swarm and does nothing slow. Gossip is the fast path; sync is the guarantee
//! and runs in tasks of its own, which talk to the swarm's task by messages. What the network
//! brings goes to a [`NetSink`], the engine's handle.

mod bans;
mod behaviour;
mod cache;
mod connections;
mod counted;
mod dialer;
mod files;
mod gossip;
mod handshakes;
mod intake;
mod listen;
mod meter;
mod open;
mod peers;
mod rates;
pub mod report;
mod scores;
pub mod shards;
pub(crate) mod shorten;
mod skew;
mod sync;
mod task;
pub mod transport;

use std::future::Future;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use martlet_protocol::control::{Ban, Peer, Role};
use martlet_protocol::limits::{
    GOSSIP_LAZY, GOSSIP_MESH, GOSSIP_MESH_MAX, IDONTWANT_BYTES_MIN, NET_QUEUE_MAX,
};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{Ack, Envelope, EnvelopeId, Header, Shard, Tag};
use martlet_store::Mailbox;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use crate::metrics::Metrics;

pub use crate::clock::{Clock, SystemClock};
pub use connections::ConnectionPolicy;
pub use open::{OpenOptions, Provider, Reach};
pub use shards::Interest;

use report::NetReport;
use task::Command;

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
    pub open: OpenOptions,
    /// What the node does for the network.
    pub role: Role,
    /// The shards it keeps for the network, its user's apart: see [`shards::kept`].
    pub kept: ShardSet,
    /// How often the node does what it does unasked.
    pub pace: Pace,
    /// How gossip spreads.
    pub gossip: GossipPolicy,
    /// Memory of the process past which connections are refused; `None` where the process is not
    /// this node's alone.
    pub memory_bytes_max: Option<usize>,
}

/// How much rarer than usual a node does what it does unasked: gossip's heartbeat, pings, rounds of
/// sync, looking over its connections. 1 in every daemon; simulations of days use more, since this
/// is all that happens in quiet hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace(NonZeroU32);

impl Pace {
    /// As usual.
    pub const USUAL: Self = Self(NonZeroU32::MIN);

    /// So many times rarer; 0 is taken for 1.
    #[must_use]
    pub fn rarer(factor: u32) -> Self {
        Self(NonZeroU32::new(factor).unwrap_or(NonZeroU32::MIN))
    }

    /// What is usually `interval` apart.
    #[must_use]
    pub fn apply(self, interval: Duration) -> Duration {
        interval.saturating_mul(self.0.get())
    }
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
    /// Whether what is the node's own goes to every peer of the topic, not those of the mesh alone.
    pub flood_publish: bool,
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
    fn deliver(&self, event: NetEvent) -> impl Future<Output = ()> + Send;

    /// Takes an event if that is possible without waiting; else gives it back.
    ///
    /// # Errors
    /// The event.
    fn try_deliver(&self, event: NetEvent) -> Result<(), NetEvent> {
        Err(event)
    }
}

/// A validated envelope.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its id.
    pub id: EnvelopeId,
    /// The envelope.
    pub envelope: Envelope,
    /// Its header, checked against the network and the clock.
    pub header: Header,
}

/// What the network brings to the engine.
#[derive(Debug)]
pub enum NetEvent {
    /// Validated envelopes, by gossip or sync. `stored` is answered once they are on disk (or
    /// refused: full); the engine also asks the net to tell `from` that they are stored.
    Envelopes {
        /// Who brought them.
        from: PeerId,
        /// The envelopes.
        envelopes: Vec<Received>,
        /// Answered after the commit, where someone waits for it.
        stored: Option<oneshot::Sender<Stored>>,
    },
    /// Acks, unchecked.
    Acks {
        /// Who brought them.
        from: PeerId,
        /// The acks.
        acks: Vec<Ack>,
    },
    /// `from` says that these are on its disk.
    StoredBy {
        /// Who holds them.
        from: PeerId,
        /// The envelopes.
        ids: Vec<EnvelopeId>,
    },
    /// A reconciliation with `peer` ended: of all live envelopes of `shards` that had arrived here
    /// up to `up_to_arrival`, it holds all but `lacking`.
    Reconciled {
        /// With whom.
        peer: PeerId,
        /// The shards reconciled.
        shards: Box<ShardSet>,
        /// `last_arrival` of the snapshot reconciled.
        up_to_arrival: u64,
        /// What the peer lacked.
        lacking: Vec<EnvelopeId>,
    },
    /// Asks which of the user's own envelopes of `shards` are not proved received yet.
    Outstanding {
        /// The shards.
        shards: ShardSet,
        /// Gets their ids; dropped where there is no user.
        reply: oneshot::Sender<Vec<EnvelopeId>>,
    },
    /// Asks which of these envelopes, which `from` holds and the mailbox here doesn't know, are
    /// worth fetching: not those that were refused lately for want of room.
    Sift {
        /// Who holds them.
        from: PeerId,
        /// The envelopes.
        ids: Vec<EnvelopeId>,
        /// Gets those worth fetching.
        reply: oneshot::Sender<Vec<EnvelopeId>>,
    },
    /// What a look-up found: not to be kept in the mailbox.
    Found {
        /// Validated conversation envelopes with tags asked for.
        envelopes: Vec<Received>,
    },
}

/// Tags to be looked up at the keepers of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The shard.
    pub shard: Shard,
    /// The tags.
    pub tags: Vec<Tag>,
}

/// What became of envelopes brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// All are on disk (or were known).
    All,
    /// Some were refused: the mailbox or the disk is full.
    Full,
    /// Some were refused: the peer that brought them holds its share of the mailbox.
    OverShare,
}

/// Starts the network on the system's clock and sockets. Must be called within a tokio runtime.
///
/// # Errors
/// [`NetError`].
pub fn spawn(
    config: NetConfig,
    mailbox: Arc<Mailbox>,
    sink: impl NetSink,
) -> Result<NetHandle, NetError> {
    let transport = transport::system(&config.keypair, &config.network)?;
    spawn_on(config, mailbox, sink, Arc::new(SystemClock), transport)
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
    clock: Arc<dyn Clock>,
    transport: transport::Boxed,
) -> Result<NetHandle, NetError> {
    let peer_id = config.keypair.public().to_peer_id();
    let (commands, receiver) = mpsc::channel(NET_QUEUE_MAX);
    task::start(config, mailbox, Arc::new(sink), clock, transport, receiver)?;
    Ok(NetHandle { peer_id, commands })
}

/// A handle to the network task. Cheap to clone. Sending waits when the task is behind; once the
/// task has ended, what is sent is dropped.
#[derive(Clone, Debug)]
pub struct NetHandle {
    peer_id: PeerId,
    commands: mpsc::Sender<Command>,
}

impl NetHandle {
    /// Gossips envelopes of the user's own. (The mailbox has them: sync brings them to those whom
    /// gossip does not reach.)
    pub async fn publish(&self, envelopes: Vec<Envelope>) {
        self.send(Command::Publish(envelopes)).await;
    }

    /// The same if that is possible without waiting; else gives them back.
    ///
    /// # Errors
    /// The envelopes.
    pub(crate) fn try_publish(&self, envelopes: Vec<Envelope>) -> Result<(), Vec<Envelope>> {
        match self.commands.try_reserve() {
            Ok(permit) => permit.send(Command::Publish(envelopes)),
            Err(TrySendError::Full(())) => return Err(envelopes),
            Err(TrySendError::Closed(())) => {
                tracing::debug!("the network has stopped; envelopes are not gossiped");
            }
        }
        Ok(())
    }

    /// Gossips acks, at once: who has few at a time gathers them before.
    pub async fn publish_acks(&self, acks: Vec<Ack>) {
        self.send(Command::PublishAcks(acks)).await;
    }

    /// Keeps the user's shard from now on, and stays near the keepers of the contacts' shards.
    pub async fn set_interest(&self, interest: Interest) {
        self.send(Command::SetInterest(interest)).await;
    }

    /// Asks keepers, those connected and for a while those that connect later, for envelopes by
    /// their tags; what they have comes as [`NetEvent::Found`].
    pub async fn look_up(&self, lookups: Vec<Lookup>) {
        self.send(Command::LookUp(lookups)).await;
    }

    /// The shards kept here, the user's included.
    pub async fn kept(&self) -> ShardSet {
        self.ask(Command::Kept).await.unwrap_or(ShardSet::NONE)
    }

    /// Tells a peer that what it brought is on disk. Gathered for `limits::ACK_DELAY`.
    pub async fn stored(&self, peer: PeerId, ids: Vec<EnvelopeId>) {
        self.send(Command::Stored(peer, ids)).await;
    }

    /// Connected and known peers, connected ones first.
    pub async fn peers(&self) -> Vec<Peer> {
        self.ask(Command::Peers).await.unwrap_or_default()
    }

    /// Tells that so many acks `peer` brought don't open what is held here.
    pub async fn false_acks(&self, peer: PeerId, count: usize) {
        self.send(Command::FalseAcks(peer, count)).await;
    }

    /// Starts to dial; the connection, if it comes about, is seen in [`Self::peers`]. Tried
    /// `limits::DIAL_ATTEMPTS_MAX` times.
    pub async fn dial(&self, address: Multiaddr) {
        self.send(Command::Dial(address)).await;
    }

    /// Refuses a peer, for a time or until the ban is lifted; `None` once the task has ended.
    pub async fn ban(&self, peer: PeerId, lasts: Option<Duration>, reason: String) -> Option<Ban> {
        self.ask(|reply| Command::Ban { peer, lasts, reason, reply }).await.flatten()
    }

    /// Lifts a ban, and what else a peer's score led to. Returns whether there was anything to
    /// lift.
    pub async fn unban(&self, peer: PeerId) -> bool {
        self.ask(|reply| Command::Unban(peer, reply)).await.unwrap_or_default()
    }

    /// The bans in force, the newest first.
    pub async fn bans(&self) -> Vec<Ban> {
        self.ask(Command::Bans).await.unwrap_or_default()
    }

    /// How the network does; `None` once the task has ended.
    pub async fn report(&self) -> Option<NetReport> {
        self.ask(Command::Report).await
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
