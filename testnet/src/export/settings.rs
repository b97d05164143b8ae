//! What each daemon is configured with, where its peers have names.

use martlet_protocol::control::Role;
use martletd::config::{ConnectionsTarget, DialAddress, ListenAddress, MailboxBytes, Settings};

use super::{DAEMON_PORT, ExportError};
use crate::plan::{NodeIndex, Plan};

/// The network's descriptor, as TOML.
pub(super) fn network(plan: &Plan) -> Result<String, ExportError> {
    to_toml(&plan.network.descriptor("testnet"))
}

/// A node's configuration, as TOML. `hosts` are the nodes' names on the network.
pub(super) fn daemon(
    plan: &Plan,
    node: NodeIndex,
    hosts: &[String],
) -> Result<String, ExportError> {
    let this = &plan.nodes[node];
    let wrong = |error: &dyn std::fmt::Display| ExportError::Setting {
        node: this.name.clone(),
        reason: error.to_string(),
    };
    // IPv4 alone: Shadow has no other, and the names are looked up as such.
    let listen = [
        format!("/ip4/0.0.0.0/tcp/{DAEMON_PORT}"),
        format!("/ip4/0.0.0.0/udp/{DAEMON_PORT}/quic-v1"),
    ];
    let listen = listen
        .iter()
        .map(|address| address.parse::<ListenAddress>().map_err(|error| wrong(&error)))
        .collect::<Result<_, _>>()?;
    let peers = plan.links.iter().filter(|link| link.a == node);
    let peers = peers
        .map(|link| {
            let address = format!("/dns4/{}/tcp/{DAEMON_PORT}", hosts[link.b]);
            address.parse::<DialAddress>().map_err(|error| wrong(&error))
        })
        .collect::<Result<_, _>>()?;
    let target = plan.settings.connections_target.map(ConnectionsTarget::try_from);
    let mailbox = plan.settings.mailbox_bytes_max.map(MailboxBytes::try_from);
    to_toml(&Settings {
        listen: Some(listen),
        static_peers: Some(peers),
        // Nodes meet over the scenario's links, and over no others.
        mdns: Some(false),
        connections_target: target.transpose().map_err(|error| wrong(&error))?,
        mailbox_bytes_max: mailbox.transpose().map_err(|error| wrong(&error))?,
        peer_envelopes_per_minute: plan.settings.peer_envelopes_per_minute,
        direct_files: plan.settings.direct_files,
        user: (!this.user && this.role != Role::Mailbox).then_some(false),
        role: Some(this.role),
        shards: this.shards.clone().filter(|_| this.role == Role::Full),
        ..Settings::default()
    })
}

fn to_toml(value: &impl serde::Serialize) -> Result<String, ExportError> {
    toml::to_string(value).map_err(|error| ExportError::Text(error.to_string()))
}
