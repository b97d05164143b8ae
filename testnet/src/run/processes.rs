//! The daemons of a plan, as processes of this machine.

use std::cell::{Cell, RefCell};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use martlet_protocol::control::Role;
use martlet_protocol::network::NetworkDescriptor;
use tokio::sync::{Mutex, Semaphore, watch};

use super::RunError;
use super::flood::FloodOptions;
use crate::cluster::{Cluster, ClusterError, Node, NodeOptions, Process, set_clock};
use crate::plan::{Event, NodeIndex, NodePlan, Plan, TimedEvent};

/// Daemons that start at the same time: more take no less time in all on the machines this is run
/// on, and each longer.
const STARTS_AT_ONCE: usize = 8;

/// How and where to run processes.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The `martlet-testnet` executable; `None`: this process's.
    pub program: Option<PathBuf>,
    /// Where to put the nodes' directories: a path under 60 bytes.
    pub dir: PathBuf,
    /// Whether to leave the directories.
    pub keep: bool,
    /// Whether things may happen that are not in the plan, by hand: then all links can be cut, and
    /// all disks be full.
    pub by_hand: bool,
}

/// The nodes of a plan.
pub(super) struct Processes {
    cluster: Cluster,
    network: NetworkDescriptor,
    seats: Vec<Seat>,
    starts: Semaphore,
    floods: RefCell<Vec<Process>>,
}

/// A node's place: its process may come and go.
struct Seat {
    node: Mutex<Node>,
    socket: PathBuf,
    /// What others dial, once it was started.
    addresses: watch::Sender<Option<Addresses>>,
    disk_is_full: Cell<bool>,
    /// Where its clock is not the machine's: the file that says how far it is ahead.
    clock: Option<PathBuf>,
    clock_ahead_ms: Cell<i64>,
}

/// What others dial: multiaddresses with the peer id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) tcp: String,
    pub(super) quic: String,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { program: None, dir: "/tmp".into(), keep: false, by_hand: false }
    }
}

impl Processes {
    /// Makes directories and configurations; nothing is started. `more` says what else a node's
    /// options are.
    pub(super) fn new(
        plan: &Plan,
        options: &RunOptions,
        more: impl Fn(NodeIndex, &mut NodeOptions),
    ) -> Result<Self, RunError> {
        let mut cluster = match &options.program {
            Some(program) => Cluster::in_dir(program, &options.dir)?,
            None => Cluster::of_this_program(&options.dir)?,
        };
        if options.keep {
            cluster.keep();
        }
        let network = plan.network.descriptor(&NetworkDescriptor::default().name);
        let descriptor = cluster.path().join("network.toml");
        let text = toml::to_string(&network)
            .map_err(|error| ClusterError::Wrong(format!("the network's descriptor: {error}")))?;
        fs::write(&descriptor, text)
            .map_err(|source| RunError::File { path: descriptor.clone(), source })?;
        let clock = |node: &NodePlan| cluster.path().join(format!("{}.clock", node.name));
        let nodes = plan.nodes.iter().enumerate();
        for (_, node) in nodes.filter(|(index, _)| plan.has_own_clock(*index)) {
            set_clock(&clock(node), node.clock_offset_ms)?;
        }
        let by_hand = options.by_hand;
        let seats = plan.nodes.iter().enumerate().map(|(index, node)| {
            let is_filled = |timed: &TimedEvent| {
                matches!(&timed.event, Event::DiskFull(nodes) if nodes.contains(&index))
            };
            let mut options = NodeOptions {
                config: config(plan, node, &descriptor),
                survive_file_limit: by_hand || plan.events.iter().any(is_filled),
                clock: plan.has_own_clock(index).then(|| clock(node)),
                ..NodeOptions::default()
            };
            more(index, &mut options);
            let process = cluster.node(&node.name, options);
            Seat {
                socket: process.socket(),
                node: Mutex::new(process),
                addresses: watch::Sender::new(None),
                disk_is_full: Cell::new(false),
                clock: plan.has_own_clock(index).then(|| clock(node)),
                clock_ahead_ms: Cell::new(node.clock_offset_ms),
            }
        });
        Ok(Self {
            seats: seats.collect(),
            cluster,
            network,
            starts: Semaphore::new(STARTS_AT_ONCE),
            floods: RefCell::default(),
        })
    }

    /// Where the nodes' directories are.
    pub(super) fn path(&self) -> &Path {
        self.cluster.path()
    }

    /// Starts a node, unless it runs, with `peers` for its static peers.
    pub(super) async fn start(
        &self,
        node: NodeIndex,
        peers: Vec<String>,
    ) -> Result<(), ClusterError> {
        let seat = self.seat(node)?;
        let mut process = seat.node.lock().await;
        if process.is_running() {
            return Ok(());
        }
        process.options_mut().peers = peers;
        let turn = self.starts.acquire().await;
        process.start().await?;
        drop(turn);
        let addresses = Addresses { tcp: process.address()?, quic: process.quic_address()? };
        seat.addresses.send_replace(Some(addresses));
        if seat.disk_is_full.get() {
            fill(&process)?;
        }
        Ok(())
    }

    pub(super) async fn stop(&self, node: NodeIndex) -> Result<(), ClusterError> {
        let seat = self.seat(node)?;
        match seat.node.lock().await.stop().await {
            // It may not be able to write its last words.
            Err(ClusterError::Ended { .. }) if seat.disk_is_full.get() => Ok(()),
            done => unless_off(done),
        }
    }

    pub(super) async fn kill(&self, node: NodeIndex) -> Result<(), ClusterError> {
        unless_off(self.seat(node)?.node.lock().await.kill())
    }

    /// Stops it if it runs, and removes its data.
    pub(super) async fn erase(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.stop(node).await?;
        let path = self.seat(node)?.node.lock().await.data_dir();
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(ClusterError::File { path, source })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn socket(&self, node: NodeIndex) -> Result<PathBuf, ClusterError> {
        Ok(self.seat(node)?.socket.clone())
    }

    /// An error if the process ended by itself.
    pub(super) async fn check(&self, node: NodeIndex) -> Result<(), ClusterError> {
        // Whoever has it is starting or stopping it.
        let Ok(mut process) = self.seat(node)?.node.try_lock() else { return Ok(()) };
        if process.is_running() { Ok(()) } else { process.ready().await.map(drop) }
    }

    pub(super) async fn fill_disk(&self, node: NodeIndex, full: bool) -> Result<(), ClusterError> {
        let seat = self.seat(node)?;
        let mut process = seat.node.lock().await;
        seat.disk_is_full.set(full);
        match (process.is_running(), full) {
            (false, _) => Ok(()),
            (true, true) => fill(&process),
            (true, false) => process.limit_files(None),
        }
    }

    /// Sets its clock forward, or back.
    pub(super) fn jump_clock(&self, node: NodeIndex, by_ms: i64) -> Result<(), ClusterError> {
        let seat = self.seat(node)?;
        // All clocks that jump are known beforehand.
        let Some(clock) = &seat.clock else { return Err(no_node(node)) };
        seat.clock_ahead_ms.set(seat.clock_ahead_ms.get().saturating_add(by_ms));
        set_clock(clock, seat.clock_ahead_ms.get())
    }

    /// Begins a flood from `namespace`.
    pub(super) async fn flood(
        &self,
        at: NodeIndex,
        (envelopes_per_s, bytes, lasts): (u32, usize, Duration),
        namespace: Option<&str>,
    ) -> Result<(), ClusterError> {
        let address = self.until_started(at).await?.tcp;
        let options = FloodOptions {
            address,
            network: self.network.name.clone(),
            stamp_bits: self.network.stamp_bits,
            envelopes_per_s,
            bytes,
            lasts,
        };
        let mut args = options.args();
        let mut program = self.cluster.program().to_owned();
        if let Some(namespace) = namespace {
            let wrapped = ["netns", "exec", namespace].map(str::to_owned);
            let inner = std::mem::replace(&mut program, "ip".into());
            args.splice(0..0, wrapped.into_iter().chain([inner.display().to_string()]));
        }
        let process = Process::spawn(&program, args, &self.path().join("flood.log"))
            .map_err(|source| ClusterError::Process { node: "flood".into(), source })?;
        self.floods.borrow_mut().push(process);
        Ok(())
    }

    /// What to dial, of a node that was started.
    pub(super) fn addresses(&self, node: NodeIndex) -> Result<Option<Addresses>, ClusterError> {
        Ok(self.seat(node)?.addresses.borrow().clone())
    }

    /// The same, once it was.
    pub(super) async fn until_started(&self, node: NodeIndex) -> Result<Addresses, ClusterError> {
        let mut addresses = self.seat(node)?.addresses.subscribe();
        // The sender is in `self`.
        match addresses.wait_for(Option::is_some).await.ok().and_then(|found| found.clone()) {
            Some(addresses) => Ok(addresses),
            None => Err(no_node(node)),
        }
    }

    fn seat(&self, node: NodeIndex) -> Result<&Seat, ClusterError> {
        self.seats.get(node).ok_or_else(|| no_node(node))
    }
}

/// What the configuration file has of the plan.
fn config(plan: &Plan, node: &NodePlan, descriptor: &Path) -> Vec<String> {
    let mut lines = vec![format!("network = {:?}", descriptor.display().to_string())];
    if node.role != Role::default() {
        lines.push(format!("role = {:?}", node.role.name()));
    }
    if let Some(shards) = &node.shards {
        lines.push(format!("shards = {shards:?}"));
    }
    let settings = &plan.settings;
    let mut set = |key: &str, value: Option<u64>| {
        lines.extend(value.map(|value| format!("{key} = {value}")));
    };
    let target = settings.connections_target;
    set("connections_target", target.and_then(|target| u64::try_from(target).ok()));
    set("mailbox_bytes_max", settings.mailbox_bytes_max);
    set("peer_envelopes_per_minute", settings.peer_envelopes_per_minute.map(u64::from));
    lines.extend(settings.direct_files.map(|direct| format!("direct_files = {direct}")));
    lines
}

/// From now on no file of the node grows past what its databases have.
fn fill(node: &Node) -> Result<(), ClusterError> {
    let size = |name: &str| {
        let path = node.data_dir().join(name);
        fs::metadata(&path)
            .map(|found| found.len())
            .map_err(|source| ClusterError::File { path, source })
    };
    // The mailbox is there on every node, the vault where there is a user.
    let mailbox = size("mailbox.redb")?;
    node.limit_files(Some(size("vault.redb").unwrap_or(mailbox).min(mailbox)))
}

/// What is to be off and is off already is as it should be.
fn unless_off(done: Result<(), ClusterError>) -> Result<(), ClusterError> {
    match done {
        Err(ClusterError::NotRunning { .. }) => Ok(()),
        done => done,
    }
}

fn no_node(node: NodeIndex) -> ClusterError {
    ClusterError::Wrong(format!("the plan speaks of node {node}, and has none of this number"))
}
