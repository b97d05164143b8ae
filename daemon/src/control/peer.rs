//! Peers: the nodes this one is connected to, knows of, or refuses.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use libp2p::PeerId;
use libp2p::multiaddr::Protocol;
use martlet_protocol::control::{
    Ban, BanList, BanRequest, DialRequest, ErrorCode, PeerIdText, PeerList, Problem,
};
use martlet_protocol::limits::BAN_SECONDS_MAX;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;
use crate::config::DialAddress;
use crate::net::transport;

/// The least of a peer id's end that is taken for it: six characters of 58 kinds.
const PEER_ID_END_MIN: usize = 6;

endpoints!(list_peers, dial, list_bans, ban, unban);

/// Connected and known peers.
#[utoipa::path(get, path = "/v1/peers", tag = "network", responses(
    (status = 200, body = PeerList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_peers(State(shared): State<Shared>) -> Json<PeerList> {
    let mut peers = shared.net().peers().await;
    peers.sort_by(|a, b| (!a.connected, &a.peer_id).cmp(&(!b.connected, &b.peer_id)));
    Json(PeerList { peers })
}

/// Starts to connect to an address. Whether it worked is seen in the list of peers.
#[utoipa::path(post, path = "/v1/peers", tag = "network", request_body = DialRequest, responses(
    (status = 202),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn dial(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<DialRequest>,
) -> Result<StatusCode, Refusal> {
    let address: DialAddress = request
        .address
        .parse()
        .map_err(|error| Refusal::new(ErrorCode::InvalidAddress, format!("{error}")))?;
    let own = shared.context().peer_id;
    if address.as_multiaddr().iter().any(|part| part == Protocol::P2p(own)) {
        return Err(Refusal::new(ErrorCode::InvalidAddress, "that is this node's own address"));
    }
    let network = &shared.context().network;
    if !transport::takes(network, address.as_multiaddr()) {
        let detail = format!(
            "the network {} is closed, and a closed network has no QUIC; dial its TCP address",
            network.name
        );
        return Err(Refusal::new(ErrorCode::InvalidAddress, detail));
    }
    shared.net().dial(address.into_multiaddr()).await;
    Ok(StatusCode::ACCEPTED)
}

/// Bans in force.
#[utoipa::path(get, path = "/v1/bans", tag = "network", responses(
    (status = 200, body = BanList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_bans(State(shared): State<Shared>) -> Json<BanList> {
    Json(BanList { bans: shared.net().bans().await })
}

/// Disconnects a peer and refuses it, also after a restart.
#[utoipa::path(post, path = "/v1/bans", tag = "network", request_body = BanRequest, responses(
    (status = 201, body = Ban),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn ban(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<BanRequest>,
) -> Result<(StatusCode, Json<Ban>), Refusal> {
    if request.seconds.is_some_and(|seconds| !(1..=BAN_SECONDS_MAX).contains(&seconds)) {
        let detail = format!(
            "a ban lasts 1 to {BAN_SECONDS_MAX} seconds; leave the time out for one that lasts until it is lifted"
        );
        return Err(Refusal::bad_request(detail));
    }
    let peer = find(&shared, &request.peer_id).await?;
    if peer == shared.context().peer_id {
        return Err(Refusal::new(ErrorCode::InvalidPeerId, "that is this node itself"));
    }
    let reason = request.reason.unwrap_or_else(|| "banned by the user".into());
    let lasts = request.seconds.map(Duration::from_secs);
    let ban = shared.net().ban(peer, lasts, reason).await.map_err(|error| {
        let detail = format!("the peer is refused, but a restart forgets it: {error}");
        Refusal::new(ErrorCode::StorageFailed, detail)
    })?;
    Ok((StatusCode::CREATED, Json(ban.ok_or_else(Refusal::stopping)?)))
}

/// Lifts a ban, and forgets what the peer did.
#[utoipa::path(delete, path = "/v1/bans/{peer_id}", tag = "network",
    params(("peer_id" = inline(PeerIdText), Path, description = "A peer id, or the end of one that is known")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn unban(
    State(shared): State<Shared>,
    PathPart(text): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    let peer = find(&shared, &text).await?;
    let was_banned = shared.net().unban(peer).await.map_err(|error| {
        let detail = format!("the peer is let in, but refused again after a restart: {error}");
        Refusal::new(ErrorCode::StorageFailed, detail)
    })?;
    if was_banned {
        return Ok(StatusCode::NO_CONTENT);
    }
    Err(Refusal::new(ErrorCode::UnknownPeer, format!("{peer} is not banned")))
}

/// The peer meant: by its id, or by the end of one that is connected, known or banned, as tables
/// show it.
async fn find(shared: &Shared, text: &str) -> Result<PeerId, Refusal> {
    if let Ok(peer) = text.parse() {
        return Ok(peer);
    }
    let end = text.trim_start_matches('…');
    if end.len() < PEER_ID_END_MIN || !end.chars().all(|c| c.is_ascii_alphanumeric()) {
        let detail = format!(
            "{text:?} is no peer id; give all of it, or its last {PEER_ID_END_MIN} characters or more"
        );
        return Err(Refusal::new(ErrorCode::InvalidPeerId, detail));
    }
    let (peers, bans) = tokio::join!(shared.net().peers(), shared.net().bans());
    let mut ids: Vec<String> = peers
        .into_iter()
        .map(|peer| peer.peer_id)
        .chain(bans.into_iter().map(|ban| ban.peer_id))
        .filter(|id| id.ends_with(end))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [id] => id.parse().map_err(|_| unknown(format!("{id:?} is no peer id"))),
        [] => Err(unknown(format!(
            "no peer is known whose id ends in {end:?}; see: martletctl peers"
        ))),
        several => Err(unknown(format!(
            "{} peers have ids that end in {end:?}; give more of it",
            several.len()
        ))),
    }
}

fn unknown(detail: String) -> Refusal {
    Refusal::new(ErrorCode::UnknownPeer, detail)
}
