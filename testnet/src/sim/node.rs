//! A simulated node: the daemon's engine and network, without a process around them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use martlet_engine::command::{AddContact, SendText};
use martlet_engine::{
    CommandError, EngineConfig, MemoryDisk, PeerKey, Storage, TICK, ToBlobs, ToNet,
};
use martlet_protocol::control::{ContactAdd, InitResponse, SendRequest};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{Shard, UnixMillis};
use martlet_store::Mailbox;
use martlet_store::mailbox::SharedContents;
use martletd::blobs::{Keeper, Meter, Policy};
use martletd::clock::{Clock, SystemClock};
use martletd::host::{self, CallError, EngineHandle};
use martletd::limits::{
    BLOB_ORDERS_MAX, BLOB_STREAMS_WAITING_MAX, MAILBOX_BYTES_DEFAULT, MAILBOX_PEER_SHARE_DEFAULT,
    PEER_ENVELOPES_PER_MINUTE_DEFAULT, SHARDS_KEPT_DEFAULT,
};
use martletd::metrics::Metrics;
use martletd::net::peer_key::key_of;
use martletd::net::{self, ConnectionPolicy, NetConfig, NetHandle, Pace, WanOptions};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::SimError;
use super::book::Notes;
use super::net::Net;
use super::transport;
use super::witness::{Brought, Item};
use super::work::Charging;
use crate::plan::{NodeIndex, NodePlan, Plan};

mod devices;
mod files;
mod rooms;
mod seen;

use files::FileDisk;
pub(super) use seen::People;
use seen::{Tap, Watcher, left, saw};

/// Something seen at a node.
#[derive(Debug, Clone)]
pub(super) enum Sighting {
    /// Its user's envelope is about to be gossiped.
    Made { node: NodeIndex, id: [u8; 32] },
    /// Its user's ack is about to leave.
    AckMade { node: NodeIndex, item: Item, envelope: [u8; 32] },
    /// It was brought an envelope, for the engine.
    Seen { node: NodeIndex, id: [u8; 32] },
    /// It was brought an envelope or ack, for the engine or on the stem.
    Brought { node: NodeIndex, from: PeerKey, item: Item, what: Brought },
    /// A user was told that a message was sent.
    Sent { id: String },
    /// A user was told that a message was delivered.
    Delivered { id: String },
    /// Its user was shown a text, of someone else or of their own.
    Shown { node: NodeIndex, text: String },
    /// How its user sees a room, by its name: whether they are in it, who is, and the state that it is in.
    Room { node: NodeIndex, room: String, is_in: bool, members: Vec<NodeIndex>, digest: String },
    /// A file is whole there, by its message's number.
    FileWhole { node: NodeIndex, message: usize },
    /// A file could not be fetched or kept there.
    FileFailed { node: NodeIndex, message: usize },
    /// It fetched so many bytes of a file.
    Fetched { node: NodeIndex, from: PeerKey, bytes: u64 },
    /// Its user knows that the device of this name was revoked.
    KnowsRevoked { node: NodeIndex, device: String },
}

/// What all nodes of a sector have in common.
pub(super) struct Common {
    pub(super) net: Arc<Net>,
    pub(super) network: NetworkDescriptor,
    /// The contents of all mailboxes.
    pub(super) contents: SharedContents,
    /// Of all nodes.
    pub(super) peers: Arc<[PeerId]>,
    /// Whose IDs are known here.
    pub(super) people: People,
    /// What is to be taken down.
    pub(super) notes: Notes,
    /// When the run begins.
    pub(super) start: Instant,
    /// Where the disks are on which files are, if the plan has any.
    pub(super) files: Option<PathBuf>,
}

/// A node: what outlives its stops, and what runs.
pub(super) struct Node {
    index: NodeIndex,
    keypair: Keypair,
    disk: Arc<MemoryDisk>,
    files: Option<FileDisk>,
    clock: Arc<ShiftedClock>,
    /// Counts over restarts.
    pub(super) metrics: Arc<Metrics>,
    /// The last event that was seen.
    seen: Arc<AtomicU64>,
    running: Option<Running>,
}

struct Running {
    engine: EngineHandle,
    net: NetHandle,
    mailbox: Arc<Mailbox>,
    /// Where there are files; and how it is told what to do with them.
    keeper: Option<Keeper>,
    orders: Option<mpsc::Sender<ToBlobs>>,
    tasks: [AbortHandle; 2],
}

/// The simulation's clock as one node has it.
#[derive(Debug)]
struct ShiftedClock {
    ahead_ms: AtomicI64,
    start: Instant,
}

impl Clock for ShiftedClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(SystemClock.now().0.saturating_add_signed(self.ahead_ms.load(Ordering::Relaxed)))
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Node {
    pub(super) fn new(
        index: NodeIndex,
        plan: &NodePlan,
        keypair: Keypair,
        disk: Arc<MemoryDisk>,
        files: Option<PathBuf>,
    ) -> Self {
        Self {
            index,
            keypair,
            disk,
            files: files.map(|root| FileDisk::new(root, index)),
            clock: Arc::new(ShiftedClock {
                ahead_ms: AtomicI64::new(plan.clock_offset_ms),
                start: Instant::now(),
            }),
            metrics: Arc::default(),
            seen: Arc::default(),
            running: None,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.running.is_some()
    }

    pub(super) fn mailbox(&self) -> Option<&Mailbox> {
        self.running.as_ref().map(|running| &*running.mailbox)
    }

    /// Starts it, with what is on its disk. Nothing happens where it is on.
    pub(super) fn start(&mut self, plan: &Plan, common: &Common) -> Result<(), SimError> {
        if self.running.is_some() {
            return Ok(());
        }
        let index = self.index;
        let node = &plan.nodes[index];
        let failed = |reason: String| SimError::Node { node: node.name.clone(), reason };
        let listed: Vec<Shard> = node.shards.iter().flatten().copied().map(Shard).collect();
        let count = if node.shards.is_some() { 0 } else { SHARDS_KEPT_DEFAULT };
        let shard_bits = common.network.shard_bits;
        let kept = net::shards::kept(node.role, &listed, count, &common.peers[index], shard_bits);
        let settings = &plan.settings;
        let bytes_max = settings.mailbox_bytes_max.unwrap_or(MAILBOX_BYTES_DEFAULT);
        let pace = Pace::rarer(settings.quiet_factor);
        let engine_config = EngineConfig {
            storage: Storage::Memory(Arc::clone(&self.disk)),
            network: common.network.clone(),
            mailbox_bytes_max: bytes_max,
            mailbox_peer_bytes_max: bytes_max / MAILBOX_PEER_SHARE_DEFAULT,
            observer: Arc::new(Charging {
                metrics: Arc::clone(&self.metrics),
                work: common.net.work(index),
            }),
            kept: kept.clone(),
            fetches_unasked: common.files.is_some() && plan.direct_files(),
            deposits: false,
            tick: pace.apply(TICK),
        };
        let (notes, start) = (Arc::clone(&common.notes), common.start);
        let published = move |told: &ToNet| {
            for sighting in left(index, told) {
                saw(&notes, start, sighting);
            }
        };
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as _;
        let (engine, mailbox, task) =
            host::spawn_task(engine_config, Arc::clone(&self.metrics), clock, published)
                .map_err(|error| failed(error.to_string()))?;
        let (streams_taken, streams) = mpsc::channel(BLOB_STREAMS_WAITING_MAX);
        let links = plan.links.iter();
        let static_peers: Vec<Multiaddr> = links
            .filter(|link| link.a == index)
            .map(|link| Net::address(link.b).with(Protocol::P2p(common.peers[link.b])))
            .collect();
        let degree = plan.links.iter().filter(|link| link.a == index || link.b == index).count();
        let policy = ConnectionPolicy::default();
        let target = settings.connections_target.unwrap_or(policy.target);
        let net_config = NetConfig {
            network: common.network.clone(),
            keypair: self.keypair.clone(),
            listen: vec![Net::address(index)],
            static_peers,
            mdns: false,
            metrics: Arc::clone(&self.metrics),
            // What the topology asks for is never refused.
            connections: ConnectionPolicy { target: target.max(degree * 2), ..policy },
            data_dir: None,
            peer_envelopes_per_minute: settings
                .peer_envelopes_per_minute
                .unwrap_or(PEER_ENVELOPES_PER_MINUTE_DEFAULT),
            wan: WanOptions::default(),
            role: node.role,
            kept,
            pace,
            gossip: settings.gossip,
            blobs: self.files.is_some().then_some(streams_taken),
            is_depot: false,
            memory_bytes_max: None,
        };
        let sink =
            Tap { engine: engine.clone(), node: index, notes: Arc::clone(&common.notes), start };
        let transport = transport::over_links(&common.net, index, &self.keypair, &common.network)
            .map_err(|error| failed(error.to_string()))?;
        let net = net::spawn_on(net_config, Arc::clone(&mailbox), sink, engine.clock(), transport)
            .map_err(|error| failed(error.to_string()))?;
        let (mut keeper, mut orders) = (None, None);
        if let Some(disk) = &self.files {
            let directory = disk.open().map_err(|error| failed(error.to_string()))?;
            let serves = plan.direct_files();
            let is_lan_only = common.network.lan_only;
            let policy = Policy { serves, is_lan: serves && is_lan_only, is_lan_only };
            let (given, taken) = mpsc::channel(BLOB_ORDERS_MAX);
            let handles = (engine.clone(), net.clone());
            let meter = self.meter(common);
            keeper = Some(Keeper::start(directory, handles, (policy, meter), None, taken, streams));
            orders = Some(given);
        }
        let watcher = Watcher::new(index, engine.clone(), Arc::clone(&self.seen), common, plan);
        let watcher = tokio::spawn(watcher.watch()).abort_handle();
        let tasks = [task, watcher];
        self.running = Some(Running { engine, net, mailbox, keeper, orders, tasks });
        Ok(())
    }

    /// Lets the engine send by the network, and makes the user, if there is to be one. Returns the
    /// user's ID if it is new.
    pub(super) async fn begin(&self, plan: &NodePlan) -> Result<Option<String>, SimError> {
        let Some(running) = &self.running else { return Ok(None) };
        running.engine.attach_net(running.net.clone()).await;
        if let Some(orders) = &running.orders {
            running.engine.attach_blobs(orders.clone()).await;
        }
        if !plan.user || plan.device_of.is_some() {
            return Ok(None);
        }
        match running.engine.init(Some(plan.name.clone()), None).await {
            Ok(InitResponse { id, .. }) => Ok(Some(id)),
            Err(CallError::Command(CommandError::IdentityExists)) => Ok(None),
            Err(error) => {
                Err(SimError::Node { node: plan.name.clone(), reason: error.to_string() })
            }
        }
    }

    /// Stops it in good order.
    pub(super) async fn stop(&mut self, net: &Net) {
        let Some(running) = self.running.take() else { return };
        if let Some(keeper) = &running.keeper {
            keeper.stop();
        }
        running.net.shutdown().await;
        running.engine.shutdown().await;
        net.unplug(self.index);
        // What it still had to show was shown: the watcher is behind nothing.
        tokio::task::yield_now().await;
        running.tasks.iter().for_each(AbortHandle::abort);
    }

    /// Ends it as SIGKILL does: what is not committed is lost.
    pub(super) fn crash(&mut self, net: &Net) {
        let Some(running) = self.running.take() else { return };
        if let Some(disk) = &mut self.files {
            disk.crash();
        }
        if let Some(keeper) = &running.keeper {
            keeper.stop();
        }
        net.unplug(self.index);
        running.tasks.iter().for_each(AbortHandle::abort);
    }

    /// Erases its disk.
    pub(super) fn erase(&mut self) {
        self.disk = Arc::default();
        if let Some(disk) = &mut self.files {
            disk.erase();
        }
        self.seen = Arc::default();
    }

    pub(super) fn set_disk_full(&self, is_full: bool) {
        self.disk.set_full(is_full);
        if let Some(disk) = &self.files {
            disk.set_full(is_full);
        }
    }

    /// Counts what passes of files.
    fn meter(&self, common: &Common) -> Meter {
        let (node, notes, start) = (self.index, Arc::clone(&common.notes), common.start);
        let fetched = move |from: PeerId, bytes: u64| {
            saw(&notes, start, Sighting::Fetched { node, from: key_of(&from), bytes });
        };
        Meter { metrics: Arc::clone(&self.metrics), fetched: Some(Box::new(fetched)) }
    }

    pub(super) fn shift_clock(&self, by_ms: i64) {
        self.clock.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    /// What the time is here.
    pub(super) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(super) async fn add_contact(&self, name: &str, id: &str) -> Result<(), CallError> {
        let Some(running) = &self.running else { return Err(CallError::Stopping) };
        let request = ContactAdd { id: id.to_owned(), name: name.to_owned() };
        running.engine.call(AddContact { request }).await.map(drop)
    }

    /// The message's id.
    pub(super) async fn send(&self, to: &str, text: String) -> Result<String, CallError> {
        let Some(running) = &self.running else { return Err(CallError::Stopping) };
        let request = SendRequest { to: to.to_owned(), text, ..SendRequest::default() };
        running.engine.call(SendText { request }).await.map(|sent| sent.id)
    }
}
