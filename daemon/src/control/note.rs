//! Notes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{GetNotes, WriteNote};
use martlet_protocol::control::{History, HistoryQuery, NoteRequest, Problem, SendResponse};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, QueryOf};
use super::problem::Refusal;

endpoints!(write_note, get_notes);

/// Writes a note to oneself. Answered once it is on disk.
#[utoipa::path(post, path = "/v1/notes", tag = "messages", request_body = NoteRequest, responses(
    (status = 201, body = SendResponse),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn write_note(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<NoteRequest>,
) -> Result<(StatusCode, Json<SendResponse>), Refusal> {
    let response = shared.engine().call(WriteNote { request }).await?;
    Ok((StatusCode::CREATED, Json(response)))
}

/// A page of the notes.
#[utoipa::path(get, path = "/v1/notes", tag = "messages", params(HistoryQuery), responses(
    (status = 200, body = History),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_notes(
    State(shared): State<Shared>,
    QueryOf(query): QueryOf<HistoryQuery>,
) -> Result<Json<History>, Refusal> {
    Ok(Json(shared.engine().call(GetNotes { query }).await?))
}
