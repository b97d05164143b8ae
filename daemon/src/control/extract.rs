//! What handlers take from a request, with every refusal a problem.

use crate::limits::{CONTROL_BODY_BYTES_MAX, CONTROL_BODY_READ_MAX};
use std::error::Error;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use martlet_protocol::control::ErrorCode;
use martlet_protocol::excerpt;
use martlet_protocol::limits::FILE_INLINE_BYTES_MAX;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Refusal;
use super::{Shared, stopping};

/// A JSON body of at most [`CONTROL_BODY_BYTES_MAX`] bytes.
pub(super) struct JsonBody<T>(pub(super) T);

/// A picture: a body of type `image/jpeg`.
pub(super) struct JpegBody(pub(super) Vec<u8>);

/// A file, and what it is, as the sender says: a body of any type.
pub(super) struct FileBody {
    pub(super) media_type: String,
    pub(super) content: FileBodyContent,
}

/// The bytes of a file.
pub(super) enum FileBodyContent {
    /// All of it: it fits a message.
    Read(Vec<u8>),
    /// It does not, and has so many bytes, as its sender says.
    Unread(u64, Body),
}

/// Nothing. A body that says something is refused: whoever sends one takes it that it counts. An empty object and a
/// null say nothing, and some clients send one with each request.
pub(super) struct NoBody;

/// Whatever comes: it is read and ignored. Left unread it would end the connection, or not, as it happens to arrive before the
/// answer or after it.
pub(super) struct AnyBody;

/// A part of the path.
pub(super) struct PathPart(pub(super) String);

/// Both parts of a path that has two.
pub(super) struct PathParts(pub(super) String, pub(super) String);

/// The query.
pub(super) struct QueryOf<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Refusal> {
        let is_json = is_json(request.headers());
        let body = read(request, shared).await?;
        if !is_json {
            return Err(Refusal::bad_request(
                "the body must be JSON; send `content-type: application/json`",
            ));
        }
        // A struct would be read from an array, too: an empty one was a request to unlock.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Refusal::bad_request(
                "the body is refused: expected an object, { … }, at line 1 column 1",
            ));
        }
        serde_json::from_slice(&body)
            .map(Self)
            // It may hold a passphrase.
            .map_err(|error| excerpt::message(&error.to_string()))
            .map_err(|reason| Refusal::bad_request(format!("the body is refused: {reason}")))
    }
}

impl FromRequest<Shared> for JpegBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let is_jpeg = kind.is_some_and(|kind| kind.as_bytes().eq_ignore_ascii_case(b"image/jpeg"));
        let body = read(request, shared).await?;
        if !is_jpeg {
            return Err(Refusal::bad_request(
                "the body must be a JPEG; send `content-type: image/jpeg`",
            ));
        }
        Ok(Self(body.to_vec()))
    }
}

impl FromRequest<Shared> for FileBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let media_type = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let most = FILE_INLINE_BYTES_MAX;
        let content = match claimed_length(request.headers()) {
            Some(claimed) if claimed > most as u64 => {
                FileBodyContent::Unread(claimed, request.into_body())
            }
            Some(_) | None => {
                let bytes = read_up_to(request, shared, most, Refusal::length_required).await?;
                FileBodyContent::Read(bytes.to_vec())
            }
        };
        Ok(Self { media_type, content })
    }
}

impl FromRequest<Shared> for NoBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Refusal> {
        if request.body().is_end_stream() {
            return Ok(Self);
        }
        let body = read(request, shared).await?;
        let body = body.trim_ascii();
        let inside = body.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
        match inside.unwrap_or(body).trim_ascii() {
            [] | b"null" => Ok(Self),
            _ => Err(Refusal::bad_request("the body is refused: this request has none")),
        }
    }
}

impl FromRequest<Shared> for AnyBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Refusal> {
        if !request.body().is_end_stream() {
            read(request, shared).await?;
        }
        Ok(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathPart {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(part)) => Ok(Self(part)),
            // There is no other kind of part.
            Err(_) => Err(Refusal::bad_request(
                "the path is refused: what is percent-encoded in it is not UTF-8",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathParts {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path((one, other))) => Ok(Self(one, other)),
            Err(_) => Err(Refusal::bad_request(
                "the path is refused: what is percent-encoded in it is not UTF-8",
            )),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => {
                // As axum has it: what is wrong is in its source.
                let reason = rejection.source().map_or_else(String::new, ToString::to_string);
                Err(Refusal::bad_request(explain_query(&reason)))
            }
        }
    }
}

/// What is wrong with a query, in words for who wrote it: `reason` is the decoder's.
fn explain_query(reason: &str) -> String {
    // "lmit: unknown field `lmit`, …": where it stands is said twice.
    let (_, rest) = reason.split_once(": ").unwrap_or_default();
    let is_of_the_whole = rest.starts_with("unknown field") || rest.starts_with("duplicate field");
    let message = excerpt::message(if is_of_the_whole { rest } else { reason });
    if let Some(rest) = message.strip_prefix("unknown field") {
        return format!("the query is refused: unknown parameter{rest}");
    }
    if let Some(name) = message.strip_prefix("duplicate field ") {
        return format!("the query is refused: the parameter {name} is there twice");
    }
    match message.split_once(": ") {
        Some((name, reason)) if reason.contains("too large") => {
            format!("the query is refused: the parameter `{name}` is too large a number")
        }
        Some((name, reason)) if ["digit", "integer"].iter().any(|word| reason.contains(word)) => {
            format!("the query is refused: the parameter `{name}` must be a whole number")
        }
        Some(_) | None => format!("the query is refused: {message}"),
    }
}

/// The whole body, unless it is too large, too slow, or the daemon stops before it has come.
async fn read(request: Request, shared: &Shared) -> Result<Bytes, Refusal> {
    if claimed_length(request.headers()).is_some_and(|n| n > CONTROL_BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    read_up_to(request, shared, CONTROL_BODY_BYTES_MAX, too_large).await
}

/// The same of a body of at most `max` bytes.
async fn read_up_to(
    request: Request,
    shared: &Shared,
    max: usize,
    too_large: impl FnOnce() -> Refusal,
) -> Result<Bytes, Refusal> {
    let mut ending = shared.ending();
    let body = Limited::new(request.into_body(), max).collect();
    let read = tokio::select! {
        biased;
        read = timeout(CONTROL_BODY_READ_MAX, body) => read,
        () = stopping(&mut ending) => return Err(Refusal::stopping()),
    };
    match read.map_err(|_| too_slow())? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Refusal::bad_request(format!("the body could not be read: {error}"))),
    }
}

fn too_slow() -> Refusal {
    Refusal::new(
        ErrorCode::RequestTimeout,
        format!("the body did not come within {} s", CONTROL_BODY_READ_MAX.as_secs()),
    )
}

fn too_large() -> Refusal {
    Refusal::new(
        ErrorCode::BodyTooLarge,
        format!("the body is over {CONTROL_BODY_BYTES_MAX} bytes"),
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}

fn claimed_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
