//! Connected peers, and which of two connections with one peer stays.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use martlet_protocol::EnvelopeId;
use martlet_protocol::control::{ConnectionDirection, Peer, Transport};
use martlet_protocol::limits::{
    CONNECTIONS_TARGET, DUPLICATE_CONNECTION_GRACE, STORED_BACKLOG_MAX,
};
use tokio::time::Instant;

use super::open::is_relayed;
use super::sync::schedule::SyncState;

/// Connected peers.
pub(super) struct Peers {
    local: PeerId,
    connected: HashMap<PeerId, PeerState>,
}

/// What is kept of a connected peer.
pub(super) struct PeerState {
    connections: Vec<Connection>,
    latency: Option<Duration>,
    /// Pings that were not answered, in a row.
    pub(super) missed_pings: u32,
    /// When the older of two connections is taken for dead.
    duplicate_until: Option<Instant>,
    /// When and how to sync with it.
    pub(super) sync: SyncState,
    /// Requests of its that are being worked on.
    pub(super) serving: u32,
    /// Envelopes it brought that are on disk here, not yet told.
    pub(super) stored: StoredReport,
}

/// One connection; a peer's stand in the order they came up.
#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    dialled_here: bool,
    address: Multiaddr,
    /// Whether it took the place of one through a relay.
    upgraded: bool,
}

/// Ids to be reported to a peer as stored.
#[derive(Default)]
pub(super) struct StoredReport {
    /// Not yet sent.
    pub(super) ids: Vec<EnvelopeId>,
    /// When they are sent.
    pub(super) due: Option<Instant>,
    /// Whether the last report is not answered yet.
    pub(super) in_flight: bool,
}

impl Peers {
    /// No peers of the node `local`.
    pub(super) fn new(local: PeerId) -> Self {
        Self { local, connected: HashMap::new() }
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains_key(peer)
    }

    /// Whether discovered peers are to be dialled.
    pub(super) fn takes_discovered(&self) -> bool {
        self.connected.len() < CONNECTIONS_TARGET
    }

    /// Connections still wanted with peers that nobody asked for.
    pub(super) fn wanted(&self) -> usize {
        CONNECTIONS_TARGET.saturating_sub(self.connected.len())
    }

    /// Whether there are more connections than wanted.
    pub(super) fn is_over_target(&self) -> bool {
        self.connected.len() > CONNECTIONS_TARGET
    }

    /// A connected peer.
    pub(super) fn get_mut(&mut self, peer: &PeerId) -> Option<&mut PeerState> {
        self.connected.get_mut(peer)
    }

    /// All connected peers.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&PeerId, &mut PeerState)> {
        self.connected.iter_mut()
    }

    /// All connected peers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&PeerId, &PeerState)> {
        self.connected.iter()
    }

    /// A connection came up. Returns whether it is the first with this peer, and the connections
    /// to close now.
    ///
    /// Of two connections the one dialled by the peer with the smaller id stays, and of two
    /// dialled by the same peer the newer. Whoever dialled the other closes it: it surely knows
    /// both. If after a grace both are still there, the peer doesn't know the older one (it was
    /// restarted, or lost its network), which is then dead and closed; see [`Self::take_dead`].
    pub(super) fn established(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
    ) -> (bool, Vec<ConnectionId>) {
        let smaller_is_local = self.local < peer;
        let state = self.connected.entry(peer).or_insert_with(PeerState::new);
        let connection = Connection::new(id, endpoint);
        let is_direct = !is_relayed(&connection.address);
        let relayed_before = state.connections.iter().any(|known| is_relayed(&known.address));
        let upgraded = is_direct && relayed_before;
        state.connections.push(Connection { upgraded, ..connection });
        if state.connections.len() == 1 {
            return (true, Vec::new());
        }
        // A direct connection wins over one through a relay.
        let any_direct = state.connections.iter().any(|known| !is_relayed(&known.address));
        let can_stay = |known: &Connection| !any_direct || !is_relayed(&known.address);
        let by_smaller =
            |known: &Connection| can_stay(known) && known.dialled_here == smaller_is_local;
        let stays = state
            .connections
            .iter()
            .rposition(by_smaller)
            .or_else(|| state.connections.iter().rposition(can_stay))
            .unwrap_or(state.connections.len() - 1);
        let mut close = Vec::new();
        let mut wait = false;
        for (at, connection) in state.connections.iter().enumerate() {
            if at != stays {
                if connection.dialled_here {
                    close.push(connection.id);
                } else {
                    wait = true;
                }
            }
        }
        if wait {
            state.duplicate_until = Some(Instant::now() + DUPLICATE_CONNECTION_GRACE);
        }
        (false, close)
    }

    /// A connection is gone. Returns whether it was the last with this peer.
    pub(super) fn closed(&mut self, peer: &PeerId, id: ConnectionId) -> bool {
        let Some(state) = self.connected.get_mut(peer) else { return false };
        state.connections.retain(|connection| connection.id != id);
        if state.connections.len() == 1 {
            state.duplicate_until = None;
        }
        if state.connections.is_empty() {
            self.connected.remove(peer);
            return true;
        }
        false
    }

    /// Connections to close because the peer had its grace and does not know them.
    pub(super) fn take_dead(&mut self, now: Instant) -> Vec<(PeerId, ConnectionId)> {
        let mut dead = Vec::new();
        for (peer, state) in &mut self.connected {
            if state.duplicate_until.is_some_and(|until| until <= now) {
                state.duplicate_until = None;
                let older = state.connections.len().saturating_sub(1);
                dead.extend(state.connections[..older].iter().map(|older| (*peer, older.id)));
            }
        }
        dead
    }

    /// When [`Self::take_dead`] has something next.
    pub(super) fn next_dead(&self) -> Option<Instant> {
        self.connected.values().filter_map(|state| state.duplicate_until).min()
    }

    /// What the user is told of connected peers.
    pub(super) fn describe(&self) -> Vec<Peer> {
        self.connected.iter().filter_map(|(peer, state)| state.describe(peer)).collect()
    }
}

impl PeerState {
    /// A peer just connected.
    fn new() -> Self {
        Self {
            connections: Vec::new(),
            latency: None,
            missed_pings: 0,
            duplicate_until: None,
            sync: SyncState::default(),
            serving: 0,
            stored: StoredReport::default(),
        }
    }

    /// A ping was answered.
    pub(super) fn answered(&mut self, round_trip: Duration) {
        self.latency = Some(round_trip);
        self.missed_pings = 0;
    }

    fn describe(&self, peer: &PeerId) -> Option<Peer> {
        let connection = self.connections.last()?;
        Some(Peer {
            peer_id: peer.to_base58(),
            connected: true,
            address: connection.address.to_string(),
            transport: transport(&connection.address),
            direction: Some(if connection.dialled_here {
                ConnectionDirection::Out
            } else {
                ConnectionDirection::In
            }),
            latency_ms: self.latency.map(|latency| latency.as_secs_f64() * 1000.0),
            upgraded: connection.upgraded,
        })
    }
}

impl Connection {
    fn new(id: ConnectionId, endpoint: &ConnectedPoint) -> Self {
        let (dialled_here, address) = match endpoint {
            // Both sides dial to open their NATs; one of them then takes the listener's part.
            ConnectedPoint::Dialer { address, role_override, .. } => {
                (*role_override == Endpoint::Dialer, address)
            }
            // Of one through a relay, the way here tells more: which relay.
            ConnectedPoint::Listener { local_addr, .. } if endpoint.is_relayed() => {
                (false, local_addr)
            }
            ConnectedPoint::Listener { send_back_addr, .. } => (false, send_back_addr),
        };
        Self { id, dialled_here, address: address.clone(), upgraded: false }
    }
}

impl StoredReport {
    /// Adds ids, the newest staying when there are too many.
    pub(super) fn add(&mut self, ids: Vec<EnvelopeId>, due: Instant) {
        self.ids.extend(ids);
        if self.ids.len() > STORED_BACKLOG_MAX {
            self.ids.drain(..self.ids.len() - STORED_BACKLOG_MAX);
        }
        self.due.get_or_insert(due);
    }
}

/// What an address runs on.
pub(super) fn transport(address: &Multiaddr) -> Option<Transport> {
    if is_relayed(address) {
        return Some(Transport::Relay);
    }
    address.iter().find_map(|part| match part {
        Protocol::Tcp(_) => Some(Transport::Tcp),
        Protocol::QuicV1 => Some(Transport::Quic),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use libp2p::core::transport::PortUse;

    use super::*;

    fn endpoint(dialled_here: bool) -> ConnectedPoint {
        if dialled_here {
            ConnectedPoint::Dialer {
                address: Multiaddr::empty(),
                role_override: Endpoint::Dialer,
                port_use: PortUse::New,
            }
        } else {
            ConnectedPoint::Listener {
                local_addr: Multiaddr::empty(),
                send_back_addr: Multiaddr::empty(),
            }
        }
    }

    fn two_ids() -> (PeerId, PeerId) {
        let (a, b) = (PeerId::random(), PeerId::random());
        (a.min(b), a.max(b))
    }

    fn id(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    /// Both sides' views of the same connections, in the order given: who dialled each.
    fn both(dialled_by_smaller: &[bool]) -> (Vec<ConnectionId>, Vec<ConnectionId>) {
        let (smaller, larger) = two_ids();
        let (mut of_smaller, mut of_larger) = (Peers::new(smaller), Peers::new(larger));
        let (mut closed_by_smaller, mut closed_by_larger) = (Vec::new(), Vec::new());
        for (number, by_smaller) in dialled_by_smaller.iter().enumerate() {
            let seen_there = endpoint(!by_smaller);
            let seen_here = endpoint(*by_smaller);
            closed_by_smaller.extend(of_smaller.established(larger, id(number), &seen_here).1);
            closed_by_larger.extend(of_larger.established(smaller, id(number), &seen_there).1);
        }
        (closed_by_smaller, closed_by_larger)
    }

    #[test]
    fn of_two_dialled_at_once_the_smaller_ids_stays_and_the_larger_closes_its_own() {
        assert_eq!(both(&[true, false]), (vec![], vec![id(1)]));
        assert_eq!(both(&[false, true]), (vec![], vec![id(0)]));
    }

    #[test]
    fn of_two_dialled_by_the_same_the_newer_stays_and_the_dialler_closes_the_other() {
        assert_eq!(both(&[true, true]), (vec![id(0)], vec![]));
        assert_eq!(both(&[false, false]), (vec![], vec![id(0)]));
    }

    #[test]
    fn a_direct_connection_takes_the_place_of_one_through_a_relay() {
        let relay = PeerId::random();
        let relayed: Multiaddr = Multiaddr::empty()
            .with(Protocol::Ip4([8, 8, 8, 8].into()))
            .with(Protocol::Tcp(1))
            .with(Protocol::P2p(relay))
            .with(Protocol::P2pCircuit);
        let (smaller, larger) = two_ids();
        // Whoever has the smaller id, and whatever part it takes in punching the hole.
        for (local, remote) in [(smaller, larger), (larger, smaller)] {
            for role_override in [Endpoint::Dialer, Endpoint::Listener] {
                let mut peers = Peers::new(local);
                let through_relay = ConnectedPoint::Dialer {
                    address: relayed.clone(),
                    role_override: Endpoint::Dialer,
                    port_use: PortUse::New,
                };
                peers.established(remote, id(0), &through_relay);
                assert_eq!(peers.describe()[0].transport, Some(Transport::Relay));
                let direct = ConnectedPoint::Dialer {
                    address: Multiaddr::empty(),
                    role_override,
                    port_use: PortUse::Reuse,
                };
                assert_eq!(peers.established(remote, id(1), &direct), (false, vec![id(0)]));
                assert!(!peers.closed(&remote, id(0)));
                assert!(peers.describe()[0].upgraded);
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_was_restarted_does_not_know_the_older_one_which_is_then_closed() {
        let (smaller, larger) = two_ids();
        for older_dialled_here in [true, false] {
            for newer_dialled_here in [true, false] {
                let mut peers = Peers::new(smaller);
                peers.established(larger, id(0), &endpoint(older_dialled_here));
                let (first, close) =
                    peers.established(larger, id(1), &endpoint(newer_dialled_here));
                assert!(!first);
                if !close.is_empty() {
                    assert_eq!(close, [id(0)], "the newer is never closed here");
                    continue;
                }
                assert!(peers.take_dead(Instant::now()).is_empty());
                tokio::time::advance(DUPLICATE_CONNECTION_GRACE).await;
                assert_eq!(peers.take_dead(Instant::now()), [(larger, id(0))]);
                assert!(!peers.closed(&larger, id(0)));
                assert!(peers.is_connected(&larger));
                assert!(peers.closed(&larger, id(1)));
            }
        }
    }
}
