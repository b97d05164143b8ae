//! Connected peers, and what is known of each.

mod several;

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::limits::{
    CONNECT_TIMEOUT, DUPLICATE_CONNECTION_GRACE, IDENTIFY_MAX, PEER_PROTOCOLS_SHOWN_MAX,
    PEER_TEXT_BYTES_MAX, PING_INTERVAL, STORED_BACKLOG_MAX, TIME_ASKED_INTERVAL,
};
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::identify;
use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId, StreamProtocol, multiaddr::Protocol};
use martlet_protocol::control::{ConnectionDirection, Peer, PeerDetails, Transport};
use martlet_protocol::{EnvelopeId, UnixMillis};
use tokio::time::Instant;

use super::Pace;
use super::connections::{Candidate, ConnectionPolicy, Search};
use super::gossip::HISTORY_KEPT;
use super::mismatches::host;
use super::sync::schedule::SyncState;
use super::wan::is_relayed;

/// Round trips that setting up a connection takes, with some to spare.
const DIAL_ROUND_TRIPS: u32 = 8;

/// Connected peers.
pub(super) struct Peers {
    local: PeerId,
    policy: ConnectionPolicy,
    search: Search,
    connected: HashMap<PeerId, PeerState>,
}

/// What is kept of a connected peer.
pub(super) struct PeerState {
    connections: Vec<Connection>,
    latency: Option<Duration>,
    /// When it last answered a ping; at first when it connected.
    answered_at: Instant,
    /// When the first of the connections came up.
    pub(super) since: Instant,
    /// Whether it is in a mesh of gossip, when that was last looked at.
    pub(super) in_mesh: bool,
    /// When it was last in one, or brought something.
    pub(super) useful_at: Instant,
    /// Whether it speaks gossip, as far as is known.
    pub(super) speaks_gossip: bool,
    /// Since when it has no part in this network's gossip, though it speaks it.
    pub(super) no_gossip_since: Option<Instant>,
    /// When it was last asked for the time.
    pub(super) time_asked: Option<Instant>,
    /// Envelopes it brought that were good and new.
    pub(super) envelopes_in: u64,
    /// What it brought, asked or answered that no honest peer does.
    pub(super) invalid: u64,
    /// By when it must say what it is; `None` once it has, or is let go.
    identify_due: Option<Instant>,
    /// Whether it was told in the log that it signs its gossip.
    pub(super) signs_gossip: bool,
    /// Whether it passes on what is on the stem; `None` until it says what it speaks.
    pub(super) speaks_stem: Option<bool>,
    said: Said,
    /// Pings that were not answered, in a row.
    pub(super) missed_pings: u32,
    /// When and how to sync with it.
    pub(super) sync: SyncState,
    /// Requests of its that are being worked on.
    pub(super) serving: u32,
    /// Envelopes it brought that are on disk here, not yet told.
    pub(super) stored: StoredReport,
}

/// What a peer says of itself.
#[derive(Default)]
struct Said {
    /// That it keeps blobs for others.
    is_depot: bool,
    /// That it is.
    agent: Option<String>,
    /// That it speaks.
    protocols: Vec<String>,
}

/// One connection; a peer's stand in the order they came up.
#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    dialled_here: bool,
    address: Multiaddr,
    /// Whether it took the place of one through a relay.
    upgraded: bool,
    /// When it is closed, if there is another that is better.
    close_at: Option<Instant>,
    /// Whether that is so because the peer does not seem to know it.
    is_doubted: bool,
    /// Whether the peer has it beside another on purpose.
    is_spare: bool,
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
    pub(super) fn new(local: PeerId, policy: ConnectionPolicy) -> Self {
        Self { local, policy, search: Search::new(), connected: HashMap::new() }
    }

    /// How many connections to have.
    pub(super) fn policy(&self) -> &ConnectionPolicy {
        &self.policy
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self, peer: &PeerId) -> bool {
        self.connected.contains_key(peer)
    }

    /// Whether there is a connection with it, and it said that it is of this network.
    pub(super) fn is_identified(&self, peer: &PeerId) -> bool {
        self.connected.get(peer).is_some_and(|state| state.speaks_stem.is_some())
    }

    /// Whether there is a connection with some peer at this address, or with one behind it.
    pub(super) fn has_host(&self, address: IpAddr) -> bool {
        let mut connections = self.connected.values().flat_map(|state| &state.connections);
        connections.any(|connection| host(&connection.address) == Some(address))
    }

    /// How many are connected.
    pub(super) fn count(&self) -> usize {
        self.connected.len()
    }

    /// How many connections more are to be opened.
    pub(super) fn wanted(&self) -> usize {
        self.search.wanted(self.connected.len(), &self.policy)
    }

    /// How many connections others may have open; see [`ConnectionPolicy::inbound_max`].
    pub(super) fn inbound_room(&self, is_pinned: impl Fn(&PeerId) -> bool) -> usize {
        let others = self.connected.iter().filter(|(peer, state)| {
            is_pinned(peer) || state.connections.last().is_some_and(|last| last.dialled_here)
        });
        self.policy.inbound_room(others.count())
    }

    /// All connected peers, as [`super::connections::surplus`] wants them.
    pub(super) fn candidates(&self, is_pinned: impl Fn(&PeerId) -> bool) -> Vec<Candidate> {
        let candidates = self.connected.iter().map(|(peer, state)| Candidate {
            peer: *peer,
            useful_at: state.useful_at,
            in_mesh: state.in_mesh,
            is_pinned: is_pinned(peer),
        });
        candidates.collect()
    }

    /// Whether there are more connections than wanted.
    pub(super) fn is_over_target(&self) -> bool {
        self.connected.len() > self.policy.target
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

    /// A connection is gone. If it was the last with this peer, returns how long there was one.
    pub(super) fn closed(&mut self, peer: &PeerId, id: ConnectionId) -> Option<Duration> {
        let state = self.connected.get_mut(peer)?;
        state.connections.retain(|connection| connection.id != id);
        if let [last] = &mut state.connections[..] {
            last.close_at = None;
        }
        if state.connections.is_empty() {
            let lasted = state.since.elapsed();
            self.connected.remove(peer);
            self.search.count(self.connected.len(), &self.policy);
            return Some(lasted);
        }
        None
    }

    /// Peers that have not said in time what they are; each is given once.
    pub(super) fn take_unidentified(&mut self, now: Instant) -> Vec<PeerId> {
        let all = self.connected.iter_mut();
        let late = all.filter_map(|(peer, state)| {
            state.identify_due.take_if(|due| *due <= now).map(|_| *peer)
        });
        late.collect()
    }

    /// When [`Self::take_unidentified`] has something next.
    pub(super) fn next_unidentified(&self) -> Option<Instant> {
        self.connected.values().filter_map(|state| state.identify_due).min()
    }

    /// What the user is told of connected peers, at `now`; what `judge` knows goes into the details.
    pub(super) fn describe(
        &self,
        now: UnixMillis,
        judge: impl Fn(&PeerId, &mut PeerDetails),
    ) -> Vec<Peer> {
        let described = self.connected.iter().filter_map(|(peer, state)| {
            let mut described = state.describe(peer, now)?;
            described.details.iter_mut().for_each(|details| judge(peer, details));
            Some(described)
        });
        described.collect()
    }
}

impl PeerState {
    /// A peer just connected.
    fn new(now: Instant) -> Self {
        Self {
            connections: Vec::new(),
            latency: None,
            answered_at: now,
            since: now,
            in_mesh: false,
            useful_at: now,
            speaks_gossip: true,
            no_gossip_since: None,
            time_asked: None,
            envelopes_in: 0,
            invalid: 0,
            identify_due: Some(now + IDENTIFY_MAX),
            signs_gossip: false,
            speaks_stem: None,
            said: Said::default(),
            missed_pings: 0,
            sync: SyncState::default(),
            serving: 0,
            stored: StoredReport::default(),
        }
    }

    /// Whether a connection that it dialled before it knew of the first may still come up.
    fn may_dial(&self) -> bool {
        let dial_max = self.latency.map_or(CONNECT_TIMEOUT, |latency| {
            (DUPLICATE_CONNECTION_GRACE + latency * DIAL_ROUND_TRIPS).min(CONNECT_TIMEOUT)
        });
        self.since.elapsed() < dial_max
    }

    /// A ping was answered. Returns whether the connection was silent before that: the answer came
    /// later than usual, by more than gossip keeps messages to be asked for.
    pub(super) fn answered(&mut self, round_trip: Duration, pace: Pace) -> bool {
        let latest = pace.apply(PING_INTERVAL + HISTORY_KEPT) + self.latency.unwrap_or_default();
        let was_silent = self.answered_at.elapsed() > latest;
        self.answered_at = Instant::now();
        self.latency = Some(round_trip);
        self.missed_pings = 0;
        was_silent
    }

    /// It brought envelopes that were good and new.
    pub(super) fn brought(&mut self, envelopes: u64, now: Instant) {
        self.envelopes_in += envelopes;
        if envelopes > 0 {
            self.useful_at = now;
        }
    }

    /// Whether it was not asked for the time for a while.
    pub(super) fn is_time_due(&self, now: Instant) -> bool {
        self.time_asked.is_none_or(|at| now.duration_since(at) >= TIME_ASKED_INTERVAL)
    }

    /// It told what it is; `stem` and `depot` are the names of these protocols.
    pub(super) fn identified(
        &mut self,
        info: &identify::Info,
        stem: &StreamProtocol,
        depot: &StreamProtocol,
    ) {
        self.identify_due = None;
        self.said.is_depot = info.protocols.contains(depot);
        self.speaks_stem = Some(info.protocols.contains(stem));
        self.said.agent = Some(shown(&info.agent_version)).filter(|agent| !agent.is_empty());
        let protocols = info.protocols.iter().take(PEER_PROTOCOLS_SHOWN_MAX);
        self.said.protocols = protocols.map(|protocol| shown(protocol.as_ref())).collect();
        self.said.protocols.sort_unstable();
    }

    /// Whether it keeps blobs for others.
    pub(super) fn is_depot(&self) -> bool {
        self.said.is_depot
    }

    /// The address of the connection in use, and whether it was dialled here.
    pub(super) fn endpoint(&self) -> Option<(&Multiaddr, bool)> {
        self.connections.last().map(|last| (&last.address, last.dialled_here))
    }

    fn describe(&self, peer: &PeerId, now: UnixMillis) -> Option<Peer> {
        let connection = self.connections.last()?;
        let age = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
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
            details: Some(PeerDetails {
                since: UnixMillis(now.0.saturating_sub(age)),
                mesh: self.in_mesh,
                pinned: false,
                score: 0.0,
                throttled: false,
                envelopes_in: self.envelopes_in,
                invalid: self.invalid,
                agent: self.said.agent.clone(),
                protocols: self.said.protocols.clone(),
            }),
            ban: None,
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
        Self {
            id,
            dialled_here,
            address: address.clone(),
            upgraded: false,
            close_at: None,
            is_doubted: false,
            is_spare: false,
        }
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

/// At most [`PEER_TEXT_BYTES_MAX`] bytes of what a peer says of itself.
fn shown(text: &str) -> String {
    let ends = (0..=text.len().min(PEER_TEXT_BYTES_MAX)).rev();
    let end = ends.into_iter().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].to_owned()
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
mod tests;
