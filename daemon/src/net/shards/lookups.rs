//! What is to be looked up at the keepers of other shards, and whom to ask when.

use std::collections::{HashMap, HashSet};

use crate::limits::{LOOKUP_DELAY, LOOKUP_STANDING_FOR, LOOKUPS_STANDING_MAX};
use libp2p::PeerId;
use martlet_protocol::{Shard, Tag};
use tokio::time::Instant;

use martlet_engine::Lookup;

/// Tags asked for, and peers to ask.
#[derive(Default)]
pub(in crate::net) struct Lookups {
    /// Asked for lately; until when a keeper that connects is asked as well.
    standing: HashMap<Shard, HashMap<Tag, Instant>>,
    /// Shards that a peer is to be asked about.
    due: HashMap<PeerId, HashSet<Shard>>,
    /// When.
    due_at: Option<Instant>,
    /// Peers that are being asked.
    asking: HashSet<PeerId>,
}

impl Lookups {
    /// Remembers what is looked for.
    pub(in crate::net) fn add(&mut self, shard: Shard, tags: Vec<Tag>, now: Instant) {
        for standing in self.standing.values_mut() {
            standing.retain(|_, until| *until > now);
        }
        self.standing.retain(|_, tags| !tags.is_empty());
        let room = LOOKUPS_STANDING_MAX
            .saturating_sub(self.standing.values().map(HashMap::len).sum::<usize>());
        let until = now + LOOKUP_STANDING_FOR;
        let standing = self.standing.entry(shard).or_default();
        standing.extend(tags.into_iter().take(room).map(|tag| (tag, until)));
    }

    /// `peer` keeps `shard`: it is asked soon, if something is looked for there.
    pub(in crate::net) fn ask(&mut self, peer: PeerId, shard: Shard, now: Instant) -> bool {
        let is_wanted = self.standing.contains_key(&shard);
        if is_wanted {
            self.due.entry(peer).or_default().insert(shard);
            self.due_at.get_or_insert(now + LOOKUP_DELAY);
        }
        is_wanted
    }

    /// When [`Self::take_due`] has something.
    pub(in crate::net) fn next_due(&self) -> Option<Instant> {
        self.due_at
    }

    /// Whom to ask for what, now. Who is still being asked is left for later.
    pub(in crate::net) fn take_due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Lookup>)> {
        if self.due_at.is_none_or(|due| due > now) {
            return Vec::new();
        }
        let asking = &self.asking;
        let due: Vec<_> = self.due.extract_if(|peer, _| !asking.contains(peer)).collect();
        self.due_at = None;
        let mut asks = Vec::with_capacity(due.len());
        for (peer, shards) in due {
            let wanted: Vec<_> = shards
                .into_iter()
                .filter_map(|shard| {
                    let tags = self.standing.get(&shard)?.keys().copied().collect();
                    Some(Lookup { shard, tags })
                })
                .collect();
            if !wanted.is_empty() {
                self.asking.insert(peer);
                asks.push((peer, wanted));
            }
        }
        asks
    }

    /// A peer has been asked.
    pub(in crate::net) fn asked(&mut self, peer: &PeerId, now: Instant) {
        self.asking.remove(peer);
        if !self.due.is_empty() {
            self.due_at.get_or_insert(now + LOOKUP_DELAY);
        }
    }

    pub(super) fn disconnected(&mut self, peer: &PeerId) {
        self.due.remove(peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_keeper_is_asked_for_what_stands_and_once_at_a_time() {
        let mut lookups = Lookups::default();
        let (peer, tag) = (PeerId::random(), Tag([1; 16]));
        let now = Instant::now();
        assert!(!lookups.ask(peer, Shard(3), now), "nothing is looked for");
        lookups.add(Shard(3), vec![tag], now);
        assert!(lookups.ask(peer, Shard(3), now));
        assert!(!lookups.ask(peer, Shard(4), now));
        assert!(lookups.take_due(now).is_empty());
        let later = now + LOOKUP_DELAY;
        assert_eq!(
            lookups.take_due(later),
            [(peer, vec![Lookup { shard: Shard(3), tags: vec![tag] }])]
        );
        lookups.ask(peer, Shard(3), later);
        assert!(lookups.take_due(later + LOOKUP_DELAY).is_empty(), "still being asked");
        lookups.asked(&peer, later);
        assert_eq!(lookups.take_due(later + LOOKUP_DELAY).len(), 1);
        let gone = now + LOOKUP_STANDING_FOR;
        lookups.add(Shard(5), vec![tag], gone);
        assert!(!lookups.ask(peer, Shard(3), gone), "it stands no longer");
    }

    #[test]
    fn what_stands_is_bounded() {
        let mut lookups = Lookups::default();
        let tags = |from: usize| {
            let tag = |number: usize| {
                let mut tag = [0; 16];
                tag[..8].copy_from_slice(&number.to_be_bytes());
                Tag(tag)
            };
            (from..from + LOOKUPS_STANDING_MAX).map(tag).collect()
        };
        lookups.add(Shard(1), tags(0), Instant::now());
        lookups.add(Shard(2), tags(LOOKUPS_STANDING_MAX), Instant::now());
        assert_eq!(
            lookups.standing.values().map(HashMap::len).sum::<usize>(),
            LOOKUPS_STANDING_MAX
        );
    }
}
