//! Whom the user verified.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::command::{UnverifyContact, VerifyContact};
use martlet_protocol::control::{Contact, ContactText, Problem, VerifyRequest};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;

endpoints!(verify_contact, unverify_contact);

/// Marks a contact as verified: by the safety number that they have, or, without one, since the user compared it. It
/// confirms the devices that the contact has now.
#[utoipa::path(post, path = "/v1/contacts/{name}/verify", tag = "contacts", request_body = VerifyRequest,
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 200, body = Contact),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn verify_contact(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    JsonBody(request): JsonBody<VerifyRequest>,
) -> Result<Json<Contact>, Refusal> {
    Ok(Json(shared.engine().call(VerifyContact { name, request }).await?))
}

/// Marks a contact as not verified.
#[utoipa::path(delete, path = "/v1/contacts/{name}/verify", tag = "contacts",
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn unverify_contact(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(UnverifyContact { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}
