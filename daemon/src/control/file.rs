//! Files.

mod bytes;
mod voice;

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::{Extension, Json};
use martlet_engine::command::{
    AcceptFile, FileHere, FilesFrom, FilesPage, ForgetFile, GetFile, GetThumbnail, ListFiles,
    PrepareBlob, RefuseFile, SendBlob, SendFile,
};
use martlet_engine::{CommandError, goes_in_parts};
use martlet_protocol::control::{
    ErrorCode, FileList, FileOctets, FileSend, FilesQuery, Message, MessageIdStart, Problem,
    SendResponse, ThumbnailOctets,
};
use martlet_protocol::file::sealed::Layout;
use martlet_protocol::limits::FILE_NAME_GIVEN_BYTES_MAX;
use martlet_protocol::message::{FileContent, FileError};
use martlet_store::blobs::BlobDirError;
use tokio::runtime::Handle;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{FileBody, FileBodyContent, NoBody, PathPart, QueryOf};
use super::message::{whole_id, whole_id_of};
use super::places::{Place, ProcessId};
use super::problem::Refusal;
use crate::blobs::is_cancelled;
use crate::host::CallError;
use bytes::{BodyReader, asked, streamed};
use voice::{Listening, no_voice};

endpoints!(send_file, list_files, get_file, get_thumbnail, forget_file, accept_file, refuse_file);

/// Sends a file of at most 5 GiB: the body. Answered once the message is on disk. A file of more than 24 KiB has to say how large it is
/// (`content-length`); the recipient fetches it from this node. What the file is, the `content-type` says; nobody looks into it, but for a voice memo (`voice`).
#[utoipa::path(post, path = "/v1/files", tag = "files", params(FileSend),
    request_body(content = inline(FileOctets), content_type = "application/octet-stream"),
    responses(
        (status = 201, body = SendResponse),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn send_file(
    State(shared): State<Shared>,
    Extension(process): Extension<ProcessId>,
    QueryOf(mut request): QueryOf<FileSend>,
    FileBody { media_type, content }: FileBody,
) -> Result<(StatusCode, Json<SendResponse>), Refusal> {
    if request.name.len() > FILE_NAME_GIVEN_BYTES_MAX {
        return Err(Refusal::file_name_too_long(request.name.len()));
    }
    request.reply_to = whole_id_of(&shared, request.reply_to).await?;
    let response = match content {
        FileBodyContent::Read(bytes) => {
            shared.engine().call(SendFile { request, media_type, bytes }).await?
        }
        FileBodyContent::Unread(size, body) => {
            // Of its own: whoever asked may go between the commit of the message and the answer, and this with it.
            let place = shared.transfers().take(process)?;
            let sending = send_blob(shared, request, media_type, (size, body), place);
            let sending = tokio::spawn(sending);
            sending.await.map_err(|_| Refusal::stopping())??
        }
    };
    Ok((StatusCode::CREATED, Json(response)))
}

/// A file that is larger than a message holds: sealed as it comes, and announced once it is on disk.
async fn send_blob(
    shared: Shared,
    request: FileSend,
    media_type: String,
    (size, body): (u64, Body),
    _place: Place,
) -> Result<SendResponse, Refusal> {
    let Ok(layout) = Layout::of(size) else { return Err(Refusal::file_too_large(size)) };
    let direct = shared.context().direct_files;
    if !shared.context().sends_large && !goes_in_parts(&shared.context().network, size) {
        return Err(Refusal::file_needs_direct(&shared.context().network));
    }
    let (engine, keeper) = (shared.engine(), &shared.context().blobs);
    // Before it is asked whether the vault is open.
    let closing = keeper.closing();
    let prepared = engine.call(PrepareBlob { request: request.clone(), size }).await?;
    let file = BodyReader::new(body, Handle::current(), (shared.ending(), closing.clone()));
    let (file, heard) = Listening::to(file, request.voice);
    let seal = (prepared.key.clone(), layout);
    let imported = keeper.import(prepared.name, seal, file, closing.clone()).await;
    let imported = imported.map_err(|error| {
        if shared.is_stopping() {
            Refusal::stopping()
        } else if is_cancelled(&closing) {
            Refusal::of_blob(&BlobDirError::Ended)
        } else if let Some(error) = no_voice(&error) {
            CommandError::from(FileError::from(error)).into()
        } else {
            Refusal::of_blob(&error)
        }
    })?;
    let holders = if direct { vec![keeper.own_holder().await] } else { Vec::new() };
    let blob = imported.id();
    let voice_ms = heard.get().copied();
    let sent = SendBlob { request, media_type, size, prepared, blob, holders, voice_ms };
    match engine.call(sent).await {
        Err(error @ CallError::Command(_)) => Err(error.into()),
        // Of an engine that ends nobody hears whether it was committed.
        done => {
            imported.keep();
            Ok(done?)
        }
    }
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

/// A file, as it came, or one range of it (`range`): whoever shows it decodes what someone else made.
#[utoipa::path(get, path = "/v1/files/{id}", tag = "files",
    params(("id" = inline(MessageIdStart), Path, description = "The id of the file's message, or its beginning.")),
    responses(
        (status = 200, body = inline(FileOctets), content_type = "application/octet-stream"),
        (status = 206, description = "The range asked for.", body = inline(FileOctets), content_type = "application/octet-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_file(
    State(shared): State<Shared>,
    Extension(process): Extension<ProcessId>,
    PathPart(id): PathPart,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id = whole_id(&shared, id).await?;
    let FileHere { file, blob } = shared.engine().call(GetFile { id }).await?;
    let size = file.size();
    let range = asked(&headers, size)?;
    let (status, bytes) = match &range {
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
        None => (StatusCode::OK, 0..size),
    };
    let body = match (&file.content, blob) {
        (FileContent::Blob(content), Some(blob)) => {
            let place = shared.transfers().take(process)?;
            let keeper = &shared.context().blobs;
            let layout = Layout::of(size).map_err(|_| Refusal::file_too_large(size))?;
            let closing = keeper.closing();
            let whole = keeper.whole(blob).await.map_err(|error| {
                keeper.note_unreadable(&blob.name, &error);
                Refusal::of_blob(&error)
            })?;
            let (keeper, name) = (keeper.clone(), blob.name);
            let opened = (content.key.clone(), layout, bytes.clone());
            streamed((whole, place), opened, closing, move |error| {
                keeper.note_unreadable(&name, error);
            })
        }
        (FileContent::Here(content), _) => {
            Body::from(Bytes::copy_from_slice(&content.as_slice()[in_memory(&bytes)]))
        }
        (FileContent::Blob(_), None) => Body::empty(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Not what its sender says that it is: a program would take it for that.
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.end - bytes.start));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if range.is_some() {
        let told = format!("bytes {}-{}/{size}", bytes.start, bytes.end.saturating_sub(1));
        if let Ok(told) = HeaderValue::from_str(&told) {
            headers.insert(header::CONTENT_RANGE, told);
        }
    }
    Ok(response)
}

/// How a file looks, as its sender made it, which may be something else: whoever shows it decodes what someone else made. Also of a file
/// that is not here.
#[utoipa::path(get, path = "/v1/files/{id}/thumbnail", tag = "files",
    params(("id" = inline(MessageIdStart), Path, description = "The id of the file's message, or its beginning.")),
    responses(
        (status = 200, content(
            (inline(ThumbnailOctets) = "image/jpeg"),
            (inline(ThumbnailOctets) = "image/webp"),
        )),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_thumbnail(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
) -> Result<Response, Refusal> {
    let id = whole_id(&shared, id).await?;
    let thumbnail = shared.engine().call(GetThumbnail { id }).await?;
    let thumbnail = thumbnail.ok_or_else(|| {
        Refusal::new(ErrorCode::NotFound, "its sender made no small picture of this file")
    })?;
    let mut response = Response::new(Body::from(thumbnail.as_slice().to_vec()));
    let kind = HeaderValue::from_static(thumbnail.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// Some bytes of what is in memory, as it holds them.
fn in_memory(bytes: &Range<u64>) -> Range<usize> {
    let at = |byte: u64| usize::try_from(byte).unwrap_or(usize::MAX);
    at(bytes.start)..at(bytes.end)
}

/// Removes what is here of a file of more than 24 KiB, and ends its fetching. Its message stays. An own one can't be fetched from here any
/// more.
#[utoipa::path(delete, path = "/v1/files/{id}", tag = "files",
    params(("id" = inline(MessageIdStart), Path, description = "The id of the file's message, or its beginning.")),
    responses(
        (status = 204, description = "Done."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn forget_file(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    NoBody: NoBody,
) -> Result<StatusCode, Refusal> {
    let id = whole_id(&shared, id).await?;
    shared.engine().call(ForgetFile { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a file fetched: now, or as soon as someone who has it is on. It is seen in the events how it goes.
#[utoipa::path(post, path = "/v1/files/{id}/accept", tag = "files",
    params(("id" = inline(MessageIdStart), Path, description = "The id of the file's message, or its beginning.")),
    responses(
        (status = 200, body = Message),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn accept_file(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    NoBody: NoBody,
) -> Result<Json<Message>, Refusal> {
    let id = whole_id(&shared, id).await?;
    Ok(Json(shared.engine().call(AcceptFile { id }).await?))
}

/// Says that the user does not want a file. What is here of it is removed. Who sent it is not told.
#[utoipa::path(post, path = "/v1/files/{id}/refuse", tag = "files",
    params(("id" = inline(MessageIdStart), Path, description = "The id of the file's message, or its beginning.")),
    responses(
        (status = 200, body = Message),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn refuse_file(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    NoBody: NoBody,
) -> Result<Json<Message>, Refusal> {
    let id = whole_id(&shared, id).await?;
    Ok(Json(shared.engine().call(RefuseFile { id }).await?))
}
