//! Messages and conversations.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{
    EditMessage, FindFrom, FindMessage, FoundMessage, GetHistory, GetInbox, GetMessage, MarkRead,
    React, SendText,
};
use martlet_protocol::MessageId;
use martlet_protocol::control::{
    ConversationText, EditRequest, History, HistoryQuery, Inbox, Message, MessageIdStart, Problem,
    ReactionRequest, ReadResponse, SendRequest, SendResponse,
};
use martlet_protocol::limits::HISTORY_PAGE_MAX;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart, QueryOf};
use super::problem::Refusal;

endpoints!(
    send_message,
    get_message,
    edit_message,
    react,
    withdraw_reaction,
    get_history,
    mark_read,
    get_inbox,
);

/// Sends a text. Answered once the message is on disk.
#[utoipa::path(post, path = "/v1/messages", tag = "messages", request_body = SendRequest, responses(
    (status = 201, body = SendResponse),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn send_message(
    State(shared): State<Shared>,
    JsonBody(mut request): JsonBody<SendRequest>,
) -> Result<(StatusCode, Json<SendResponse>), Refusal> {
    request.reply_to = whole_id_of(&shared, request.reply_to).await?;
    let response = shared.engine().call(SendText { request }).await?;
    Ok((StatusCode::CREATED, Json(response)))
}

/// One message.
#[utoipa::path(get, path = "/v1/messages/{id}", tag = "messages",
    params(("id" = inline(MessageIdStart), Path, description = "The message's id, or its beginning.")),
    responses(
        (status = 200, body = Message),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_message(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
) -> Result<Json<Message>, Refusal> {
    let id = whole_id(&shared, id).await?;
    Ok(Json(shared.engine().call(GetMessage { id }).await?))
}

/// Gives a message of the user's another text.
#[utoipa::path(patch, path = "/v1/messages/{id}", tag = "messages", request_body = EditRequest,
    params(("id" = inline(MessageIdStart), Path, description = "The message's id, or its beginning.")),
    responses(
        (status = 200, body = Message),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn edit_message(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    JsonBody(request): JsonBody<EditRequest>,
) -> Result<Json<Message>, Refusal> {
    let id = whole_id(&shared, id).await?;
    Ok(Json(shared.engine().call(EditMessage { id, request }).await?))
}

/// Reacts to a message, in the place of what the user reacted with before.
#[utoipa::path(post, path = "/v1/messages/{id}/reaction", tag = "messages",
    request_body = ReactionRequest,
    params(("id" = inline(MessageIdStart), Path, description = "The message's id, or its beginning.")),
    responses(
        (status = 200, body = Message),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn react(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    JsonBody(request): JsonBody<ReactionRequest>,
) -> Result<Json<Message>, Refusal> {
    let id = whole_id(&shared, id).await?;
    Ok(Json(shared.engine().call(React { id, request: Some(request) }).await?))
}

/// Withdraws the user's reaction to a message.
#[utoipa::path(delete, path = "/v1/messages/{id}/reaction", tag = "messages",
    params(("id" = inline(MessageIdStart), Path, description = "The message's id, or its beginning.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn withdraw_reaction(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    let id = whole_id(&shared, id).await?;
    shared.engine().call(React { id, request: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of a conversation.
#[utoipa::path(get, path = "/v1/conversations/{name}/messages", tag = "messages",
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so."), HistoryQuery),
    responses(
        (status = 200, body = History),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_history(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    QueryOf(query): QueryOf<HistoryQuery>,
) -> Result<Json<History>, Refusal> {
    if query.limit.is_some_and(|limit| !(1..=HISTORY_PAGE_MAX).contains(&limit)) {
        return Err(Refusal::bad_request(format!("limit must be 1 to {HISTORY_PAGE_MAX}")));
    }
    Ok(Json(shared.engine().call(GetHistory { name, query }).await?))
}

/// Marks a conversation's messages as read.
#[utoipa::path(post, path = "/v1/conversations/{name}/read", tag = "messages",
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 200, body = ReadResponse),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn mark_read(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    _: NoBody,
) -> Result<Json<ReadResponse>, Refusal> {
    Ok(Json(shared.engine().call(MarkRead { name }).await?))
}

/// Unread messages, by conversation.
#[utoipa::path(get, path = "/v1/inbox", tag = "messages", responses(
    (status = 200, body = Inbox),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_inbox(State(shared): State<Shared>) -> Result<Json<Inbox>, Refusal> {
    Ok(Json(shared.engine().call(GetInbox {}).await?))
}

/// The id of the message that is meant by it, or by its beginning. Whatever else waits for the engine has its turn in between.
pub(super) async fn whole_id(shared: &Shared, id: String) -> Result<String, Refusal> {
    if id.parse::<MessageId>().is_ok() {
        return Ok(id);
    }
    let mut from = FindFrom::Beginning(id);
    loop {
        match shared.engine().call(FindMessage { from }).await? {
            FoundMessage::Id(id) => return Ok(id.to_string()),
            FoundMessage::Next(cursor) => from = FindFrom::Cursor(cursor),
        }
    }
}

/// The same of one that may not be there.
pub(super) async fn whole_id_of(
    shared: &Shared,
    id: Option<String>,
) -> Result<Option<String>, Refusal> {
    match id {
        Some(id) => whole_id(shared, id).await.map(Some),
        None => Ok(None),
    }
}
