//! What is done when its time has come.

use std::sync::Arc;
use std::time::Duration;

use crate::limits::{SYNC_INTERVAL, SYNC_OUTGOING_MAX};
use libp2p::PeerId;
use libp2p::swarm::DialError;
use martlet_protocol::limits::SYNC_IDS_MAX;
use martlet_protocol::sync::Request;
use rand::RngExt;
use rand::seq::IteratorRandom;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::sync::{ToSwarm, initiator, lookup};
use super::super::{NetSink, Pace, shorten};
use super::Task;

/// How soon held-up batches are handed on when nothing else happens.
const HELD_UP_RETRY: Duration = Duration::from_millis(5);

impl<S: NetSink> Task<S> {
    /// Does what is due.
    pub(super) fn on_timer(&mut self) {
        let now = Instant::now();
        for connection in self.peers.take_due(now) {
            self.swarm.close_connection(connection);
        }
        self.let_silent_go(now);
        if now >= self.reviews.next {
            self.reviews.next = now + self.pace.apply(self.peers.policy().review_interval());
            self.review(now);
        }
        self.open_due();
        self.probe_due(now);
        self.dial_due();
        self.publish_acks(now);
        self.stem_due(now);
        if now >= self.syncs.next_turn {
            self.syncs.next_turn = now + turn_wait(self.pace);
            self.syncs.responder.expire();
            self.intake.forget_old_shares();
            self.give_turns(now);
        }
        self.report_stored(now);
        self.start_syncs(now);
        for (peer, wanted) in self.shards.lookups.take_due(now) {
            tokio::spawn(lookup::run(Arc::clone(&self.context), peer, wanted));
        }
    }

    /// The regular syncs: with one of the peers, and with all to which gossip passes nothing on. One of
    /// them may be the only link to another part of the network.
    fn give_turns(&mut self, now: Instant) {
        let peers = &mut self.peers;
        self.news
            .bridges
            .retain(|peer| peers.get_mut(peer).is_some_and(|state| state.sync.is_bridge(now)));
        let one = self.peers.iter().map(|(peer, _)| *peer).choose(&mut rand::rng());
        for (peer, state) in self.peers.iter_mut() {
            if one == Some(*peer) || state.sync.is_left_out() {
                state.sync.turn(now);
            }
        }
    }

    /// How many connections more are to be opened. Half as many again as are aimed at while no
    /// keeper of a shard that the user writes to is connected: one of them may be one.
    pub(super) fn wanted(&self) -> usize {
        let for_shards = if self.shards.is_lacking() {
            (self.peers.policy().target * 3 / 2).saturating_sub(self.peers.count())
        } else {
            0
        };
        self.peers.wanted().max(for_shards)
    }

    fn dial_due(&mut self) {
        let wanted = self.wanted();
        let (peers, blocked) = (&self.peers, &self.swarm.behaviour().blocked);
        let is_settled =
            |peer: &PeerId| peers.is_connected(peer) || blocked.blocked_peers().contains(peer);
        let dials = self.dialer.take_due(wanted, is_settled);
        for options in dials {
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => {}
                // libp2p leaves out addresses on which this node listens. Who begins with a network's
                // descriptor may find its own there.
                Err(DialError::NoAddresses) => self.dialer.is_self(connection),
                Err(DialError::DialPeerConditionFalse(_)) => self.dialer.failed(connection, None),
                Err(error) => self.dialer.failed(connection, Some(&error.to_string())),
            }
        }
    }

    fn report_stored(&mut self, now: Instant) {
        let due: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, state)| {
                !state.stored.in_flight && state.stored.due.is_some_and(|due| due <= now)
            })
            .map(|(peer, _)| *peer)
            .collect();
        for peer in due {
            let Some(state) = self.peers.get_mut(&peer) else { continue };
            let rest = state.stored.ids.split_off(state.stored.ids.len().min(SYNC_IDS_MAX));
            let ids = std::mem::replace(&mut state.stored.ids, rest);
            state.stored.due = (!state.stored.ids.is_empty()).then_some(now);
            state.stored.in_flight = true;
            let (reply, answer) = oneshot::channel();
            self.send_request(peer, Request::Stored(ids), reply);
            let swarm = self.context.swarm.clone();
            tokio::spawn(async move {
                // Answered or not: a report that is lost is made up for by a reconciliation.
                if let Ok(Err(error)) = answer.await {
                    tracing::debug!(peer = %shorten::peer(&peer), %error, "report not answered");
                }
                swarm.send(ToSwarm::StoredReported(peer)).await.unwrap_or_default();
            });
        }
    }

    fn start_syncs(&mut self, now: Instant) {
        let due: Vec<PeerId> = self
            .peers
            .iter()
            .filter(|(_, state)| state.sync.next().is_some_and(|due| due <= now))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in due {
            if self.syncs.running >= SYNC_OUTGOING_MAX {
                return;
            }
            if let Some(state) = self.peers.get_mut(&peer) {
                let attempt = state.sync.started(now);
                self.syncs.running += 1;
                tokio::spawn(initiator::run(Arc::clone(&self.context), peer, attempt));
            }
        }
    }

    /// When something is due next.
    pub(super) fn next_wake(&self) -> Instant {
        let peers = &self.peers;
        let may_sync = self.syncs.running < SYNC_OUTGOING_MAX;
        let of_peers = self.peers.iter().flat_map(|(_, state)| {
            let sync = state.sync.next().filter(|_| may_sync);
            let stored = state.stored.due.filter(|_| !state.stored.in_flight);
            [sync, stored]
        });
        [
            Some(self.syncs.next_turn),
            Some(self.reviews.next),
            self.dialer
                .next_due(self.wanted(), |peer| peers.is_connected(peer) || self.is_blocked(peer)),
            self.shards.lookups.next_due(),
            self.peers.next_due(),
            self.peers.next_unidentified(),
            self.reviews.probes.next_due(),
            self.next_open_due(),
            self.outgoing.resumes_at(),
            self.outgoing.acks_due(),
            self.stem.next_due(),
            self.intake.is_held_up().then(|| Instant::now() + HELD_UP_RETRY),
        ]
        .into_iter()
        .chain(of_peers)
        .flatten()
        .min()
        .unwrap_or(self.syncs.next_turn)
    }
}

/// About [`SYNC_INTERVAL`]: nodes started together do not sync in step.
pub(super) fn turn_wait(pace: Pace) -> Duration {
    pace.apply(SYNC_INTERVAL).mul_f64(rand::rng().random_range(0.75..1.25))
}
