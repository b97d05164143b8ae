//! The metrics that are states, set when someone asks.

use std::collections::HashSet;

use libp2p::PeerId;
use libp2p::gossipsub::TopicHash;
use tokio::time::Instant;

use super::super::NetSink;
use super::Task;

impl<S: NetSink> Task<S> {
    /// Sets what the metrics say of peers, meshes and queues.
    pub(super) fn measure(&self) {
        let metrics = &self.context.metrics.net;
        let now = Instant::now();
        metrics.connected.set(count(self.peers.iter().count()));
        let known: HashSet<PeerId> = self
            .dialer
            .known()
            .map(|(peer, _)| peer)
            .filter(|peer| !self.peers.is_connected(peer) && !self.is_refused(peer, now))
            .collect();
        metrics.known.set(count(known.len()));
        metrics
            .banned
            .set(count(self.opinions.refused.values().filter(|until| **until > now).count()));

        let gossip = &self.swarm.behaviour().gossip;
        let acks = self.outgoing.topics.acks();
        let (of_acks, of_envelopes): (Vec<&TopicHash>, Vec<&TopicHash>) =
            gossip.topics().partition(|topic| *topic == acks);
        let links = |topics: &[&TopicHash]| {
            count(topics.iter().map(|topic| gossip.mesh_peers(topic).count()).sum())
        };
        metrics.mesh_of_envelopes.set(links(&of_envelopes));
        metrics.mesh_of_acks.set(links(&of_acks));
        metrics.topics_of_envelopes.set(count(of_envelopes.len()));
        metrics.topics_of_acks.set(count(of_acks.len()));

        metrics.queues.gossip.set(self.intake.queued());
        metrics.queues.publish.set(self.outgoing.len());
        metrics.queues.unsent.set(self.outgoing.unsent());
        metrics.gossip.queued_bytes.set(count(self.swarm.behaviour().gossip.queued()));
        metrics.gossip_backlog_bytes.set(count(self.intake.backlog_bytes()));
    }

    fn is_refused(&self, peer: &PeerId, now: Instant) -> bool {
        self.opinions.refused.get(peer).is_some_and(|until| *until > now)
    }
}

fn count(items: usize) -> u64 {
    // usize is at most 64 bits on every platform Rust has.
    u64::try_from(items).unwrap_or(u64::MAX)
}
