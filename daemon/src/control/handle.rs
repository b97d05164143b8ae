//! Handles.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{ClaimHandle, FindHandle, GetHandle, GetIdentity, ReleaseHandle};
use martlet_protocol::control::{
    ErrorCode, HandleClaim, HandleFound, HandleText, OwnHandle, Problem,
};
use martlet_protocol::handle::{Handle, HandleKey};
use tokio::time::{Instant, sleep};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;
use crate::limits::{HANDLE_AWAITED, HANDLE_LOOKED_AT_EVERY};

endpoints!(show_handle, claim_handle, release_handle, find_handle);

/// The handle that the user claims, and who else does.
#[utoipa::path(get, path = "/v1/handle", tag = "contacts", responses(
    (status = 200, body = OwnHandle),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn show_handle(State(shared): State<Shared>) -> Result<Json<OwnHandle>, Refusal> {
    Ok(Json(shared.engine().call(GetHandle {}).await?))
}

/// Claims a handle: whoever looks for it finds the user's ID. Others may claim it as well; who does is answered.
#[utoipa::path(post, path = "/v1/handle", tag = "contacts", request_body = HandleClaim, responses(
    (status = 200, body = OwnHandle),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn claim_handle(
    State(shared): State<Shared>,
    JsonBody(HandleClaim { handle }): JsonBody<HandleClaim>,
) -> Result<Json<OwnHandle>, Refusal> {
    let (handle, key) = key_of(&shared, &handle).await?;
    // Who else claims it may be known elsewhere only.
    find(&shared, &handle, &key).await?;
    Ok(Json(shared.engine().call(ClaimHandle { handle, key }).await?))
}

/// Releases the handle: the user answers to it no more.
#[utoipa::path(delete, path = "/v1/handle", tag = "contacts", responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn release_handle(State(shared): State<Shared>, _: NoBody) -> Result<StatusCode, Refusal> {
    shared.engine().call(ReleaseHandle {}).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who answers to a handle, or to what looks like it. If other nodes keep its claims they are asked, for some seconds.
#[utoipa::path(get, path = "/v1/handles/{handle}", tag = "contacts",
    params(("handle" = inline(HandleText), Path, description = "The handle, perhaps with an @ before it.")),
    responses(
        (status = 200, body = HandleFound),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn find_handle(
    State(shared): State<Shared>,
    PathPart(handle): PathPart,
) -> Result<Json<HandleFound>, Refusal> {
    let (handle, key) = key_of(&shared, &handle).await?;
    Ok(Json(find(&shared, &handle, &key).await?))
}

/// The handle's key. It is derived beside the engine: that is slow by design.
async fn key_of(shared: &Shared, text: &str) -> Result<(Handle, HandleKey), Refusal> {
    let handle: Handle =
        text.parse().map_err(|error| Refusal::new(ErrorCode::InvalidHandle, format!("{error}")))?;
    // Without a user, or while the vault is locked, it is refused before anything is paid.
    shared.engine().call(GetIdentity {}).await?;
    let (network, sought) = (shared.context().network.tag(), handle.clone());
    let key = crate::blocking::run(move || HandleKey::derive(&network, &sought)).await;
    let key = key.ok_or_else(Refusal::stopping)?;
    let key = key.ok_or_else(|| {
        Refusal::new(ErrorCode::Internal, "there is not enough memory to derive a handle's key")
    });
    Ok((handle, key?))
}

/// Who claims it. Keepers of another shard are given a while.
async fn find(shared: &Shared, handle: &Handle, key: &HandleKey) -> Result<HandleFound, Refusal> {
    let end = Instant::now() + HANDLE_AWAITED;
    let mut is_asked = false;
    loop {
        let (handle, key) = (handle.clone(), key.clone());
        let found = shared.engine().call(FindHandle { handle, key, is_asked }).await?;
        let others = found.claimants.iter().any(|it| !it.own);
        if others || found.complete || Instant::now() >= end {
            return Ok(found);
        }
        is_asked = true;
        sleep(HANDLE_LOOKED_AT_EVERY).await;
    }
}
