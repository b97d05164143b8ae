//! Identify, with where this node listens told only to peers of this network: private and loopback
//! addresses are nothing to those of others, and which network a peer is of shows only when it has said so.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::task::{Context, Poll};

use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionId, ExternalAddresses, FromSwarm, ListenAddresses, NetworkBehaviour, NotifyHandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, identify};

use super::forward::{forward_connections, forward_pending};

type Order = THandlerInEvent<identify::Behaviour>;

/// The behaviour.
pub(super) struct Reserved {
    /// Tells the addresses at which others reach this node, and no others.
    inner: identify::Behaviour,
    listening: ListenAddresses,
    external: ExternalAddresses,
    /// All connected peers.
    connections: BTreeMap<PeerId, Vec<ConnectionId>>,
    /// Those of this network.
    kin: BTreeSet<PeerId>,
    events: VecDeque<ToSwarm<identify::Event, Order>>,
}

impl Reserved {
    /// Identify as `config` says, but for its reserve.
    pub(super) fn new(config: identify::Config) -> Self {
        Self {
            inner: identify::Behaviour::new(config.with_hide_listen_addrs(true)),
            listening: ListenAddresses::default(),
            external: ExternalAddresses::default(),
            connections: BTreeMap::new(),
            kin: BTreeSet::new(),
            events: VecDeque::new(),
        }
    }

    /// A connected peer has said that it is of this network: it is told where this node listens.
    pub(super) fn is_kin(&mut self, peer: PeerId) {
        let Some(connections) = self.connections.get(&peer) else { return };
        if !self.kin.insert(peer) {
            return;
        }
        for connection in connections.clone() {
            self.tell(peer, connection);
        }
        self.inner.push([peer]);
    }

    /// Tells peers anew what there is to tell.
    pub(super) fn push(&mut self, peers: impl IntoIterator<Item = PeerId>) {
        self.inner.push(peers);
    }

    /// Tells a peer what there is to tell over one connection: that succeeds, as an event, if it is alive.
    pub(super) fn push_over(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let handler = NotifyHandler::One(connection);
        self.events.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: Order::Push });
    }

    /// Lets a connection with a peer of this network know where this node listens.
    fn tell(&mut self, peer_id: PeerId, connection: ConnectionId) {
        let all = self.external.iter().chain(self.listening.iter()).cloned().collect();
        self.events.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event: Order::AddressesChanged(all),
        });
    }

    /// What `inner` has a connection told, and more if that is with a peer of this network.
    fn completed(&self, peer: &PeerId, order: Order) -> Order {
        match order {
            Order::AddressesChanged(addresses) if self.kin.contains(peer) => {
                let listening = self.listening.iter().cloned();
                let all: HashSet<Multiaddr> = addresses.into_iter().chain(listening).collect();
                Order::AddressesChanged(all)
            }
            Order::AddressesChanged(_) | Order::Push => order,
        }
    }
}

impl NetworkBehaviour for Reserved {
    type ConnectionHandler = <identify::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = identify::Event;

    forward_pending!();
    forward_connections!();

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.listening.on_swarm_event(&event);
        self.external.on_swarm_event(&event);
        self.inner.on_swarm_event(event);
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            }) => {
                self.connections.entry(peer_id).or_default().push(connection_id);
                if self.kin.contains(&peer_id) {
                    self.tell(peer_id, connection_id);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id,
                connection_id,
                remaining_established,
                ..
            }) => {
                if remaining_established == 0 {
                    self.connections.remove(&peer_id);
                    self.kin.remove(&peer_id);
                } else if let Some(connections) = self.connections.get_mut(&peer_id) {
                    connections.retain(|one| *one != connection_id);
                }
            }
            // The enum is open; nothing else changes who is connected.
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(event);
        }
        self.inner.poll(cx).map(|event| match event {
            ToSwarm::NotifyHandler { peer_id, handler, event } => {
                let event = self.completed(&peer_id, event);
                ToSwarm::NotifyHandler { peer_id, handler, event }
            }
            other => other,
        })
    }
}
