#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::scenario::{PlanOptions, Scenario};

/// Nodes in a row, with links of these latencies.
fn plan(latencies_ms: &[u64]) -> Plan {
    let mut plan = Scenario::find("first-contact").unwrap().plan(&PlanOptions::default()).unwrap();
    let node = plan.nodes[0].clone();
    plan.nodes = vec![node; latencies_ms.len() + 1];
    plan.events.clear();
    let links = latencies_ms.iter().enumerate().map(|(a, latency)| {
        let shape = LinkShape { latency: Duration::from_millis(*latency), ..LinkShape::default() };
        crate::plan::LinkPlan { a, b: a + 1, shape }
    });
    plan.links = links.collect();
    plan
}

#[test]
fn nodes_are_spread_and_may_be_apart_by_the_shortest_link() {
    let division = Division::of(&plan(&[30, 20, 50]));
    assert_eq!(division, Division { sector_of: vec![0, 1, 2, 3], count: 4, lookahead: 20 });
    let many = Division::of(&plan(&[25; 99]));
    let of = |sector| many.sector_of.iter().filter(|of| **of == sector).count();
    assert_eq!((many.count, many.lookahead), (SECTORS_MAX, 25));
    assert!((0..SECTORS_MAX).all(|sector| (3..=4).contains(&of(sector))));
}

#[test]
fn nodes_without_latency_between_them_stay_together() {
    let division = Division::of(&plan(&[0, 20, 20, 20, 20, 20, 0]));
    assert_eq!(division.sector_of[0], division.sector_of[1]);
    assert_eq!(division.sector_of[6], division.sector_of[7]);
    assert_eq!((division.count, division.lookahead), (6, 20));
    assert_eq!(Division::of(&plan(&[0; 5])).count, 1);
}

#[test]
fn a_short_link_among_many_does_not_hold_up_the_rest() {
    let mut latencies = [40; 30];
    latencies[7] = 1;
    let division = Division::of(&plan(&latencies));
    assert_eq!((division.sector_of[7], division.lookahead), (division.sector_of[8], 40));
}

#[test]
fn a_flood_is_with_its_victim() {
    let plan = Scenario::find("hostile-flood").unwrap().plan(&PlanOptions::default()).unwrap();
    let division = Division::of(&plan);
    let ((victim, guest), _) = flood::links(&plan).next().unwrap();
    assert_eq!(division.sector_of[victim], division.sector_of[guest]);
    assert!(division.lookahead > 1);
}
