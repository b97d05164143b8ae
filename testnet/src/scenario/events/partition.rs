//! The groups of a partition: every node is in exactly one.

use rand::seq::SliceRandom;

use super::super::chance::{Purpose, chance};
use super::super::error::Fault;
use super::super::file;
use super::super::roster::Roster;
use super::super::values::{Names, WordOr};
use crate::plan::NodeIndex;

/// Keys of faults are those of the event's table.
pub(super) fn groups(
    table: &file::Event,
    roster: &Roster,
    seed: u64,
    index: usize,
) -> Result<Vec<Vec<NodeIndex>>, Fault> {
    match (&table.groups, table.into) {
        (Some(WordOr::List(groups)), None) => listed(groups, roster),
        (Some(WordOr::Word(word)), None) if word == "clusters" => by_cluster(roster),
        // Each for itself.
        (Some(WordOr::Word(word)), None) if word == "nodes" => {
            Ok((0..roster.nodes.len()).map(|node| vec![node]).collect())
        }
        (Some(WordOr::Word(word)), None) => {
            let message = format!(
                "there is no {word:?} here; give \"clusters\" or \"nodes\", or a list of lists of nodes"
            );
            Err(Fault::new("groups", message))
        }
        (None, Some(into)) => by_chance(into, roster, seed, index),
        (Some(_), Some(_)) => {
            Err(Fault::new("into", "groups says it already; leave one of the two out"))
        }
        (None, None) => {
            Err(Fault::new("groups", "it is missing; add it, or into = 2 for two halves by chance"))
        }
    }
}

fn listed(groups: &[Names], roster: &Roster) -> Result<Vec<Vec<NodeIndex>>, Fault> {
    if groups.len() < 2 {
        return Err(Fault::new(
            "groups",
            "a partition has two groups or more; name another, or [\"rest\"]",
        ));
    }
    let mut group_of = vec![None; roster.nodes.len()];
    let mut rest = None;
    for (number, names) in groups.iter().enumerate() {
        let fault = |message| Fault::new(format!("groups[{number}]"), message);
        if names.0 == ["rest"] {
            if rest.replace(number).is_some() {
                return Err(fault(
                    "only one group can be the rest; name the nodes of the other".to_owned(),
                ));
            }
            continue;
        }
        for node in roster.select_each(names).map_err(fault)? {
            if group_of[node].replace(number).is_some() {
                let name = &roster.nodes[node].name;
                return Err(fault(format!("{name} is named twice; leave it out of one group")));
            }
        }
    }
    let left: Vec<NodeIndex> =
        (0..group_of.len()).filter(|node| group_of[*node].is_none()).collect();
    match rest {
        Some(number) if left.is_empty() => {
            let message = "nobody is left for the rest; leave it out, or name fewer before";
            return Err(Fault::new(format!("groups[{number}]"), message));
        }
        Some(number) => left.iter().for_each(|node| group_of[*node] = Some(number)),
        None if !left.is_empty() => {
            let list = roster.list(&left);
            let message = format!("no group has {list}; name them, or add a group [\"rest\"]");
            return Err(Fault::new("groups", message));
        }
        None => {}
    }
    let members =
        |number| (0..group_of.len()).filter(|node| group_of[*node] == Some(number)).collect();
    Ok((0..groups.len()).map(members).collect())
}

fn by_cluster(roster: &Roster) -> Result<Vec<Vec<NodeIndex>>, Fault> {
    if roster.clusters() < 2 {
        let message =
            "the topology has no two clusters; take the kind clusters or lans, or list the nodes";
        return Err(Fault::new("groups", message));
    }
    let mut groups = vec![Vec::new(); roster.clusters()];
    for (node, plan) in roster.nodes.iter().enumerate() {
        groups[plan.cluster.unwrap_or_default()].push(node);
    }
    Ok(groups)
}

/// Groups of equal size, by chance; they need not hang together within.
fn by_chance(
    into: usize,
    roster: &Roster,
    seed: u64,
    index: usize,
) -> Result<Vec<Vec<NodeIndex>>, Fault> {
    let n = roster.nodes.len();
    if !(2..=n).contains(&into) {
        return Err(Fault::new(
            "into",
            format!("{into} groups of {n} nodes are out of bounds; give 2 to {n}"),
        ));
    }
    let mut nodes: Vec<NodeIndex> = (0..n).collect();
    nodes.shuffle(&mut chance(seed, Purpose::Events, index));
    let mut groups = vec![Vec::new(); into];
    for (place, node) in nodes.into_iter().enumerate() {
        groups[place * into / n].push(node);
    }
    groups.iter_mut().for_each(|group| group.sort_unstable());
    Ok(groups)
}
