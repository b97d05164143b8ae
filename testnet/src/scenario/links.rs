//! How each link is.

use super::error::Fault;
use super::file::{self, Shape};
use super::limits::{LATENCY_MAX, LOSS_MAX};
use super::roster::Roster;
use super::topology::graph::Edges;
use super::values::show;
use crate::plan::{LinkPlan, LinkShape};

/// Gives each of `edges` its shape: the one of `[links]`; of `[links.bridges]`, if its ends are in
/// different clusters; of the last `[[links.between]]` that speaks of it.
pub(crate) fn shaped(
    links: &file::Links,
    edges: &Edges,
    roster: &Roster,
) -> Result<Vec<LinkPlan>, Fault> {
    let common = over(&links.shape(), LinkShape::default(), "links")?;
    let mut plans: Vec<LinkPlan> =
        edges.iter().map(|(a, b)| LinkPlan { a: *a, b: *b, shape: common }).collect();
    if let Some(bridges) = &links.bridges {
        let shape = over(bridges, common, "links.bridges")?;
        let cluster = |node: usize| roster.nodes[node].cluster;
        let mut any = false;
        for plan in plans.iter_mut().filter(|plan| cluster(plan.a) != cluster(plan.b)) {
            plan.shape = shape;
            any = true;
        }
        if !any {
            let message = "no link leads from one cluster to another; use a topology with clusters, or leave it out";
            return Err(Fault::new("links.bridges", message));
        }
    }
    for (index, between) in links.between.iter().enumerate() {
        let key = format!("links.between[{index}]");
        let nodes_key = format!("{key}.nodes");
        let [ones, others] = &between.nodes[..] else {
            let message = "it needs two lists, of the nodes on either side, such as [[\"a\"], [\"b\", \"c\"]]";
            return Err(Fault::new(nodes_key, message));
        };
        let select = |names, side: usize| {
            roster
                .select(names)
                .map_err(|message| Fault::new(format!("{nodes_key}[{side}]"), message))
        };
        let (ones, others) = (select(ones, 0)?, select(others, 1)?);
        let within = |nodes: &[usize], node: usize| nodes.binary_search(&node).is_ok();
        let mut any = false;
        for plan in &mut plans {
            let (a, b) = (plan.a, plan.b);
            if within(&ones, a) && within(&others, b) || within(&ones, b) && within(&others, a) {
                plan.shape = over(&between.shape(), plan.shape, &key)?;
                any = true;
            }
        }
        if !any {
            let message =
                "no link is between these nodes; name nodes that are linked, or leave it out";
            return Err(Fault::new(nodes_key, message));
        }
    }
    Ok(plans)
}

/// `shape`, and what it leaves open as in `below`.
fn over(shape: &Shape, below: LinkShape, key: &str) -> Result<LinkShape, Fault> {
    for (name, time) in [("latency", shape.latency), ("jitter", shape.jitter)] {
        if let Some(time) = time.filter(|time| time.0 > LATENCY_MAX) {
            let message =
                format!("{} is too long; give at most {}", show(time.0), show(LATENCY_MAX));
            return Err(Fault::new(format!("{key}.{name}"), message));
        }
    }
    if let Some(loss) = shape.loss.filter(|loss| loss.0 > LOSS_MAX) {
        let message = format!(
            "with {} of all packets lost nothing gets through; give at most {LOSS_MAX}",
            loss.0
        );
        return Err(Fault::new(format!("{key}.loss"), message));
    }
    Ok(LinkShape {
        latency: shape.latency.map_or(below.latency, |time| time.0),
        jitter: shape.jitter.map_or(below.jitter, |time| time.0),
        bandwidth_bytes_per_s: shape
            .bandwidth
            .map_or(below.bandwidth_bytes_per_s, |bandwidth| Some(bandwidth.0)),
        loss: shape.loss.map_or(below.loss, |loss| loss.0),
        loss_as: shape.loss_as.map_or(below.loss_as, Into::into),
    })
}
