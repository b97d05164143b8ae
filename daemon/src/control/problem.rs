//! Problems as HTTP responses.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use martlet_protocol::control::{ErrorCode, Problem};

/// The media type of every error (RFC 9457).
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

/// A [`Problem`] as a response.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Problem);

impl Refusal {
    pub(super) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Problem::new(code, detail))
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, detail)
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Response::new(Body::from(to_json(&self.0)));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        response
    }
}

/// The problem as a whole HTTP response, for connections that are refused before HTTP is spoken.
pub(super) fn raw_response(problem: &Problem) -> Vec<u8> {
    let body = to_json(problem);
    let reason = StatusCode::from_u16(problem.status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Error");
    let head = format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        problem.status,
        body.len()
    );
    [head.into_bytes(), body].concat()
}

fn to_json(problem: &Problem) -> Vec<u8> {
    // A number, a name and a text: there is nothing in it that can't be JSON.
    serde_json::to_vec(problem).unwrap_or_default()
}
