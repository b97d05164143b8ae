//! Who is connected with whom, and how.

use super::*;

#[test]
fn a_list_of_edges_is_read_from_the_file_beside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ring.toml");
    let text = "duration = \"1m\"\n[[nodes]]\nname = \"n\"\ncount = 4\n[topology]\nkind = \"edges\"\nfile = \"ring.txt\"\n";
    std::fs::write(&path, text).unwrap();
    let missing = Scenario::load(&path).unwrap_err();
    assert!(missing.to_string().contains("ring.txt"), "{missing}");
    std::fs::write(directory.path().join("ring.txt"), "# a ring\n0 1\n1,2\n\nn-3 n-4 7.5\n3 0\n")
        .unwrap();
    let plan = Scenario::load(&path).unwrap().plan(&PlanOptions::default()).unwrap();
    let pairs: Vec<_> = plan.links.iter().map(|link| (link.a, link.b)).collect();
    assert_eq!(pairs, [(0, 1), (0, 3), (1, 2), (2, 3)]);
    std::fs::write(directory.path().join("ring.txt"), "0 1\n1 9\n").unwrap();
    let error = Scenario::load(&path).unwrap().plan(&PlanOptions::default()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("ring.toml:7: topology.file: line 2 of that file: there is no node 9"),
        "{error}"
    );
}

#[test]
fn links_have_the_shape_of_the_last_that_speaks_of_them() {
    let plan = plan(
        r#"
duration = "1m"
[[nodes]]
name = "a"
count = 4
[topology]
kind = "clusters"
clusters = 2
joined = "chain"
[links]
latency = "5ms"
bandwidth = "10Mbit/s"
[links.bridges]
latency = "600ms"
loss = 0.01
loss_as = "reset"
[[links.between]]
nodes = ["a-2", "all"]
jitter = "3ms"
"#,
    );
    assert_eq!(plan.links.len(), 3);
    for link in &plan.links {
        let bridge = plan.nodes[link.a].cluster != plan.nodes[link.b].cluster;
        assert_eq!(link.shape.latency, Duration::from_millis(if bridge { 600 } else { 5 }));
        assert_eq!(link.shape.loss_as, if bridge { LossAs::Reset } else { LossAs::Delay });
        assert_eq!(link.shape.bandwidth_bytes_per_s, Some(1_250_000));
        assert_eq!(link.shape.jitter.is_zero(), link.a != 1 && link.b != 1);
    }
}

#[test]
fn lans_are_joined_by_their_routers_alone() {
    let plan = plan(
        r#"
duration = "1m"
[[nodes]]
name = "router"
count = 3
[[nodes]]
name = "host"
count = 9
[topology]
kind = "lans"
lans = 3
routers = "router"
"#,
    );
    let between: Vec<_> = plan
        .links
        .iter()
        .filter(|link| plan.nodes[link.a].cluster != plan.nodes[link.b].cluster)
        .map(|link| (link.a, link.b))
        .collect();
    assert_eq!(between, [(0, 1), (0, 2), (1, 2)]);
    // Three LANs of a router and three hosts, each a full mesh.
    assert_eq!(plan.links.len(), 3 * 6 + 3);
}
