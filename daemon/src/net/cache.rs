//! Peers remembered across restarts: how they were reached, when last, and how often in vain since.
//!
//! Pure bookkeeping over the wall clock; it goes to disk as [`CacheRecords`].

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::limits::{
    PEER_CACHE_ADDRESSES_MAX, PEER_CACHE_KEPT, PEER_CACHE_MAX, PEER_CACHE_PER_PREFIX_MAX,
    PEER_CACHE_SEEN_STEP,
};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use martlet_protocol::UnixMillis;
use serde::{Deserialize, Serialize};

/// The remembered peers.
#[derive(Default)]
pub(super) struct PeerCache {
    peers: HashMap<PeerId, Entry>,
    /// Whether there is something to be written.
    is_changed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The one that worked last comes first.
    addresses: Vec<Address>,
    last_success: UnixMillis,
    /// Since then.
    failures: u32,
    source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Address {
    address: Multiaddr,
    prefix: Option<Prefix>,
}

/// Whether it is IPv6, and the first 16 or 32 bits.
type Prefix = (bool, u32);

/// How a peer became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// Configured, or of the network's bootstrap list.
    Static,
    /// Dialled by command.
    Command,
    /// Found on the local network.
    Mdns,
    /// It connected, and said where it listens.
    Inbound,
}

/// The cache as it is on disk.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct CacheRecords {
    peers: Vec<CacheRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
struct CacheRecord {
    peer_id: String,
    addresses: Vec<Multiaddr>,
    last_success: UnixMillis,
    failures: u32,
    source: Source,
}

impl PeerCache {
    /// The peers that a file holds, under the same bounds as any.
    pub(super) fn from_records(records: CacheRecords, now: UnixMillis) -> Self {
        let mut cache = Self::default();
        for record in records.peers.into_iter().take(PEER_CACHE_MAX) {
            let Ok(peer) = record.peer_id.parse() else { continue };
            // A clock that was ahead when it was written.
            let last_success = record.last_success.min(now);
            for address in record.addresses.into_iter().rev() {
                cache.succeeded(peer, address, record.source, last_success);
            }
            if let Some(entry) = cache.peers.get_mut(&peer) {
                entry.failures = record.failures;
            }
        }
        cache.forget_old(now);
        cache.is_changed = false;
        cache
    }

    /// Whether it has changed, so that it is worth writing, since this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// What goes to disk, the best first.
    pub(super) fn to_records(&self) -> CacheRecords {
        let peers = self.ranked().into_iter().map(|(peer, entry)| CacheRecord {
            peer_id: peer.to_base58(),
            addresses: entry.addresses(),
            last_success: entry.last_success,
            failures: entry.failures,
            source: entry.source,
        });
        CacheRecords { peers: peers.collect() }
    }

    /// A peer was reached at an address, or is connected and says that it listens there. Returns
    /// whether the peer or the address was not known.
    pub(super) fn succeeded(
        &mut self,
        peer: PeerId,
        address: Multiaddr,
        source: Source,
        now: UnixMillis,
    ) -> bool {
        let prefix = public_prefix(&address);
        if prefix.is_some_and(|prefix| self.is_crowded(&peer, prefix)) {
            return false;
        }
        if !self.peers.contains_key(&peer) && self.peers.len() >= PEER_CACHE_MAX {
            let worst = self.ranked().last().map(|(peer, _)| **peer);
            if let Some(worst) = worst {
                self.peers.remove(&worst);
            }
        }
        let entry = self.peers.entry(peer).or_insert_with(|| Entry {
            addresses: Vec::new(),
            last_success: now,
            failures: 0,
            source,
        });
        self.is_changed |= entry.seen(now);
        let is_news = !entry.addresses.iter().any(|known| known.address == address);
        self.is_changed |= is_news;
        entry.addresses.retain(|known| known.address != address);
        entry.addresses.insert(0, Address { address, prefix });
        entry.addresses.truncate(PEER_CACHE_ADDRESSES_MAX);
        is_news
    }

    /// A peer is still connected.
    pub(super) fn still_connected(&mut self, peer: &PeerId, now: UnixMillis) {
        if let Some(entry) = self.peers.get_mut(peer) {
            self.is_changed |= entry.seen(now);
        }
    }

    /// A peer was not reached.
    pub(super) fn failed(&mut self, peer: &PeerId) {
        if let Some(entry) = self.peers.get_mut(peer) {
            entry.failures = entry.failures.saturating_add(1);
            self.is_changed = true;
        }
    }

    /// A peer is of another network, or banned.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.is_changed |= self.peers.remove(peer).is_some();
    }

    /// Forgets peers not seen for [`PEER_CACHE_KEPT`].
    pub(super) fn forget_old(&mut self, now: UnixMillis) {
        let kept = u64::try_from(PEER_CACHE_KEPT.as_millis()).unwrap_or(u64::MAX);
        let before = self.peers.len();
        self.peers.retain(|_, entry| entry.last_success.0.saturating_add(kept) > now.0);
        self.is_changed |= self.peers.len() < before;
    }

    /// The `count` peers most likely to be there, the best first.
    pub(super) fn best(&self, count: usize) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let best = self.ranked().into_iter().take(count);
        best.map(|(peer, entry)| (*peer, entry.addresses())).collect()
    }

    /// Where a peer was reached, the best first.
    pub(super) fn addresses(&self, peer: &PeerId) -> Vec<Multiaddr> {
        self.peers.get(peer).map(Entry::addresses).unwrap_or_default()
    }

    fn ranked(&self) -> Vec<(&PeerId, &Entry)> {
        let mut ranked: Vec<_> = self.peers.iter().collect();
        ranked.sort_by_key(|(peer, entry)| (entry.failures, Reverse(entry.last_success), **peer));
        ranked
    }

    /// Whether enough other peers of the same public prefix are known already.
    fn is_crowded(&self, peer: &PeerId, prefix: Prefix) -> bool {
        let others = self.peers.iter().filter(|(other, entry)| {
            *other != peer && entry.addresses.iter().any(|of| of.prefix == Some(prefix))
        });
        others.count() >= PEER_CACHE_PER_PREFIX_MAX
    }
}

impl Entry {
    /// It is there at `now`. Returns whether that is worth writing.
    fn seen(&mut self, now: UnixMillis) -> bool {
        let is_news = now.since(self.last_success) >= PEER_CACHE_SEEN_STEP || self.failures > 0;
        if is_news {
            self.last_success = self.last_success.max(now);
            self.failures = 0;
        }
        is_news
    }

    fn addresses(&self) -> Vec<Multiaddr> {
        self.addresses.iter().map(|known| known.address.clone()).collect()
    }
}

/// The first 16 bits of a public IPv4 address, the first 32 of a public IPv6 address; `None` for
/// private and loopback ones, which are as crowded as the network is, and for names, which only the
/// user gives.
fn public_prefix(address: &Multiaddr) -> Option<Prefix> {
    match address.iter().next() {
        Some(Protocol::Ip4(ip)) if is_public_4(ip) => {
            Some((false, u32::from(u16::from_be_bytes([ip.octets()[0], ip.octets()[1]]))))
        }
        Some(Protocol::Ip6(ip)) if is_public_6(ip) => {
            let [a, b, ..] = ip.segments();
            Some((true, u32::from(a) << 16 | u32::from(b)))
        }
        _ => None,
    }
}

fn is_public_4(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    // 100.64.0.0/10 is carriers' shared space (RFC 6598).
    let is_shared = a == 100 && (64..128).contains(&b);
    !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || is_shared)
}

fn is_public_6(ip: Ipv6Addr) -> bool {
    !(ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
    const DAY: u64 = 24 * 3_600_000;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn ip4(ip: [u8; 4], port: u16) -> Multiaddr {
        Multiaddr::from(Ipv4Addr::from(ip)).with(Protocol::Tcp(port))
    }

    fn reached(cache: &mut PeerCache, address: Multiaddr, now: UnixMillis) -> PeerId {
        let peer = PeerId::random();
        cache.succeeded(peer, address, Source::Static, now);
        peer
    }

    #[test]
    fn those_that_answered_last_come_first_and_those_that_fail_last() {
        let mut cache = PeerCache::default();
        let old = reached(&mut cache, ip4([10, 0, 0, 1], 1), UnixMillis(NOW.0 - DAY));
        let new = reached(&mut cache, ip4([10, 0, 0, 2], 1), NOW);
        let failing = reached(&mut cache, ip4([10, 0, 0, 3], 1), NOW);
        cache.failed(&failing);
        let order: Vec<PeerId> = cache.best(10).into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(order, [new, old, failing]);
        cache.succeeded(failing, ip4([10, 0, 0, 9], 1), Source::Mdns, UnixMillis(NOW.0 + 1));
        let (best, addresses) = cache.best(1).remove(0);
        assert_eq!(best, failing);
        assert_eq!(addresses, [ip4([10, 0, 0, 9], 1), ip4([10, 0, 0, 3], 1)]);
    }

    #[test]
    fn a_month_is_remembered_and_a_clock_that_was_ahead_does_no_harm() {
        let mut cache = PeerCache::default();
        let ahead = reached(&mut cache, ip4([10, 0, 0, 1], 1), UnixMillis(NOW.0 + 400 * DAY));
        reached(&mut cache, ip4([10, 0, 0, 2], 1), UnixMillis(NOW.0 - 30 * DAY));
        let json = serde_json::to_string(&cache.to_records()).unwrap();
        let mut cache = PeerCache::from_records(serde_json::from_str(&json).unwrap(), NOW);
        assert_eq!(cache.best(10).len(), 1);
        cache.forget_old(UnixMillis(NOW.0 + 29 * DAY));
        assert_eq!(cache.best(10)[0].0, ahead);
        cache.forget_old(UnixMillis(NOW.0 + 30 * DAY));
        assert!(cache.best(10).is_empty());
    }

    #[test]
    fn only_what_is_news_is_worth_writing() {
        let mut cache = PeerCache::default();
        let peer = reached(&mut cache, ip4([10, 0, 0, 1], 1), NOW);
        assert!(cache.take_changed() && !cache.take_changed());
        let soon = UnixMillis(NOW.0 + 60_000);
        assert!(!cache.succeeded(peer, ip4([10, 0, 0, 1], 1), Source::Static, soon));
        cache.still_connected(&peer, soon);
        cache.forget_old(soon);
        assert!(!cache.take_changed());
        assert!(cache.succeeded(peer, ip4([10, 0, 0, 2], 1), Source::Static, soon));
        assert!(cache.take_changed());
        cache.still_connected(&peer, UnixMillis(NOW.0 + DAY));
        assert!(cache.take_changed());
        cache.failed(&peer);
        assert!(cache.take_changed());
    }

    #[test]
    fn it_comes_back_from_disk_as_it_was() {
        let mut cache = PeerCache::default();
        for host in 1..100 {
            let peer = reached(
                &mut cache,
                ip4([192, 168, 0, host], 1),
                UnixMillis(NOW.0 - u64::from(host)),
            );
            cache.succeeded(peer, address("/dns/node.example/udp/1/quic-v1"), Source::Command, NOW);
            (0..host % 3).for_each(|_| cache.failed(&peer));
        }
        let json = serde_json::to_string(&cache.to_records()).unwrap();
        let again = PeerCache::from_records(serde_json::from_str(&json).unwrap(), NOW);
        assert_eq!(again.peers, cache.peers);
    }

    #[test]
    fn one_operator_cannot_fill_it_and_a_lan_can() {
        let mut cache = PeerCache::default();
        for host in 0..200 {
            reached(&mut cache, ip4([203, 0, host, 7], 1), NOW);
            reached(&mut cache, ip4([192, 168, 0, host], 1), NOW);
            reached(&mut cache, address(&format!("/ip6/2001:db8:{host:x}::1/tcp/1")), NOW);
        }
        let count = |first: &str| {
            let of = |(_, addresses): &(PeerId, Vec<Multiaddr>)| {
                addresses[0].to_string().starts_with(first)
            };
            cache.best(1000).iter().filter(|record| of(record)).count()
        };
        assert_eq!(count("/ip4/203.0"), PEER_CACHE_PER_PREFIX_MAX);
        assert_eq!(count("/ip6/2001:db8"), PEER_CACHE_PER_PREFIX_MAX);
        assert_eq!(count("/ip4/192.168"), 200);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn its_bounds_hold_whatever_comes(
            steps in proptest::collection::vec((any::<[u8; 2]>(), 0..700_usize, 0..30_u16), 1..2000),
        ) {
            let peers: Vec<PeerId> = (0..700).map(|_| PeerId::random()).collect();
            let mut cache = PeerCache::default();
            for ([a, b], peer, port) in steps {
                cache.succeeded(peers[peer], ip4([203, a % 8, b, 1], port), Source::Inbound, NOW);
                cache.succeeded(peers[peer], ip4([10, a, b, 1], port), Source::Inbound, NOW);
            }
            prop_assert!(cache.peers.len() <= PEER_CACHE_MAX);
            let mut prefixes: HashMap<_, usize> = HashMap::new();
            for entry in cache.peers.values() {
                prop_assert!(entry.addresses.len() <= PEER_CACHE_ADDRESSES_MAX);
                let mut of_peer: Vec<_> = entry.addresses.iter().filter_map(|of| of.prefix).collect();
                of_peer.sort_unstable();
                of_peer.dedup();
                of_peer.into_iter().for_each(|prefix| *prefixes.entry(prefix).or_default() += 1);
            }
            prop_assert!(prefixes.values().all(|count| *count <= PEER_CACHE_PER_PREFIX_MAX));
        }
    }
}
