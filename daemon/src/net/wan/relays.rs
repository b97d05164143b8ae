//! Relays: on which of them this node has itself reached while no one reaches it directly.

use std::collections::HashMap;

use crate::limits::{
    RELAY_RESERVATIONS_WANTED, RELAY_RETRY_MAX, RELAY_RETRY_MIN, RELAYS_KNOWN_MAX,
};
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use rand::seq::IteratorRandom;
use tokio::time::Instant;

/// Connected peers that relay, and the reservations with them.
#[derive(Default)]
pub(in crate::net) struct Relays {
    known: HashMap<PeerId, Relay>,
    /// Reservations asked for or held.
    reservations: HashMap<ListenerId, PeerId>,
}

struct Relay {
    address: Multiaddr,
    failures: u32,
    /// Not to be asked before.
    rests_until: Option<Instant>,
}

impl Relays {
    /// A connected peer says that it relays.
    pub(in crate::net) fn add(&mut self, peer: PeerId, address: Multiaddr) {
        if let Some(known) = self.known.get_mut(&peer) {
            known.address = address;
        } else if self.known.len() < RELAYS_KNOWN_MAX {
            self.known.insert(peer, Relay { address, failures: 0, rests_until: None });
        }
    }

    /// A peer is gone, or relays no longer.
    pub(in crate::net) fn remove(&mut self, peer: &PeerId) {
        self.known.remove(peer);
    }

    /// The address to listen on for one more reservation, if one is wanted and can be had.
    pub(in crate::net) fn choose(&self) -> Option<(PeerId, Multiaddr)> {
        if self.reservations.len() >= RELAY_RESERVATIONS_WANTED {
            return None;
        }
        let now = Instant::now();
        let (peer, relay) = self
            .known
            .iter()
            .filter(|(peer, relay)| {
                relay.rests_until.is_none_or(|until| until <= now) && !self.is_used(peer)
            })
            .choose(&mut rand::rng())?;
        let mut address = relay.address.clone();
        if !matches!(address.iter().last(), Some(Protocol::P2p(_))) {
            address.push(Protocol::P2p(*peer));
        }
        Some((*peer, address.with(Protocol::P2pCircuit)))
    }

    /// A reservation is being asked for.
    pub(in crate::net) fn asked(&mut self, listener: ListenerId, peer: PeerId) {
        self.reservations.insert(listener, peer);
    }

    /// A reservation was granted.
    pub(in crate::net) fn granted(&mut self, peer: &PeerId) {
        if let Some(relay) = self.known.get_mut(peer) {
            relay.failures = 0;
        }
    }

    /// A reservation was refused or ended. Returns whether the listener was one.
    pub(in crate::net) fn ended(&mut self, listener: ListenerId) -> bool {
        let Some(peer) = self.reservations.remove(&listener) else { return false };
        self.failed(&peer);
        true
    }

    /// The relay could not be asked.
    pub(in crate::net) fn failed(&mut self, peer: &PeerId) {
        if let Some(relay) = self.known.get_mut(peer) {
            let wait = RELAY_RETRY_MIN * (1 << relay.failures.min(16));
            relay.failures += 1;
            relay.rests_until = Some(Instant::now() + wait.min(RELAY_RETRY_MAX));
        }
    }

    /// This node is reached directly: the reservations to give up.
    pub(in crate::net) fn take_all(&mut self) -> Vec<ListenerId> {
        self.reservations.drain().map(|(listener, _)| listener).collect()
    }

    /// Whether a reservation with this peer is held or asked for: its connection is needed.
    pub(in crate::net) fn is_used(&self, peer: &PeerId) -> bool {
        self.reservations.values().any(|used| used == peer)
    }

    /// When a relay can be asked again, if more are wanted.
    pub(in crate::net) fn next_due(&self) -> Option<Instant> {
        if self.reservations.len() >= RELAY_RESERVATIONS_WANTED {
            return None;
        }
        let now = Instant::now();
        let free = self.known.iter().filter(|(peer, _)| !self.is_used(peer));
        free.map(|(_, relay)| relay.rests_until.unwrap_or(now)).min()
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
    async fn two_relays_are_used_and_one_that_refuses_is_left_alone_for_a_while() {
        let mut relays = Relays::default();
        assert!(relays.choose().is_none() && relays.next_due().is_none());
        for _ in 0..4 {
            relays.add(PeerId::random(), address());
        }
        let mut used = Vec::new();
        while let Some((peer, address)) = relays.choose() {
            assert_eq!(address.iter().last(), Some(Protocol::P2pCircuit));
            let listener = ListenerId::next();
            relays.asked(listener, peer);
            used.push((listener, peer));
        }
        assert_eq!(used.len(), RELAY_RESERVATIONS_WANTED);
        assert!(used[0].1 != used[1].1 && relays.is_used(&used[0].1));
        assert!(relays.next_due().is_none());

        for peer in relays.known.keys().copied().collect::<Vec<_>>() {
            if !relays.is_used(&peer) {
                relays.remove(&peer);
            }
        }
        assert!(relays.ended(used[0].0) && !relays.ended(used[0].0));
        assert!(relays.choose().is_none(), "it rests");
        let due = relays.next_due().unwrap();
        assert_eq!(due - Instant::now(), RELAY_RETRY_MIN);
        tokio::time::advance(RELAY_RETRY_MIN).await;
        assert_eq!(relays.choose().unwrap().0, used[0].1);
    }

    #[tokio::test(start_paused = true)]
    async fn known_relays_are_bounded_and_back_off_to_a_limit() {
        let mut relays = Relays::default();
        for _ in 0..2 * RELAYS_KNOWN_MAX {
            relays.add(PeerId::random(), address());
        }
        assert_eq!(relays.known.len(), RELAYS_KNOWN_MAX);
        let peer = *relays.known.keys().next().unwrap();
        for _ in 0..100 {
            relays.failed(&peer);
        }
        let rests = relays.known[&peer].rests_until.unwrap() - Instant::now();
        assert_eq!(rests, RELAY_RETRY_MAX);
    }
}
