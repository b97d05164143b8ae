//! What the daemon counts about itself.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use martlet_protocol::control::Problem;

use super::Shared;
use super::endpoints::endpoints;
use crate::scrape::CONTENT_TYPE;

endpoints!(get_metrics);

/// All metrics, for Prometheus. Reads nothing of the user's and changes nothing.
#[utoipa::path(get, path = "/v1/metrics", tag = "daemon", responses(
    (status = 200, description = "Prometheus' text format 0.0.4", content_type = "text/plain"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_metrics(State(shared): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], shared.metrics().scrape().await).into_response()
}
