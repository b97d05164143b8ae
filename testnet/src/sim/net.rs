//! Who reaches whom, and how: the links of a simulated network, and the transport over them.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, Ready};
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;

use super::pipe::{self, Breaker, End};
use super::work::Work;
use crate::plan::{Costs, LinkShape, NodeIndex};

/// Connections that wait to be taken by a node.
const BACKLOG: usize = 128;

/// A connection's two nodes, seen from one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
}

impl Path {
    pub(super) fn reversed(self) -> Self {
        Self { from: self.to, to: self.from }
    }

    /// The same for both directions.
    fn unordered(self) -> (NodeIndex, NodeIndex) {
        (self.from.min(self.to), self.from.max(self.to))
    }
}

/// The network.
pub(super) struct Net {
    state: Mutex<State>,
    /// What each node is busy with.
    work: Vec<Arc<Mutex<Work>>>,
}

struct State {
    shapes: HashMap<(NodeIndex, NodeIndex), LinkShape>,
    listeners: HashMap<NodeIndex, mpsc::Sender<Arrival>>,
    /// The group of each node while the network is partitioned; empty while it isn't.
    groups: Vec<usize>,
    connections: Vec<(Path, Breaker)>,
    bytes: Vec<Bytes>,
    rng: ChaCha8Rng,
}

/// A connection that someone opened.
struct Arrival {
    end: End,
    from: Multiaddr,
}

/// Bytes a node received and sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bytes {
    pub(super) received: u64,
    pub(super) sent: u64,
}

impl Net {
    /// A network of so many nodes with these links, `a < b`, whose work takes so long.
    pub(super) fn new(
        nodes: usize,
        shapes: HashMap<(NodeIndex, NodeIndex), LinkShape>,
        costs: Option<Costs>,
        rng: ChaCha8Rng,
    ) -> Arc<Self> {
        let state = State {
            shapes,
            listeners: HashMap::new(),
            groups: Vec::new(),
            connections: Vec::new(),
            bytes: vec![Bytes::default(); nodes],
            rng,
        };
        let work = (0..nodes).map(|_| Arc::new(Mutex::new(Work::new(costs)))).collect();
        Arc::new(Self { state: Mutex::new(state), work })
    }

    /// The transport of a node.
    pub(super) fn transport(self: &Arc<Self>, node: NodeIndex) -> SimTransport {
        SimTransport { net: Arc::clone(self), node, listener: None }
    }

    /// Where a node listens.
    pub(super) fn address(node: NodeIndex) -> Multiaddr {
        Protocol::Memory(node as u64 + 1).into()
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
        let connections = state.connections.clone();
        drop(state);
        for (path, breaker) in connections {
            breaker.wake(self.reaches(path));
        }
    }

    /// Breaks all connections of a node, and lets it take no new ones.
    pub(super) fn unplug(&self, node: NodeIndex) {
        let mut state = self.lock();
        state.listeners.remove(&node);
        let (broken, left) = std::mem::take(&mut state.connections)
            .into_iter()
            .partition(|(path, _)| path.from == node || path.to == node);
        state.connections = left;
        drop(state);
        let broken: Vec<(Path, Breaker)> = broken;
        broken.iter().for_each(|(_, breaker)| breaker.break_off());
    }

    /// Whether packets come from one end of a path to the other.
    pub(super) fn reaches(&self, path: Path) -> bool {
        let state = self.lock();
        let group = |node: NodeIndex| state.groups.get(node);
        group(path.from) == group(path.to)
    }

    /// What a node is busy with.
    pub(super) fn work(&self, node: NodeIndex) -> Arc<Mutex<Work>> {
        self.work.get(node).cloned().unwrap_or_default()
    }

    pub(super) fn count_received(&self, node: NodeIndex, bytes: usize) {
        if let Some(count) = self.lock().bytes.get_mut(node) {
            count.received += bytes as u64;
        }
    }

    pub(super) fn count_sent(&self, node: NodeIndex, bytes: usize) {
        if let Some(count) = self.lock().bytes.get_mut(node) {
            count.sent += bytes as u64;
        }
    }

    /// Connections of each node that has any.
    pub(super) fn connections(&self) -> HashMap<NodeIndex, u64> {
        let mut counts = HashMap::new();
        for (path, breaker) in &self.lock().connections {
            if !breaker.is_over() {
                *counts.entry(path.from).or_default() += 1;
                *counts.entry(path.to).or_default() += 1;
            }
        }
        counts
    }

    /// What a node received and sent so far.
    pub(super) fn bytes(&self, node: NodeIndex) -> Bytes {
        self.lock().bytes.get(node).copied().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

/// A node's transport: addresses are `/memory/N`, the node's index and one.
pub(super) struct SimTransport {
    net: Arc<Net>,
    node: NodeIndex,
    listener: Option<Listener>,
}

struct Listener {
    id: ListenerId,
    arrivals: mpsc::Receiver<Arrival>,
    is_told: bool,
}

/// The node that an address is of.
fn node_at(address: &Multiaddr) -> Option<NodeIndex> {
    match address.iter().next()? {
        Protocol::Memory(port) => usize::try_from(port).ok()?.checked_sub(1),
        _ => None,
    }
}

impl Transport for SimTransport {
    type Output = End;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<End>>;
    type Dial = BoxFuture<'static, io::Result<End>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        if node_at(&address) != Some(self.node) {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        let (sender, arrivals) = mpsc::channel(BACKLOG);
        self.net.lock().listeners.insert(self.node, sender);
        self.listener = Some(Listener { id, arrivals, is_told: false });
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listener.take_if(|listener| listener.id == id).is_some()
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some(to) = node_at(&address) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let (net, path) = (Arc::clone(&self.net), Path { from: self.node, to });
        Ok(dial(net, path).boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let node = self.node;
        let Some(listener) = &mut self.listener else { return Poll::Pending };
        if !std::mem::replace(&mut listener.is_told, true) {
            return Poll::Ready(TransportEvent::NewAddress {
                listener_id: listener.id,
                listen_addr: Net::address(node),
            });
        }
        match std::task::ready!(listener.arrivals.poll_recv(context)) {
            Some(Arrival { end, from }) => Poll::Ready(TransportEvent::Incoming {
                listener_id: listener.id,
                upgrade: futures::future::ready(Ok(end)),
                local_addr: Net::address(node),
                send_back_addr: from,
            }),
            // Unplugged.
            None => Poll::Pending,
        }
    }
}

/// Connects: after a round trip, or never while packets don't get through.
async fn dial(net: Arc<Net>, path: Path) -> io::Result<End> {
    let shape = net.lock().shapes.get(&path.unordered()).copied();
    let Some(shape) = shape else { return Err(io::ErrorKind::HostUnreachable.into()) };
    if !net.reaches(path) {
        // Whoever dials gives up at a time of its own.
        return std::future::pending().await;
    }
    tokio::time::sleep(shape.latency * 2).await;
    let (here, arrival, listener) = {
        let mut state = net.lock();
        let rng = super::fork(&mut state.rng);
        let (here, there) = pipe::connect(&net, path, shape, rng);
        // Never the address of a listener.
        let from = Protocol::Memory(u64::MAX - path.from as u64).into();
        let listener = state.listeners.get(&path.to).cloned();
        (here, Arrival { end: there, from }, listener)
    };
    let Some(listener) = listener else { return Err(io::ErrorKind::ConnectionRefused.into()) };
    let breaker = here.breaker();
    listener.try_send(arrival).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
    let mut state = net.lock();
    state.connections.retain(|(_, breaker)| !breaker.is_over());
    state.connections.push((path, breaker));
    Ok(here)
}

#[cfg(test)]
mod tests;
