//! Which nodes are simulated together, in a sector: a plan's matter, not a machine's, so that any number of threads gives
//! the same.
//!
//! Nodes whose links have hardly any latency are kept together, because the latency between sectors is what they may be
//! apart in time (`lockstep.rs`).

use std::time::Duration;

use super::flood;
use super::host::Tick;
use super::lockstep::SectorIndex;
use crate::plan::{LinkShape, NodeIndex, Plan};

/// Sectors of a simulation, at most: no more threads than that are of use (a guess; measured with 2 processors alone). Each is a
/// thread with a runtime, and switching between them costs some microseconds. A machine with more processors leaves some idle;
/// what comes out is the same.
pub const SECTORS_MAX: usize = 32;
/// A part of the network that is kept together has at most one of so many of its nodes, where the plan lets it: fewer
/// parts could not be divided well among threads.
const PARTS_MIN: usize = 8;
/// How far sectors may be apart where no link says it, milliseconds: now and then someone looks how far they are.
const LOOKAHEAD_MAX: Tick = 100;

/// How a plan's nodes are divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Division {
    /// The sector of each node, and of each flood's host after them.
    pub(super) sector_of: Vec<SectorIndex>,
    /// How many there are.
    pub(super) count: usize,
    /// The shortest latency between two of them, at least a millisecond.
    pub(super) lookahead: Tick,
}

impl Division {
    pub(super) fn of(plan: &Plan) -> Self {
        let links = plan.links.iter().map(|link| (link.a, link.b, latency(&link.shape)));
        // A flood's host is always with its victim, since nobody else has to do with it.
        let floods = flood::links(plan).map(|((victim, host), _)| (victim, host, 0));
        let links: Vec<(NodeIndex, NodeIndex, Tick)> = links.chain(floods).collect();
        let nodes = plan.nodes.len() + flood::count(plan);
        let mut latencies: Vec<Tick> =
            links.iter().map(|(_, _, latency)| *latency).filter(|latency| *latency > 0).collect();
        latencies.sort_unstable();
        latencies.dedup();
        let part_max = nodes.div_ceil(PARTS_MIN);
        // The longest that leaves parts which are small enough; if none does, as many parts as there can be.
        let parts = latencies
            .iter()
            .rev()
            .map(|shortest| Parts::joined_below(nodes, &links, *shortest))
            .find(|parts| parts.largest() <= part_max)
            .unwrap_or_else(|| Parts::joined_below(nodes, &links, 1));
        let (sector_of, count) = parts.spread();
        let between = links.iter().filter(|(a, b, _)| sector_of[*a] != sector_of[*b]);
        let shortest = between.map(|(_, _, latency)| *latency).min();
        let lookahead = shortest.unwrap_or(LOOKAHEAD_MAX).min(LOOKAHEAD_MAX);
        Self { sector_of, count, lookahead }
    }
}

/// Whole milliseconds of a link's latency, which nothing on it is faster than.
fn latency(shape: &LinkShape) -> Tick {
    Tick::try_from(shape.latency.as_millis()).unwrap_or(Tick::MAX)
}

/// So many ticks.
pub(super) fn lasting(ticks: Tick) -> Duration {
    Duration::from_millis(ticks)
}

/// Parts of a network: for each node the smallest of those that are kept together with it.
struct Parts(Vec<NodeIndex>);

impl Parts {
    /// Nodes with a link that is shorter than `shortest` are kept together.
    fn joined_below(nodes: usize, links: &[(NodeIndex, NodeIndex, Tick)], shortest: Tick) -> Self {
        let mut parts = Self((0..nodes).collect());
        for (a, b, _) in links.iter().filter(|(_, _, latency)| *latency < shortest) {
            let (a, b) = (parts.root(*a), parts.root(*b));
            parts.0[a.max(b)] = a.min(b);
        }
        for node in 0..nodes {
            parts.0[node] = parts.root(node);
        }
        parts
    }

    fn root(&self, node: NodeIndex) -> NodeIndex {
        let mut root = node;
        while self.0[root] != root {
            root = self.0[root];
        }
        root
    }

    fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.0.len()];
        self.0.iter().for_each(|root| sizes[*root] += 1);
        sizes
    }

    fn largest(&self) -> usize {
        self.sizes().into_iter().max().unwrap_or_default()
    }

    /// The sector of each node, and how many sectors there are: the largest parts first, each to where the fewest are.
    fn spread(&self) -> (Vec<SectorIndex>, usize) {
        let sizes = self.sizes();
        let mut parts: Vec<NodeIndex> = (0..sizes.len()).filter(|root| sizes[*root] > 0).collect();
        parts.sort_by_key(|root| std::cmp::Reverse(sizes[*root]));
        let count = parts.len().clamp(1, SECTORS_MAX);
        let mut load = vec![0; count];
        let mut sector_of_part = vec![0; sizes.len()];
        for root in parts {
            let sector = (0..count).min_by_key(|sector| load[*sector]).unwrap_or_default();
            load[sector] += sizes[root];
            sector_of_part[root] = sector;
        }
        (self.0.iter().map(|root| sector_of_part[*root]).collect(), count)
    }
}

#[cfg(test)]
mod tests;
