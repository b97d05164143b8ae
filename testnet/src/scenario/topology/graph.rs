//! Graphs by the models of the literature. No kept crate has all three, connected and by a seed:
//! `petgraph-gen` lacks random regular graphs and small worlds, `rustworkx-core` brings numerics
//! with it.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha20Rng;

use crate::scenario::limits::GRAPH_TRIES_MAX;

/// Pairs of vertices, `a < b`, each once.
pub(crate) type Edges = BTreeSet<(usize, usize)>;

/// A graph that does not exist, or not connected, or can't be found: what is wrong with the
/// numbers.
pub(crate) type Impossible = String;

/// The pair, the smaller first.
pub(crate) fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// Everyone with everyone.
pub(crate) fn full(n: usize) -> Edges {
    (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).collect()
}

/// `degree` edges at each vertex, otherwise random: pairing with rejection, by A. Steger and N.
/// Wormald, "Generating random regular graphs quickly", 1999.
pub(crate) fn random_regular(
    n: usize,
    degree: usize,
    chance: &mut ChaCha20Rng,
) -> Result<Edges, Impossible> {
    if degree >= n {
        return Err(format!(
            "each of {n} nodes can have at most {} links; lower it",
            n.saturating_sub(1)
        ));
    }
    if n * degree % 2 == 1 {
        return Err(format!(
            "{n} nodes with {degree} links each make half a link; make one of the two numbers even"
        ));
    }
    if degree < 2 && n > degree + 1 {
        return Err(format!(
            "{n} nodes with {degree} links each can't hang together; give at least 2"
        ));
    }
    // Nearly full ones are found by what they lack.
    let lacking = n - 1 - degree;
    connected_one(n, || {
        if lacking < degree {
            let missing = regular(n, lacking, chance)?;
            return Some(full(n).difference(&missing).copied().collect());
        }
        regular(n, degree, chance)
    })
    .ok_or_else(|| {
        format!("{n} nodes with {degree} links each don't hang together; give at least 3")
    })
}

/// A ring in which each vertex knows its `degree` nearest, each edge of which is led elsewhere with
/// the probability `rewire`: D. Watts and S. Strogatz, "Collective dynamics of 'small-world'
/// networks", 1998.
pub(crate) fn small_world(
    n: usize,
    degree: usize,
    rewire: f64,
    chance: &mut ChaCha20Rng,
) -> Result<Edges, Impossible> {
    if degree >= n {
        return Err(format!(
            "each of {n} nodes can have at most {} links; lower it",
            n.saturating_sub(1)
        ));
    }
    if degree == 0 || degree % 2 == 1 {
        return Err(format!(
            "{degree} links can't be half to each side of a ring; give an even number from 2 on"
        ));
    }
    connected_one(n, || Some(rewired_ring(n, degree, rewire, chance))).ok_or_else(|| {
        format!("{n} nodes with {degree} links each come apart when rewired; give more links, or rewire less")
    })
}

/// Vertices that come one after the other, each with `links` edges to those there already, rather
/// to those with many: A.-L. Barabási and R. Albert, "Emergence of scaling in random networks",
/// 1999. It begins with a star.
pub(crate) fn scale_free(
    n: usize,
    links: usize,
    chance: &mut ChaCha20Rng,
) -> Result<Edges, Impossible> {
    if links == 0 {
        return Err("a node without a link is alone; give at least 1".to_owned());
    }
    if links >= n {
        return Err(format!(
            "each of {n} nodes can have at most {} links; lower it",
            n.saturating_sub(1)
        ));
    }
    let mut edges: Edges = (1..=links).map(|leaf| (0, leaf)).collect();
    // Each vertex as often as it has edges.
    let mut ends: Vec<usize> = edges.iter().flat_map(|(a, b)| [*a, *b]).collect();
    for new in links + 1..n {
        let mut chosen = BTreeSet::new();
        while chosen.len() < links {
            chosen.insert(ends[chance.random_range(0..ends.len())]);
        }
        for old in chosen {
            edges.insert((old, new));
            ends.extend([old, new]);
        }
    }
    Ok(edges)
}

/// Who is next to whom.
pub(crate) fn neighbours(
    n: usize,
    edges: impl IntoIterator<Item = (usize, usize)>,
) -> Vec<Vec<usize>> {
    let mut neighbours = vec![Vec::new(); n];
    for (a, b) in edges {
        neighbours[a].push(b);
        neighbours[b].push(a);
    }
    neighbours
}

/// How many edges each vertex is from `from`; `None`: it can't be reached.
pub(crate) fn distances(neighbours: &[Vec<usize>], from: usize) -> Vec<Option<usize>> {
    let mut distances = vec![None; neighbours.len()];
    distances[from] = Some(0);
    let mut front = vec![from];
    for distance in 1.. {
        let mut next = Vec::new();
        for near in front.iter().flat_map(|vertex| &neighbours[*vertex]) {
            if distances[*near].is_none() {
                distances[*near] = Some(distance);
                next.push(*near);
            }
        }
        if next.is_empty() {
            break;
        }
        front = next;
    }
    distances
}

/// A vertex that can't be reached from the first; `None`: the graph is connected.
pub(crate) fn apart(n: usize, edges: &Edges) -> Option<usize> {
    if n == 0 {
        return None;
    }
    let neighbours = neighbours(n, edges.iter().copied());
    distances(&neighbours, 0).iter().position(Option::is_none)
}

/// The first graph of `make` that is connected, of [`GRAPH_TRIES_MAX`].
fn connected_one(n: usize, mut make: impl FnMut() -> Option<Edges>) -> Option<Edges> {
    (0..GRAPH_TRIES_MAX).filter_map(|_| make()).find(|edges| apart(n, edges).is_none())
}

/// `None`: it came to a dead end.
fn regular(n: usize, degree: usize, chance: &mut ChaCha20Rng) -> Option<Edges> {
    let mut edges = Edges::new();
    let mut stubs: Vec<usize> =
        (0..n).flat_map(|vertex| std::iter::repeat_n(vertex, degree)).collect();
    while !stubs.is_empty() {
        stubs.shuffle(chance);
        let mut left = Vec::new();
        for ends in stubs.chunks_exact(2) {
            let (a, b) = pair(ends[0], ends[1]);
            if a == b || !edges.insert((a, b)) {
                left.extend([a, b]);
            }
        }
        if !left.is_empty() && !any_fits(&left, &edges) {
            return None;
        }
        stubs = left;
    }
    Some(edges)
}

/// Whether any two of `stubs` can still be joined.
fn any_fits(stubs: &[usize], edges: &Edges) -> bool {
    let distinct: Vec<usize> = BTreeSet::from_iter(stubs.iter().copied()).into_iter().collect();
    let after: RangeInclusive<usize> = 1..=distinct.len();
    distinct
        .iter()
        .zip(after)
        .any(|(a, rest)| distinct[rest..].iter().any(|b| !edges.contains(&(*a, *b))))
}

fn rewired_ring(n: usize, degree: usize, rewire: f64, chance: &mut ChaCha20Rng) -> Edges {
    let mut edges: Edges = (1..=degree / 2)
        .flat_map(|step| (0..n).map(move |vertex| pair(vertex, (vertex + step) % n)))
        .collect();
    let mut count = vec![0; n];
    for (a, b) in &edges {
        count[*a] += 1;
        count[*b] += 1;
    }
    for step in 1..=degree / 2 {
        for vertex in 0..n {
            let old = (vertex + step) % n;
            // Who knows everyone already keeps the edge.
            if !chance.random_bool(rewire) || count[vertex] == n - 1 {
                continue;
            }
            let new = loop {
                let new = chance.random_range(0..n);
                if new != vertex && !edges.contains(&pair(vertex, new)) {
                    break new;
                }
            };
            if edges.remove(&pair(vertex, old)) {
                edges.insert(pair(vertex, new));
                count[old] -= 1;
                count[new] += 1;
            }
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;
    use rand::SeedableRng;

    use super::*;

    fn degrees(n: usize, edges: &Edges) -> Vec<usize> {
        neighbours(n, edges.iter().copied()).iter().map(Vec::len).collect()
    }

    /// Loops and double edges can't be, in a set of pairs `a < b`.
    fn assert_simple_and_connected(n: usize, edges: &Edges) {
        assert!(edges.iter().all(|(a, b)| a < b && *b < n));
        assert_eq!(apart(n, edges), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_random_regular_graph_is_regular(n in 4_usize..80, degree in 3_usize..80, seed: u64) {
            let graph = random_regular(n, degree, &mut ChaCha20Rng::seed_from_u64(seed));
            prop_assert_eq!(graph.is_ok(), degree < n && n * degree % 2 == 0);
            if let Ok(edges) = graph {
                assert_simple_and_connected(n, &edges);
                prop_assert!(degrees(n, &edges).iter().all(|found| *found == degree));
            }
        }

        #[test]
        fn a_small_world_keeps_its_number_of_edges(
            n in 5_usize..80, half in 2_usize..8, rewire in 0.0..=1.0_f64, seed: u64,
        ) {
            let degree = 2 * half;
            let graph = small_world(n, degree, rewire, &mut ChaCha20Rng::seed_from_u64(seed));
            prop_assert_eq!(graph.is_ok(), degree < n);
            if let Ok(edges) = graph {
                assert_simple_and_connected(n, &edges);
                prop_assert_eq!(edges.len(), n * half);
            }
        }

        #[test]
        fn a_scale_free_graph_grows_by_so_many_links(n in 2_usize..200, links in 1_usize..8, seed: u64) {
            let graph = scale_free(n, links, &mut ChaCha20Rng::seed_from_u64(seed));
            prop_assert_eq!(graph.is_ok(), links < n);
            if let Ok(edges) = graph {
                assert_simple_and_connected(n, &edges);
                prop_assert_eq!(edges.len(), links + (n - links - 1) * links);
                // Those of the first star may have one, everyone after it has at least `links`.
                prop_assert!(degrees(n, &edges)[links + 1..].iter().all(|found| *found >= links));
            }
        }
    }

    #[test]
    fn a_scale_free_graph_has_hubs_and_a_regular_one_has_none() {
        let mut chance = ChaCha20Rng::seed_from_u64(1);
        let most = |edges: &Edges| degrees(500, edges).into_iter().max().unwrap();
        assert!(most(&scale_free(500, 3, &mut chance).unwrap()) > 30);
        assert_eq!(most(&random_regular(500, 6, &mut chance).unwrap()), 6);
    }

    #[test]
    fn few_links_are_enough_only_where_all_hang_together() {
        let mut chance = ChaCha20Rng::seed_from_u64(1);
        for (n, degree, possible) in
            [(1, 0, true), (2, 0, false), (2, 1, true), (4, 1, false), (9, 2, true)]
        {
            assert_eq!(
                random_regular(n, degree, &mut chance).is_ok(),
                possible,
                "{n} with {degree}"
            );
        }
    }

    #[test]
    fn without_rewiring_a_small_world_is_a_ring_and_with_it_the_ways_are_short() {
        let mut chance = ChaCha20Rng::seed_from_u64(1);
        let farthest = |edges: &Edges| {
            let neighbours = neighbours(200, edges.iter().copied());
            distances(&neighbours, 0).into_iter().flatten().max().unwrap()
        };
        assert_eq!(farthest(&small_world(200, 4, 0.0, &mut chance).unwrap()), 50);
        assert!(farthest(&small_world(200, 4, 0.3, &mut chance).unwrap()) < 12);
    }

    #[test]
    fn a_large_graph_takes_no_time() {
        let mut chance = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(random_regular(10_000, 8, &mut chance).unwrap().len(), 40_000);
        assert_eq!(scale_free(10_000, 4, &mut chance).unwrap().len(), 39_984);
    }
}
