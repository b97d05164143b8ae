//! What handlers take from a request, with every refusal a problem.

use crate::limits::CONTROL_BODY_BYTES_MAX;
use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use martlet_protocol::control::ErrorCode;
use martlet_protocol::excerpt;
use serde::de::DeserializeOwned;

use super::problem::Refusal;

/// A JSON body of at most [`CONTROL_BODY_BYTES_MAX`] bytes.
pub(super) struct JsonBody<T>(pub(super) T);

/// Nothing: a body that comes anyway is read and ignored. Left unread it would end the connection,
/// or not, as it happens to arrive before the answer or after it.
pub(super) struct NoBody;

/// A part of the path.
pub(super) struct PathPart(pub(super) String);

/// The query.
pub(super) struct QueryOf<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let is_json = is_json(request.headers());
        let body = read(request).await?;
        if !is_json {
            return Err(Refusal::bad_request(
                "the body must be JSON; send `content-type: application/json`",
            ));
        }
        serde_json::from_slice(&body)
            .map(Self)
            // It may hold a passphrase.
            .map_err(|error| excerpt::message(&error.to_string()))
            .map_err(|reason| Refusal::bad_request(format!("the body is refused: {reason}")))
    }
}

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        if !request.body().is_end_stream() {
            read(request).await?;
        }
        Ok(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PathPart {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(part)) => Ok(Self(part)),
            Err(rejection) => Err(Refusal::bad_request(rejection.body_text())),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Refusal::bad_request(rejection.body_text())),
        }
    }
}

async fn read(request: Request) -> Result<Bytes, Refusal> {
    if claimed_length(request.headers()).is_some_and(|n| n > CONTROL_BODY_BYTES_MAX as u64) {
        return Err(too_large());
    }
    match Limited::new(request.into_body(), CONTROL_BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Refusal::bad_request(format!("the body could not be read: {error}"))),
    }
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
