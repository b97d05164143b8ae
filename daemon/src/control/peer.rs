//! Peers: the nodes this one is connected to or knows of.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use libp2p::multiaddr::Protocol;
use martlet_protocol::control::{DialRequest, ErrorCode, PeerList, Problem};

use super::Shared;
use super::extract::JsonBody;
use super::problem::Refusal;
use crate::config::DialAddress;
use crate::net::transport;

/// Connected and known peers.
#[utoipa::path(get, path = "/v1/peers", tag = "network", responses(
    (status = 200, body = PeerList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn list_peers(State(shared): State<Shared>) -> Json<PeerList> {
    let mut peers = shared.net().peers().await;
    peers.sort_by(|a, b| (!a.connected, &a.peer_id).cmp(&(!b.connected, &b.peer_id)));
    Json(PeerList { peers })
}

/// Starts to connect to an address. Whether it worked is seen in the list of peers.
#[utoipa::path(post, path = "/v1/peers", tag = "network", request_body = DialRequest, responses(
    (status = 202),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn dial(
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
