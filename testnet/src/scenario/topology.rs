//! Who is linked with whom.

use std::ops::Range;

use rand::seq::index::sample;
use rand_chacha::ChaCha20Rng;

use super::error::Fault;
use super::file::{self, Joined, TopologyKind};
use super::limits::{CLUSTERS_MAX, LINKS_MAX, LINKS_PER_NODE_MAX};
use super::roster::{Group, Roster};
use super::source::advise;
use crate::plan::NodeIndex;

pub(crate) mod graph;

use graph::{Edges, pair};

/// The links of `roster`'s nodes, which are put into clusters where the topology has such. `list`
/// is the content of the file of edges.
pub(crate) fn links(
    topology: &file::Topology,
    given: &[String],
    list: Option<&str>,
    roster: &mut Roster,
    chance: &mut ChaCha20Rng,
) -> Result<Edges, Fault> {
    check_keys(topology.kind, given)?;
    let has_clusters = matches!(topology.kind, TopologyKind::Clusters | TopologyKind::Lans);
    let assigned =
        |group: &Group| group.members.clone().any(|node| roster.assigned[node].is_some());
    if let Some(index) = roster.groups.iter().position(assigned).filter(|_| !has_clusters) {
        let word = topology.kind.word();
        let message = format!(
            "a topology of the kind {word} has no clusters; take the kind clusters or lans"
        );
        return Err(Fault::new(format!("nodes[{index}].cluster"), message));
    }
    let n = roster.nodes.len();
    let wrong = |key: &str, message: String| Fault::new(format!("topology.{key}"), message);
    let edges = match topology.kind {
        TopologyKind::Full => {
            let links = n * (n - 1) / 2;
            if links > LINKS_MAX {
                return Err(wrong(
                    "kind",
                    format!(
                        "{n} nodes in a full mesh have {links} links; have at most {LINKS_MAX}, or take random-regular"
                    ),
                ));
            }
            graph::full(n)
        }
        TopologyKind::RandomRegular => {
            let degree = needed(topology.degree, "degree")?;
            check_number(n, degree, "degree")?;
            graph::random_regular(n, degree, chance).map_err(|message| wrong("degree", message))?
        }
        TopologyKind::SmallWorld => {
            let degree = needed(topology.degree, "degree")?;
            let rewire = needed(topology.rewire, "rewire")?.0;
            check_number(n, degree, "degree")?;
            graph::small_world(n, degree, rewire, chance)
                .map_err(|message| wrong("degree", message))?
        }
        TopologyKind::ScaleFree => {
            let links = needed(topology.links, "links")?;
            check_number(n, links, "links")?;
            graph::scale_free(n, links, chance).map_err(|message| wrong("links", message))?
        }
        TopologyKind::Clusters => clusters(topology, roster, chance)?,
        TopologyKind::Lans => lans(topology, roster, chance)?,
        TopologyKind::Edges => listed(topology, list, roster)?,
    };
    check(topology.kind, &edges, roster)?;
    Ok(edges)
}

fn check_keys(kind: TopologyKind, given: &[String]) -> Result<(), Fault> {
    let known = kind.keys();
    match given.iter().find(|key| *key != "kind" && !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let word = kind.word();
            let message = match known {
                [] => format!("a topology of the kind {word} has no such key; leave it out"),
                _ => {
                    format!("a topology of the kind {word} has no such key; {}", advise(key, known))
                }
            };
            Err(Fault::new(format!("topology.{key}"), message))
        }
    }
}

fn needed<T>(value: Option<T>, key: &str) -> Result<T, Fault> {
    value.ok_or_else(|| Fault::new(format!("topology.{key}"), "it is missing; add it"))
}

/// Before they are made, lest that takes all memory. What no node can have is told by the graph.
fn check_number(n: usize, degree: usize, key: &str) -> Result<(), Fault> {
    if degree < n && n * degree > 2 * LINKS_MAX {
        let message = format!(
            "{n} nodes with {degree} links each are too many; have at most {LINKS_MAX} links"
        );
        return Err(Fault::new(format!("topology.{key}"), message));
    }
    Ok(())
}

fn check(kind: TopologyKind, edges: &Edges, roster: &Roster) -> Result<(), Fault> {
    let key = if kind == TopologyKind::Edges { "topology" } else { "topology.kind" };
    let n = roster.nodes.len();
    if edges.len() > LINKS_MAX {
        let message = format!("there are {} links; have at most {LINKS_MAX}", edges.len());
        return Err(Fault::new(key, message));
    }
    if let Some(apart) = graph::apart(n, edges) {
        let (first, other) = (&roster.nodes[0].name, &roster.nodes[apart].name);
        let message =
            format!("no way leads from {first} to {other}; add links until all hang together");
        return Err(Fault::new(key, message));
    }
    let neighbours = graph::neighbours(n, edges.iter().copied());
    let busiest = neighbours.iter().map(Vec::len).enumerate().max_by_key(|(_, links)| *links);
    if let Some((node, links)) = busiest.filter(|(_, links)| *links > LINKS_PER_NODE_MAX) {
        let name = &roster.nodes[node].name;
        let message =
            format!("{name} has {links} links; have at most {LINKS_PER_NODE_MAX} for a node");
        return Err(Fault::new(key, message));
    }
    Ok(())
}

/// Puts each node where the scenario says; else the nodes of a group evenly, in their order.
fn divide(key: &str, count: usize, roster: &mut Roster) -> Result<Vec<Vec<NodeIndex>>, Fault> {
    let n = roster.nodes.len();
    if !(1..=CLUSTERS_MAX.min(n)).contains(&count) {
        let most = CLUSTERS_MAX.min(n);
        return Err(Fault::new(
            format!("topology.{key}"),
            format!("{count} is out of bounds; with {n} nodes give 1 to {most}"),
        ));
    }
    let mut clusters = vec![Vec::new(); count];
    let mut next = 0;
    for (index, group) in roster.groups.iter().enumerate() {
        let size = group.members.len();
        for (number, node) in group.members.clone().enumerate() {
            let cluster = match roster.assigned[node] {
                Some(cluster) if cluster >= count => {
                    let message =
                        format!("there is no cluster {}; topology.{key} is {count}", cluster + 1);
                    return Err(Fault::new(format!("nodes[{index}].cluster"), message));
                }
                Some(cluster) => cluster,
                // Groups smaller than the number of clusters go on where the one before ended.
                None if size < count => {
                    next += 1;
                    (next - 1) % count
                }
                None => number * count / size,
            };
            clusters[cluster].push(node);
        }
    }
    if let Some(empty) = clusters.iter().position(Vec::is_empty) {
        let message = format!(
            "nobody is in cluster {}; put someone there by nodes.cluster, or lower it",
            empty + 1
        );
        return Err(Fault::new(format!("topology.{key}"), message));
    }
    roster.put_into_clusters(&clusters);
    Ok(clusters)
}

/// The links within each cluster: all, or `degree` for each node.
fn inner(
    clusters: &[Vec<NodeIndex>],
    degree: Option<usize>,
    chance: &mut ChaCha20Rng,
) -> Result<Edges, Fault> {
    let mut edges = Edges::new();
    for (number, members) in clusters.iter().enumerate() {
        let graph = match degree {
            None => {
                let links = members.len() * (members.len() - 1) / 2;
                if edges.len() + links > LINKS_MAX {
                    let message = format!(
                        "full meshes within have more than {LINKS_MAX} links; give a degree"
                    );
                    return Err(Fault::new("topology.kind", message));
                }
                graph::full(members.len())
            }
            Some(degree) => {
                graph::random_regular(members.len(), degree, chance).map_err(|message| {
                    Fault::new("topology.degree", format!("in cluster {}: {message}", number + 1))
                })?
            }
        };
        edges.extend(graph.into_iter().map(|(a, b)| pair(members[a], members[b])));
    }
    Ok(edges)
}

fn clusters(
    topology: &file::Topology,
    roster: &mut Roster,
    chance: &mut ChaCha20Rng,
) -> Result<Edges, Fault> {
    let count = needed(topology.clusters, "clusters")?;
    let bridges = topology.bridges.unwrap_or(1);
    let clusters = divide("clusters", count, roster)?;
    let mut edges = inner(&clusters, topology.degree, chance)?;
    for (one, other) in joined(topology.joined.unwrap_or_default(), count) {
        let (ones, others) = (&clusters[one], &clusters[other]);
        let most = ones.len() * others.len();
        if !(1..=most).contains(&bridges) {
            let message = format!(
                "cluster {} and cluster {} can have 1 to {most} bridges; give so many",
                one + 1,
                other + 1
            );
            return Err(Fault::new("topology.bridges", message));
        }
        let chosen = sample(chance, most, bridges).into_iter();
        edges
            .extend(chosen.map(|place| pair(ones[place % ones.len()], others[place / ones.len()])));
    }
    Ok(edges)
}

/// Which of `count` clusters are next to each other; each pair once.
fn joined(joined: Joined, count: usize) -> Edges {
    match joined {
        Joined::Chain => (1..count).map(|cluster| (cluster - 1, cluster)).collect(),
        Joined::Star => (1..count).map(|cluster| (0, cluster)).collect(),
        Joined::All => graph::full(count),
        Joined::Ring => (0..count)
            .map(|cluster| pair(cluster, (cluster + 1) % count))
            .filter(|(a, b)| a != b)
            .collect(),
    }
}

/// LANs whose routers are together in one more.
fn lans(
    topology: &file::Topology,
    roster: &mut Roster,
    chance: &mut ChaCha20Rng,
) -> Result<Edges, Fault> {
    let count = needed(topology.lans, "lans")?;
    let routers = match &topology.routers {
        None => None,
        Some(names) => {
            Some(roster.select(names).map_err(|message| Fault::new("topology.routers", message))?)
        }
    };
    let lans = divide("lans", count, roster)?;
    let mut edges = inner(&lans, topology.degree, chance)?;
    let routers = routers.unwrap_or_else(|| lans.iter().map(|members| members[0]).collect());
    for (number, members) in lans.iter().enumerate() {
        if count > 1 && !members.iter().any(|member| routers.contains(member)) {
            let message = format!(
                "no router is in LAN {}; name one of its nodes ({})",
                number + 1,
                roster.list(members)
            );
            return Err(Fault::new("topology.routers", message));
        }
    }
    edges.extend(graph::full(routers.len()).into_iter().map(|(a, b)| pair(routers[a], routers[b])));
    Ok(edges)
}

/// Pairs from the scenario, or from a file beside it.
fn listed(topology: &file::Topology, list: Option<&str>, roster: &Roster) -> Result<Edges, Fault> {
    let (key, pairs) = match (&topology.edges, list) {
        (Some(edges), None) => {
            let key = |place: usize| format!("topology.edges[{place}]");
            let pairs: Vec<(String, Vec<String>)> =
                edges.iter().enumerate().map(|(place, ends)| (key(place), ends.clone())).collect();
            ("topology.edges", pairs)
        }
        (None, Some(list)) => ("topology.file", read_list(list)),
        (Some(_), Some(_)) => {
            return Err(Fault::new(
                "topology.file",
                "there are edges too; leave one of the two out",
            ));
        }
        (None, None) => {
            let message = match topology.file {
                Some(_) => "only a scenario that is a file itself can name another; use edges",
                None => "it is missing; add it, or file, which names a file of pairs",
            };
            let key = if topology.file.is_some() { "topology.file" } else { "topology.edges" };
            return Err(Fault::new(key, message));
        }
    };
    if pairs.len() > LINKS_MAX {
        return Err(Fault::new(
            key,
            format!("there are {} links; have at most {LINKS_MAX}", pairs.len()),
        ));
    }
    let in_list = list.is_some();
    let mut seen = Edges::new();
    for (place, ends) in pairs {
        // In a file of its own the line is told by the message.
        let fault = |message: String| match in_list {
            true => Fault::new(key, format!("{place} of that file: {message}")),
            false => Fault::new(place.clone(), message),
        };
        let [a, b] = &ends[..] else {
            return Err(fault(format!(
                "a link has two ends, here are {}; name two nodes",
                ends.len()
            )));
        };
        if a == b {
            return Err(fault(format!("{a} is linked with itself; name two nodes")));
        }
        let (ones, others) = (end(a, roster).map_err(fault)?, end(b, roster).map_err(fault)?);
        // Of groups that were made larger or smaller a name stands for several, or several for one.
        let is_scaled = roster.is_scaled();
        if ones == others && !is_scaled {
            return Err(fault(format!("{a} and {b} are the same; name two nodes")));
        }
        for a in ones {
            for b in others.clone().filter(|b| *b != a) {
                if !seen.insert(pair(a, b)) && !in_list && !is_scaled {
                    return Err(fault("this link is there already; leave it out".to_owned()));
                }
            }
        }
    }
    Ok(seen)
}

/// A node by its name, or by its place from 0, as lists of edges on the web have them.
fn end(text: &str, roster: &Roster) -> Result<Range<NodeIndex>, String> {
    match text.parse::<usize>() {
        Ok(place) if place < roster.nodes.len() => Ok(place..place + 1),
        Ok(place) => Err(format!(
            "there is no node {place}; the scenario's nodes are 0 to {}",
            roster.nodes.len() - 1
        )),
        Err(_) => roster.stand_for(text),
    }
}

/// Two ends on a line; what follows them is of no interest, nor what follows `#`.
fn read_list(list: &str) -> Vec<(String, Vec<String>)> {
    list.lines()
        .enumerate()
        .map(|(number, line)| {
            let line = line.split(['#', '%']).next().unwrap_or_default();
            let words =
                line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
            (format!("line {}", number + 1), words.take(2).map(str::to_owned).collect())
        })
        .filter(|(_, ends): &(String, Vec<String>)| !ends.is_empty())
        .collect()
}
