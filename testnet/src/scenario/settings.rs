//! The network, how its daemons are set, and how long it runs.

use std::time::Duration;

use martlet_protocol::limits::{MAILBOX_FILE_BYTES_MAX, SHARD_BITS_MAX, STAMP_BITS_MAX};
use martletd::limits::{
    CONNECTIONS_TARGET_MAX, MAILBOX_BYTES_MIN, PEER_ENVELOPES_PER_MINUTE_MAX,
    PEER_ENVELOPES_PER_MINUTE_MIN,
};
use martletd::net::GossipPolicy;

use super::error::Fault;
use super::file;
use super::limits::{COST_US_MAX, DURATION_MAX, GOSSIP_PEERS_MAX, QUIET_FACTOR_MAX};
use super::values::show;
use crate::plan::{Costs, LinkTransport, NetworkPlan, Settings};

pub(super) fn check_duration(duration: Duration) -> Result<(), Fault> {
    if duration.is_zero() || duration > DURATION_MAX {
        let most = show(DURATION_MAX);
        let message = format!("it is out of bounds; give more than 0s, up to {most}");
        return Err(Fault::new("duration", message));
    }
    Ok(())
}

pub(super) fn network(network: &file::Network) -> Result<NetworkPlan, Fault> {
    let file::Network { shard_bits, stamp_bits, privacy, mailbox_file_bytes } = *network;
    bounded("network.shard_bits", shard_bits, 0, SHARD_BITS_MAX)?;
    bounded("network.stamp_bits", stamp_bits, 0, STAMP_BITS_MAX)?;
    let mailbox_file_bytes = mailbox_file_bytes.map(|bytes| bytes.0);
    if let Some(bytes) = mailbox_file_bytes {
        bounded("network.mailbox_file_bytes", bytes, 0, MAILBOX_FILE_BYTES_MAX)?;
    }
    Ok(NetworkPlan { shard_bits, stamp_bits, privacy, mailbox_file_bytes })
}

pub(super) fn settings(settings: &file::Settings) -> Result<Settings, Fault> {
    let file::Settings {
        connections_target,
        mailbox_bytes_max,
        peer_envelopes_per_minute,
        direct_files,
        quiet_factor,
        gossip,
        costs,
    } = *settings;
    if let Some(target) = connections_target {
        bounded("settings.connections_target", target, 1, CONNECTIONS_TARGET_MAX)?;
    }
    if let Some(bytes) = mailbox_bytes_max {
        bounded("settings.mailbox_bytes_max", bytes.0, MAILBOX_BYTES_MIN, 1 << 40)?;
    }
    if let Some(envelopes) = peer_envelopes_per_minute {
        let (least, most) = (PEER_ENVELOPES_PER_MINUTE_MIN, PEER_ENVELOPES_PER_MINUTE_MAX);
        bounded("settings.peer_envelopes_per_minute", envelopes, least, most)?;
    }
    let quiet_factor = quiet_factor.unwrap_or(1);
    bounded("settings.quiet_factor", quiet_factor, 1, QUIET_FACTOR_MAX)?;
    Ok(Settings {
        connections_target,
        mailbox_bytes_max: mailbox_bytes_max.map(|bytes| bytes.0),
        peer_envelopes_per_minute,
        direct_files,
        quiet_factor,
        gossip: gossip_policy(gossip)?,
        costs: costs.map(checked_costs).transpose()?,
        transport: LinkTransport::default(),
    })
}

fn checked_costs(costs: Costs) -> Result<Costs, Fault> {
    let Costs { envelope_us, commit_us, wake_us } = costs;
    bounded("settings.costs.envelope_us", envelope_us, 0, COST_US_MAX)?;
    bounded("settings.costs.commit_us", commit_us, 0, COST_US_MAX)?;
    bounded("settings.costs.wake_us", wake_us, 0, COST_US_MAX)?;
    Ok(costs)
}

fn gossip_policy(gossip: file::Gossip) -> Result<GossipPolicy, Fault> {
    let file::Gossip { mesh, mesh_max, lazy, flood_publish, stem, idontwant_bytes_min } = gossip;
    let usual = GossipPolicy::default();
    let mesh = mesh.unwrap_or(usual.mesh);
    bounded("settings.gossip.mesh", mesh, 1, GOSSIP_PEERS_MAX)?;
    let mesh_max = mesh_max.unwrap_or(mesh + usual.mesh_max - usual.mesh);
    bounded("settings.gossip.mesh_max", mesh_max, mesh, 2 * GOSSIP_PEERS_MAX)?;
    let lazy = lazy.unwrap_or(usual.lazy);
    bounded("settings.gossip.lazy", lazy, 0, GOSSIP_PEERS_MAX)?;
    Ok(GossipPolicy {
        mesh,
        mesh_max,
        lazy,
        flood_publish: flood_publish.unwrap_or(usual.flood_publish),
        stem: stem.unwrap_or(usual.stem),
        idontwant_bytes_min: idontwant_bytes_min.unwrap_or(usual.idontwant_bytes_min),
    })
}

fn bounded<T: PartialOrd + std::fmt::Display>(
    key: &str,
    value: T,
    least: T,
    most: T,
) -> Result<(), Fault> {
    if value < least || value > most {
        return Err(Fault::new(key, format!("{value} is out of bounds; give {least} to {most}")));
    }
    Ok(())
}
