//! The stem: own envelopes and acks go a few nodes far from neighbour to neighbour before one of them gossips
//! them, so that who gossips something first is seldom its author. The idea is that of Dandelion++ (Fanti and
//! others, 2018); `docs/wire-format.md` has the protocol, and what it is good for is in `docs/threat-model.md`.
//!
//! Pure bookkeeping, time and chance as arguments. What is on the stem is in memory alone, and is told to nobody
//! but its successor. Each node of the stem, its beginning included, publishes it after a random time if it did
//! not come by gossip meanwhile: so nobody can make it vanish, and who publishes it then may be any of them.

pub(super) mod codec;
mod route;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use crate::limits::{
    STEM_BYTES_MAX, STEM_FAILSAFE_MAX, STEM_FAILSAFE_MEAN, STEM_FAILSAFE_MIN, STEM_IN_FLIGHT_MAX,
    STEM_ITEMS_MAX, STEM_ITEMS_PER_PEER_MAX, STEM_OWN_HELD_MAX, STEM_QUEUE_MAX,
};
use libp2p::PeerId;
use libp2p::request_response::OutboundRequestId;
use martlet_engine::Stemmed;
use martlet_protocol::{Envelope, Shard};
use rand::{Rng, RngExt};
use tokio::time::Instant;

use route::Routes;
pub(super) use route::{Candidate, Lane};

/// What something on the stem is known by: an envelope's id, the digest of an ack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key([u8; 32]);

/// Who brought it; `None` where it is the user's own.
pub(super) type Edge = Option<PeerId>;

/// One hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ride {
    /// Of what.
    pub(super) key: Key,
    /// Whence it came.
    pub(super) edge: Edge,
    /// Whether it was tried before, with another successor.
    pub(super) is_again: bool,
}

/// Something on the stem, as far as this node knows.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// What it is.
    pub(super) item: Stemmed,
    /// Who brought it first.
    pub(super) edge: Edge,
    due: Instant,
}

/// What is on the stem here, where it goes, and what is on its way.
pub(super) struct Stem {
    routes: Routes,
    held: HashMap<Key, Held>,
    dues: BTreeSet<(Instant, Key)>,
    /// Bytes of others' envelopes held, and how many items of each peer, and of the user's own.
    bytes: usize,
    by_peer: HashMap<PeerId, usize>,
    own: usize,
    /// Own items without a successor yet.
    waiting: Vec<Key>,
    queues: HashMap<PeerId, Queue>,
    sent: HashMap<OutboundRequestId, (PeerId, Ride)>,
}

/// What waits for one successor.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Ride>,
    /// What of whom waits in it: what a neighbour brings twice waits once.
    has: HashSet<(Key, Edge)>,
    in_flight: usize,
}

impl Key {
    /// Of something on the stem.
    pub(super) fn of(item: &Stemmed) -> Self {
        match item {
            Stemmed::Envelope(envelope) => Self(envelope.id().0),
            Stemmed::Ack(ack) => {
                let mut hasher = blake3::Hasher::new();
                hasher.update(&ack.envelope.0).update(&[ack.slot]).update(&ack.secret.0);
                Self(*hasher.finalize().as_bytes())
            }
        }
    }

    /// Of the envelope with this id.
    pub(super) fn envelope(id: martlet_protocol::EnvelopeId) -> Self {
        Self(id.0)
    }
}

impl Stem {
    /// Nothing on it.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            routes: Routes::new(now),
            held: HashMap::new(),
            dues: BTreeSet::new(),
            bytes: 0,
            by_peer: HashMap::new(),
            own: 0,
            waiting: Vec::new(),
            queues: HashMap::new(),
            sent: HashMap::new(),
        }
    }

    /// Holds an item until it is seen in gossip, or its fail-safe is due. What is held already stays as it is.
    /// Returns whether there is room for it.
    pub(super) fn hold(
        &mut self,
        key: Key,
        item: &Stemmed,
        edge: Edge,
        now: Instant,
        rng: &mut impl Rng,
    ) -> bool {
        let is_held = self.held.contains_key(&key);
        let bytes = self.bytes + bytes_of(item);
        match edge {
            None if is_held => return true,
            None if self.own >= STEM_OWN_HELD_MAX => return false,
            None => self.own += 1,
            Some(peer) => {
                let of_peer = self.by_peer.get(&peer).copied().unwrap_or(0);
                // Asked before whether it is held: else who has used up its share would be told which items,
                // of those that it knows, are on the stem here.
                if self.held.len() - self.own >= STEM_ITEMS_MAX
                    || bytes > STEM_BYTES_MAX
                    || of_peer >= STEM_ITEMS_PER_PEER_MAX
                {
                    return false;
                }
                if is_held {
                    return true;
                }
                self.bytes = bytes;
                self.by_peer.insert(peer, of_peer + 1);
            }
        }
        let due = now + failsafe(rng);
        self.dues.insert((due, key));
        self.held.insert(key, Held { item: item.clone(), edge, due });
        true
    }

    /// Takes an item off the stem: it was seen in gossip, or is published here.
    pub(super) fn take(&mut self, key: &Key) -> Option<Held> {
        let held = self.held.remove(key)?;
        self.dues.remove(&(held.due, *key));
        self.waiting.retain(|waiting| waiting != key);
        match held.edge {
            None => self.own -= 1,
            Some(peer) => {
                self.bytes = self.bytes.saturating_sub(bytes_of(&held.item));
                if let Some(count) = self.by_peer.get_mut(&peer) {
                    *count -= 1;
                    if *count == 0 {
                        self.by_peer.remove(&peer);
                    }
                }
            }
        }
        Some(held)
    }

    /// What is held under a key.
    pub(super) fn get(&self, key: &Key) -> Option<&Held> {
        self.held.get(key)
    }

    /// Whether nothing is on it.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Takes what was not seen in time.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<(Key, Held)> {
        let mut taken = Vec::new();
        while let Some((_, key)) = self.dues.first().copied().filter(|(due, _)| *due <= now) {
            taken.extend(self.take(&key).map(|held| (key, held)));
        }
        taken
    }

    /// When something is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.dues.first().map(|(due, _)| *due)
    }

    /// The successor of an edge in this epoch; see [`Routes::successor`].
    pub(super) fn successor(
        &mut self,
        lane: Lane,
        edge: Edge,
        candidates: &[Candidate],
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<PeerId> {
        self.routes.successor(lane, edge, candidates, now, rng)
    }

    /// A successor no more: it is gone, or `failed`. Returns what waited for it.
    pub(super) fn forget(&mut self, peer: &PeerId, failed: bool) -> Vec<Ride> {
        self.routes.forget(peer, failed);
        // What is in flight is counted until it is over.
        let Some(queue) = self.queues.get_mut(peer) else { return Vec::new() };
        queue.has.clear();
        std::mem::take(&mut queue.waiting).into()
    }

    /// An own item waits for a successor.
    pub(super) fn wait(&mut self, key: Key) {
        self.waiting.push(key);
    }

    /// Own items that wait for a successor.
    pub(super) fn take_waiting(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.waiting)
    }

    /// A hop to `peer`, once those before it are over. What is one too many goes nowhere: its fail-safe is left.
    pub(super) fn enqueue(&mut self, peer: PeerId, ride: Ride) {
        let queue = self.queues.entry(peer).or_default();
        if queue.waiting.len() < STEM_QUEUE_MAX && queue.has.insert((ride.key, ride.edge)) {
            queue.waiting.push_back(ride);
        }
    }

    /// The next hop, and what goes. What came off the stem meanwhile goes no further.
    pub(super) fn next_hop(&mut self) -> Option<(PeerId, Ride, Stemmed)> {
        for (peer, queue) in &mut self.queues {
            while queue.in_flight < STEM_IN_FLIGHT_MAX
                && let Some(ride) = queue.waiting.pop_front()
            {
                queue.has.remove(&(ride.key, ride.edge));
                if let Some(held) = self.held.get(&ride.key) {
                    queue.in_flight += 1;
                    return Some((*peer, ride, held.item.clone()));
                }
            }
        }
        self.queues.retain(|_, queue| queue.in_flight > 0);
        None
    }

    /// A hop has begun.
    pub(super) fn sent(&mut self, request: OutboundRequestId, peer: PeerId, ride: Ride) {
        self.sent.insert(request, (peer, ride));
    }

    /// A hop is over, well or not.
    pub(super) fn ended(&mut self, request: &OutboundRequestId) -> Option<(PeerId, Ride)> {
        let (peer, ride) = self.sent.remove(request)?;
        if let Some(queue) = self.queues.get_mut(&peer) {
            queue.in_flight = queue.in_flight.saturating_sub(1);
        }
        Some((peer, ride))
    }
}

/// What counts against the bound of bytes.
fn bytes_of(item: &Stemmed) -> usize {
    match item {
        Stemmed::Envelope(Envelope { content, .. }) => content.len(),
        Stemmed::Ack(_) => 0,
    }
}

/// How long one node of a stem waits. How long it has waited already tells nothing of when it will be over:
/// exponential, after a time in which the longest stem comes to its end.
fn failsafe(rng: &mut impl Rng) -> Duration {
    // In (0, 1].
    let chance = 1.0 - rng.random::<f64>();
    (STEM_FAILSAFE_MIN + STEM_FAILSAFE_MEAN.mul_f64(-chance.ln())).min(STEM_FAILSAFE_MAX)
}

/// By which successors something goes: on a network with shards by keepers of its own.
pub(super) fn lane(item: &Stemmed, shard_bits: u8) -> Lane {
    match item {
        Stemmed::Envelope(envelope) if shard_bits > 0 => {
            martlet_protocol::Header::parse(&envelope.content).map(|header| header.shard).ok()
        }
        Stemmed::Envelope(_) | Stemmed::Ack(_) => None::<Shard>,
    }
}

#[cfg(test)]
mod tests;
