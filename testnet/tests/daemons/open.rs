//! A network that reaches beyond the LAN, when nothing beyond it can be reached.

use std::net::TcpListener;
use std::time::Duration;

use martlet_protocol::control::{Delivery, Reachability};
use martlet_testnet::cluster::{Cluster, NodeOptions, introduce, until};

const DEADLINE: Duration = Duration::from_secs(30);

/// The waits before a configured peer is dialled again: 250 ms, doubling to 30 s.
const BACKOFF_STEPS: usize = 8;

#[tokio::test]
async fn with_nothing_reachable_neighbours_talk_and_the_log_is_quiet()
-> Result<(), Box<dyn std::error::Error>> {
    let nobody = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let descriptor = cluster.path().join("network.toml");
    let bootstrap = format!("/ip4/127.0.0.1/tcp/{}", nobody.port());
    std::fs::write(
        &descriptor,
        format!("name = \"far\"\nlan_only = false\nbootstrap = [\"{bootstrap}\"]\n"),
    )?;
    let config = vec![
        format!("network = {:?}", descriptor.display().to_string()),
        "relay_server = true".to_owned(),
        "autonat_server = true".to_owned(),
    ];
    let mut alice =
        cluster.node("alice", NodeOptions { config: config.clone(), ..NodeOptions::default() });
    alice.start().await?;
    alice.init().await?;
    let peers = vec![alice.address()?];
    let mut bob = cluster.node("bob", NodeOptions { config, peers, ..NodeOptions::default() });
    bob.start().await?;
    bob.init().await?;
    introduce(&alice, &bob).await?;
    let sent = alice.send("bob", "no need of the world").await?;
    alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;

    // Each tests the other's address: on loopback that is all the world there is.
    until("reachability should be known".to_owned(), DEADLINE, async || {
        let status = bob.status().await?;
        let is_public = status.reachability == Some(Reachability::Public);
        Ok((is_public && !status.external.is_empty()).then_some(()))
    })
    .await?;

    for node in [&alice, &bob] {
        let log = node.log();
        let loud: Vec<&str> =
            log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
        assert!(loud.is_empty(), "{loud:#?}");
        let failures = log.lines().filter(|line| line.contains("could not connect")).count();
        assert!((1..=BACKOFF_STEPS).contains(&failures), "{failures} lines in\n{log}");
        assert!(!log.contains(" found") && !log.contains("libp2p_"), "{log}");
    }
    Ok(())
}

/// Two public nodes that have each other to begin with dialled each other at once. One took the
/// second connection for a test of its address, which the other says it makes; the other waited in
/// vain for it to be closed, and took the first for dead: they connected three times in a few seconds.
#[tokio::test]
async fn two_that_test_addresses_and_dial_each_other_at_once_stay_connected()
-> Result<(), Box<dyn std::error::Error>> {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let descriptor = cluster.path().join("network.toml");
    std::fs::write(&descriptor, "name = \"far\"\nlan_only = false\n")?;
    let config = vec![
        format!("network = {:?}", descriptor.display().to_string()),
        "autonat_server = true".to_owned(),
    ];
    let options = NodeOptions { config, ..NodeOptions::default() };
    let mut nodes = ["one", "other"].map(|name| cluster.node(name, options.clone()));
    for node in &mut nodes {
        // So that it has a port, which it keeps.
        node.start().await?;
        node.stop().await?;
    }
    // Without the peer's id, as in most lists: it can't be seen that there is a connection already.
    let without_id = |address: String| address.split("/p2p/").next().map(str::to_owned);
    let addresses = [nodes[1].address()?, nodes[0].address()?].map(without_id);
    let mut begins = [0; 2];
    for ((node, address), begin) in nodes.iter_mut().zip(addresses).zip(&mut begins) {
        node.options_mut().peers = address.into_iter().collect();
        *begin = node.log().len();
    }
    for node in &mut nodes {
        node.spawn()?;
    }
    for node in &mut nodes {
        node.ready().await?;
    }
    // A test is made after 5 s, for the one whose connection stayed.
    until("one should be known to be reached".to_owned(), DEADLINE, async || {
        let states = [nodes[0].status().await?, nodes[1].status().await?];
        let is_public = states.iter().any(|s| s.reachability == Some(Reachability::Public));
        Ok(is_public.then_some(()))
    })
    .await?;
    for (node, begin) in nodes.iter().zip(begins) {
        let log = node.log();
        assert!(!log[begin..].contains("disconnected"), "{log}");
    }
    Ok(())
}
