//! Gossipsub as Martlet uses it: topics, bounds, and message ids.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::limits::{
    GOSSIP_CONTROL_BYTES_MAX, GOSSIP_CONTROL_IDS_MAX, GOSSIP_QUEUE_DEADLINE, GOSSIP_QUEUE_MAX,
    GOSSIP_SEEN_KEPT,
};
use libp2p::gossipsub::{
    self, IdentTopic, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId, TopicHash,
    ValidationMode, WhitelistSubscriptionFilter,
};
use martlet_protocol::limits::GOSSIP_BYTES_MAX;
use martlet_protocol::network::{NetworkDescriptor, Privacy};
use martlet_protocol::{Envelope, EnvelopeId, Shard, stamp};

use super::{GossipPolicy, NetConfig, NetError};

/// The behaviour, with our subscription filter.
pub(super) type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, SubscriptionFilter>;
type SubscriptionFilter = MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>;

/// First heartbeat after start: meshes form then. (The default, 5 s, is five seconds of silence.)
const HEARTBEAT_FIRST: Duration = Duration::from_secs(1);
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Heartbeats for which messages are kept to be asked for. At the default of 5, a burst of 5,000
/// messages a second would hold 25,000 of them.
const HISTORY_HEARTBEATS: u32 = 3;
const HISTORY_ANNOUNCED: usize = 2;
/// How long a peer that wasn't sent a message can ask for it.
pub(super) const HISTORY_KEPT: Duration = HEARTBEAT.saturating_mul(HISTORY_HEARTBEATS);

/// The network's topics: one per shard, and one for acks.
#[derive(Debug, Clone)]
pub(super) struct Topics {
    envelopes: Vec<TopicHash>,
    shards: HashMap<TopicHash, Shard>,
    acks: TopicHash,
}

impl Topics {
    /// The topics of `network`.
    pub(super) fn new(network: &NetworkDescriptor) -> Self {
        let name = &network.name;
        // At most 2^12, see limits::SHARD_BITS_MAX.
        let envelopes: Vec<TopicHash> = (0..1u16 << network.shard_bits)
            .map(|shard| IdentTopic::new(format!("/martlet/{name}/envelopes/2/{shard}")).hash())
            .collect();
        let shards = envelopes.iter().cloned().zip((0..).map(Shard)).collect();
        let acks = IdentTopic::new(format!("/martlet/{name}/acks/2")).hash();
        Self { envelopes, shards, acks }
    }

    /// The topic of a shard; `None` for one the network doesn't have.
    pub(super) fn envelopes(&self, shard: Shard) -> Option<&TopicHash> {
        self.envelopes.get(usize::from(shard.0))
    }

    /// The shard of a topic; `None` for the acks'.
    pub(super) fn shard(&self, topic: &TopicHash) -> Option<Shard> {
        self.shards.get(topic).copied()
    }

    /// The acks' topic.
    pub(super) fn acks(&self) -> &TopicHash {
        &self.acks
    }

    /// The shards' topics.
    pub(super) fn all_envelopes(&self) -> impl Iterator<Item = &TopicHash> {
        self.envelopes.iter()
    }

    fn all(&self) -> impl Iterator<Item = &TopicHash> {
        self.envelopes.iter().chain([&self.acks])
    }
}

/// The behaviour, subscribed to the acks and to the shards kept here. (What is gossiped in others
/// goes by without this node; the acks go to every node, since who wrote to a shard waits for them
/// wherever they are.)
pub(super) fn behaviour(
    NetConfig { network, kept, pace, gossip: policy, .. }: &NetConfig,
    topics: &Topics,
) -> Result<Gossip, NetError> {
    let failed = |reason: String| NetError::Gossip { reason };
    let stamp_bits = network.stamp_bits;
    let acks = topics.acks.clone();
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(move |message: &gossipsub::Message| {
            if message.topic == acks {
                digest_id(&message.data)
            } else {
                envelope_message_id(&message.data, stamp_bits)
            }
        })
        .max_transmit_size(GOSSIP_BYTES_MAX)
        .max_control_message_size(GOSSIP_CONTROL_BYTES_MAX)
        .max_control_messages_sent(GOSSIP_CONTROL_IDS_MAX)
        .heartbeat_initial_delay(HEARTBEAT_FIRST)
        .heartbeat_interval(pace.apply(HEARTBEAT))
        .history_length(HISTORY_HEARTBEATS as usize)
        .history_gossip(HISTORY_ANNOUNCED)
        .duplicate_cache_time(GOSSIP_SEEN_KEPT)
        .connection_handler_queue_len(GOSSIP_QUEUE_MAX)
        .publish_queue_duration(GOSSIP_QUEUE_DEADLINE)
        .forward_queue_duration(GOSSIP_QUEUE_DEADLINE)
        .mesh_n(policy.mesh)
        .mesh_n_low(policy.mesh.saturating_sub(1).max(1))
        // Those who dial us can't fill it.
        .mesh_outbound_min(policy.mesh / 2)
        .mesh_n_high(policy.mesh_max)
        .gossip_lazy(policy.lazy)
        .idontwant_message_size_threshold(policy.idontwant_bytes_min)
        .flood_publish(floods(policy, network))
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let count = topics.all().count();
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter(topics.all().cloned().collect::<HashSet<_>>()),
        max_subscribed_topics: count,
        // A hello names every topic once; a change of mind as often again.
        max_subscriptions_per_request: 2 * count,
    };
    let mut gossip =
        Gossip::new_with_subscription_filter(MessageAuthenticity::Anonymous, config, filter)
            .map_err(|error| failed(error.to_owned()))?;
    subscribe(&mut gossip, topics.acks())?;
    for topic in kept.iter(network.shard_bits).filter_map(|shard| topics.envelopes(shard)) {
        subscribe(&mut gossip, topic)?;
    }
    Ok(gossip)
}

/// Whether own envelopes go to every peer of the topic. Others' go to those of the mesh alone: a peer
/// outside it that is sent one knows its author.
fn floods(policy: &GossipPolicy, network: &NetworkDescriptor) -> bool {
    match network.privacy() {
        Privacy::Fast => policy.flood_publish,
        Privacy::Mixed => false,
    }
}

/// Takes part in a topic from now on.
pub(super) fn subscribe(gossip: &mut Gossip, topic: &TopicHash) -> Result<(), NetError> {
    gossip
        .subscribe(&IdentTopic::new(topic.as_str()))
        .map(drop)
        .map_err(|error| NetError::Gossip { reason: error.to_string() })
}

/// The id of a gossiped envelope that was found good.
pub(super) fn envelope_id(message: &MessageId) -> Option<EnvelopeId> {
    EnvelopeId::from_slice(&message.0).ok()
}

/// The envelope's id, so that a re-stamped copy is the same message. What is no envelope, or lacks
/// the stamp, gets the digest of its bytes: a bad copy must not stand in the way of a good one.
fn envelope_message_id(data: &[u8], stamp_bits: u8) -> MessageId {
    match Envelope::decode(data) {
        Ok(envelope) => {
            let id = envelope.id();
            if stamp::check(&id, envelope.nonce, stamp_bits) {
                MessageId::new(id.as_bytes())
            } else {
                digest_id(data)
            }
        }
        Err(_) => digest_id(data),
    }
}

fn digest_id(data: &[u8]) -> MessageId {
    MessageId::new(blake3::hash(data).as_bytes())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn topics_are_named_after_network_and_shard() {
        let network =
            NetworkDescriptor { name: "ship".into(), shard_bits: 2, ..Default::default() };
        let topics = Topics::new(&network);
        let names: Vec<&str> = topics.all().map(TopicHash::as_str).collect();
        assert_eq!(
            names,
            [
                "/martlet/ship/envelopes/2/0",
                "/martlet/ship/envelopes/2/1",
                "/martlet/ship/envelopes/2/2",
                "/martlet/ship/envelopes/2/3",
                "/martlet/ship/acks/2",
            ]
        );
        assert_eq!(topics.envelopes(Shard(3)).unwrap().as_str(), names[3]);
        assert!(topics.envelopes(Shard(4)).is_none());
        assert_eq!(topics.shard(topics.envelopes(Shard(3)).unwrap()), Some(Shard(3)));
        assert_eq!(topics.shard(topics.acks()), None);
    }

    /// Own envelopes went to all neighbours and others' to the mesh, on every network.
    #[test]
    fn on_a_mixed_network_own_envelopes_leave_like_others() {
        let policy = GossipPolicy::default();
        let of = |privacy| NetworkDescriptor { privacy, ..NetworkDescriptor::default() };
        assert!(floods(&policy, &of(None)));
        assert!(!floods(&policy, &of(Some(Privacy::Mixed))));
        assert!(!floods(&policy, &NetworkDescriptor { lan_only: false, ..of(None) }));
    }

    #[test]
    fn a_restamped_copy_is_the_same_message_and_an_unstamped_one_another() {
        let content = vec![7; 700];
        let envelope = Envelope::new(content.clone());
        let id = envelope.id();
        let nonce = stamp::make(&id, 8, 0, 100_000).unwrap();
        let again = stamp::make(&id, 8, nonce + 1, 100_000).unwrap();
        let stamped = Envelope { nonce, ..envelope.clone() }.encode();
        let restamped = Envelope { nonce: again, ..envelope.clone() }.encode();
        assert_eq!(envelope_message_id(&stamped, 8), MessageId::new(id.as_bytes()));
        assert_eq!(envelope_message_id(&stamped, 8), envelope_message_id(&restamped, 8));
        let bad = (0..).find(|nonce| !stamp::check(&id, *nonce, 8)).unwrap();
        let unstamped = Envelope { nonce: bad, ..envelope }.encode();
        assert_ne!(envelope_message_id(&unstamped, 8), MessageId::new(id.as_bytes()));
    }
}
