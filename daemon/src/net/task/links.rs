//! What comes of how gossip does on its connections.

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use super::super::link::Over;
use super::super::linked::{LinkedEvent, Refused};
use super::super::{NetSink, shorten};
use super::{Task, Timers};

impl<S: NetSink> Task<S> {
    pub(super) fn on_link_event(&mut self, event: LinkedEvent) -> Timers {
        match event {
            LinkedEvent::Inner(event) => self.on_gossip(event),
            LinkedEvent::Lost { peer, messages } => self.on_lost(peer, messages),
            LinkedEvent::Over { peer, connection, over } => {
                self.on_gossip_over(peer, connection, over);
                Timers::Changed
            }
            LinkedEvent::Refused { peer, refused } => {
                self.on_refused(peer, refused);
                Timers::Changed
            }
        }
    }

    /// A peer did not get some of the gossip: sync brings it.
    pub(super) fn on_lost(&mut self, peer: PeerId, lost: u64) -> Timers {
        tracing::debug!(
            peer = %shorten::peer(&peer),
            lost,
            "the peer is slow, sync will bring it what gossip dropped"
        );
        let metrics = &self.context.metrics.net;
        metrics.slow_peers.inc();
        metrics.lost_to_slow_peers.inc_by(lost);
        self.note_gap(peer);
        Timers::Changed
    }

    /// Gossip with a peer can't go on: it begins anew over another connection, if the peer has not earned
    /// worse.
    fn on_gossip_over(&mut self, peer: PeerId, connection: Option<ConnectionId>, over: Over) {
        if !self.peers.is_connected(&peer) {
            return;
        }
        let name = shorten::peer(&peer);
        match (over, connection) {
            (Over::Ended, Some(connection)) => {
                tracing::debug!(peer = %name, "a connection is closed: {over}");
                self.swarm.close_connection(connection);
                return;
            }
            (Over::Stalled | Over::Unreadable | Over::Ended, _) if self.lines.takes(1) => {
                tracing::info!(peer = %name, "disconnected: {over}");
            }
            (Over::Stalled | Over::Unreadable | Over::Ended, _) => {
                tracing::debug!(peer = %name, "disconnected: {over}");
            }
        }
        match over {
            Over::Stalled => {
                self.context.metrics.net.gossip.stalled.inc();
                self.count_stalled(peer);
            }
            Over::Unreadable => {
                self.context.metrics.net.gossip.unreadable.inc();
                self.count_fault(peer);
            }
            Over::Ended => {}
        }
        self.disconnect(peer);
    }

    /// Gossipsub has refused messages for their form, and told nobody.
    fn on_refused(&mut self, peer: PeerId, refused: Refused) {
        let Refused { signed, others } = refused;
        let metrics = &self.context.metrics.net.gossip;
        metrics.signed.inc_by(signed);
        metrics.unreadable.inc_by(others);
        let is_first = self.peers.get_mut(&peer).is_some_and(|state| {
            let signs = signed > 0 && !state.signs_gossip;
            state.signs_gossip |= signs;
            signs
        });
        if is_first && self.lines.takes(1) {
            tracing::info!(
                peer = %shorten::peer(&peer),
                "it signs its gossip, or names its sender, which is refused: \
                 its gossipsub must be set to StrictNoSign"
            );
        }
        for _ in 0..signed.saturating_add(others) {
            self.count_fault(peer);
            if self.is_blocked(&peer) {
                return;
            }
        }
    }
}
