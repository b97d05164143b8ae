//! Cables that are pulled out, and links that are lost without a word. Skipped where this isn't root.

use std::time::{Duration, Instant};

use martlet_protocol::control::{Delivery, Diagnosis, FindingCode};
use martlet_testnet::cluster::{Cluster, ClusterError, Lan, Node, NodeOptions, introduce, until};

use super::{TestResult, cluster, keep_if_failed, or_skip, say};

const DEADLINE: Duration = Duration::from_secs(60);
/// Within which a lost link is to be noticed, and within which what waited is to come once it is back.
const SOON: Duration = Duration::from_secs(5);
/// How long a link is lost: TCP then tries every 13 s or more.
const OUTAGE: Duration = Duration::from_secs(30);

const TCP: &str = "listen = [\"/ip4/0.0.0.0/tcp/4177\"]";
const QUIC: &str = "listen = [\"/ip4/0.0.0.0/udp/4177/quic-v1\"]";

/// What was sent into a link that was lost for 30 s came 26 s after it was back: both sides held the connection for
/// alive, and TCP tried it less and less often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_into_a_lost_link_comes_within_five_seconds_of_its_return() -> TestResult {
    for (name, listen) in [("TCP", TCP), ("QUIC", QUIC)] {
        let Some(lan) = or_skip(Lan::new([1, 1])) else { return Ok(()) };
        let cluster = cluster()?;
        let outcome = async {
            let [a, b] = two(&cluster, &lan, listen).await?;
            lan.split()?;
            let lost = Instant::now();
            let sent = a.send("b", "into the dark").await?;
            alone(&a, SOON).await?;
            let noticed = lost.elapsed();
            tokio::time::sleep(OUTAGE.saturating_sub(lost.elapsed())).await;
            // Right after its start it doesn't: who has just begun has not met anyone yet.
            until("the doctor should say that nobody is connected", SOON, async || {
                let found: Diagnosis = a.get("/v1/doctor").await?;
                Ok(found.findings.iter().any(|one| one.code == FindingCode::NoPeers).then_some(()))
            })
            .await?;
            lan.heal()?;
            let back = Instant::now();
            b.wait_received("a", 2, SOON).await?;
            let came = back.elapsed();
            a.wait_state(&sent.id, Delivery::Delivered, SOON).await?;
            say(&format!("{name}: noticed after {noticed:.1?}, there {came:.1?} after the return"));
            Ok(())
        };
        let outcome = outcome.await;
        keep_if_failed(cluster, outcome)?;
    }
    Ok(())
}

/// For a minute after the cable was pulled out the status said that a peer was connected, and the doctor that nothing
/// was wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cable_that_is_pulled_out_is_noticed_within_five_seconds_though_nothing_is_sent()
-> TestResult {
    for (name, listen) in [("TCP", TCP), ("QUIC", QUIC)] {
        let Some(lan) = or_skip(Lan::new([1, 1])) else { return Ok(()) };
        let cluster = cluster()?;
        let outcome = async {
            let [a, b] = two(&cluster, &lan, listen).await?;
            lan.separate(&[0, 1])?;
            let pulled = Instant::now();
            alone(&a, SOON).await?;
            let noticed = pulled.elapsed();
            alone(&b, SOON).await?;
            let found: Diagnosis = a.get("/v1/doctor").await?;
            let says = |word: &str| found.findings.iter().any(|one| one.problem.contains(word));
            if !says("has a link") {
                return Err(format!("the doctor says nothing of the cable: {found:?}").into());
            }
            lan.reunite()?;
            let back = Instant::now();
            a.wait_connected(&[&b], SOON).await?;
            say(&format!(
                "{name}: noticed after {noticed:.1?}, connected {:.1?} after the return",
                back.elapsed()
            ));
            Ok(())
        };
        let outcome = outcome.await;
        keep_if_failed(cluster, outcome)?;
    }
    Ok(())
}

/// Two nodes that know each other and have said something.
async fn two(cluster: &Cluster, lan: &Lan, listen: &str) -> Result<[Node; 2], ClusterError> {
    let node = |name: &str, host| {
        let namespace = Some(lan.namespace(host));
        let config = vec![listen.to_owned()];
        cluster.node(name, NodeOptions { namespace, config, ..NodeOptions::default() })
    };
    let (mut a, mut b) = (node("a", 0), node("b", 1));
    a.start().await?;
    b.start().await?;
    a.init().await?;
    b.init().await?;
    introduce(&a, &b).await?;
    a.wait_connected(&[&b], DEADLINE).await?;
    let sent = a.send("b", "hello").await?;
    a.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    // A connection that has hardly lasted is looked at with other eyes: see `CONNECTION_SETTLED`.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok([a, b])
}

/// Waits until a node is connected to nobody.
async fn alone(node: &Node, deadline: Duration) -> Result<(), ClusterError> {
    until(format!("{} should know that nobody is there", node.name()), deadline, async || {
        Ok(node.connected_peers().await?.is_empty().then_some(()))
    })
    .await
}
