//! Where nodes stand: the same for the same links.

use std::f64::consts::TAU;

/// More nodes than this stand on a spiral: the forces between all pairs would take too long.
const FORCES_MAX: usize = 2_000;

/// Places from (0, 0) to (1, 1). Where there are clusters, each is a ring, and they stand in a
/// ring; else the links decide.
pub(crate) fn places(clusters: &[Option<usize>], links: &[[usize; 2]]) -> Vec<(f64, f64)> {
    let mut places = if clusters.iter().any(Option::is_some) {
        rings(clusters)
    } else if clusters.len() <= FORCES_MAX {
        by_forces(clusters.len(), links)
    } else {
        spiral(clusters.len())
    };
    fit(&mut places);
    places
}

fn rings(clusters: &[Option<usize>]) -> Vec<(f64, f64)> {
    // Those of no cluster are one of their own.
    let cluster = |index: usize| clusters[index].map_or(0, |cluster| cluster + 1);
    let mut known: Vec<usize> = (0..clusters.len()).map(cluster).collect();
    known.sort_unstable();
    known.dedup();
    let around = known.len() as f64;
    let mut places = vec![(0.0, 0.0); clusters.len()];
    for (place, number) in known.iter().enumerate() {
        let members: Vec<_> =
            (0..clusters.len()).filter(|index| cluster(*index) == *number).collect();
        let (x, y) = if known.len() == 1 { (0.0, 0.0) } else { on_circle(place as f64 / around) };
        // So that neighbouring rings don't touch.
        let radius = if members.len() == 1 {
            0.0
        } else {
            (std::f64::consts::PI / around).sin().min(0.6) * 0.72
        };
        for (order, member) in members.iter().enumerate() {
            let (dx, dy) = on_circle(order as f64 / members.len() as f64);
            places[*member] = (x + dx * radius, y + dy * radius);
        }
    }
    places
}

/// Fruchterman and Reingold, "Graph Drawing by Force-directed Placement" (1991), from a spiral.
fn by_forces(nodes: usize, links: &[[usize; 2]]) -> Vec<(f64, f64)> {
    let mut places = spiral(nodes);
    let rounds = (20_000_000 / (nodes * nodes).max(1)).clamp(30, 300);
    let ideal = 1.0 / (nodes.max(1) as f64).sqrt();
    for round in 0..rounds {
        let mut moves = vec![(0.0, 0.0); nodes];
        for a in 0..nodes {
            for b in a + 1..nodes {
                let (dx, dy) = (places[a].0 - places[b].0, places[a].1 - places[b].1);
                let push = ideal * ideal / (dx * dx + dy * dy).max(1e-6);
                shift(&mut moves, a, b, (dx * push, dy * push));
            }
        }
        for [a, b] in links {
            let (dx, dy) = (places[*a].0 - places[*b].0, places[*a].1 - places[*b].1);
            let pull = -(dx * dx + dy * dy).sqrt() / ideal;
            shift(&mut moves, *a, *b, (dx * pull, dy * pull));
        }
        let step = 0.1 * (1.0 - round as f64 / rounds as f64);
        for (place, (dx, dy)) in places.iter_mut().zip(moves) {
            // Towards the middle, or what is linked to nothing would fly away.
            let (dx, dy) = (dx - place.0 * ideal, dy - place.1 * ideal);
            let length = (dx * dx + dy * dy).sqrt().max(1e-9);
            let by = length.min(step) / length;
            *place = (place.0 + dx * by, place.1 + dy * by);
        }
    }
    places
}

fn shift(moves: &mut [(f64, f64)], a: usize, b: usize, (dx, dy): (f64, f64)) {
    moves[a] = (moves[a].0 + dx, moves[a].1 + dy);
    moves[b] = (moves[b].0 - dx, moves[b].1 - dy);
}

/// The golden angle apart: nowhere two in one place.
fn spiral(nodes: usize) -> Vec<(f64, f64)> {
    let place = |index: usize| {
        let radius = ((index as f64 + 0.5) / nodes as f64).sqrt();
        let (x, y) = on_circle(index as f64 * 0.381_966);
        (x * radius, y * radius)
    };
    (0..nodes).map(place).collect()
}

fn on_circle(part: f64) -> (f64, f64) {
    ((part * TAU).sin(), -(part * TAU).cos())
}

fn fit(places: &mut [(f64, f64)]) {
    let range = |each: fn(&(f64, f64)) -> f64| {
        let values = || places.iter().map(each);
        let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
        (low, (high - low).max(1e-9))
    };
    let ((low_x, wide), (low_y, high)) = (range(|place| place.0), range(|place| place.1));
    for place in places {
        *place = ((place.0 - low_x) / wide, (place.1 - low_y) / high);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_nodes_stand_within_and_no_two_in_one_place() {
        let ring: Vec<_> = (0..30).map(|index| [index, (index + 1) % 30]).collect();
        let clusters: Vec<_> = (0..30).map(|index| (index < 29).then_some(index / 6)).collect();
        for places in
            [places(&[None; 30], &ring), places(&clusters, &ring), places(&[None; 30], &[])]
        {
            for (index, (x, y)) in places.iter().enumerate() {
                assert!((0.0..=1.0).contains(x) && (0.0..=1.0).contains(y));
                let apart = |other: &(f64, f64)| (other.0 - x).abs() + (other.1 - y).abs() > 0.005;
                assert!(places[index + 1..].iter().all(apart), "{index}: {places:?}");
            }
        }
        assert_eq!(places(&[None], &[]).len(), 1);
        assert!(places(&[], &[]).is_empty());
    }
}
