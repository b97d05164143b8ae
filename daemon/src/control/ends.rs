//! How long messages live, and how they end by the user's will.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{
    ClearConversation, DeleteMessage, GetTimers, RecallMessage, SetTimers,
};
use martlet_protocol::control::{
    ConversationText, ConversationTimers, MessageIdStart, Problem, SendResponse, TimersRequest,
};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::message::whole_id;
use super::problem::Refusal;

endpoints!(get_timers, set_timers, recall_message, delete_message, clear_conversation);

/// The timers that a conversation's messages have where nothing else is said.
#[utoipa::path(get, path = "/v1/conversations/{name}/timers", tag = "messages",
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 200, body = ConversationTimers),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_timers(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
) -> Result<Json<ConversationTimers>, Refusal> {
    Ok(Json(shared.engine().call(GetTimers { name }).await?))
}

/// Sets them, for both sides: the contact sees that.
#[utoipa::path(patch, path = "/v1/conversations/{name}/timers", tag = "messages",
    request_body = TimersRequest,
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 200, body = ConversationTimers),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn set_timers(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    JsonBody(request): JsonBody<TimersRequest>,
) -> Result<Json<ConversationTimers>, Refusal> {
    Ok(Json(shared.engine().call(SetTimers { name, request }).await?))
}

/// Takes a message of the user's back: out of the mailboxes, and from the contact's devices.
#[utoipa::path(post, path = "/v1/messages/{id}/recall", tag = "messages",
    params(("id" = inline(MessageIdStart), Path, description = "The message's id, or its beginning.")),
    responses(
        (status = 200, body = SendResponse),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn recall_message(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    _: NoBody,
) -> Result<Json<SendResponse>, Refusal> {
    let id = whole_id(&shared, id).await?;
    Ok(Json(shared.engine().call(RecallMessage { id }).await?))
}

/// Deletes a message on this device.
#[utoipa::path(delete, path = "/v1/messages/{id}", tag = "messages",
    params(("id" = inline(MessageIdStart), Path, description = "The message's id, or its beginning.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn delete_message(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    let id = whole_id(&shared, id).await?;
    shared.engine().call(DeleteMessage { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes all messages of a conversation on this device. The contact stays.
#[utoipa::path(delete, path = "/v1/conversations/{name}/messages", tag = "messages",
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn clear_conversation(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(ClearConversation { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}
