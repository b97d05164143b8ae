//! Which shards this node keeps, and who of its peers keeps which.
//!
//! A peer's subscriptions to the shards' topics tell what it keeps. A `full` node's shards follow
//! from its peer id (`derived`), so that every shard has keepers, whoever uses the network.

mod lookups;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use crate::limits::KEEPERS_PER_SHARD;
use libp2p::PeerId;
use martlet_engine::Interest;
use martlet_protocol::Shard;
use martlet_protocol::control::Role;
use martlet_protocol::limits::SHARD_BITS_MAX;
use martlet_protocol::sync::ShardSet;
use rand::seq::IteratorRandom;

pub(super) use lookups::Lookups;

/// BLAKE3's context for [`derived`].
const DERIVED_CONTEXT: &str = "martlet 2026 shards of a node v2";

/// The shards that a node keeps for the network, its user's apart.
#[must_use]
pub fn kept(role: Role, listed: &[Shard], count: u16, peer: &PeerId, shard_bits: u8) -> ShardSet {
    match role {
        Role::Full => {
            let listed = listed.iter().copied();
            ShardSet::of(listed.chain(derived(peer, count, shard_bits)), shard_bits)
        }
        Role::Edge => ShardSet::NONE,
        Role::Mailbox => ShardSet::ALL,
    }
}

/// `count` different shards, or all that there are: the first different ones among the big-endian
/// 16-bit words, each shortened to its first `shard_bits` bits, of BLAKE3's output in the mode
/// `derive_key` for the bytes of the peer id. More shards include fewer.
fn derived(peer: &PeerId, count: u16, shard_bits: u8) -> HashSet<Shard> {
    let bits = shard_bits.min(SHARD_BITS_MAX);
    let count = usize::from(count.min(1 << bits));
    let mut stream =
        blake3::Hasher::new_derive_key(DERIVED_CONTEXT).update(&peer.to_bytes()).finalize_xof();
    let mut shards = HashSet::with_capacity(count);
    while shards.len() < count {
        let mut word = [0; 2];
        stream.fill(&mut word);
        shards
            .insert(Shard(u16::from_be_bytes(word).checked_shr(16 - u32::from(bits)).unwrap_or(0)));
    }
    shards
}

/// The shards kept here, as sync tasks read them. They only grow.
#[derive(Debug, Clone)]
pub(super) struct Kept(Arc<RwLock<ShardSet>>);

impl Kept {
    pub(super) fn new(shards: ShardSet) -> Self {
        Self(Arc::new(RwLock::new(shards)))
    }

    pub(super) fn get(&self) -> ShardSet {
        // Each change is whole before anything can panic.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, shards: ShardSet) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = shards;
    }
}

/// The shards, who keeps them, and what is to be looked up where.
pub(super) struct Shards {
    bits: u8,
    role: Role,
    kept: Kept,
    /// Shards the user reads or writes in.
    used: Vec<Shard>,
    /// What each connected peer keeps.
    by_peer: HashMap<PeerId, HashSet<Shard>>,
    /// How many of them keep a shard.
    keepers: HashMap<Shard, usize>,
    /// Whether a used shard has fewer keepers than it should.
    is_lacking: bool,
    pub(super) lookups: Lookups,
}

impl Shards {
    pub(super) fn new(bits: u8, role: Role, kept: Kept) -> Self {
        Self {
            bits,
            role,
            kept,
            used: Vec::new(),
            by_peer: HashMap::new(),
            keepers: HashMap::new(),
            is_lacking: false,
            lookups: Lookups::default(),
        }
    }

    /// The shards kept here.
    pub(super) fn kept(&self) -> ShardSet {
        self.kept.get()
    }

    /// Whether this node's own syncs are needed even with a peer that begins: an answer does not
    /// bring what the user has for shards that are not kept here, nor what an edge node has.
    pub(super) fn always_begins(&self) -> bool {
        self.role == Role::Edge || !self.kept.get().is_all()
    }

    /// Takes the user's interest; returns a shard that is kept from now on.
    pub(super) fn set_interest(&mut self, interest: &Interest) -> Option<Shard> {
        self.used = interest.contacts.iter(self.bits).collect();
        if !interest.contacts.contains(interest.user) {
            self.used.push(interest.user);
        }
        self.look_for_lacking();
        let kept = self.kept.get();
        if kept.contains(interest.user) {
            return None;
        }
        let more = kept.iter(self.bits).chain([interest.user]);
        self.kept.set(ShardSet::of(more, self.bits));
        Some(interest.user)
    }

    /// A connected peer keeps `shard`.
    pub(super) fn subscribed(&mut self, peer: PeerId, shard: Shard) {
        if self.by_peer.entry(peer).or_default().insert(shard) {
            let keepers = self.keepers.entry(shard).or_default();
            *keepers += 1;
            if *keepers <= KEEPERS_PER_SHARD {
                self.look_for_lacking();
            }
        }
    }

    /// It does no longer.
    pub(super) fn unsubscribed(&mut self, peer: &PeerId, shard: Shard) {
        if self.by_peer.get_mut(peer).is_some_and(|shards| shards.remove(&shard)) {
            self.count_out(shard);
            self.look_for_lacking();
        }
    }

    /// It is not connected any longer.
    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        for shard in self.by_peer.remove(peer).unwrap_or_default() {
            self.count_out(shard);
        }
        self.look_for_lacking();
        self.lookups.disconnected(peer);
    }

    /// Connected peers that keep `shard`.
    pub(super) fn keepers(&self, shard: Shard) -> impl Iterator<Item = PeerId> {
        let keeps = move |shards: &HashSet<Shard>| shards.contains(&shard);
        self.by_peer.iter().filter(move |(_, shards)| keeps(shards)).map(|(peer, _)| *peer)
    }

    /// Whether a shard that the user reads or writes in has no more than [`KEEPERS_PER_SHARD`]
    /// connected keepers, of whom `peer` is one: the connection is to be kept.
    pub(super) fn needs(&self, peer: &PeerId) -> bool {
        self.by_peer.get(peer).is_some_and(|shards| {
            self.used
                .iter()
                .any(|shard| shards.contains(shard) && self.count(*shard) <= KEEPERS_PER_SHARD)
        })
    }

    /// Whether a shard that the user reads or writes in has fewer than [`KEEPERS_PER_SHARD`]
    /// connected keepers: further peers are to be dialled.
    pub(super) fn is_lacking(&self) -> bool {
        self.is_lacking
    }

    /// One of the shards that lack keepers.
    pub(super) fn lacking(&self) -> Option<Shard> {
        let lacks = |shard: &&Shard| self.count(**shard) < KEEPERS_PER_SHARD;
        self.used.iter().filter(lacks).choose(&mut rand::rng()).copied()
    }

    /// The shards kept here, one by one.
    pub(super) fn kept_shards(&self) -> impl Iterator<Item = Shard> {
        self.kept.get().iter(self.bits).collect::<Vec<_>>().into_iter()
    }

    fn count(&self, shard: Shard) -> usize {
        self.keepers.get(&shard).copied().unwrap_or(0)
    }

    fn count_out(&mut self, shard: Shard) {
        if let Some(keepers) = self.keepers.get_mut(&shard) {
            *keepers -= 1;
            if *keepers == 0 {
                self.keepers.remove(&shard);
            }
        }
    }

    fn look_for_lacking(&mut self) {
        self.is_lacking = self.used.iter().any(|shard| self.count(*shard) < KEEPERS_PER_SHARD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_keeps_its_own() {
        let peer = PeerId::random();
        let of = |role, listed: &[u16], count, bits| {
            let listed: Vec<Shard> = listed.iter().copied().map(Shard).collect();
            kept(role, &listed, count, &peer, bits)
        };
        assert_eq!(of(Role::Full, &[], 8, 0), ShardSet::ALL);
        assert_eq!(of(Role::Full, &[], 8, 3), ShardSet::ALL);
        assert_eq!(of(Role::Full, &[], 8, 12).iter(12).count(), 8);
        assert_eq!(of(Role::Full, &[3, 9], 0, 4), ShardSet::of([Shard(3), Shard(9)], 4));
        assert!(of(Role::Full, &[3], 2, 4).contains(Shard(3)));
        assert_eq!(of(Role::Edge, &[], 8, 4), ShardSet::NONE);
        assert_eq!(of(Role::Mailbox, &[], 8, 12), ShardSet::ALL);
    }

    #[test]
    fn derived_shards_are_spread_and_more_of_them_include_fewer() {
        let peers: Vec<PeerId> = (0..2000).map(|_| PeerId::random()).collect();
        let mut keepers = HashMap::new();
        for peer in &peers {
            let (few, more) = (derived(peer, 4, 8), derived(peer, 9, 8));
            assert_eq!((few.len(), more.len()), (4, 9));
            assert!(few.is_subset(&more));
            for shard in few {
                assert!(shard.0 < 256);
                *keepers.entry(shard).or_insert(0u32) += 1;
            }
        }
        // 2000 · 4 / 256 = 31 each; eight standard deviations off would be none.
        assert_eq!(keepers.len(), 256);
    }

    #[test]
    fn a_connection_is_needed_while_its_shard_has_few_keepers() {
        let mut shards = Shards::new(4, Role::Full, Kept::new(ShardSet::of([Shard(1)], 4)));
        let interest = Interest { user: Shard(2), contacts: ShardSet::of([Shard(7)], 4) };
        assert_eq!(shards.set_interest(&interest), Some(Shard(2)));
        assert_eq!(shards.set_interest(&interest), None);
        assert_eq!(shards.kept(), ShardSet::of([Shard(1), Shard(2)], 4));
        let [a, b, c] = std::array::from_fn(|_| PeerId::random());
        for peer in [a, b] {
            assert!(shards.is_lacking());
            shards.subscribed(peer, Shard(7));
            shards.subscribed(peer, Shard(2));
        }
        assert!(!shards.is_lacking());
        assert!(shards.needs(&a) && shards.needs(&b) && !shards.needs(&c));
        shards.subscribed(c, Shard(7));
        shards.subscribed(c, Shard(5));
        assert!(!shards.needs(&c) && shards.needs(&a), "the others of shard 2 are two");
        shards.disconnected(&a);
        assert!(shards.is_lacking() && shards.needs(&c));
        assert_eq!(shards.keepers(Shard(7)).count(), 2);
        shards.unsubscribed(&c, Shard(7));
        assert!(!shards.needs(&c) && shards.needs(&b));
    }
}
