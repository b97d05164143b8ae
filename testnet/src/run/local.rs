//! Processes on loopback.
//!
//! Links are the nodes' static peers, every second one over QUIC. One that is split or that is not
//! as fast as loopback runs through a [`Link`] of this process.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::try_join_all;

use super::machine::{self, Needs};
use super::processes::{Processes, RunOptions};
use super::{Hosts, RunError};
use crate::cluster::{ClusterError, Link};
use crate::dashboard::Abilities;
use crate::plan::{Event, LinkShape, LossAs, NodeIndex, Plan, Runner};

/// The most nodes.
const NODES_MAX: usize = 200;

/// The nodes of a plan as processes on loopback. They end with it.
pub struct Local {
    processes: Processes,
    /// Of each node, its neighbours.
    neighbours: Vec<Vec<Neighbour>>,
    names: Vec<String>,
    /// The ways that are proxied: from, to.
    links: RefCell<HashMap<(NodeIndex, NodeIndex), Link>>,
    /// The group of each node, while the network is split.
    groups: RefCell<Option<Vec<usize>>>,
    /// Links that were cut by hand: the smaller number first.
    cuts: RefCell<HashSet<(NodeIndex, NodeIndex)>>,
    can_split: bool,
    by_hand: bool,
    notes: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
struct Neighbour {
    node: NodeIndex,
    shape: LinkShape,
}

impl Local {
    /// Checks that `plan` can be run so on this machine. Nothing is started yet.
    ///
    /// # Errors
    /// [`RunError::Refused`] with all reasons; [`RunError::Cluster`] when there is no place for the nodes' files.
    pub fn new(plan: &Plan, options: &RunOptions) -> Result<Self, RunError> {
        let can_split = options.by_hand
            || plan.events.iter().any(|timed| matches!(timed.event, Event::Partition(_)));
        let is_proxied = |shape: LinkShape| can_split || !shape.is_plain();
        let proxied = plan.links.iter().filter(|link| is_proxied(link.shape)).count();
        let resets = plan.links.iter().filter(|link| is_reset(link.shape)).count();
        let mut reasons = Vec::new();
        if plan.nodes.len() > NODES_MAX {
            reasons.push(format!(
                "it has {} nodes, and {NODES_MAX} processes are the most; use sim for more",
                plan.nodes.len()
            ));
        }
        let users = plan.nodes.iter().filter(|node| node.user).count();
        reasons.extend(machine::lacks(Needs { nodes: plan.nodes.len(), users, proxied }));
        if !reasons.is_empty() {
            return Err(RunError::Refused { runner: "local", reasons });
        }
        let mut notes = machine::notes(plan);
        if resets > 0 {
            notes.push(format!(
                "{resets} of {} links run over TCP only: QUIC has no connections that a loss resets",
                plan.links.len()
            ));
        }
        let mut neighbours = vec![Vec::new(); plan.nodes.len()];
        for link in &plan.links {
            for (one, other) in [(link.a, link.b), (link.b, link.a)] {
                let of = neighbours.get_mut(one).ok_or(RunError::NoNode { node: one })?;
                of.push(Neighbour { node: other, shape: link.shape });
            }
        }
        Ok(Self {
            processes: Processes::new(plan, options, |_, _| {})?,
            neighbours,
            names: plan.nodes.iter().map(|node| node.name.clone()).collect(),
            links: RefCell::default(),
            groups: RefCell::default(),
            cuts: RefCell::default(),
            can_split,
            by_hand: options.by_hand,
            notes,
        })
    }

    /// Where the nodes' directories are.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.processes.path()
    }

    /// The ways to all neighbours that were started.
    async fn ways(&self, from: NodeIndex) -> Result<Vec<String>, ClusterError> {
        let mut ways = Vec::new();
        for neighbour in self.neighbours.get(from).into_iter().flatten() {
            let to = neighbour.node;
            let Some(addresses) = self.processes.addresses(to)? else { continue };
            let shape = neighbour.shape;
            let by_tcp = (from + to).is_multiple_of(2) || is_reset(shape);
            let address = if by_tcp { addresses.tcp } else { addresses.quic };
            let is_proxied = self.can_split || !shape.is_plain();
            ways.push(if is_proxied {
                self.link(from, to, &address, shape).await?
            } else {
                address
            });
        }
        Ok(ways)
    }

    /// The address of a link, which is made if there is none yet.
    async fn link(
        &self,
        from: NodeIndex,
        to: NodeIndex,
        address: &str,
        shape: LinkShape,
    ) -> Result<String, ClusterError> {
        if let Some(link) = self.links.borrow().get(&(from, to)) {
            return Ok(link.address().to_owned());
        }
        let name = self.names.get(to).map_or("?", String::as_str);
        let link = Link::shaped(name, address, shape).await?;
        if self.are_apart(from, to) {
            link.hold();
        }
        let address = link.address().to_owned();
        self.links.borrow_mut().insert((from, to), link);
        Ok(address)
    }

    fn are_apart(&self, one: NodeIndex, other: NodeIndex) -> bool {
        let is_split = |groups: &Vec<usize>| groups.get(one) != groups.get(other);
        self.groups.borrow().as_ref().is_some_and(is_split)
            || self.cuts.borrow().contains(&(one.min(other), one.max(other)))
    }

    /// Holds the links of those that are apart, and mends all others.
    fn apply(&self) {
        for ((from, to), link) in &*self.links.borrow() {
            if self.are_apart(*from, *to) {
                link.hold();
            } else {
                link.mend();
            }
        }
    }
}

/// Whether connections over a link break by losses.
fn is_reset(shape: LinkShape) -> bool {
    shape.loss > 0.0 && shape.loss_as == LossAs::Reset
}

/// The group of each of `nodes` nodes.
pub(super) fn group_of(groups: &[Vec<NodeIndex>], nodes: usize) -> Vec<usize> {
    let mut group_of = vec![0; nodes];
    for (number, group) in groups.iter().enumerate() {
        for node in group {
            if let Some(of) = group_of.get_mut(*node) {
                *of = number;
            }
        }
    }
    group_of
}

impl Hosts for Local {
    fn runner(&self) -> Runner {
        Runner::Local
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn abilities(&self) -> Abilities {
        Abilities { split: self.can_split, cut: self.can_split, harm: self.by_hand }
    }

    fn cut(&self, a: NodeIndex, b: NodeIndex, cut: bool) -> Result<(), ClusterError> {
        let pair = (a.min(b), a.max(b));
        if cut {
            self.cuts.borrow_mut().insert(pair);
        } else {
            self.cuts.borrow_mut().remove(&pair);
        }
        self.apply();
        Ok(())
    }

    async fn begin(&self, nodes: &[NodeIndex]) -> Result<(), ClusterError> {
        // Each after those that it dials, which have the larger numbers: their ports are chosen by
        // the system.
        try_join_all(nodes.iter().map(async |node| {
            for neighbour in self.neighbours.get(*node).into_iter().flatten() {
                if neighbour.node > *node && nodes.contains(&neighbour.node) {
                    self.processes.until_started(neighbour.node).await?;
                }
            }
            self.start(*node).await
        }))
        .await
        .map(drop)
    }

    async fn start(&self, node: NodeIndex) -> Result<(), ClusterError> {
        let ways = self.ways(node).await?;
        self.processes.start(node, ways).await
    }

    async fn stop(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.processes.stop(node).await
    }

    async fn kill(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.processes.kill(node).await
    }

    async fn erase(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.processes.erase(node).await
    }

    fn socket(&self, node: NodeIndex) -> Result<PathBuf, ClusterError> {
        self.processes.socket(node)
    }

    async fn check(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.processes.check(node).await
    }

    async fn partition(&self, groups: &[Vec<NodeIndex>]) -> Result<(), ClusterError> {
        self.groups.replace(Some(group_of(groups, self.neighbours.len())));
        self.apply();
        Ok(())
    }

    async fn heal(&self) -> Result<(), ClusterError> {
        self.groups.replace(None);
        self.cuts.borrow_mut().clear();
        self.apply();
        Ok(())
    }

    async fn fill_disk(&self, node: NodeIndex, full: bool) -> Result<(), ClusterError> {
        self.processes.fill_disk(node, full).await
    }

    async fn jump_clock(&self, node: NodeIndex, by_ms: i64) -> Result<(), ClusterError> {
        self.processes.jump_clock(node, by_ms)
    }

    async fn flood(
        &self,
        at: NodeIndex,
        envelopes_per_s: u32,
        bytes: usize,
        lasts: Duration,
    ) -> Result<(), ClusterError> {
        self.processes.flood(at, (envelopes_per_s, bytes, lasts), None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_in_a_group() {
        assert_eq!(group_of(&[vec![0, 3], vec![1, 2]], 4), [0, 1, 1, 0]);
    }
}
