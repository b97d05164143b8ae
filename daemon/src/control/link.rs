//! Linking: a further device joins the identity.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{
    CancelJoin, CancelLink, ConfirmLink, ConfirmLinkByPhrase, ShowJoin, ShowLink, StartLink,
    StartLinkByPhrase,
};
use martlet_protocol::control::{ErrorCode, Join, JoinRequest, Link, LinkConfirm, Problem};
use martlet_protocol::link::LinkCode;
use serde::Deserialize;
use utoipa::IntoParams;
use zeroize::Zeroizing;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, QueryOf};
use super::problem::Refusal;

/// How the device is to be certified.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LinkQuery {
    /// By the recovery phrase, which is given with the confirmation: this device may be without the root.
    #[serde(default)]
    phrase: bool,
}

endpoints!(start_link, show_link, cancel_link, confirm_link, start_join, show_join, cancel_join);

/// Makes a code by which a further device is linked, good for ten minutes and once. One that was made before is good no more.
#[utoipa::path(post, path = "/v1/link", tag = "identity", params(LinkQuery), responses(
    (status = 201, body = Link),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn start_link(
    State(shared): State<Shared>,
    QueryOf(query): QueryOf<LinkQuery>,
    _: NoBody,
) -> Result<(StatusCode, Json<Link>), Refusal> {
    let link = match query.phrase {
        true => shared.engine().call(StartLinkByPhrase {}).await?,
        false => shared.engine().call(StartLink {}).await?,
    };
    Ok((StatusCode::CREATED, Json(link)))
}

/// How far the code came that was made last.
#[utoipa::path(get, path = "/v1/link", tag = "identity", responses(
    (status = 200, body = Link),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn show_link(State(shared): State<Shared>) -> Result<Json<Link>, Refusal> {
    Ok(Json(shared.engine().call(ShowLink {}).await?))
}

/// Ends the code. The new device is told.
#[utoipa::path(delete, path = "/v1/link", tag = "identity", responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn cancel_link(State(shared): State<Shared>, _: NoBody) -> Result<StatusCode, Refusal> {
    shared.engine().call(CancelLink {}).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says whether both devices show the same numbers. If so, the new device is certified, contacts are told, and it gets what
/// the user has. If not, it is refused.
#[utoipa::path(post, path = "/v1/link/confirm", tag = "identity", request_body = LinkConfirm,
    responses(
        (status = 200, body = Link),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn confirm_link(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<LinkConfirm>,
) -> Result<Json<Link>, Refusal> {
    let LinkConfirm { equal, history, recovery_phrase } = request;
    let link = match recovery_phrase.map(Zeroizing::new) {
        Some(phrase) if equal => {
            shared.engine().call(ConfirmLinkByPhrase { phrase, history }).await?
        }
        Some(_) | None => shared.engine().call(ConfirmLink { equal, history }).await?,
    };
    Ok(Json(link))
}

/// Has this device, on which there is no identity yet, join the identity whose device made a code. A code that was given
/// before is tried no more.
#[utoipa::path(post, path = "/v1/join", tag = "identity", request_body = JoinRequest, responses(
    (status = 201, body = Join),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn start_join(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<JoinRequest>,
) -> Result<(StatusCode, Json<Join>), Refusal> {
    let JoinRequest { code, name, passphrase } = request;
    let (code, passphrase) = (Zeroizing::new(code), passphrase.map(Zeroizing::new));
    super::status::check_user(&shared)?;
    let code = code.parse::<LinkCode>();
    let code = code.map_err(|error| Refusal::new(ErrorCode::InvalidLinkCode, error.to_string()))?;
    let join = shared.engine().join(code, name, passphrase).await?;
    Ok((StatusCode::CREATED, Json(join)))
}

/// How far that came.
#[utoipa::path(get, path = "/v1/join", tag = "identity", responses(
    (status = 200, body = Join),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn show_join(State(shared): State<Shared>) -> Result<Json<Join>, Refusal> {
    Ok(Json(shared.engine().call(ShowJoin {}).await?))
}

/// Ends it. The device with the root is told.
#[utoipa::path(delete, path = "/v1/join", tag = "identity", responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn cancel_join(State(shared): State<Shared>, _: NoBody) -> Result<StatusCode, Refusal> {
    shared.engine().call(CancelJoin {}).await?;
    Ok(StatusCode::NO_CONTENT)
}
