//! Processes in network namespaces, each a host with an address of its own on one bridge.
//!
//! Where the plan has everyone linked to everyone, and links as they come, nodes find each other by
//! mDNS as on any LAN. Else mDNS is off, links are static peers, and the kernel shapes what goes
//! over them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::try_join_all;

use super::local::group_of;
use super::machine::{self, Needs};
use super::processes::{Processes, RunOptions};
use super::{Hosts, RunError};
use crate::cluster::{ClusterError, HOSTS_MAX, Lan, address, needs_netem};
use crate::dashboard::Abilities;
use crate::plan::{Event, LinkShape, LossAs, NodeIndex, Plan, Runner};

/// The port that a daemon takes which nobody configured.
const PORT: u16 = 4177;

/// The nodes of a plan as processes in namespaces. They end with it, and the namespaces with them.
pub struct Netns {
    // Before the network: they end before it is taken away.
    processes: Processes,
    lan: Lan,
    nodes: usize,
    /// Neighbours of each node; empty where mDNS finds them.
    neighbours: Vec<Vec<NodeIndex>>,
    /// The nodes that are flooded, by an attacker on the last host.
    victim: Option<NodeIndex>,
    notes: Vec<String>,
}

impl Netns {
    /// Checks that `plan` can be run so on this machine, and makes the network. No node is started yet.
    ///
    /// # Errors
    /// [`RunError::Refused`] with all reasons: this isn't root, or the kernel can't delay packets.
    pub fn new(plan: &Plan, options: &RunOptions) -> Result<Self, RunError> {
        let refused = |reasons| RunError::Refused { runner: "netns", reasons };
        let nodes = plan.nodes.len();
        let victim = plan.events.iter().find_map(|timed| match timed.event {
            Event::Flood { at, .. } => Some(at),
            _ => None,
        });
        let hosts = nodes + usize::from(victim.is_some());
        let mut reasons = Vec::new();
        if hosts > HOSTS_MAX {
            reasons.push(format!("it has {hosts} hosts, and {HOSTS_MAX} are the most"));
        }
        let users = plan.nodes.iter().filter(|node| node.user).count();
        reasons.extend(machine::lacks(Needs { nodes, users, proxied: 0 }));
        if !reasons.is_empty() {
            return Err(refused(reasons));
        }
        let lan = Lan::new([hosts, 0]).map_err(|error| refused(vec![error.to_string()]))?;
        let shaped = plan.links.iter().filter(|link| link.shape != LinkShape::default()).count();
        if let Some(link) = plan.links.iter().find(|link| needs_netem(&link.shape))
            && let Err(error) = lan.can_delay()
        {
            return Err(refused(vec![format!(
                "this kernel can't delay or lose packets ({error}), as its links ask for (the first: {} ms, {} % \
                 loss). With netem (CONFIG_NET_SCH_NETEM) it could; local and sim can without",
                link.shape.latency.as_millis(),
                link.shape.loss * 100.0
            )]));
        }

        let mut notes = machine::notes(plan);
        let is_lan = shaped == 0 && plan.links.len() == nodes * nodes.saturating_sub(1) / 2;
        let mut neighbours = vec![Vec::new(); nodes];
        if is_lan {
            notes.push("the topology is the LAN: nodes find each other by mDNS".to_owned());
        } else {
            for link in &plan.links {
                for (one, other) in [(link.a, link.b), (link.b, link.a)] {
                    let of: &mut Vec<NodeIndex> =
                        neighbours.get_mut(one).ok_or(RunError::NoNode { node: one })?;
                    of.push(other);
                }
            }
            shape(plan, &lan)?;
        }
        if plan
            .links
            .iter()
            .any(|link| link.shape.loss > 0.0 && link.shape.loss_as == LossAs::Reset)
        {
            notes.push("losses are lost packets: loss_as = \"reset\" is not applied".to_owned());
        }
        let processes = Processes::new(plan, options, |node, options| {
            options.namespace = Some(lan.namespace(node));
            options.mdns = Some(is_lan);
        })?;
        Ok(Self { processes, lan, nodes, neighbours, victim, notes })
    }

    /// Where the nodes' directories are.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.processes.path()
    }

    /// The addresses of those neighbours of `from` that it is to dial.
    fn ways(&self, from: NodeIndex, dials: impl Fn(NodeIndex) -> bool) -> Vec<String> {
        let neighbours = self.neighbours.get(from).into_iter().flatten();
        let dialled = neighbours.filter(|to| dials(**to)).map(|to| match (from + to) % 2 {
            0 => format!("/ip4/{}/tcp/{PORT}", address(*to)),
            _ => format!("/ip4/{}/udp/{PORT}/quic-v1", address(*to)),
        });
        dialled.collect()
    }
}

/// Has the kernel shape the links that are not as they come.
fn shape(plan: &Plan, lan: &Lan) -> Result<(), RunError> {
    for node in 0..plan.nodes.len() {
        let shaped = plan.links.iter().filter(|link| link.shape != LinkShape::default());
        let to: Vec<(NodeIndex, LinkShape)> = shaped
            .filter_map(|link| match (link.a == node, link.b == node) {
                (true, _) => Some((link.b, link.shape)),
                (_, true) => Some((link.a, link.shape)),
                (false, false) => None,
            })
            .collect();
        if !to.is_empty() {
            lan.shape(node, &to)?;
        }
    }
    Ok(())
}

impl Hosts for Netns {
    fn runner(&self) -> Runner {
        Runner::Netns
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }

    fn abilities(&self) -> Abilities {
        // A flood needs a host of its own, which is made where the plan has one.
        Abilities { split: true, cut: false, harm: false }
    }

    async fn begin(&self, nodes: &[NodeIndex]) -> Result<(), ClusterError> {
        // Of two, the first dials.
        let started =
            nodes.iter().map(|node| self.processes.start(*node, self.ways(*node, |to| to > *node)));
        try_join_all(started).await.map(drop)
    }

    async fn start(&self, node: NodeIndex) -> Result<(), ClusterError> {
        self.processes.start(node, self.ways(node, |_| true)).await
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
        let mut group_of = group_of(groups, self.nodes);
        // The attacker goes with its victim.
        group_of.extend(self.victim.and_then(|victim| group_of.get(victim).copied()));
        Ok(self.lan.separate(&group_of)?)
    }

    async fn heal(&self) -> Result<(), ClusterError> {
        Ok(self.lan.reunite()?)
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
        let attacker = self.lan.namespace(self.nodes);
        self.processes.flood(at, (envelopes_per_s, bytes, lasts), Some(&attacker)).await
    }
}
