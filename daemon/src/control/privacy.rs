//! What this node holds, and who can see what of it, as things are now. Facts are gathered first; what they mean is said by
//! a pure function.

mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use martlet_engine::command::{GetHoldings, GetStatus};
use martlet_protocol::UnixMillis;
use martlet_protocol::control::{
    LockState, OthersHold, PrivacyReport, Problem, Reachability, Transport, VaultHolds,
};
use martlet_protocol::network::Privacy;

use super::endpoints::endpoints;
use super::problem::Refusal;
use super::{Exposure, Shared};
use crate::clock::Clock as _;

endpoints!(report_privacy);

/// What this node holds about its user and others, and who can see what of it.
#[utoipa::path(get, path = "/v1/privacy", tag = "daemon", responses(
    (status = 200, body = PrivacyReport),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn report_privacy(State(shared): State<Shared>) -> Result<Json<PrivacyReport>, Refusal> {
    let (status, holdings, peers, reach, kept, bans, depot) = tokio::join!(
        shared.engine().call(GetStatus {}),
        shared.engine().call(GetHoldings {}),
        shared.net().peer_list(),
        shared.net().reach(),
        shared.net().kept(),
        shared.net().bans(),
        shared.context().blobs.holds(),
    );
    let (status, holdings) = (status?, holdings?);
    let vault = holdings.vault;
    let context = shared.context();
    let connected = || peers.peers.iter().filter(|peer| peer.connected);
    let others = OthersHold {
        role: context.role,
        shards: super::status::shown(&kept, context.network.shard_bits),
        mailbox: status.mailbox,
        depot: depot.map(super::status::depot_status),
        tombstones: holdings.tombstones,
        known_peers: u64::try_from(peers.peers.len()).unwrap_or(u64::MAX),
        bans: u64::try_from(bans.len()).unwrap_or(u64::MAX),
    };
    let facts = Facts {
        at: shared.engine().clock().now(),
        lock: status.lock,
        has_passphrase: status.passphrase.unwrap_or_default(),
        has_user: context.user,
        auto_lock: context.auto_lock,
        vault: vault.clone(),
        others: others.clone(),
        network: context.network.name.clone(),
        is_closed: context.network.is_closed(),
        is_lan_only: context.network.lan_only,
        privacy: context.network.privacy(),
        connected: connected().count(),
        relayed: connected().filter(|peer| peer.transport == Some(Transport::Relay)).count(),
        reachability: reach.state,
        has_metrics: context.metrics_listen.map(|address| address.to_string()),
        exposure: context.exposure.clone(),
    };
    let sections = words::sections(&facts);
    Ok(Json(PrivacyReport { at: facts.at, sections, vault, others }))
}

/// What the report is made of.
#[derive(Debug, Clone)]
struct Facts {
    /// Now.
    at: UnixMillis,
    lock: LockState,
    has_passphrase: bool,
    /// Whether there may be a user.
    has_user: bool,
    auto_lock: Option<Duration>,
    /// Of an open one.
    vault: Option<VaultHolds>,
    others: OthersHold,
    network: String,
    is_closed: bool,
    is_lan_only: bool,
    privacy: Privacy,
    /// Peers.
    connected: usize,
    /// Those of them that are connected by another node.
    relayed: usize,
    reachability: Option<Reachability>,
    /// Where metrics are served by TCP.
    has_metrics: Option<String>,
    exposure: Exposure,
}
