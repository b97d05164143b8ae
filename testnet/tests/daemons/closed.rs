//! Closed networks: who has the key talks, who hasn't doesn't even connect.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use martlet_protocol::control::{
    Delivery, Diagnosis, Finding, FindingCode, Network, Severity, Transport,
};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use martlet_testnet::cluster::{Cluster, ClusterError, Node, NodeOptions, introduce, until};

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(60);

fn descriptor(name: &str, key: Option<u8>) -> NetworkDescriptor {
    let key = key.map(|byte| NetworkKey::from_bytes([byte; 32]));
    NetworkDescriptor { name: name.into(), key, ..NetworkDescriptor::default() }
}

/// A node in a network of its own file, with static peers, not yet started.
fn node(
    cluster: &Cluster,
    name: &str,
    network: &NetworkDescriptor,
    peers: &[&Node],
) -> Result<Node, Box<dyn std::error::Error>> {
    fs::write(cluster.path().join(format!("{name}.net")), network.to_toml().as_bytes())?;
    let peers = peers.iter().map(|peer| peer.address()).collect::<Result<_, _>>()?;
    let config = vec![format!("network = \"{name}.net\"")];
    let options = NodeOptions { peers, config, tcp_only: true, ..NodeOptions::default() };
    Ok(cluster.node(name, options))
}

async fn connected(a: &Node, b: &Node) -> Result<(), ClusterError> {
    let peer = b.status().await?.peer_id;
    until(format!("{} should connect to {}", a.name(), b.name()), DEADLINE, async || {
        Ok(a.connected_peers().await?.contains(&peer).then_some(()))
    })
    .await
}

/// The UDP sockets of a process.
fn udp_sockets(pid: u32) -> std::io::Result<usize> {
    let mut of_system = HashSet::new();
    for table in ["udp", "udp6"] {
        let text = fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        let rows = text.lines().skip(1);
        of_system.extend(rows.filter_map(|row| Some(row.split_whitespace().nth(9)?.to_owned())));
    }
    let open = fs::read_dir(format!("/proc/{pid}/fd"))?.filter_map(Result::ok);
    let is_udp = |target: PathBuf| {
        let target = target.display().to_string();
        let inode = target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']'));
        inode.is_some_and(|inode| of_system.contains(inode))
    };
    Ok(open
        .filter_map(|fd| fs::read_link(fd.path()).ok())
        .filter(|path| is_udp(path.clone()))
        .count())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_key_talks_and_nobody_else_connects() -> TestResult {
    let cluster = cluster()?;
    let ship = descriptor("ship", Some(1));
    let mut ann = node(&cluster, "ann", &ship, &[])?;
    ann.start().await?;
    let mut bob = node(&cluster, "bob", &ship, &[&ann])?;
    bob.start().await?;
    // Without the key, with another one, and with the key but another name.
    let strangers = [
        ("nokey", descriptor("ship", None)),
        ("otherkey", descriptor("ship", Some(2))),
        ("othername", descriptor("boat", Some(1))),
    ];
    let mut outside = Vec::new();
    for (name, network) in &strangers {
        let mut stranger = node(&cluster, name, network, &[&ann])?;
        stranger.start().await?;
        outside.push(stranger);
    }
    // The same the other way round: one with the key dials one without.
    bob.options_mut().peers.push(outside[0].address()?);
    bob.restart().await?;

    ann.init().await?;
    bob.init().await?;
    introduce(&ann, &bob).await?;
    ann.send("bob", "hello").await?;
    bob.wait_received("ann", 1, DEADLINE).await?;
    bob.send("ann", "hi").await?;
    ann.wait_received("bob", 1, DEADLINE).await?;

    // Each attempt that failed is told once per step of the back-off by who made it.
    for node in outside.iter().chain([&bob]) {
        until(format!("{} should have tried twice", node.name()), DEADLINE, async || {
            Ok((node.log().matches("could not connect").count() >= 2).then_some(()))
        })
        .await?;
    }
    for node in outside.iter().chain([&bob]) {
        assert!(node.log().contains("another network key"), "{}", node.log());
    }
    // So does the doctor of who made it, with the address.
    for (node, dialled) in [(&outside[0], &ann), (&outside[1], &ann), (&bob, &outside[0])] {
        let address = dialled.address()?;
        let address = address.split("/p2p/").next().ok_or("no address")?;
        let found: Diagnosis = node.get("/v1/doctor").await?;
        let is_it = |one: &&Finding| one.code == FindingCode::KeyMismatch;
        let one = found.findings.iter().find(is_it);
        let one = one.ok_or_else(|| format!("{}: {:?}", node.name(), found.findings))?;
        assert!(one.problem.contains(address), "{one:?}");
    }
    for stranger in &outside {
        assert!(stranger.connected_peers().await?.is_empty(), "{}", stranger.name());
    }
    let bobs = bob.status().await?.peer_id;
    assert_eq!(ann.connected_peers().await?, [bobs]);
    // Who is knocked at says nothing at the default level.
    for line in ann.log().lines().filter(|line| !line.contains("connected peer=")) {
        assert!(!line.contains("WARN") || line.contains("chmod 600"), "{line}");
        assert!(!line.contains("failed") && !line.contains("could not"), "{line}");
    }
    Ok(())
}

/// Only who dials reads what it can't decrypt. The doctor of who is dialled found nothing, and that may be the one whose key
/// is wrong.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_only_dialled_by_nodes_with_another_key_is_told() -> TestResult {
    let cluster = cluster()?;
    let mut ann = node(&cluster, "ann", &descriptor("ship", Some(1)), &[])?;
    ann.start().await?;
    let told = async || {
        let found: Diagnosis = ann.get("/v1/doctor").await?;
        let is_it = |one: &Finding| one.code == FindingCode::KeyMismatch;
        Ok(found.findings.into_iter().find(is_it))
    };
    assert_eq!(told().await?, None::<Finding>);
    let mut stranger = node(&cluster, "stranger", &descriptor("ship", Some(2)), &[&ann])?;
    stranger.start().await?;
    let one = until("ann's doctor should tell", DEADLINE, told).await?;
    assert!(one.problem.contains("127.0.0.1") && one.severity == Severity::Warning, "{one:?}");
    // Once someone at the same address has the key, it tells nothing of it.
    let mut bob = node(&cluster, "bob", &descriptor("ship", Some(1)), &[&ann])?;
    bob.start().await?;
    connected(&bob, &ann).await?;
    until("it should be over", DEADLINE, async || Ok(told().await?.is_none().then_some(())))
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_node_has_no_quic() -> TestResult {
    let cluster = cluster()?;
    let open = cluster.start("open", &[]).await?;
    assert!(udp_sockets(open.pid()?)? > 0, "the count sees QUIC where it is");

    let mut ann = node(&cluster, "ann", &descriptor("ship", Some(1)), &[])?;
    ann.start().await?;
    let status = ann.status().await?;
    assert!(status.closed);
    assert_eq!(status.transports, [Transport::Tcp]);
    assert!(status.listen.iter().all(|address| address.contains("/tcp/")), "{:?}", status.listen);
    assert_eq!(udp_sockets(ann.pid()?)?, 0);
    // Its descriptor can be read by others, as this test wrote it.
    assert!(status.warnings.iter().any(|warning| warning.contains("chmod 600")));

    let dialled = ann.ctl(&["dial", &open.quic_address()?]).await?;
    assert_eq!(dialled.status.code(), Some(1));
    let told = String::from_utf8(dialled.stderr)?;
    assert!(told.contains("closed") && told.contains("QUIC"), "{told}");

    // Asked to listen on QUIC all the same, it doesn't start.
    ann.stop().await?;
    ann.options_mut().args = ["--listen", "/ip4/127.0.0.1/udp/0/quic-v1"].map(Into::into).to_vec();
    ann.spawn()?;
    assert_eq!(ann.ended(DEADLINE).await?.code(), Some(2));
    assert!(ann.log().contains("no QUIC"), "{}", ann.log());
    Ok(())
}

/// Three commands, and what was not delivered before is delivered in the new network.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_joined_by_its_text() -> TestResult {
    let cluster = cluster()?;
    let mut ann = cluster.user("ann", &[]).await?;
    let mut bob = cluster.user("bob", &[&ann]).await?;
    connected(&bob, &ann).await?;
    introduce(&ann, &bob).await?;
    ann.send("bob", "in the open").await?;
    bob.wait_received("ann", 1, DEADLINE).await?;
    bob.stop().await?;
    let late = ann.send("bob", "behind closed doors").await?;

    let run = async |node: &Node, args: &[&str]| {
        let ran = node.ctl(args).await?;
        let (out, err) = (String::from_utf8(ran.stdout)?, String::from_utf8(ran.stderr)?);
        assert!(ran.status.success(), "{args:?}: {out}{err}");
        Ok::<_, Box<dyn std::error::Error>>(out)
    };
    let file = cluster.path().join("ship.toml");
    let file = file.to_str().ok_or("a path that is no text")?;
    run(&ann, &["network", "create", "ship", "--closed", "-o", file]).await?;
    let joined = run(&ann, &["network", "join", file]).await?;
    // Beside the configuration of the daemon that runs: in the cluster's directory.
    let beside = cluster.path().join("network.toml");
    assert!(joined.contains(beside.to_str().ok_or("no text")?), "{joined}");
    assert!(joined.contains("restart"), "{joined}");
    // Until then what is exported is the old network, which nobody was told.
    let warnings = ann.status().await?.warnings;
    assert!(warnings.iter().any(|one| one.contains("ship (closed)")), "{warnings:?}");
    let exported = ann.ctl(&["network", "export"]).await?;
    let told = String::from_utf8(exported.stderr)?;
    assert!(told.contains("still part of") && told.contains("ship"), "{told}");
    let shown = run(&ann, &["network", "show"]).await?;
    assert!(shown.contains("ship, closed: the daemon takes part once it is restarted"), "{shown}");

    for node in [&mut ann, &mut bob] {
        node.options_mut().tcp_only = true;
    }
    ann.restart().await?;
    bob.start().await?;
    let texts = bob.wait_received("ann", 2, DEADLINE).await?;
    assert_eq!(texts, ["in the open", "behind closed doors"]);
    until("the message should be delivered", DEADLINE, async || {
        let state = ann.message(&late.id).await?.state;
        Ok((state == Delivery::Delivered).then_some(()))
    })
    .await?;

    let shown: Network = serde_json::from_str(&run(&ann, &["network", "show", "--json"]).await?)?;
    assert_eq!(shown.pending, None);
    assert!(ann.status().await?.warnings.iter().all(|one| !one.contains("restarted")));
    assert!(shown.closed && shown.name == "ship");
    let text = run(&ann, &["network", "export"]).await?;
    let key = NetworkDescriptor::read(&fs::read_to_string(file)?)?.key.ok_or("no key")?;
    assert_eq!(NetworkDescriptor::read(&text)?.key, Some(key.clone()));
    let with_key = run(&ann, &["network", "show", "--show-key"]).await?;
    assert!(with_key.contains(key.to_text().as_str()));
    // The key is in no log.
    for node in [&ann, &bob] {
        assert!(!node.log().contains("martletkey1"));
        assert!(!node.log().contains("cut off"), "{}", node.log());
    }
    Ok(())
}
