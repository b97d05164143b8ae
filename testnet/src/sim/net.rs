//! Who reaches whom: the links of a simulated network, as the nodes of one sector see it, and what is under way to them.
//!
//! Packets wait here until they are due, in an order that nothing but themselves decides. Those for nodes of other
//! sectors leave at the end of the window (`lockstep.rs`).

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::host::Tick;
use super::lockstep::SectorIndex;
use super::packet::{Packet, Place, What, Word};
use super::pipe::{ConnectionId, End, Half, Signal, Stage, lock};
use super::sectors::{Division, lasting};
use super::work::{self, Work};
use crate::plan::{Costs, LinkShape, LinkTransport, NodeIndex};

/// Connections that wait to be taken by a node.
const BACKLOG: usize = 128;

/// A connection's two nodes, seen from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
}

impl Path {
    /// The same for both directions.
    fn unordered(self) -> (NodeIndex, NodeIndex) {
        (self.from.min(self.to), self.from.max(self.to))
    }
}

/// The links of a network, `a < b`.
pub(super) type Shapes = HashMap<(NodeIndex, NodeIndex), LinkShape>;

/// What is the same for all sectors.
pub(super) struct World {
    pub(super) division: Division,
    pub(super) shapes: Shapes,
    /// What is above the links.
    pub(super) transport: LinkTransport,
    /// What nodes' work takes.
    pub(super) costs: Option<Costs>,
    pub(super) seed: u64,
}

/// The network, as one sector has it.
pub(super) struct Net {
    world: Arc<World>,
    sector: SectorIndex,
    start: Instant,
    state: Mutex<State>,
    is_parted: AtomicBool,
    /// What each node is busy with.
    work: Vec<Arc<Mutex<Work>>>,
    bytes: Vec<Count>,
}

#[derive(Default)]
struct State {
    /// With who is there.
    listeners: HashMap<NodeIndex, (mpsc::Sender<Arrival>, PeerId)>,
    /// The group of each node while the network is partitioned; empty while it isn't.
    groups: Vec<usize>,
    /// The ends of connections that are here, by connection and node.
    ends: BTreeMap<(ConnectionId, NodeIndex), Arc<Mutex<Half>>>,
    /// How many connections each node dialled.
    dialled: HashMap<NodeIndex, u64>,
    under_way: BinaryHeap<Reverse<Packet>>,
    /// For other sectors.
    leaving: Vec<Packet>,
    /// What people were told, and did not hear yet.
    words: Vec<Word>,
}

/// A connection that someone opened.
pub(super) struct Arrival {
    pub(super) end: End,
    pub(super) from: Multiaddr,
}

#[derive(Debug, Default)]
struct Count {
    received: AtomicU64,
    sent: AtomicU64,
}

/// Bytes a node received and sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bytes {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Net {
    /// The network as a sector has it. Its time begins now.
    pub(super) fn new(world: &Arc<World>, sector: SectorIndex) -> Arc<Self> {
        let nodes = world.division.sector_of.len();
        let work = (0..nodes).map(|_| Arc::new(Mutex::new(Work::new(world.costs)))).collect();
        Arc::new(Self {
            world: Arc::clone(world),
            sector,
            start: Instant::now(),
            state: Mutex::default(),
            is_parted: AtomicBool::new(false),
            work,
            bytes: (0..nodes).map(|_| Count::default()).collect(),
        })
    }

    /// Where a node listens.
    pub(super) fn address(node: NodeIndex) -> Multiaddr {
        Protocol::Memory(node as u64 + 1).into()
    }

    /// What is above the links.
    pub(super) fn transport(&self) -> LinkTransport {
        self.world.transport
    }

    /// Whether a node is of this sector.
    pub(super) fn is_here(&self, node: NodeIndex) -> bool {
        self.world.division.sector_of.get(node) == Some(&self.sector)
    }

    /// Nodes of different groups don't reach each other any more. Without groups all that are
    /// linked do.
    pub(super) fn partition(&self, groups: &[Vec<NodeIndex>], nodes: usize) {
        let mut group_of = Vec::new();
        if !groups.is_empty() {
            group_of.resize(nodes, usize::MAX);
            for (group, members) in groups.iter().enumerate() {
                members.iter().for_each(|node| group_of[*node] = group);
            }
        }
        let mut state = self.lock();
        state.groups = group_of;
        self.is_parted.store(!groups.is_empty(), Ordering::Relaxed);
        let ends: Vec<_> = state.ends.values().cloned().collect();
        drop(state);
        for half in ends {
            let mut half = lock(&half);
            if self.reaches(half.path) {
                half.take_held();
            }
        }
    }

    /// Breaks all connections of a node, and lets it take no new ones.
    pub(super) fn unplug(&self, node: NodeIndex) {
        let mut state = self.lock();
        state.listeners.remove(&node);
        let ends = state.ends.iter().filter(|((_, at), _)| *at == node);
        let ends: Vec<_> = ends.map(|(_, half)| Arc::clone(half)).collect();
        drop(state);
        for half in ends {
            let half = &mut *lock(&half);
            if matches!(half.stage, Stage::Open | Stage::Dialling) {
                if half.connection.stream == 0 {
                    half.signal(self, Signal::Reset);
                }
                half.break_off();
            }
        }
    }

    /// Whether packets come from one end of a path to the other.
    pub(super) fn reaches(&self, path: Path) -> bool {
        if !self.is_parted.load(Ordering::Relaxed) {
            return true;
        }
        let state = self.lock();
        state.groups.get(path.from) == state.groups.get(path.to)
    }

    /// What a node is busy with.
    pub(super) fn work(&self, node: NodeIndex) -> Arc<Mutex<Work>> {
        self.work.get(node).cloned().unwrap_or_default()
    }

    pub(super) fn count_received(&self, node: NodeIndex, bytes: usize) {
        if let Some(count) = self.bytes.get(node) {
            count.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    pub(super) fn count_sent(&self, node: NodeIndex, bytes: usize) {
        if let Some(count) = self.bytes.get(node) {
            count.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Connections of each node that has any.
    pub(super) fn connections(&self) -> HashMap<NodeIndex, u64> {
        let mut counts = HashMap::new();
        for ((connection, node), half) in &self.lock().ends {
            if connection.stream == 0 && lock(half).is_open() {
                *counts.entry(*node).or_default() += 1;
            }
        }
        counts
    }

    /// What a node received and sent so far.
    pub(super) fn bytes(&self, node: NodeIndex) -> Bytes {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let bytes = |of: &Count| Bytes { received: count(&of.received), sent: count(&of.sent) };
        self.bytes.get(node).map(bytes).unwrap_or_default()
    }

    /// Connections to a node come here from now on.
    pub(super) fn listen(&self, node: NodeIndex, peer: PeerId) -> mpsc::Receiver<Arrival> {
        let (sender, arrivals) = mpsc::channel(BACKLOG);
        self.lock().listeners.insert(node, (sender, peer));
        arrivals
    }

    /// Begins to connect.
    pub(super) fn dial(self: &Arc<Self>, path: Path, peer: PeerId) -> io::Result<End> {
        let shape = self.shape(path).ok_or(io::ErrorKind::HostUnreachable)?;
        let mut state = self.lock();
        let number = state.dialled.entry(path.from).or_default();
        *number += 1;
        let connection = ConnectionId { dialler: path.from, number: *number, stream: 0 };
        let half = Half::new(connection, path, shape, self.world.seed, Stage::Dialling);
        let half = Arc::new(Mutex::new(half));
        state.ends.insert((connection, path.from), Arc::clone(&half));
        drop(state);
        lock(&half).signal(self, Signal::Dial(Some(Box::new(peer))));
        Ok(End::new(self, half))
    }

    /// An end is gone.
    pub(super) fn forget(&self, connection: ConnectionId, node: NodeIndex) {
        self.lock().ends.remove(&(connection, node));
    }

    /// Sends something of a connection, which is due then.
    pub(super) fn send(
        &self,
        connection: ConnectionId,
        path: Path,
        number: u32,
        due: Instant,
        signal: Signal,
    ) {
        // Rounded up as tokio's timers are; times with costs in them to the nearest.
        let due = (due - work::slack(self.world.costs)).saturating_duration_since(self.start);
        let due = due + Duration::from_nanos(999_999);
        self.put(Packet {
            due: Tick::try_from(due.as_millis()).unwrap_or(Tick::MAX),
            to: self.world.division.sector_of[path.to],
            place: Place { from: path.from, connection, number },
            what: What::Signal(path.to, signal),
        });
    }

    /// Tells all sectors what people tell each other.
    pub(super) fn tell(&self, word: &Word) {
        let due = self.start.elapsed() + lasting(self.world.division.lookahead);
        let due = Tick::try_from(due.as_millis()).unwrap_or(Tick::MAX);
        for sector in 0..self.world.division.count {
            self.put(word.clone().packet(due, sector));
        }
    }

    /// What was told since the last time.
    pub(super) fn take_words(&self) -> Vec<Word> {
        std::mem::take(&mut self.lock().words)
    }

    /// When something arrives next.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.lock().under_way.peek().map(|Reverse(packet)| packet.due)
    }

    /// What leaves for other sectors.
    pub(super) fn take_leaving(&self) -> Vec<Packet> {
        std::mem::take(&mut self.lock().leaving)
    }

    /// Takes what other sectors sent.
    pub(super) fn bring(&self, came: Vec<Packet>) {
        self.lock().under_way.extend(came.into_iter().map(Reverse));
    }

    /// All that is due by `now` arrives. Returns whether people were told something.
    pub(super) fn arrive(self: &Arc<Self>, now: Tick) -> bool {
        let mut was_told = false;
        loop {
            let mut state = self.lock();
            let Reverse(packet) = match state.under_way.peek_mut() {
                Some(first) if first.0.due <= now => PeekMut::pop(first),
                Some(_) | None => return was_told,
            };
            let Place { from, connection, .. } = packet.place;
            let (to, signal) = match packet.what {
                What::Signal(to, signal) => (to, signal),
                What::Word(word) => {
                    state.words.push(word);
                    was_told = true;
                    continue;
                }
            };
            let half = state.ends.get(&(connection, to)).cloned();
            drop(state);
            let path = Path { from: to, to: from };
            match (half, signal) {
                (None, Signal::Dial(peer)) => match peer {
                    Some(peer) => self.welcome(connection, path, *peer),
                    None => self.open(connection, path),
                },
                (Some(half), signal) => {
                    let is_reachable = self.reaches(path);
                    lock(&half).take(signal, is_reachable);
                }
                // Whoever dialled is gone: what was made here for it has no other end.
                (None, Signal::Accept(_)) => {
                    if let Some(mut half) = self.stray(connection, path) {
                        half.signal(self, Signal::Reset);
                    }
                }
                (
                    None,
                    Signal::Refuse
                    | Signal::Data(_)
                    | Signal::Close
                    | Signal::Drop
                    | Signal::Reset
                    | Signal::Read(_),
                ) => {}
            }
        }
    }

    /// Keeps an end, until it is forgotten.
    pub(super) fn register(&self, half: &Arc<Mutex<Half>>) {
        let key = {
            let half = lock(half);
            (half.connection, half.path.from)
        };
        self.lock().ends.insert(key, Arc::clone(half));
    }

    /// The other end of a connection opened a stream.
    fn open(&self, connection: ConnectionId, path: Path) {
        let itself = self.lock().ends.get(&(connection.itself(), path.from)).cloned();
        let Some(itself) = itself else { return };
        let stream = Arc::new(Mutex::new(lock(&itself).stream(connection.stream)));
        self.register(&stream);
        let mut itself = lock(&itself);
        itself.opened.push_back(stream);
        itself.wake_reader();
    }

    /// Breaks all streams of a connection at one of its ends.
    pub(super) fn break_streams(&self, connection: ConnectionId, node: NodeIndex) {
        let from = (ConnectionId { stream: 1, ..connection }, 0);
        let until = (ConnectionId { stream: u32::MAX, ..connection }, NodeIndex::MAX);
        let streams: Vec<_> = {
            let state = self.lock();
            let streams = state.ends.range(from..=until).filter(|((_, at), _)| *at == node);
            streams.map(|(_, half)| Arc::clone(half)).collect()
        };
        streams.iter().for_each(|half| lock(half).break_off());
    }

    /// Someone dials a node.
    fn welcome(self: &Arc<Self>, connection: ConnectionId, path: Path, peer: PeerId) {
        if !self.reaches(path) {
            // Whoever dials gives up at a time of its own.
            return;
        }
        let Some(mut half) = self.stray(connection, path) else { return };
        let listener = self.lock().listeners.get(&path.from).cloned();
        let Some((listener, here)) = listener else { return half.signal(self, Signal::Refuse) };
        (half.stage, half.peer) = (Stage::Open, Some(peer));
        let half = Arc::new(Mutex::new(half));
        self.lock().ends.insert((connection, path.from), Arc::clone(&half));
        // Never the address of a listener.
        let from = Protocol::Memory(u64::MAX - path.to as u64).into();
        let arrival = Arrival { end: End::new(self, Arc::clone(&half)), from };
        match listener.try_send(arrival) {
            Ok(()) => lock(&half).signal(self, Signal::Accept(Some(Box::new(here)))),
            Err(refused) => {
                lock(&half).stage = Stage::Refused;
                lock(&half).signal(self, Signal::Refuse);
                drop(refused);
            }
        }
    }

    /// An end that is not in the network yet, or never will be.
    fn stray(&self, connection: ConnectionId, path: Path) -> Option<Half> {
        let shape = self.shape(path)?;
        Some(Half::new(connection, path, shape, self.world.seed, Stage::Refused))
    }

    fn shape(&self, path: Path) -> Option<LinkShape> {
        self.world.shapes.get(&path.unordered()).copied()
    }

    fn put(&self, packet: Packet) {
        let mut state = self.lock();
        if packet.to == self.sector {
            state.under_way.push(Reverse(packet));
        } else {
            state.leaving.push(packet);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
