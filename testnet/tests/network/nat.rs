//! Two people at home, each behind a router that translates addresses (the kernel's NAT), and two
//! public nodes that help: they test addresses and relay. Skipped where namespaces can't be made.

use std::time::Duration;

use martlet_protocol::control::{Delivery, Peer, Reachability, Transport};
use martlet_testnet::cluster::{
    Cluster, ClusterError, Internet, Node, NodeOptions, PortMapping, introduce, until,
};

use super::{TestResult, cluster, keep_if_failed, or_skip};

/// Covers the 20 s until relays are asked and the time a test of an address that no one answers at
/// takes, on a busy machine.
const DEADLINE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_behind_nats_connect_directly_and_need_the_relays_no_longer() -> TestResult {
    let Some(internet) = or_skip(Internet::new(2, 2, PortMapping::Kept)) else { return Ok(()) };
    let cluster = cluster()?;
    let outcome = async {
        let Homes { mut helpers, alice, bob } = start(&cluster, &internet).await?;
        for (one, other) in [(&alice, &bob), (&bob, &alice)] {
            wait_connection(one, other, |peer| {
                peer.upgraded && peer.transport != Some(Transport::Relay)
            })
            .await?;
        }
        for helper in &mut helpers {
            helper.kill()?;
        }
        let sent = alice.send("bob", "without anyone between").await?;
        alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
        Ok(())
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_behind_nats_that_cannot_be_passed_talk_through_a_relay() -> TestResult {
    let Some(internet) = or_skip(Internet::new(2, 2, PortMapping::Random)) else { return Ok(()) };
    let cluster = cluster()?;
    let outcome = async {
        let Homes { helpers, alice, bob } = start(&cluster, &internet).await?;
        for (one, other) in [(&alice, &bob), (&bob, &alice)] {
            wait_connection(one, other, |peer| peer.transport == Some(Transport::Relay)).await?;
        }
        let sent = alice.send("bob", "by way of others").await?;
        alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
        drop(helpers);
        Ok(())
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}

struct Homes {
    helpers: [Node; 2],
    alice: Node,
    bob: Node,
}

/// Starts all, and waits until everyone knows how others reach them, and Alice and Bob each other.
async fn start(cluster: &Cluster, internet: &Internet) -> Result<Homes, ClusterError> {
    let known = format!("/ip4/{}/tcp/4177", Internet::address(0));
    let path = cluster.path().join("wide.toml");
    // With its own address among those to begin with for the first, as for everyone in there.
    let descriptor = format!("name = \"wide\"\nlan_only = false\nbootstrap = [{known:?}]\n");
    std::fs::write(&path, descriptor)
        .map_err(|source| ClusterError::File { path: path.clone(), source })?;
    let node = |name: &str, namespace: String, lines: &[&str]| {
        let mut config = vec![format!("network = {:?}", path.display().to_string())];
        config.extend(lines.iter().map(|line| (*line).to_owned()));
        let namespace = Some(namespace);
        let options =
            NodeOptions { namespace, config, mdns: Some(false), ..NodeOptions::default() };
        cluster.node(name, options)
    };
    let announce = format!("announce = [{known:?}]");
    let helps = ["relay_server = true", "autonat_server = true", &announce];
    let mut first = node("first", internet.public(0), &helps);
    let mut second = node("second", internet.public(1), &helps[..2]);
    let mut alice = node("alice", internet.home(0), &[]);
    let mut bob = node("bob", internet.home(1), &[]);
    for node in [&mut first, &mut second, &mut alice, &mut bob] {
        node.start().await?;
    }
    wait_reach(&second, Reachability::Public, "/tcp/4177/p2p/").await?;
    for node in [&alice, &bob] {
        node.init().await?;
        wait_reach(node, Reachability::Private, "/p2p-circuit/").await?;
    }
    let log = first.log();
    assert!(!log.contains("could not connect"), "it dialled itself:\n{log}");
    introduce(&alice, &bob).await?;
    Ok(Homes { helpers: [first, second], alice, bob })
}

/// Waits until a node says that others reach it so, at an address with `part` in it.
async fn wait_reach(node: &Node, state: Reachability, part: &str) -> Result<(), ClusterError> {
    let what = format!("{} should be {state:?}, at an address with {part}", node.name());
    until(what, DEADLINE, async || {
        let status = node.status().await?;
        let has_address = status.external.iter().any(|address| address.contains(part));
        Ok((status.reachability == Some(state) && has_address).then_some(()))
    })
    .await
}

/// Waits until one node is connected to another by a connection that is as wanted.
async fn wait_connection(
    node: &Node,
    other: &Node,
    is_wanted: impl Fn(&Peer) -> bool,
) -> Result<(), ClusterError> {
    let other = (other.name().to_owned(), other.status().await?.peer_id);
    until(format!("{} should be connected to {}", node.name(), other.0), DEADLINE, async || {
        let peers = node.peers().await?;
        let found =
            peers.iter().any(|peer| peer.connected && peer.peer_id == other.1 && is_wanted(peer));
        Ok(found.then_some(()))
    })
    .await
}
