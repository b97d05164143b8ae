//! The shredder.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{GetShred, ShredVault};
use martlet_protocol::control::{Problem, Shred};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::NoBody;
use super::problem::Refusal;

endpoints!(get_shred, begin_shred);

/// How things stand with what was deleted or overwritten.
#[utoipa::path(get, path = "/v1/shred", tag = "daemon", responses(
    (status = 200, body = Shred),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_shred(State(shared): State<Shared>) -> Result<Json<Shred>, Refusal> {
    Ok(Json(shared.engine().call(GetShred {}).await?))
}

/// Begins to shred what was deleted or overwritten until now, and answers at once. It is done once `running` is false.
#[utoipa::path(post, path = "/v1/shred", tag = "daemon", responses(
    (status = 202, body = Shred),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn begin_shred(
    State(shared): State<Shared>,
    _: NoBody,
) -> Result<(StatusCode, Json<Shred>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(shared.engine().call(ShredVault {}).await?)))
}
