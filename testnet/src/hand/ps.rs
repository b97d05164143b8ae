//! `ps`: what is up.

use std::time::Duration;

use futures::future::join_all;
use martlet_protocol::control::Status;
use martletctl::client::Client;
use serde::Serialize;

use super::state::{Network, NodeState, States};
use super::{HandError, print};
use crate::cluster::to_json;

/// Longest wait for a node's status.
const STATUS_MAX: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct List<'a> {
    networks: &'a [Shown<'a>],
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    network: &'a Network,
    /// In the order of its nodes; null for one that does not answer.
    status: Vec<Option<Status>>,
}

/// Lists the networks that are up, after removing what was left of those that are not.
///
/// # Errors
/// [`HandError`].
pub async fn ps(json: bool) -> Result<(), HandError> {
    let states = States::open()?;
    states.clean().tell();
    let networks = states.all()?;
    let mut shown = Vec::new();
    for network in &networks {
        shown.push(Shown { network, status: join_all(network.nodes.iter().map(ask)).await });
    }
    if json {
        print(&to_json(&List { networks: &shown })?);
        return Ok(());
    }
    if shown.is_empty() {
        eprintln!("No network is up; start one with `martlet-testnet up`.");
    }
    for Shown { network, status } in &shown {
        print(&format!(
            "{} (supervisor {}, {}):",
            network.name,
            network.supervisor.pid,
            network.dir.display()
        ));
        if let Some(url) = &network.dashboard {
            print(&format!("  dashboard: {url}"));
        }
        for (node, status) in network.nodes.iter().zip(status) {
            let is = match status {
                Some(status) => format!(
                    "{} peers, {} envelopes",
                    status.peers_connected, status.mailbox.envelopes
                ),
                None if node.process.is_alive() => "does not answer".to_owned(),
                None => "ended; its log tells why".to_owned(),
            };
            print(&format!(
                "  {:<5} {:>8}  {:<24}  {}",
                node.name,
                node.process.pid,
                is,
                node.socket.display()
            ));
        }
    }
    Ok(())
}

/// Prints networks as JSON, without asking their nodes.
///
/// # Errors
/// [`HandError`].
pub fn print_json(networks: &[Network]) -> Result<(), HandError> {
    #[derive(Serialize)]
    struct List<'a> {
        networks: &'a [Network],
    }
    print(&to_json(&List { networks })?);
    Ok(())
}

async fn ask(node: &NodeState) -> Option<Status> {
    let client = Client::new(node.socket.clone());
    tokio::time::timeout(STATUS_MAX, client.get("/v1/status")).await.ok()?.ok()
}
