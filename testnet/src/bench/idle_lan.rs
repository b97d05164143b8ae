//! What a LAN costs on which nobody says anything, and from which no way leads out.

use std::time::Duration;

use serde_json::Value;

use super::idle::{SETTLING, worst_of};
use super::report::IdleLan;
use super::{WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError, Lan, Node, NodeOptions, introduce};

/// Watches two users and a mailbox node for `span`. They are in network namespaces and find each
/// other by mDNS; where that can't be, on loopback.
pub(super) async fn run(cluster: &Cluster, span: Duration) -> Result<IdleLan, ClusterError> {
    let lan = Lan::new([3, 0])
        .inspect_err(|error| eprintln!("On loopback, without mDNS, since {error}."))
        .ok();
    let mut nodes: Vec<Node> = Vec::new();
    for (host, name) in ["alice", "bob", "mailbox"].into_iter().enumerate() {
        let namespace = lan.as_ref().map(|lan| lan.namespace(host));
        let peers = match namespace {
            Some(_) => Vec::new(),
            None => nodes.iter().map(Node::address).collect::<Result<_, _>>()?,
        };
        let config = vec![r#"log_format = "json""#.to_owned()];
        let mut node =
            cluster.node(name, NodeOptions { peers, config, namespace, ..NodeOptions::default() });
        node.start().await?;
        nodes.push(node);
    }
    let [alice, bob, mailbox] = &nodes[..] else {
        return Err(ClusterError::Wrong("three nodes were started".into()));
    };
    alice.init().await?;
    bob.init().await?;
    introduce(alice, bob).await?;
    alice.wait_connected(&[bob, mailbox], WAIT_MAX).await?;
    bob.wait_connected(&[mailbox], WAIT_MAX).await?;
    flow::first_messages(alice, bob).await?;
    tokio::time::sleep(SETTLING).await;

    let before: Vec<usize> = nodes.iter().map(|node| node.log().lines().count()).collect();
    let cost = worst_of(&[alice, bob, mailbox], span).await?;
    let mut report = IdleLan {
        seconds: span.as_secs_f64(),
        namespaces: lan.is_some(),
        cpu_pct: cost.cpu_pct,
        rss_mib: cost.rss_mib,
        log_above_info: 0,
        log_lines: 0,
    };
    for (node, before) in nodes.iter().zip(before) {
        for line in node.log().lines().skip(before) {
            report.log_lines += 1;
            if is_above_info(line) {
                report.log_above_info += 1;
                eprintln!("{}: {line}", node.name());
            }
        }
    }
    Ok(report)
}

/// Whether a line in JSON is a warning or an error. What is no JSON was not logged, but printed by
/// a panic or a library, and is worse.
fn is_above_info(line: &str) -> bool {
    let line: Option<Value> = serde_json::from_str(line).ok();
    let level = line.as_ref().and_then(|line| line.get("level")?.as_str());
    !matches!(level, Some("INFO" | "DEBUG" | "TRACE"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_harmless_counts() {
        assert!(!is_above_info(r#"{"level":"INFO","message":"listening"}"#));
        for line in [
            r#"{"level":"WARN","message":"a"}"#,
            r#"{"level":"ERROR","message":"a"}"#,
            r#"{"message":"a"}"#,
            "thread 'main' panicked at main.rs:1:1:",
        ] {
            assert!(is_above_info(line), "{line}");
        }
    }
}
