//! Conversations as a whole: the list of them, how the user wants them to be, drafts, typing.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{
    GetDraft, GetSettings, ListConversations, SetConversation, SetDraft, SetSettings, TypeTo,
};
use martlet_protocol::control::{
    ConversationChange, ConversationList, ConversationSettings, ConversationText, Draft,
    DraftRequest, Problem, Settings, SettingsChange,
};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;

endpoints!(
    list_conversations,
    set_conversation,
    get_draft,
    keep_draft,
    forget_draft,
    tell_typing,
    get_settings,
    set_settings,
);

/// All conversations: those that are pinned first, then the newest first.
#[utoipa::path(get, path = "/v1/conversations", tag = "messages", responses(
    (status = 200, body = ConversationList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_conversations(
    State(shared): State<Shared>,
) -> Result<Json<ConversationList>, Refusal> {
    Ok(Json(shared.engine().call(ListConversations {}).await?))
}

/// Changes how the user wants a conversation to be. What is absent stays.
#[utoipa::path(patch, path = "/v1/conversations/{name}", tag = "messages",
    request_body = ConversationChange,
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 200, body = ConversationSettings),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn set_conversation(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    JsonBody(change): JsonBody<ConversationChange>,
) -> Result<Json<ConversationSettings>, Refusal> {
    Ok(Json(shared.engine().call(SetConversation { name, change }).await?))
}

/// What the user began to write.
#[utoipa::path(get, path = "/v1/conversations/{name}/draft", tag = "messages",
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 200, body = Draft),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_draft(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
) -> Result<Json<Draft>, Refusal> {
    Ok(Json(shared.engine().call(GetDraft { name }).await?))
}

/// Keeps what the user began to write, in the place of what was kept before.
#[utoipa::path(post, path = "/v1/conversations/{name}/draft", tag = "messages",
    request_body = DraftRequest,
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 200, body = Draft),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn keep_draft(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    JsonBody(request): JsonBody<DraftRequest>,
) -> Result<Json<Draft>, Refusal> {
    Ok(Json(shared.engine().call(SetDraft { name, request: Some(request) }).await?))
}

/// Forgets what the user began to write.
#[utoipa::path(delete, path = "/v1/conversations/{name}/draft", tag = "messages",
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn forget_draft(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(SetDraft { name, request: None }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells a contact that the user is writing, where that is on; at most once in 5 seconds, however often this is called.
#[utoipa::path(post, path = "/v1/conversations/{name}/typing", tag = "messages",
    params(("name" = inline(ConversationText), Path, description = "The contact's name; or the room's name, its id, or an id that begins so.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn tell_typing(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(TypeTo { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How the user wants all conversations to be.
#[utoipa::path(get, path = "/v1/settings", tag = "messages", responses(
    (status = 200, body = Settings),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_settings(State(shared): State<Shared>) -> Result<Json<Settings>, Refusal> {
    Ok(Json(shared.engine().call(GetSettings {}).await?))
}

/// Changes how the user wants all conversations to be. What is absent stays.
#[utoipa::path(patch, path = "/v1/settings", tag = "messages", request_body = SettingsChange,
    responses(
        (status = 200, body = Settings),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn set_settings(
    State(shared): State<Shared>,
    JsonBody(change): JsonBody<SettingsChange>,
) -> Result<Json<Settings>, Refusal> {
    Ok(Json(shared.engine().call(SetSettings { change }).await?))
}
