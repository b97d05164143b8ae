//! Events, as they happen and as they happened: Server-Sent Events from the durable log.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures::{StreamExt, stream};
use martlet_protocol::control::{Event, EventsQuery, Problem};

use self::follow::Follower;
use super::Shared;
use super::endpoints::endpoints;
use super::extract::QueryOf;
use super::problem::Refusal;

mod follow;

endpoints!(follow_events);

/// Follows events. `Last-Event-ID` or `since` resumes after an event; without them only events to
/// come are told. The stream ends when the vault is locked or the daemon stops.
#[utoipa::path(get, path = "/v1/events", tag = "events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<u64>, Header, description = "Events after this number."),
    ),
    responses(
        (status = 200, body = Event, content_type = "text/event-stream",
            description = "The first block has an `id` alone, after which the events begin. Of each event `id` is its number, `event` its type, `data` the event as JSON."),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn follow_events(
    State(shared): State<Shared>,
    QueryOf(query): QueryOf<EventsQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let since = last_event_id(&headers)?.or(query.since);
    let follower = Follower::start(shared.engine().clone(), since, shared.ending()).await?;
    // A number without an event, which clients take for no event: who is cut off before the first
    // one can resume from here all the same.
    let start = Bytes::from(format!("id: {}\n\n", follower.cursor()));
    let chunks = stream::unfold(follower, |mut follower| async move {
        let chunk = follower.next().await?;
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(chunk)), follower))
    });
    let chunks = stream::once(std::future::ready(Ok(start))).chain(chunks);
    Ok(event_stream(Body::from_stream(chunks)))
}

/// An answer that is a stream of events.
pub(super) fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.trim().parse().ok()) {
        Some(seq) => Ok(Some(seq)),
        None => Err(Refusal::bad_request("Last-Event-ID must be the number of an event")),
    }
}
