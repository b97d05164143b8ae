//! Several connections with one peer, and which of them stays.

use crate::limits::DUPLICATE_CONNECTION_GRACE;
use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::swarm::ConnectionId;
use tokio::time::Instant;

use super::super::wan::is_relayed;
use super::{Connection, PeerState, Peers};

impl Peers {
    /// A connection came up. Returns whether it is the first with this peer, and the connections that are
    /// to be closed soon, see [`Self::take_due`]: nothing new is to go over them.
    ///
    /// Of two connections the one dialled by the peer with the smaller id stays, and of two
    /// dialled by the same peer the newer. Whoever dialled the other closes it: it surely knows
    /// both. If the peer dials though it must have known of the older one, it doesn't know it (it was
    /// restarted, or lost its network): then the newest stays. Or it has several on purpose, as other
    /// implementations do: then the older one answers, see [`Self::answered`].
    pub(in crate::net) fn established(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
    ) -> (bool, Vec<ConnectionId>) {
        let smaller_is_local = self.local < peer;
        let state = self.connected.entry(peer).or_insert_with(|| PeerState::new(Instant::now()));
        let connection = Connection::new(id, endpoint);
        let is_direct = !is_relayed(&connection.address);
        let relayed_before = state.connections.iter().any(|known| is_relayed(&known.address));
        let upgraded = is_direct && relayed_before;
        state.connections.push(Connection { upgraded, ..connection });
        let newest = state.connections.len() - 1;
        if newest == 0 {
            self.search.count(self.connected.len(), &self.policy);
            return (true, Vec::new());
        }
        let knows_none = !state.may_dial() && !endpoint.is_dialer() && !upgraded && is_direct;
        // A direct connection wins over one through a relay.
        let any_direct = state.connections.iter().any(|known| !is_relayed(&known.address));
        let can_stay = |known: &Connection| !any_direct || !is_relayed(&known.address);
        let by_smaller =
            |known: &Connection| can_stay(known) && known.dialled_here == smaller_is_local;
        let by_rule = state.connections.iter().rposition(by_smaller);
        let stays = by_rule
            .or_else(|| state.connections.iter().rposition(can_stay))
            .filter(|_| !knows_none)
            .unwrap_or(newest);
        let now = Instant::now();
        let mut retired = Vec::new();
        for (at, connection) in state.connections.iter_mut().enumerate() {
            if at != stays && connection.close_at.is_none() {
                let graces = match (connection.dialled_here || knows_none, at == newest) {
                    (true, _) => 1,
                    (false, false) => 2,
                    // Should the peer not close it, the other one goes.
                    (false, true) => 4,
                };
                let wait = DUPLICATE_CONNECTION_GRACE * graces;
                connection.close_at = Some(now + wait);
                connection.is_doubted = knows_none;
                retired.push(connection.id);
            }
        }
        (false, retired)
    }

    /// Connections to be closed now, beside which there is another.
    ///
    /// A peer that dialled the newest and did not close it, though it should have, does not know the other:
    /// that is dead.
    pub(in crate::net) fn take_due(&mut self, now: Instant) -> Vec<ConnectionId> {
        let mut due = Vec::new();
        for state in self.connected.values_mut() {
            let is_due = |known: &Connection| known.close_at.is_some_and(|at| at <= now);
            // One that was found to be had on purpose has no rule to follow, and one through a relay never wins.
            let is_unknown = state.connections.last().is_some_and(|last| {
                let may_win = !last.is_spare && !is_relayed(&last.address);
                is_due(last) && !last.dialled_here && may_win
            });
            let newest = state.connections.len().saturating_sub(1);
            for (at, connection) in state.connections.iter_mut().enumerate() {
                if is_unknown && at == newest {
                    connection.close_at = None;
                } else if is_unknown || is_due(connection) {
                    connection.close_at = None;
                    due.push(connection.id);
                }
            }
        }
        due
    }

    /// Whether a connection is to be closed because its peer does not seem to know it.
    pub(in crate::net) fn is_doubted(&self, peer: &PeerId, id: ConnectionId) -> bool {
        let of_peer = self.connected.get(peer).map(|state| &state.connections);
        of_peer.is_some_and(|all| all.iter().any(|known| known.id == id && known.is_doubted))
    }

    /// The peer answered on a connection that it did not seem to know. So it has several on purpose, and the one that
    /// it had first stays: there its gossip has its streams. (A daemon that was told to dial closes the
    /// older one itself, and first.)
    pub(in crate::net) fn answered(&mut self, peer: &PeerId, id: ConnectionId) {
        let Some(state) = self.connected.get_mut(peer) else { return };
        if !state.connections.iter().any(|known| known.id == id && known.is_doubted) {
            return;
        }
        let close_at = Instant::now() + DUPLICATE_CONNECTION_GRACE * 4;
        for known in &mut state.connections {
            known.is_doubted = false;
            known.is_spare = known.id != id;
            known.close_at = known.is_spare.then_some(close_at);
        }
    }

    /// When [`Self::take_due`] has something next.
    pub(in crate::net) fn next_due(&self) -> Option<Instant> {
        let connections = self.connected.values().flat_map(|state| &state.connections);
        connections.filter_map(|connection| connection.close_at).min()
    }
}
