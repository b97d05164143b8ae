//! Peers found through Kademlia, and whom of them to dial.

use std::collections::HashMap;

use crate::limits::{
    CONNECT_TIMEOUT, FOUND_PEER_KEPT, FOUND_PEERS_MAX, LOOKUP_INTERVAL_MAX, LOOKUP_INTERVAL_MIN,
};
use libp2p::{Multiaddr, PeerId};
use rand::seq::IteratorRandom;
use std::time::Duration;
use tokio::time::Instant;

/// Found peers. No more of them are handed to the dialer than there are connections wanted, so that
/// a small network does not become one of each with all.
#[derive(Default)]
pub(in crate::net) struct Found {
    peers: HashMap<PeerId, FoundPeer>,
}

struct FoundPeer {
    addresses: Vec<Multiaddr>,
    /// When it is forgotten unless it is found again.
    until: Instant,
    /// When the dialer was given it.
    handed: Option<Instant>,
}

impl Found {
    /// A peer was found. Returns whether it is news.
    pub(in crate::net) fn add(&mut self, peer: PeerId, addresses: Vec<Multiaddr>) -> bool {
        if addresses.is_empty() {
            return false;
        }
        let until = Instant::now() + FOUND_PEER_KEPT;
        if let Some(known) = self.peers.get_mut(&peer) {
            known.until = until;
            if known.handed.is_none() {
                known.addresses = addresses;
            }
            return false;
        }
        if self.peers.len() >= FOUND_PEERS_MAX {
            return false;
        }
        self.peers.insert(peer, FoundPeer { addresses, until, handed: None });
        true
    }

    /// Peers for the dialer, chosen at random: as many as are `wanted` beside those given to it
    /// that may still be on their way.
    pub(in crate::net) fn hand_over(
        &mut self,
        wanted: usize,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let now = Instant::now();
        let room = self.room(wanted, &is_connected);
        if room == 0 {
            return Vec::new();
        }
        let chosen = self
            .peers
            .iter_mut()
            .filter(|(peer, found)| found.handed.is_none() && !is_connected(peer))
            .sample(&mut rand::rng(), room);
        chosen
            .into_iter()
            .map(|(peer, found)| {
                found.handed = Some(now);
                (*peer, found.addresses.clone())
            })
            .collect()
    }

    /// Forgets what was not found again for long; returns what the dialer was given of that.
    pub(in crate::net) fn take_expired(&mut self) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let now = Instant::now();
        self.peers
            .extract_if(|_, found| found.until <= now)
            .filter(|(_, found)| found.handed.is_some())
            .map(|(peer, found)| (peer, found.addresses))
            .collect()
    }

    /// When [`Self::hand_over`] or [`Self::take_expired`] has something, as far as time tells.
    pub(in crate::net) fn next_due(
        &self,
        wanted: usize,
        is_connected: impl Fn(&PeerId) -> bool,
    ) -> Option<Instant> {
        let now = Instant::now();
        let expiry = self.peers.values().map(|found| found.until).min();
        let waits = wanted > 0
            && self.peers.iter().any(|(peer, found)| found.handed.is_none() && !is_connected(peer));
        let hand_over = if !waits {
            None
        } else if self.room(wanted, &is_connected) > 0 {
            Some(now)
        } else {
            let handed = self.peers.values().filter_map(|found| found.handed);
            handed.map(|at| at + CONNECT_TIMEOUT).filter(|at| *at > now).min()
        };
        expiry.into_iter().chain(hand_over).min()
    }

    /// How many more the dialer may be given.
    fn room(&self, wanted: usize, is_connected: &impl Fn(&PeerId) -> bool) -> usize {
        let now = Instant::now();
        let on_their_way = self.peers.iter().filter(|(peer, found)| {
            found.handed.is_some_and(|at| now - at < CONNECT_TIMEOUT) && !is_connected(peer)
        });
        wanted.saturating_sub(on_their_way.count())
    }
}

/// When to look for peers: at once when something changed, then with doubling waits for as long as
/// nothing new comes of it.
#[derive(Debug)]
pub(in crate::net) struct Lookups {
    due: Option<Instant>,
    wait: Duration,
}

impl Lookups {
    /// None before there is someone to ask.
    pub(in crate::net) fn new() -> Self {
        Self { due: None, wait: LOOKUP_INTERVAL_MIN }
    }

    /// Something changed: whom to ask, what is provided, or connections were lost.
    pub(in crate::net) fn soon(&mut self) {
        self.wait = LOOKUP_INTERVAL_MIN;
        let soon = Instant::now() + LOOKUP_INTERVAL_MIN / 4;
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }

    /// A look-up found someone new: the next one may find more.
    pub(in crate::net) fn found(&mut self) {
        self.wait = LOOKUP_INTERVAL_MIN;
        let next = Instant::now() + LOOKUP_INTERVAL_MIN;
        self.due = self.due.map(|due| due.min(next));
    }

    /// Whether it is time; if so the next time is set.
    pub(in crate::net) fn take_due(&mut self, wants_more: bool) -> bool {
        let now = Instant::now();
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        let wait = if wants_more { self.wait } else { LOOKUP_INTERVAL_MAX };
        self.wait = (self.wait * 2).min(LOOKUP_INTERVAL_MAX);
        self.due = Some(now + wait);
        true
    }

    /// Nobody is left to ask.
    pub(in crate::net) fn stop(&mut self) {
        self.due = None;
    }

    /// When the next one is due.
    pub(in crate::net) fn next_due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn address() -> Multiaddr {
        "/ip4/8.8.8.8/tcp/1".parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_are_dialled_than_connections_are_wanted() {
        let mut found = Found::default();
        for _ in 0..100 {
            assert!(found.add(PeerId::random(), vec![address()]));
        }
        assert_eq!(found.next_due(5, |_| false), Some(Instant::now()));
        let first = found.hand_over(5, |_| false);
        assert_eq!(found.next_due(5, |_| false), Some(Instant::now() + CONNECT_TIMEOUT));
        assert_eq!(first.len(), 5);
        assert!(found.hand_over(5, |_| false).is_empty(), "they are on their way");
        let connected = first[0].0;
        assert!(found.hand_over(4, |peer| *peer == connected).is_empty());
        tokio::time::advance(CONNECT_TIMEOUT).await;
        assert_eq!(
            found.hand_over(4, |peer| *peer == connected).len(),
            4,
            "others, in their place"
        );
        assert!(found.hand_over(0, |_| false).is_empty());
        tokio::time::advance(FOUND_PEER_KEPT).await;
        assert_eq!(found.take_expired().len(), 9, "what the dialer had");
        assert!(found.next_due(5, |_| false).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn found_peers_are_bounded() {
        let mut found = Found::default();
        for _ in 0..2 * FOUND_PEERS_MAX {
            found.add(PeerId::random(), vec![address()]);
        }
        assert_eq!(found.peers.len(), FOUND_PEERS_MAX);
        assert!(!found.add(PeerId::random(), Vec::new()), "one that cannot be dialled");
    }

    #[tokio::test(start_paused = true)]
    async fn look_ups_that_find_nothing_become_rare() {
        let mut lookups = Lookups::new();
        assert!(lookups.next_due().is_none(), "with no one to ask nothing wakes the node");
        lookups.soon();
        let began = Instant::now();
        let mut made = 0;
        while Instant::now() - began < Duration::from_secs(24 * 3600) {
            tokio::time::advance(lookups.next_due().unwrap() - Instant::now()).await;
            assert!(lookups.take_due(true));
            assert!(!lookups.take_due(true));
            made += 1;
        }
        let at_most = 24 * 3600 / LOOKUP_INTERVAL_MAX.as_secs() + 10;
        assert!(made <= at_most, "{made}");
        lookups.found();
        assert!(lookups.next_due().unwrap() - Instant::now() <= LOOKUP_INTERVAL_MIN);
    }
}
