//! What every node saw of every envelope and ack, and what those who put it together could tell from it.
//!
//! An observer is a node that does what it should, and remembers which neighbour first brought it what, by gossip,
//! by sync and on the stem. So one run shows what any of its nodes could tell, alone or together with others: they
//! guess that who brought something to the first of them has written it (the *first spy*; Biryukov and others, 2014).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use martlet_engine::PeerKey;
use martlet_protocol::Ack;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use super::node::Sighting;
use crate::plan::NodeIndex;

/// Groups of observers that are tried, of each size.
const GROUPS: usize = 200;

/// What an envelope or ack is known by: its id; its secret, and half of its envelope's id.
pub(super) type Item = [u8; 32];

/// An ack as an item.
pub(super) fn of_ack(ack: &Ack) -> Item {
    let mut item = ack.envelope.0;
    item[..16].copy_from_slice(&ack.secret.0);
    item
}

/// What a node was brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// An envelope, to keep.
    Envelope,
    /// An envelope, to pass on.
    OnStem,
    /// An ack.
    Ack,
}

/// All that was seen.
pub(super) struct Witness {
    nodes: HashMap<PeerKey, NodeIndex>,
    /// Who made an envelope, and when.
    authors: HashMap<Item, (NodeIndex, Duration)>,
    /// Who made an ack, for which envelope.
    acks: HashMap<Item, (NodeIndex, Item)>,
    /// By whom each node was brought an item first, and the how manieth bringing that was in all.
    first: HashMap<Item, HashMap<NodeIndex, (u64, NodeIndex)>>,
    bringings: u64,
    written: HashMap<String, Duration>,
    /// From writing to "sent" and "delivered".
    sent: Vec<Duration>,
    delivered: Vec<Duration>,
}

/// What observers could tell, and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Observed {
    /// Nodes of the network.
    pub nodes: usize,
    /// For each number of observers.
    pub groups: Vec<Group>,
    /// Milliseconds until the author is told "sent".
    pub sent_ms: Times,
    /// Milliseconds until the author is told "delivered".
    pub delivered_ms: Times,
}

/// What a number of observers could tell, on average over many such groups.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Group {
    /// How many put together what they saw.
    pub observers: usize,
    /// Of a hundred envelopes of others, of how many they named the author.
    pub authors_pct: f64,
    /// Of a hundred acks of others, of how many they named whose they are.
    pub addressees_pct: f64,
    /// Of a hundred envelopes with their acks, of how many they named both.
    pub both_pct: f64,
    /// What guessing gives for the first two.
    pub chance_pct: f64,
    /// Envelopes.
    pub envelopes: usize,
}

/// Times, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Times {
    /// How many.
    pub count: usize,
    /// Half of them are no longer.
    pub p50: u64,
    /// 99 of 100.
    pub p99: u64,
}

#[derive(Default)]
struct Tally {
    right: usize,
    of: usize,
}

impl Witness {
    pub(super) fn new(nodes: HashMap<PeerKey, NodeIndex>) -> Self {
        Self {
            nodes,
            authors: HashMap::new(),
            acks: HashMap::new(),
            first: HashMap::new(),
            bringings: 0,
            written: HashMap::new(),
            sent: Vec::new(),
            delivered: Vec::new(),
        }
    }

    /// Takes what was seen next.
    pub(super) fn see(&mut self, at: Duration, sighting: &Sighting) {
        match sighting {
            Sighting::Made { node, id } => {
                self.authors.entry(*id).or_insert((*node, at));
            }
            Sighting::AckMade { node, item, envelope } => {
                self.acks.entry(*item).or_insert((*node, *envelope));
            }
            Sighting::Brought { node, from, item, .. } => {
                let Some(from) = self.nodes.get(from) else { return };
                self.bringings += 1;
                let first = self.first.entry(*item).or_default();
                first.entry(*node).or_insert((self.bringings, *from));
            }
            Sighting::Sent { id } => {
                self.sent.extend(self.written.get(id).map(|written| at.saturating_sub(*written)));
            }
            Sighting::Delivered { id } => {
                let written = self.written.get(id);
                self.delivered.extend(written.map(|written| at.saturating_sub(*written)));
            }
            Sighting::Seen { .. }
            | Sighting::Shown { .. }
            | Sighting::KnowsRevoked { .. }
            | Sighting::Room { .. }
            | Sighting::FileWhole { .. }
            | Sighting::FileFailed { .. }
            | Sighting::Fetched { .. } => {}
        }
    }

    /// A message was written.
    pub(super) fn written(&mut self, id: String, at: Duration) {
        self.written.insert(id, at);
    }

    /// What groups of so many observers could tell of what was made after `since`.
    pub(super) fn conclude(mut self, sizes: &[usize], since: Duration, seed: u64) -> Observed {
        let nodes = self.nodes.len();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let groups = sizes.iter().map(|size| self.group(*size, since, &mut rng)).collect();
        Observed {
            nodes,
            groups,
            sent_ms: times(&mut self.sent),
            delivered_ms: times(&mut self.delivered),
        }
    }

    fn group(&self, size: usize, since: Duration, rng: &mut ChaCha8Rng) -> Group {
        let nodes = self.nodes.len();
        let (mut authors, mut addressees, mut both) =
            (Tally::default(), Tally::default(), Tally::default());
        for number in 0..GROUPS {
            let group: HashSet<NodeIndex> = if size == 1 {
                HashSet::from([number % nodes])
            } else {
                rand::seq::index::sample(rng, nodes, size.min(nodes)).into_iter().collect()
            };
            let mut named = HashMap::new();
            for (item, (author, at)) in &self.authors {
                if *at < since || group.contains(author) {
                    continue;
                }
                let is_right = self.guess(item, &group) == Some(*author);
                authors.count(is_right);
                named.insert(item, is_right);
            }
            for (item, (addressee, envelope)) in &self.acks {
                let Some(author_named) = named.get(envelope) else { continue };
                if group.contains(addressee) {
                    continue;
                }
                let is_right = self.guess(item, &group) == Some(*addressee);
                addressees.count(is_right);
                both.count(is_right && *author_named);
            }
        }
        Group {
            observers: size,
            authors_pct: authors.pct(),
            addressees_pct: addressees.pct(),
            both_pct: both.pct(),
            chance_pct: 100.0 / nodes.saturating_sub(size).max(1) as f64,
            envelopes: self.authors.values().filter(|(_, at)| *at >= since).count(),
        }
    }

    /// Who brought it to the first of the group.
    fn guess(&self, item: &Item, group: &HashSet<NodeIndex>) -> Option<NodeIndex> {
        let seen = self.first.get(item)?;
        let first = group.iter().filter_map(|node| seen.get(node)).min()?;
        Some(first.1)
    }
}

impl Tally {
    fn count(&mut self, is_right: bool) {
        self.of += 1;
        self.right += usize::from(is_right);
    }

    fn pct(&self) -> f64 {
        if self.of == 0 { 0.0 } else { 100.0 * self.right as f64 / self.of as f64 }
    }
}

fn times(found: &mut [Duration]) -> Times {
    found.sort_unstable();
    let at = |part: usize| {
        let place = (found.len() * part / 100).min(found.len().saturating_sub(1));
        found.get(place).map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    };
    Times { count: found.len(), p50: at(50), p99: at(99) }
}
