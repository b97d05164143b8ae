//! The network as Shadow's graph, in the Graph Modelling Language.
//!
//! Shadow routes by the quickest way through its graph unless told not to; then there must be
//! exactly one edge for each pair of places, and one from each to itself. That is what is written
//! here, since a slow link of a scenario must not be gone round by two quick ones. Where all links
//! are alike, all nodes are at one place.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::ExportError;
use crate::plan::{LinkShape, NodeIndex, Plan};

/// Most nodes whose links differ: 45 MB of graph.
const PLACES_MAX: usize = 1_000;
/// Shadow advances in steps of the shortest delay; and a delay of 0 it refuses.
const LATENCY_MIN: Duration = Duration::from_micros(100);
/// Of hosts whose links have no bound.
const BANDWIDTH: &str = "1 Gbit";

/// The graph, and at which of its places each node and the driver are.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) gml: String,
    pub(super) places: Vec<usize>,
    pub(super) driver: usize,
}

pub(super) fn graph(plan: &Plan) -> Result<Graph, ExportError> {
    let mut shapes = plan.links.iter().map(|link| link.shape);
    let first = shapes.next().unwrap_or_default();
    if shapes.all(|shape| same_for_shadow(shape, first)) {
        let edges = [(0, 0, first), (0, 1, LinkShape::default()), (1, 1, LinkShape::default())];
        return Ok(Graph { gml: gml(2, edges), places: vec![0; plan.nodes.len()], driver: 1 });
    }
    let nodes = plan.nodes.len();
    if nodes > PLACES_MAX {
        return Err(ExportError::TooManyNodes { nodes, max: PLACES_MAX });
    }
    let links: BTreeMap<(NodeIndex, NodeIndex), LinkShape> = plan
        .links
        .iter()
        .map(|link| ((link.a.min(link.b), link.a.max(link.b)), link.shape))
        .collect();
    // Those that aren't linked never speak; the driver speaks with all.
    let pairs = (0..=nodes).flat_map(|a| (a..=nodes).map(move |b| (a, b)));
    let edges = pairs.map(|(a, b)| (a, b, links.get(&(a, b)).copied().unwrap_or_default()));
    Ok(Graph { gml: gml(nodes + 1, edges), places: (0..nodes).collect(), driver: nodes })
}

/// What a node may send in a second, in Shadow's words, if all its links are bounded.
pub(super) fn bandwidth(plan: &Plan, node: NodeIndex) -> Option<String> {
    let links = plan.links.iter().filter(|link| link.a == node || link.b == node);
    let each: Option<Vec<u64>> = links.map(|link| link.shape.bandwidth_bytes_per_s).collect();
    let sum = each
        .filter(|each| !each.is_empty())?
        .iter()
        .fold(0u64, |sum, one| sum.saturating_add(*one));
    Some(format!("{} bit", sum.saturating_mul(8)))
}

fn same_for_shadow(a: LinkShape, b: LinkShape) -> bool {
    a.latency == b.latency && a.loss == b.loss
}

fn gml(places: usize, edges: impl IntoIterator<Item = (usize, usize, LinkShape)>) -> String {
    let mut text = String::from("graph [\n  directed 0\n");
    // Writing to a string doesn't fail.
    for id in 0..places {
        let _ = writeln!(
            text,
            "  node [\n    id {id}\n    host_bandwidth_down \"{BANDWIDTH}\"\n    host_bandwidth_up \"{BANDWIDTH}\"\n  ]"
        );
    }
    for (source, target, shape) in edges {
        let latency_us = shape.latency.max(LATENCY_MIN).as_micros();
        let _ = writeln!(
            text,
            "  edge [\n    source {source}\n    target {target}\n    latency \"{latency_us} us\"\n    packet_loss {:?}\n  ]",
            shape.loss
        );
    }
    text.push_str("]\n");
    text
}
