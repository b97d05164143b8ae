//! The same in network namespaces: each node on a host of its own, no static peers, mDNS alone, and
//! cables that are silently dead while the network is split. Skipped where this isn't root.

use futures::future::try_join_all;
use martlet_testnet::cluster::{Cluster, ClusterError, Lan, Node, NodeOptions, until};

use super::split::{NODES_PER_SIDE, split_and_heal};
use super::{TestResult, churn, cluster, keep_if_failed, or_skip};

const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_across_a_split_lan_arrives_once_it_heals() -> TestResult {
    let Some(lan) = or_skip(Lan::new([NODES_PER_SIDE; 2])) else { return Ok(()) };
    let cluster = cluster()?;
    let outcome = async {
        let nodes = start(&cluster, &lan, 2 * NODES_PER_SIDE).await?;
        let (near, far) = nodes.split_at(NODES_PER_SIDE);
        for (one, other) in [(near, far), (far, near)] {
            for node in one {
                found_one_of(node, other).await?;
            }
        }
        split_and_heal([near, far], || Ok(lan.split()?), || Ok(lan.heal()?)).await
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_on_a_lan_while_half_of_the_nodes_are_killed_and_restarted() -> TestResult {
    let Some(lan) = or_skip(Lan::new([churn::NODES, 0])) else { return Ok(()) };
    let cluster = cluster()?;
    let outcome = async {
        let nodes = start(&cluster, &lan, churn::NODES).await?;
        churn::survive(nodes).await
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}

#[test]
fn a_network_of_namespaces_is_removed_also_after_a_panic() -> TestResult {
    let Some(lan) = or_skip(Lan::new([1, 1])) else { return Ok(()) };
    let names = || {
        let listed = std::process::Command::new("ip").args(["netns", "list"]).output()?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&listed.stdout).into_owned())
    };
    let namespace = lan.namespace(1);
    assert!(names()?.contains(&namespace));
    let panicked = std::thread::spawn(move || {
        let _lan = lan;
        // Not `panic!`, which would print.
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(panicked.join().is_err());
    assert!(!names()?.contains(namespace.trim_end_matches('1')));
    Ok(())
}

/// So many nodes, each on its host.
async fn start(cluster: &Cluster, lan: &Lan, count: usize) -> Result<Vec<Node>, ClusterError> {
    let options =
        |host| NodeOptions { namespace: Some(lan.namespace(host)), ..NodeOptions::default() };
    let mut nodes: Vec<Node> =
        (0..count).map(|host| cluster.node(&format!("n{host}"), options(host))).collect();
    for node in &mut nodes {
        node.spawn()?;
    }
    try_join_all(nodes.iter_mut().map(Node::ready)).await?;
    Ok(nodes)
}

/// Waits until a node is connected to one of `others`.
async fn found_one_of(node: &Node, others: &[Node]) -> Result<(), ClusterError> {
    let others = try_join_all(others.iter().map(Node::status)).await?;
    until(format!("{} should find someone across", node.name()), DEADLINE, async || {
        let connected = node.connected_peers().await?;
        Ok(others.iter().any(|other| connected.contains(&other.peer_id)).then_some(()))
    })
    .await
}
