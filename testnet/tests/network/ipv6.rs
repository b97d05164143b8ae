//! A LAN without IPv4: link-local addresses alone. Skipped where this isn't root.

use std::process::Command;
use std::time::Duration;

use martlet_protocol::control::Delivery;
use martlet_testnet::cluster::{Lan, NodeOptions, introduce, until};

use super::{TestResult, cluster, keep_if_failed, or_skip};

const DEADLINE: Duration = Duration::from_secs(60);
const LISTEN: &str = "listen = [\"/ip6/::/tcp/4177\", \"/ip6/::/udp/4177/quic-v1\"]";

/// In a host's namespace.
fn ip(lan: &Lan, host: usize, args: &[&str]) -> TestResult {
    let namespace = lan.namespace(host);
    let said = Command::new("ip").args(["-n", &namespace]).args(args).output()?;
    match said.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&said.stderr).into_owned().into()),
    }
}

/// Takes IPv4 away, and adds an interface that leads nowhere, so that the right one is to be found.
fn ipv6_only(lan: &Lan, host: usize) -> TestResult {
    ip(lan, host, &["-4", "address", "flush", "dev", "eth0"])?;
    ip(lan, host, &["link", "add", "aside0", "type", "veth", "peer", "name", "aside1"])?;
    ip(lan, host, &["link", "set", "aside0", "up"])?;
    ip(lan, host, &["link", "set", "aside1", "up"])
}

/// The link-local address of a host.
fn link_local(lan: &Lan, host: usize) -> Result<String, Box<dyn std::error::Error>> {
    let namespace = lan.namespace(host);
    let args = ["-n", &namespace, "-6", "-o", "address", "show", "dev", "eth0", "scope", "link"];
    let said = Command::new("ip").args(args).output()?;
    let said = String::from_utf8(said.stdout)?;
    let address = said.split_whitespace().skip_while(|word| *word != "inet6").nth(1);
    let address = address.and_then(|address| address.split('/').next());
    Ok(address.ok_or("no link-local address")?.to_owned())
}

/// Nodes on a LAN with IPv6 alone never found each other: mDNS was asked by IPv4 only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_lan_with_ipv6_alone_nodes_find_each_other_and_talk() -> TestResult {
    let Some(lan) = or_skip(Lan::new([1, 1])) else { return Ok(()) };
    for host in [0, 1] {
        ipv6_only(&lan, host)?;
    }
    let cluster = cluster()?;
    let outcome = async {
        let node = |name: &str, host| {
            let namespace = Some(lan.namespace(host));
            let config = vec![LISTEN.to_owned()];
            cluster.node(name, NodeOptions { namespace, config, ..NodeOptions::default() })
        };
        let (mut a, mut b) = (node("a", 0), node("b", 1));
        for node in [&mut a, &mut b] {
            node.start().await?;
            node.init().await?;
        }
        a.wait_connected(&[&b], DEADLINE).await?;
        introduce(&a, &b).await?;
        let sent = a.send("b", "without IPv4").await?;
        a.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
        Ok(())
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_local_address_is_dialled_with_its_zone() -> TestResult {
    let Some(lan) = or_skip(Lan::new([1, 1])) else { return Ok(()) };
    for host in [0, 1] {
        ipv6_only(&lan, host)?;
    }
    let cluster = cluster()?;
    let outcome = async {
        let node = |name: &str, host, peers| {
            let namespace = Some(lan.namespace(host));
            let config = vec![LISTEN.to_owned()];
            let mdns = Some(false);
            let options = NodeOptions { namespace, peers, mdns, config, ..NodeOptions::default() };
            cluster.node(name, options)
        };
        let mut b = node("b", 1, Vec::new());
        b.start().await?;
        let there =
            until("the address should be ready", DEADLINE, async || Ok(link_local(&lan, 1).ok()))
                .await?;
        // As a static peer.
        let mut a = node("a", 0, vec![format!("/ip6zone/eth0/ip6/{there}/tcp/4177")]);
        a.start().await?;
        a.wait_connected(&[&b], DEADLINE).await?;
        // And by hand, by the other side.
        let here = link_local(&lan, 0)?;
        b.restart().await?;
        let dialled = b.ctl(&["dial", "--wait", &format!("[{here}%eth0]:4177")]).await?;
        let said = String::from_utf8_lossy(&dialled.stderr).into_owned();
        assert!(dialled.status.success(), "{said}");
        let aside = b.ctl(&["dial", "--wait", &format!("[{here}%none]:4177")]).await?;
        let said = String::from_utf8_lossy(&aside.stderr).into_owned();
        assert!(said.contains("no such network interface"), "{said}");
        Ok(())
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}
