//! Whether a contact's device is on.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use martlet_engine::command::PingContact;
use martlet_protocol::control::{ContactText, ErrorCode, PingRequest, PingResponse, Problem};
use martlet_protocol::limits::PING_TIMEOUT_MAX;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::endpoints::endpoints;
use super::extract::{JsonBody, PathPart};
use super::problem::Refusal;
use super::{Shared, stopping};

/// How long an answer is waited for if the client doesn't say.
const TIMEOUT: Duration = Duration::from_secs(10);

endpoints!(ping);

/// Asks a contact's devices whether one is on, and waits for the answer.
#[utoipa::path(post, path = "/v1/contacts/{name}/ping", tag = "contacts", request_body = PingRequest,
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 200, body = PingResponse),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn ping(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    JsonBody(PingRequest { timeout_ms }): JsonBody<PingRequest>,
) -> Result<Json<PingResponse>, Refusal> {
    let wait = timeout_ms.map_or(TIMEOUT, |ms| Duration::from_millis(ms.into()));
    if wait.is_zero() || wait > PING_TIMEOUT_MAX {
        let max = PING_TIMEOUT_MAX.as_millis();
        return Err(Refusal::bad_request(format!("timeout_ms must be 1 to {max}")));
    }
    let (asker, answer) = oneshot::channel();
    // Whoever asked may have gone by the time of the answer.
    let asker = Box::new(move |took| asker.send(took).unwrap_or_default());
    let answered = async {
        // Whoever can't be asked is told so, however short the wait is to be.
        shared.engine().call(PingContact { name: name.clone(), asker }).await?;
        Ok::<_, Refusal>(timeout(wait, answer).await)
    };
    let mut ending = shared.ending();
    let outcome = tokio::select! {
        outcome = answered => outcome?,
        // Who asked is not waited for.
        () = stopping(&mut ending) => return Err(Refusal::stopping()),
    };
    match outcome {
        Ok(Ok(took)) => {
            let round_trip_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            Ok(Json(PingResponse { round_trip_ms }))
        }
        Ok(Err(_)) => Err(Refusal::new(
            ErrorCode::NoAnswer,
            "no answer can come any more: the vault was locked, or the contact removed, or the disk failed",
        )),
        Err(_) => {
            let detail = format!(
                "{name:?} has not answered within {} s: their device is off, locked or not reached, or you are not their contact",
                wait.as_secs_f64()
            );
            Err(Refusal::new(ErrorCode::NoAnswer, detail))
        }
    }
}
