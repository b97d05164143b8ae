//! Files.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use martlet_engine::command::{FilesFrom, FilesPage, GetFile, ListFiles, SendFile};
use martlet_protocol::control::{
    ErrorCode, FileList, FileSend, FilesQuery, MessageIdStart, Problem, SendResponse,
};
use martlet_protocol::message::FileContent;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{FileBody, PathPart, QueryOf};
use super::problem::Refusal;

endpoints!(send_file, list_files, get_file);

/// Sends a file of at most 24 KiB: the body. Answered once the message is on disk. What the file is, the `content-type` says; nobody
/// looks into it.
#[utoipa::path(post, path = "/v1/files", tag = "files", params(FileSend),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 201, body = SendResponse),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn send_file(
    State(shared): State<Shared>,
    QueryOf(request): QueryOf<FileSend>,
    FileBody { media_type, bytes }: FileBody,
) -> Result<(StatusCode, Json<SendResponse>), Refusal> {
    let response = shared.engine().call(SendFile { request, media_type, bytes }).await?;
    Ok((StatusCode::CREATED, Json(response)))
}

/// The files of conversations, the newest first.
#[utoipa::path(get, path = "/v1/files", tag = "files", params(FilesQuery), responses(
    (status = 200, body = FileList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_files(
    State(shared): State<Shared>,
    QueryOf(query): QueryOf<FilesQuery>,
) -> Result<Json<FileList>, Refusal> {
    let mut from = FilesFrom::Start(query);
    // Whatever else waits for the engine has its turn in between.
    loop {
        match shared.engine().call(ListFiles { from }).await? {
            FilesPage::Last(list) => return Ok(Json(list)),
            FilesPage::Next(cursor) => from = FilesFrom::Cursor(cursor),
        }
    }
}

/// A file, as it came: whoever shows it decodes what someone else made.
#[utoipa::path(get, path = "/v1/files/{id}", tag = "files",
    params(("id" = inline(MessageIdStart), Path, description = "The id of the file's message, or its beginning.")),
    responses(
        (status = 200, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_file(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
) -> Result<Response, Refusal> {
    let file = shared.engine().call(GetFile { id }).await?;
    let FileContent::Here(bytes) = file.content else {
        return Err(Refusal::new(ErrorCode::NoFile, "the file is not here"));
    };
    let mut response = Response::new(Body::from(bytes.as_slice().to_vec()));
    // Not what its sender says that it is: a program would take it for that.
    let kind = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
