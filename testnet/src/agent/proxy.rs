//! Passes requests on to the daemon's control socket, and its answers back, streams of events as
//! they come.
//!
//! Nothing is gathered here: bodies flow as fast as the slower end takes them, so that an answer of
//! any length needs a fixed amount of memory. What a request may be is the daemon's to judge.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use martlet_protocol::limits::CONTROL_ANSWER_TIMEOUT;
use tokio::net::UnixStream;

use super::ward::{Ward, WardError};

/// One request, over a connection of its own: they are cheap on a socket of the same machine, and a
/// stream of events keeps none from the others.
pub(super) async fn pass_on(State(ward): State<Ward>, request: Request) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return (StatusCode::NOT_FOUND, "an agent has /agent/… and its daemon's /v1/…\n")
            .into_response();
    }
    match tokio::time::timeout(CONTROL_ANSWER_TIMEOUT, ask(&ward, request)).await {
        Ok(Some(answer)) => answer,
        // Off, or it ended while it was asked.
        Ok(None) | Err(_) => WardError::NotAnswering.into_response(),
    }
}

async fn ask(ward: &Ward, mut request: Request) -> Option<Response> {
    let stream = UnixStream::connect(ward.socket()).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    // Ends when `sender` and the answer's body are gone.
    tokio::spawn(connection);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().ok()?;
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    let mut answer = sender.send_request(request).await.ok()?;
    // These are of the connection to the daemon.
    answer.headers_mut().remove(CONNECTION);
    answer.headers_mut().remove(TRANSFER_ENCODING);
    Some(answer.map(Body::new))
}
