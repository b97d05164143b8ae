//! The account as a whole: taken along, erased.

use std::io;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use futures::stream;
use martlet_engine::command::{EraseUser, ExportCursor, ExportPage, LockRoot, ShowPhrase};
use martlet_protocol::control::{
    ERASE_CONFIRMATION, EraseRequest, Erased, ExportLine, InitResponse, LockRootRequest,
    PhraseRequest, Problem, Shred,
};
use martlet_protocol::limits::LAST_WORDS_BYTES_MAX;
use zeroize::Zeroizing;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::JsonBody;
use super::problem::Refusal;

endpoints!(export_account, erase_account, show_phrase, lock_root);

/// All that the vault holds of its user but for keys, as JSON Lines: one value a line. What is said or deleted while it runs
/// may be in it or not. An export that does not end with a line of type `end` is not whole.
#[utoipa::path(get, path = "/v1/account/export", tag = "identity", responses(
    (status = 200, body = ExportLine, content_type = "application/jsonl"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn export_account(State(shared): State<Shared>) -> Result<Response, Refusal> {
    // Refused before anything is answered, where it is.
    let (lines, next) = shared.engine().call(ExportPage { cursor: None }).await?;
    let chunks = stream::unfold(Some((shared, Some(lines), next)), next_chunk);
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jsonl"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What is at hand, and where to go on.
type Stage = (Shared, Option<Vec<ExportLine>>, Option<ExportCursor>);

/// The next page, once the client has room for it. An error ends the answer in the middle, so that nobody takes it for
/// whole: the vault was locked, or the daemon stops.
async fn next_chunk(stage: Option<Stage>) -> Option<(io::Result<Bytes>, Option<Stage>)> {
    let (shared, lines, cursor) = stage?;
    let (lines, cursor) = match (lines, cursor) {
        (Some(lines), cursor) => (lines, cursor),
        (None, None) => return None,
        (None, cursor) => match shared.engine().call(ExportPage { cursor }).await {
            Ok(page) => page,
            Err(error) => return Some((Err(io::Error::other(error)), None)),
        },
    };
    let mut chunk = Vec::new();
    for line in &lines {
        if let Err(error) = serde_json::to_writer(&mut chunk, line) {
            return Some((Err(error.into()), None));
        }
        chunk.push(b'\n');
    }
    Some((Ok(chunk.into()), Some((shared, None, cursor))))
}

/// Erases the account from this node: identity, keys, contacts, messages, settings. It can't be undone. Streams of events
/// end; the node goes on without a user. The identity isn't terminated, and contacts are not told.
#[utoipa::path(post, path = "/v1/account/erase", tag = "identity", request_body = EraseRequest, responses(
    (status = 200, body = Erased),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn erase_account(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<EraseRequest>,
) -> Result<Json<Erased>, Refusal> {
    if request.confirm != ERASE_CONFIRMATION {
        return Err(Refusal::bad_request(format!(
            "nothing was erased: confirm must be {ERASE_CONFIRMATION:?}"
        )));
    }
    let copies = shared.engine().call(EraseUser {}).await?;
    tracing::warn!("the account was erased");
    shared.vault_was_locked();
    Ok(Json(Erased { copies }))
}

/// What `POST /v1/identity` answered, once more: the ID, the recovery phrase and the kill phrase. The vault must be open, and
/// its passphrase is asked for all the same.
#[utoipa::path(post, path = "/v1/account/phrase", tag = "identity", request_body = PhraseRequest,
    responses(
        (status = 200, body = InitResponse),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_phrase(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<PhraseRequest>,
) -> Result<Json<InitResponse>, Refusal> {
    let passphrase = request.passphrase.map(Zeroizing::new);
    shared.engine().check_passphrase(passphrase).await?;
    let sheet = shared.engine().call(ShowPhrase {}).await?;
    tracing::warn!("the recovery phrase was shown");
    Ok(Json(sheet))
}

/// Takes the root of the identity out of the vault, for good: from then on it is in the recovery phrase alone. What is left of it
/// is shredded: that is done once `running` of `GET /v1/shred` is false.
#[utoipa::path(post, path = "/v1/account/lock-root", tag = "identity",
    request_body = LockRootRequest,
    responses(
        (status = 202, body = Shred),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn lock_root(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<LockRootRequest>,
) -> Result<(StatusCode, Json<Shred>), Refusal> {
    let last_words = Zeroizing::new(request.last_words);
    if last_words.len() > LAST_WORDS_BYTES_MAX {
        return Err(Refusal::bad_request(format!(
            "last_words has {} bytes, at most {LAST_WORDS_BYTES_MAX} are allowed; give the last four words of the recovery phrase",
            last_words.len()
        )));
    }
    let shred = shared.engine().call(LockRoot { last_words }).await?;
    tracing::warn!("the root was locked");
    Ok((StatusCode::ACCEPTED, Json(shred)))
}
