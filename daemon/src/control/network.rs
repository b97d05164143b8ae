//! The network this node is part of.

use axum::Json;
use axum::extract::State;
use martlet_protocol::control::{Network, NetworkExport, Problem};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::NoBody;

endpoints!(get_network, export_network);

/// The network, without its key.
#[utoipa::path(get, path = "/v1/network", tag = "network", responses(
    (status = 200, body = Network),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_network(State(shared): State<Shared>) -> Json<Network> {
    let context = shared.context();
    let file = context.network_file.as_ref().map(|path| path.display().to_string());
    Json(Network { file, ..Network::of(&context.network) })
}

/// The network's descriptor, with its key. A POST, since it gives out a secret: it is for those who
/// may act for the user, not for those who may look.
#[utoipa::path(post, path = "/v1/network/export", tag = "network", responses(
    (status = 200, body = NetworkExport),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn export_network(State(shared): State<Shared>, _: NoBody) -> Json<NetworkExport> {
    let descriptor = shared.context().network.to_toml().to_string();
    Json(NetworkExport { descriptor })
}
