//! What a network is: what does not change while it runs.

use std::time::Duration;

use serde::Serialize;

use crate::plan::{NodeIndex, Plan, Runner};
use crate::report;

/// A network, as it is to be shown.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What it is called.
    pub name: String,
    /// What it shows, in a sentence.
    pub description: String,
    /// How it is run, in a few words.
    pub run_as: &'static str,
    /// How long it runs; `None`: until it is ended.
    pub duration: Option<Duration>,
    /// Messages that will be written; `None`: nobody knows.
    pub planned: Option<usize>,
    /// Its nodes.
    pub nodes: Vec<SceneNode>,
    /// Who is to be connected to whom: `a < b`.
    pub links: Vec<(NodeIndex, NodeIndex)>,
    /// What can be done to it.
    pub can: Abilities,
}

/// A node.
#[derive(Debug, Clone)]
pub struct SceneNode {
    /// Its name, and that of its user.
    pub name: String,
    /// What it does for the network.
    pub role: &'static str,
    /// Whether it has a user.
    pub user: bool,
    /// The cluster it is in.
    pub cluster: Option<usize>,
}

/// What can be done to a network, besides stopping, killing and starting nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Abilities {
    /// Split it into groups.
    pub split: bool,
    /// Cut a single link.
    pub cut: bool,
    /// Make a node's disk full, and let a hostile peer flood it.
    pub harm: bool,
}

impl Scene {
    /// Of a plan.
    #[must_use]
    pub fn of_plan(plan: &Plan, runner: Runner, can: Abilities) -> Self {
        let node = |node: &crate::plan::NodePlan| SceneNode {
            name: node.name.clone(),
            role: node.role.name(),
            user: node.user,
            cluster: node.cluster,
        };
        Self {
            name: plan.name.clone(),
            description: plan.description.clone(),
            run_as: report::said(runner),
            duration: Some(plan.duration),
            planned: Some(plan.messages.len()),
            nodes: plan.nodes.iter().map(node).collect(),
            links: plan.links.iter().map(|link| (link.a, link.b)).collect(),
            can,
        }
    }

    /// Where the nodes stand, from (0, 0) to (1, 1): the same for the same network. On a circle where
    /// everyone is linked to everyone, or few are there.
    pub(super) fn places(&self) -> Vec<(f64, f64)> {
        let count = self.nodes.len();
        let is_full = self.links.len() == count * count.saturating_sub(1) / 2;
        let clusters: Vec<_> = self.nodes.iter().map(|node| node.cluster).collect();
        let is_clustered = clusters.iter().any(Option::is_some);
        if !is_clustered && (is_full || count <= CIRCLE_MAX) {
            return (0..count).map(|node| on_circle(node, count)).collect();
        }
        let links: Vec<_> = self.links.iter().map(|(a, b)| [*a, *b]).collect();
        report::places(&clusters, &links)
    }
}

/// So few nodes stand on a circle, however they are linked: no line goes through a third one.
const CIRCLE_MAX: usize = 24;

fn on_circle(node: usize, count: usize) -> (f64, f64) {
    let turn = node as f64 / count.max(1) as f64 * std::f64::consts::TAU;
    (0.5 + turn.sin() / 2.0, 0.5 - turn.cos() / 2.0)
}
