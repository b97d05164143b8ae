//! Searching the history.

use axum::Json;
use axum::extract::State;
use martlet_engine::command::SearchMessages;
use martlet_protocol::control::{ErrorCode, Problem, SearchQuery, SearchResults};
use tokio::sync::oneshot;

use super::endpoints::endpoints;
use super::extract::QueryOf;
use super::problem::Refusal;
use super::{Shared, stopping};

endpoints!(search);

/// Messages that have all of some words, newest first. The first search in a while takes as long as it takes to read all
/// messages.
#[utoipa::path(get, path = "/v1/search", tag = "messages", params(SearchQuery), responses(
    (status = 200, body = SearchResults),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn search(
    State(shared): State<Shared>,
    QueryOf(query): QueryOf<SearchQuery>,
) -> Result<Json<SearchResults>, Refusal> {
    if query.notes && query.within.is_some() {
        return Err(Refusal::bad_request("`in` and `notes` name two conversations; give one"));
    }
    let (answer, found) = oneshot::channel();
    // Whoever asked may have gone by the time of the answer.
    let answer = Box::new(move |results| drop(answer.send(results)));
    shared.engine().call(SearchMessages { query, answer }).await?;
    let mut ending = shared.ending();
    let found = tokio::select! {
        found = found => found,
        // Who asked is not waited for.
        () = stopping(&mut ending) => return Err(Refusal::stopping()),
    };
    let closed =
        "the vault was locked, or the disk failed, before all was looked through; search again";
    found.map(Json).map_err(|_| Refusal::new(ErrorCode::Locked, closed))
}
