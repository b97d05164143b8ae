//! Acks that came before their envelope.

use std::collections::HashMap;

use crate::limits::ORPHAN_ACKS_MAX;
use lru::LruCache;
use martlet_protocol::limits::SLOTS_MAX;
use martlet_protocol::{Ack, EnvelopeId};

use crate::seam::PeerKey;

/// Acks by the peer who brought them. When there are too many, the peer with the most loses its
/// oldest: who makes acks up loses its own.
#[derive(Debug, Default)]
pub(super) struct OrphanAcks {
    of_peer: HashMap<PeerKey, LruCache<EnvelopeId, Vec<Ack>>>,
    /// Envelopes of all peers together.
    count: usize,
}

impl OrphanAcks {
    /// Keeps `ack`, which `from` brought; at most one for each slot.
    pub(super) fn add(&mut self, from: PeerKey, ack: Ack) {
        let of_peer = self.of_peer.entry(from).or_insert_with(LruCache::unbounded);
        if !of_peer.contains(&ack.envelope) {
            self.count += 1;
        }
        let acks = of_peer.get_or_insert_mut(ack.envelope, Vec::new);
        if acks.len() < SLOTS_MAX && !acks.contains(&ack) {
            acks.push(ack);
        }
        if self.count > ORPHAN_ACKS_MAX {
            self.drop_one();
        }
    }

    /// Takes all acks for an envelope that has come, with those who brought them.
    pub(super) fn take(&mut self, envelope: &EnvelopeId) -> Vec<(PeerKey, Ack)> {
        let mut taken = Vec::new();
        self.of_peer.retain(|from, acks| {
            if let Some(acks) = acks.pop(envelope) {
                self.count -= 1;
                taken.extend(acks.into_iter().map(|ack| (*from, ack)));
            }
            !acks.is_empty()
        });
        taken
    }

    /// Envelopes whose acks wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn drop_one(&mut self) {
        let most = self.of_peer.iter_mut().max_by_key(|(_, acks)| acks.len());
        if let Some((peer, acks)) = most {
            let peer = *peer;
            if acks.pop_lru().is_some() {
                self.count -= 1;
            }
            if acks.is_empty() {
                self.of_peer.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::AckSecret;

    use super::*;

    fn ack(number: u32, secret: u8) -> Ack {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&number.to_be_bytes());
        Ack { envelope: EnvelopeId(id), slot: 0, secret: AckSecret([secret; 16]) }
    }

    #[test]
    fn who_makes_acks_up_displaces_its_own() {
        let (honest, liar) = (PeerKey([1; 32]), PeerKey([2; 32]));
        let mut orphans = OrphanAcks::default();
        for number in 0..100 {
            orphans.add(honest, ack(number, 1));
            // Forged for the same envelope, before and after.
            for secret in 2..20 {
                orphans.add(liar, ack(number, secret));
            }
        }
        for number in 0..10 * u32::try_from(ORPHAN_ACKS_MAX).unwrap_or(0) {
            orphans.add(liar, ack(1000 + number, 0));
        }
        assert!(orphans.count <= ORPHAN_ACKS_MAX);
        for number in 0..100 {
            let taken = orphans.take(&ack(number, 1).envelope);
            assert!(taken.contains(&(honest, ack(number, 1))), "{number}");
        }
        assert!(orphans.take(&ack(0, 1).envelope).is_empty());
    }
}
