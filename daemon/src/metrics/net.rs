//! Peers, connections, gossip, and queues.

use crate::limits::{
    ENGINE_QUEUE_MAX, GOSSIP_BACKLOG_BYTES_MAX, GOSSIP_BATCHES_MAX, GOSSIP_QUEUED_MAX,
    NET_QUEUE_MAX, PUBLISH_BACKLOG_MAX, UNSENT_MAX,
};

use super::describe::{Counter, Describe, Gauge};

/// What the network counts.
#[derive(Debug)]
pub struct NetMetrics {
    /// Peers connected.
    pub connected: Gauge,
    /// Peers known and not connected.
    pub known: Gauge,
    /// Peers that were cut off and are refused.
    pub banned: Gauge,
    /// Peers cut off since the start.
    pub bans: Counter,
    /// What no honest peer does.
    pub faults: Counter,
    /// Connections that came up, or did not.
    pub connections: ConnectionMetrics,
    /// Bytes that came over all connections.
    pub bytes_received: Counter,
    /// Bytes that went out over them.
    pub bytes_sent: Counter,
    /// Mesh links of the envelopes' topics.
    pub mesh_of_envelopes: Gauge,
    /// Mesh links of the acks' topic.
    pub mesh_of_acks: Gauge,
    /// Topics of envelopes subscribed to: one per shard.
    pub topics_of_envelopes: Gauge,
    /// Topics of acks subscribed to.
    pub topics_of_acks: Gauge,
    /// Times that a peer was too slow for gossip.
    pub slow_peers: Counter,
    /// Gossiped messages that a slow peer did not get.
    pub lost_to_slow_peers: Counter,
    /// What becomes of gossip on its connections.
    pub gossip: GossipMetrics,
    /// Own gossip that did not go out.
    pub publish_failed: PublishFailures,
    /// Queues.
    pub queues: Queues,
    /// Bytes of gossip waiting for the engine.
    pub gossip_backlog_bytes: Gauge,
}

/// Connections that came up, or did not.
#[derive(Debug)]
pub struct ConnectionMetrics {
    /// Came up, dialled here.
    pub dialled: Counter,
    /// Came up, dialled by the peer.
    pub accepted: Counter,
    /// Dials that failed.
    pub dials_failed: Counter,
    /// Connections from others that failed to come up.
    pub accepts_failed: Counter,
}

/// What becomes of gossip on its connections.
#[derive(Debug)]
pub struct GossipMetrics {
    /// Connections that were ended because the peer took none.
    pub stalled: Counter,
    /// Messages refused because they are signed, numbered, or name their sender.
    pub signed: Counter,
    /// Frames refused because they are too long, or no RPC of gossipsub.
    pub unreadable: Counter,
    /// Bytes waiting for peers.
    pub queued_bytes: Gauge,
}

/// Own gossip that did not go out, by why.
#[derive(Debug)]
pub struct PublishFailures {
    /// There was no peer; tried again when one comes.
    pub no_peer: Counter,
    /// Every queue was full; sync brings it.
    pub queues_full: Counter,
    /// It went round lately.
    pub duplicate: Counter,
    /// Malformed or too large: a defect.
    pub invalid: Counter,
    /// Given up, because peers took nothing or too many found none; sync brings them.
    pub given_up: Counter,
}

/// The queues between the parts.
#[derive(Debug)]
pub struct Queues {
    /// Inputs waiting for the engine.
    pub engine: Queue,
    /// Commands waiting for the network.
    pub net: Queue,
    /// Batches of gossip waiting for the engine's queue.
    pub gossip: Queue,
    /// Own envelopes waiting to be gossiped.
    pub publish: Queue,
    /// Own envelopes that found no peer.
    pub unsent: Queue,
}

/// One queue.
#[derive(Debug)]
pub struct Queue {
    /// What waits in it.
    pub items: Gauge,
}

impl NetMetrics {
    pub(super) fn new(describe: &mut Describe<'_>) -> Self {
        let peers =
            describe.gauges("peers", "Peers, by state; a peer is in one of them", ["state"]);
        let established = describe.counters(
            "connections_established",
            "Connections that came up, by who dialled",
            ["direction"],
        );
        let failed = describe.counters(
            "connections_failed",
            "Connections that did not come up, by who dialled",
            ["direction"],
        );
        let carried = describe.byte_counters(
            "connections",
            "Bytes that the streams of all connections carried, without the transport's share",
            ["direction"],
        );
        let mesh = describe.gauges(
            "mesh_peers",
            "Links of the gossip mesh, summed over the topics of a kind",
            ["topic"],
        );
        let topics = describe.gauges("topics", "Gossip topics subscribed to", ["topic"]);
        let publish = describe.counters(
            "publish_failed",
            "Own gossip (envelopes, batches of acks) that did not go out; sync makes up for it",
            ["reason"],
        );
        let refused = describe.counters(
            "gossip_refused",
            "Gossip refused for its form: signed messages, frames that can't be read",
            ["reason"],
        );
        let queued_limit =
            describe.bytes("gossip_queued_limit", "Most gossip that may wait for peers");
        queued_limit.set(u64::try_from(GOSSIP_QUEUED_MAX).unwrap_or(u64::MAX));
        let backlog_limit =
            describe.bytes("gossip_backlog_limit", "Most gossip that may wait for the engine");
        backlog_limit.set(u64::try_from(GOSSIP_BACKLOG_BYTES_MAX).unwrap_or(u64::MAX));
        Self {
            connected: peers(["connected"]),
            known: peers(["known"]),
            banned: peers(["banned"]),
            bans: describe.counter("peer_bans", "Times that a peer was cut off"),
            faults: describe
                .counter("peer_faults", "Messages and requests that no honest peer sends"),
            connections: ConnectionMetrics {
                dialled: established(["out"]),
                accepted: established(["in"]),
                dials_failed: failed(["out"]),
                accepts_failed: failed(["in"]),
            },
            bytes_received: carried(["received"]),
            bytes_sent: carried(["sent"]),
            mesh_of_envelopes: mesh(["envelopes"]),
            mesh_of_acks: mesh(["acks"]),
            topics_of_envelopes: topics(["envelopes"]),
            topics_of_acks: topics(["acks"]),
            slow_peers: describe
                .counter("slow_peer_events", "Times that a peer was too slow to take gossip"),
            lost_to_slow_peers: describe
                .counter("gossip_dropped", "Messages that slow peers did not get by gossip"),
            gossip: GossipMetrics {
                stalled: describe.counter(
                    "gossip_stalled",
                    "Connections ended because the peer took none of the gossip that waited for it",
                ),
                signed: refused(["signed"]),
                unreadable: refused(["unreadable"]),
                queued_bytes: describe.bytes("gossip_queued", "Gossip that waits for peers"),
            },
            publish_failed: PublishFailures {
                no_peer: publish(["no_peer"]),
                queues_full: publish(["queues_full"]),
                duplicate: publish(["duplicate"]),
                invalid: publish(["invalid"]),
                given_up: publish(["given_up"]),
            },
            queues: Queues::new(describe),
            gossip_backlog_bytes: describe
                .bytes("gossip_backlog", "Gossip that waits for the engine"),
        }
    }
}

impl Queues {
    fn new(describe: &mut Describe<'_>) -> Self {
        let items = describe.gauges("queue_items", "What waits in a queue", ["queue"]);
        let limits = describe.gauges("queue_limit", "Most that may wait in a queue", ["queue"]);
        let queue = |name, limit| {
            limits([name]).set(u64::try_from(limit).unwrap_or(u64::MAX));
            Queue { items: items([name]) }
        };
        Self {
            engine: queue("engine", ENGINE_QUEUE_MAX),
            net: queue("net", NET_QUEUE_MAX),
            gossip: queue("gossip", GOSSIP_BATCHES_MAX),
            publish: queue("publish", PUBLISH_BACKLOG_MAX),
            unsent: queue("unsent", UNSENT_MAX),
        }
    }
}

impl Queue {
    /// So much waits now.
    pub fn set(&self, items: usize) {
        self.items.set(u64::try_from(items).unwrap_or(u64::MAX));
    }
}
