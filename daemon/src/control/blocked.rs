//! People to whom the user is away.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_protocol::control::{BlockRequest, Blocked, BlockedList, PersonText, Problem};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;
use martlet_engine::command::{Block, ListBlocked, Unblock};

endpoints!(list_blocked, block, unblock);

/// Who is blocked.
#[utoipa::path(get, path = "/v1/blocked", tag = "contacts", responses(
    (status = 200, body = BlockedList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_blocked(State(shared): State<Shared>) -> Result<Json<BlockedList>, Refusal> {
    Ok(Json(shared.engine().call(ListBlocked {}).await?))
}

/// Blocks a contact, or anyone by ID: to them the user is away from now on. Again it changes nothing.
#[utoipa::path(post, path = "/v1/blocked", tag = "contacts", request_body = BlockRequest, responses(
    (status = 201, body = Blocked),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn block(
    State(shared): State<Shared>,
    JsonBody(BlockRequest { who }): JsonBody<BlockRequest>,
) -> Result<(StatusCode, Json<Blocked>), Refusal> {
    let blocked = shared.engine().call(Block { who }).await?;
    Ok((StatusCode::CREATED, Json(blocked)))
}

/// Unblocks. What they had sent by now is not shown; what they send from now on is.
#[utoipa::path(delete, path = "/v1/blocked/{who}", tag = "contacts",
    params(("who" = inline(PersonText), Path, description = "A contact's name, or an ID.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn unblock(
    State(shared): State<Shared>,
    PathPart(who): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(Unblock { who }).await?;
    Ok(StatusCode::NO_CONTENT)
}
