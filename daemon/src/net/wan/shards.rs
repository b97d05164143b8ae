//! Who keeps which shard: provider records of the distributed hash table.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::limits::{PROVIDE_INTERVAL, PROVIDER_LOOKUPS_MAX};
use libp2p::kad::{QueryId, RecordKey};
use libp2p::{Multiaddr, PeerId};
use martlet_protocol::Shard;
use martlet_protocol::ids::NetworkTag;
use martlet_protocol::network::NetworkDescriptor;
use rand::seq::IteratorRandom;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Provider;

/// What the key of a shard is the hash of, before the network's tag (8 bytes) and the shard (2,
/// big-endian).
const KEY_PREFIX: &[u8] = b"martlet shard";

/// The shards this node tells that it keeps, and look-ups for others that do.
pub(in crate::net) struct Shards {
    tag: NetworkTag,
    /// Of every shard of the network.
    keys: HashSet<RecordKey>,
    kept: BTreeSet<Shard>,
    /// When the network was told of them; not since something changed.
    told: Option<Instant>,
    lookups: HashMap<QueryId, Lookup>,
}

/// A look-up for providers.
#[derive(Default)]
pub(in crate::net) struct Lookup {
    found: HashMap<PeerId, Vec<Multiaddr>>,
    reply: Option<oneshot::Sender<Vec<Provider>>>,
}

impl Shards {
    /// Those of `network`. Where it has only one, every node keeps it.
    pub(in crate::net) fn new(network: &NetworkDescriptor) -> Self {
        // At most 2^12, see limits::SHARD_BITS_MAX.
        let count = 1u16 << network.shard_bits;
        let tag = network.tag();
        Self {
            tag,
            keys: (0..count).map(|shard| key(tag, Shard(shard))).collect(),
            kept: if count == 1 { [Shard(0)].into() } else { BTreeSet::new() },
            told: None,
            lookups: HashMap::new(),
        }
    }

    /// The key of a shard; `None` for one the network doesn't have.
    pub(in crate::net) fn key(&self, shard: Shard) -> Option<RecordKey> {
        Some(key(self.tag, shard)).filter(|key| self.is_key(key))
    }

    /// Whether it is the key of a shard of this network: nothing else is kept for others.
    pub(in crate::net) fn is_key(&self, key: &RecordKey) -> bool {
        self.keys.contains(key)
    }

    /// This node keeps the shard from now on. Returns whether that is news.
    pub(in crate::net) fn keep(&mut self, shard: Shard) -> bool {
        let is_news = self.key(shard).is_some() && self.kept.insert(shard);
        if is_news {
            self.told = None;
        }
        is_news
    }

    /// This node keeps it no longer.
    pub(in crate::net) fn drop(&mut self, shard: Shard) {
        self.kept.remove(&shard);
    }

    /// What was told is no longer true, or no one heard it.
    pub(in crate::net) fn tell_again(&mut self) {
        self.told = None;
    }

    /// The keys of the shards kept, if the network is to be told now: after a change, and every
    /// [`PROVIDE_INTERVAL`]. (Kademlia would repeat it by itself, but not on a node that holds
    /// [`PROVIDERS_PER_SHARD_MAX`](crate::limits::PROVIDERS_PER_SHARD_MAX) others.)
    pub(in crate::net) fn take_untold(&mut self) -> Vec<RecordKey> {
        let now = Instant::now();
        if self.told.is_some_and(|told| now - told < PROVIDE_INTERVAL) {
            return Vec::new();
        }
        self.told = Some(now);
        self.kept.iter().map(|shard| key(self.tag, *shard)).collect()
    }

    /// The key of a shard kept here, for which neighbours are looked for.
    pub(in crate::net) fn any_kept_key(&self) -> Option<RecordKey> {
        self.kept.iter().choose(&mut rand::rng()).map(|shard| key(self.tag, *shard))
    }

    /// Whether one more look-up may begin.
    pub(in crate::net) fn has_room(&self) -> bool {
        self.lookups.len() < PROVIDER_LOOKUPS_MAX
    }

    /// A look-up began; what it finds goes to `reply`.
    pub(in crate::net) fn began(
        &mut self,
        query: QueryId,
        reply: Option<oneshot::Sender<Vec<Provider>>>,
    ) {
        self.lookups.insert(query, Lookup { found: HashMap::new(), reply });
    }

    /// A look-up found a provider.
    pub(in crate::net) fn found(&mut self, query: &QueryId, peer: PeerId, addresses: &[Multiaddr]) {
        if let Some(lookup) = self.lookups.get_mut(query) {
            lookup.found.insert(peer, addresses.to_vec());
        }
    }

    /// A look-up ended: found all, or what it could in its time.
    pub(in crate::net) fn ended(&mut self, query: &QueryId) {
        let Some(lookup) = self.lookups.remove(query) else { return };
        if let Some(reply) = lookup.reply {
            let found = lookup.found.into_iter();
            let providers = found.map(|(peer, addresses)| Provider { peer, addresses }).collect();
            // Whoever asked may have gone.
            reply.send(providers).unwrap_or_default();
        }
    }
}

fn key(tag: NetworkTag, shard: Shard) -> RecordKey {
    let mut hasher = blake3::Hasher::new();
    hasher.update(KEY_PREFIX).update(&tag.0).update(&shard.0.to_be_bytes());
    RecordKey::new(hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(name: &str, shard_bits: u8) -> NetworkDescriptor {
        NetworkDescriptor { name: name.into(), shard_bits, ..NetworkDescriptor::default() }
    }

    #[test]
    fn keys_are_of_one_network_and_shard() {
        let one = Shards::new(&network("one", 2));
        let other = Shards::new(&network("other", 2));
        let mut keys: Vec<RecordKey> = one.keys.iter().chain(&other.keys).cloned().collect();
        keys.sort_by_key(RecordKey::to_vec);
        keys.dedup();
        assert_eq!(keys.len(), 8);
        assert!(keys.iter().all(|key| key.to_vec().len() == 32));
        assert!(one.key(Shard(3)).is_some_and(|key| one.is_key(&key) && !other.is_key(&key)));
        assert!(one.key(Shard(4)).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_kept_is_told_at_once_and_again_and_again() {
        let mut whole = Shards::new(&network("one", 0));
        assert_eq!(whole.take_untold().len(), 1, "every node keeps the only shard");
        assert!(!whole.keep(Shard(0)) && whole.take_untold().is_empty());
        tokio::time::advance(PROVIDE_INTERVAL).await;
        assert_eq!(whole.take_untold().len(), 1);
        whole.tell_again();
        assert_eq!(whole.take_untold().len(), 1);

        let mut shards = Shards::new(&network("one", 2));
        assert!(shards.take_untold().is_empty() && shards.any_kept_key().is_none());
        assert!(shards.keep(Shard(3)));
        assert!(!shards.keep(Shard(4)), "there is no such shard");
        assert_eq!(shards.take_untold().first(), shards.key(Shard(3)).as_ref());
        shards.drop(Shard(3));
        assert!(shards.any_kept_key().is_none());
    }
}
