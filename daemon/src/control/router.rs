//! Which handler answers which path, and the description of it all.

use axum::Router;
use axum::http::{Method, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use martlet_protocol::control::{ErrorCode, Event};
use utoipa::OpenApi;

use super::extract::NoBody;
use super::problem::Refusal;
use super::{Shared, contact, doctor, event, message, metrics, network, peer, status};

pub(super) fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/status", get(status::get_status))
        .route("/v1/identity", get(status::get_identity).post(status::create_identity))
        .route("/v1/unlock", post(status::unlock))
        .route("/v1/lock", post(status::lock))
        .route("/v1/contacts", get(contact::list_contacts).post(contact::add_contact))
        .route(
            "/v1/contacts/{name}",
            get(contact::get_contact)
                .patch(contact::rename_contact)
                .delete(contact::remove_contact),
        )
        .route("/v1/requests", get(contact::list_requests))
        .route("/v1/requests/{id}", delete(contact::drop_request))
        .route("/v1/requests/{id}/accept", post(contact::accept_request))
        .route("/v1/messages", post(message::send_message))
        .route("/v1/messages/{id}", get(message::get_message))
        .route("/v1/conversations/{name}/messages", get(message::get_history))
        .route("/v1/conversations/{name}/read", post(message::mark_read))
        .route("/v1/inbox", get(message::get_inbox))
        .route("/v1/events", get(event::follow_events))
        .route("/v1/peers", get(peer::list_peers).post(peer::dial))
        .route("/v1/metrics", get(metrics::get_metrics))
        .route("/v1/network", get(network::get_network))
        .route("/v1/network/export", post(network::export_network))
        .route("/v1/bans", get(peer::list_bans).post(peer::ban))
        .route("/v1/bans/{peer_id}", delete(peer::unban))
        .route("/v1/doctor", get(doctor::diagnose))
        .route("/v1/openapi.json", get(get_openapi))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(shared)
}

/// The description of the API, generated from the handlers and types.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Martlet control API",
        description = "What programs of the same user may ask of martletd, as JSON over its Unix socket. Errors are `application/problem+json` with a stable `code`.",
    ),
    paths(
        status::get_status,
        status::create_identity,
        status::get_identity,
        status::unlock,
        status::lock,
        contact::list_contacts,
        contact::add_contact,
        contact::get_contact,
        contact::rename_contact,
        contact::remove_contact,
        contact::list_requests,
        contact::accept_request,
        contact::drop_request,
        message::send_message,
        message::get_message,
        message::get_history,
        message::mark_read,
        message::get_inbox,
        event::follow_events,
        peer::list_peers,
        peer::dial,
        metrics::get_metrics,
        network::get_network,
        network::export_network,
        peer::list_bans,
        peer::ban,
        peer::unban,
        doctor::diagnose,
        get_openapi,
    ),
    components(schemas(Event))
)]
struct Description;

/// This description.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "daemon", responses(
    (status = 200, description = "OpenAPI 3.1", content_type = "application/json"),
))]
async fn get_openapi() -> Response {
    axum::Json(openapi()).into_response()
}

async fn not_found(uri: Uri, _: NoBody) -> Refusal {
    let detail = format!("there is no {}; see GET /v1/openapi.json", uri.path());
    Refusal::new(ErrorCode::NotFound, detail)
}

async fn method_not_allowed(method: Method, uri: Uri, _: NoBody) -> Refusal {
    let detail = format!("{method} is not for {}; see GET /v1/openapi.json", uri.path());
    Refusal::new(ErrorCode::MethodNotAllowed, detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// `METHOD /path` of every row of the table in the protocol's documentation.
    fn documented() -> BTreeSet<String> {
        include_str!("../../../protocol/src/control.rs")
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"))
            .filter_map(|row| row.split('`').next())
            .map(str::to_owned)
            .collect()
    }

    fn described() -> BTreeSet<String> {
        let json = serde_json::to_value(openapi()).expect("JSON");
        let paths = json["paths"].as_object().expect("paths").clone();
        paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("item").keys();
                methods
                    .map(|method| format!("{} {path}", method.to_uppercase()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn the_description_has_every_documented_endpoint_and_no_other() {
        assert!(documented().len() > 20);
        assert_eq!(described(), documented());
    }

    #[test]
    fn queries_are_described_as_queries() {
        let json = serde_json::to_value(openapi()).expect("JSON");
        let parameters = &json["paths"]["/v1/conversations/{name}/messages"]["get"]["parameters"];
        let places: Vec<_> = parameters
            .as_array()
            .expect("parameters")
            .iter()
            .map(|parameter| (parameter["name"].as_str(), parameter["in"].as_str()))
            .collect();
        assert_eq!(
            places,
            [
                (Some("name"), Some("path")),
                (Some("limit"), Some("query")),
                (Some("before"), Some("query"))
            ]
        );
    }
}
