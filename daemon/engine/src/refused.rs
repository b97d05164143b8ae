//! What was refused for want of room and is not the user's: remembered, so that sync fetches it
//! once, and gets on to what it has not fetched yet.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use crate::limits::{REFUSED_KEPT, REFUSED_MAX};
use martlet_protocol::{EnvelopeId, Tag, UnixMillis};
use martlet_store::mailbox::Inserted;

use crate::seam::PeerKey;

/// Refused envelopes, in two generations: the older is forgotten when the younger is full, or old.
#[derive(Debug, Default)]
pub(super) struct Refused {
    hasher: RandomState,
    young: Generation,
    old: Generation,
    /// When the young generation began.
    since: UnixMillis,
}

/// By a hash of the envelope, and of the peer where others may still bring it; a hash of its tag,
/// if any.
type Generation = HashMap<u64, u64>;

impl Refused {
    /// Remembers an envelope that `from` brought, and how it was refused.
    pub(super) fn add(
        &mut self,
        from: &PeerKey,
        id: &EnvelopeId,
        tag: Option<&Tag>,
        refusal: Inserted,
        now: UnixMillis,
    ) {
        let key = match refusal {
            Inserted::Full => self.hasher.hash_one(id),
            Inserted::OverShare => self.hasher.hash_one((from, id)),
            Inserted::New { .. } | Inserted::Known | Inserted::Purged => return,
        };
        self.turn(now);
        let tag = tag.map_or(0, |tag| self.hasher.hash_one(tag));
        self.young.insert(key, tag);
    }

    /// Those of `ids` that are worth fetching from `from`.
    pub(super) fn sift(
        &mut self,
        from: &PeerKey,
        mut ids: Vec<EnvelopeId>,
        now: UnixMillis,
    ) -> Vec<EnvelopeId> {
        self.turn(now);
        let is_known = |key| self.young.contains_key(&key) || self.old.contains_key(&key);
        if !(self.young.is_empty() && self.old.is_empty()) {
            ids.retain(|id| {
                !is_known(self.hasher.hash_one(id)) && !is_known(self.hasher.hash_one((from, id)))
            });
        }
        ids
    }

    /// What has one of these tags is the user's after all.
    pub(super) fn forget(&mut self, awaited: &[Tag]) {
        if awaited.is_empty() || self.young.is_empty() && self.old.is_empty() {
            return;
        }
        let awaited: HashSet<u64> = awaited.iter().map(|tag| self.hasher.hash_one(tag)).collect();
        for generation in [&mut self.young, &mut self.old] {
            generation.retain(|_, tag| !awaited.contains(tag));
        }
    }

    /// Forgets everything: another user looks at it.
    pub(super) fn clear(&mut self) {
        self.young = Generation::new();
        self.old = Generation::new();
    }

    fn turn(&mut self, now: UnixMillis) {
        if now < self.since || now.since(self.since) >= REFUSED_KEPT {
            // Idle for as long again: the young one is old, too.
            if now < self.since || now.since(self.since) >= 2 * REFUSED_KEPT {
                self.young = Generation::new();
            }
            self.begin(now);
        } else if self.young.len() >= REFUSED_MAX {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: UnixMillis) {
        self.old = std::mem::take(&mut self.young);
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_793_500_000_000);

    fn id(number: u64) -> EnvelopeId {
        EnvelopeId(*blake3::hash(&number.to_le_bytes()).as_bytes())
    }

    #[test]
    fn what_one_may_not_bring_another_may_and_what_there_is_no_room_for_nobody() {
        let (one, other) = (PeerKey([1; 32]), PeerKey([2; 32]));
        let mut refused = Refused::default();
        refused.add(&one, &id(1), None, Inserted::OverShare, NOW);
        refused.add(&one, &id(2), None, Inserted::Full, NOW);
        let all = vec![id(1), id(2), id(3)];
        assert_eq!(refused.sift(&one, all.clone(), NOW), [id(3)]);
        assert_eq!(refused.sift(&other, all.clone(), NOW), [id(1), id(3)]);
        refused.clear();
        assert_eq!(refused.sift(&one, all.clone(), NOW), all);
    }

    #[test]
    fn what_has_a_tag_awaited_since_is_fetched_again() {
        let peer = PeerKey([1; 32]);
        let mut refused = Refused::default();
        for number in 1..=3 {
            let tag = Tag([number; 16]);
            refused.add(&peer, &id(number.into()), Some(&tag), Inserted::Full, NOW);
        }
        refused.forget(&[Tag([2; 16])]);
        assert_eq!(refused.sift(&peer, vec![id(1), id(2), id(3)], NOW), [id(2)]);
    }

    #[test]
    fn it_is_bounded_and_forgotten_in_time() {
        let peer = PeerKey([1; 32]);
        let mut refused = Refused::default();
        let count = 2 * REFUSED_MAX as u64 + 1;
        for number in 0..count {
            refused.add(&peer, &id(number), None, Inserted::Full, NOW);
        }
        assert_eq!(refused.young.len() + refused.old.len(), REFUSED_MAX + 1);
        let newest: Vec<_> = (REFUSED_MAX as u64 + 1..count).map(id).collect();
        assert!(refused.sift(&peer, newest, NOW).is_empty());
        let last = || vec![id(count - 1)];
        assert!(refused.sift(&peer, last(), NOW.plus(REFUSED_KEPT)).is_empty());
        assert_eq!(refused.sift(&peer, last(), NOW.plus(2 * REFUSED_KEPT)), last());
    }
}
