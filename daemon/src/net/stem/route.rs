//! Which neighbour follows on which, for a while.
//!
//! A node draws a few successors and keeps to them for an epoch, and each neighbour that brings something has one
//! of them: what one neighbour brings always goes the same way. Were it drawn for each item anew, who writes much
//! would be met on many ways, and be found where they meet.

use std::collections::{HashMap, HashSet};

use crate::limits::{STEM_EPOCH_MAX, STEM_EPOCH_MIN, STEM_SUCCESSORS};
use libp2p::PeerId;
use martlet_protocol::Shard;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};
use tokio::time::Instant;

use super::Edge;

/// By whom something goes: keepers of a shard, or anyone.
pub(in crate::net) type Lane = Option<Shard>;

/// A neighbour that speaks the stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) struct Candidate {
    /// Who.
    pub(in crate::net) peer: PeerId,
    /// Whether this node dialled it.
    pub(in crate::net) dialled_here: bool,
}

/// The successors of this epoch.
pub(super) struct Routes {
    ends: Instant,
    successors: HashMap<Lane, Vec<PeerId>>,
    edges: HashMap<(Lane, Edge), PeerId>,
    /// Those that failed in this epoch.
    failed: HashSet<PeerId>,
}

impl Routes {
    /// None drawn yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            ends: now,
            successors: HashMap::new(),
            edges: HashMap::new(),
            failed: HashSet::new(),
        }
    }

    /// Who follows on `edge`, never the neighbour of the edge itself; `None` if there is nobody. Those that this
    /// node dialled are drawn first, where there are enough: strangers can dial as often as they like.
    pub(super) fn successor(
        &mut self,
        lane: Lane,
        edge: Edge,
        candidates: &[Candidate],
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<PeerId> {
        if now >= self.ends {
            *self = Self::new(now + rng.random_range(STEM_EPOCH_MIN..=STEM_EPOCH_MAX));
        }
        let is_there = |peer: &PeerId| candidates.iter().any(|candidate| candidate.peer == *peer);
        if let Some(peer) = self.edges.get(&(lane, edge)).filter(|peer| is_there(peer)) {
            return Some(*peer);
        }
        let drawn = self.successors.entry(lane).or_default();
        drawn.retain(is_there);
        let dialled = candidates.iter().filter(|candidate| candidate.dialled_here).count();
        if candidates.iter().all(|candidate| self.failed.contains(&candidate.peer)) {
            // Rather one of those again than none.
            self.failed.clear();
        }
        while drawn.len() < STEM_SUCCESSORS {
            let may_follow = |candidate: &&Candidate| {
                !drawn.contains(&candidate.peer)
                    && !self.failed.contains(&candidate.peer)
                    && (candidate.dialled_here || dialled < STEM_SUCCESSORS)
            };
            let left: Vec<&Candidate> = candidates.iter().filter(may_follow).collect();
            let Some(next) = left.choose(rng) else { break };
            drawn.push(next.peer);
        }
        let others: Vec<PeerId> =
            drawn.iter().copied().filter(|peer| Some(*peer) != edge).collect();
        let successor = *others.choose(rng)?;
        self.edges.insert((lane, edge), successor);
        Some(successor)
    }

    /// It follows on nobody any more; if it `failed`, it is not drawn again in this epoch where there are others.
    pub(super) fn forget(&mut self, peer: &PeerId, failed: bool) {
        if failed {
            self.failed.insert(*peer);
        }
        self.edges.retain(|(_, edge), successor| successor != peer && *edge != Some(*peer));
        for drawn in self.successors.values_mut() {
            drawn.retain(|drawn| drawn != peer);
        }
    }
}
