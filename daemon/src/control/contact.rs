//! Contacts, and the requests of those who aren't yet.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_protocol::control::{
    Contact, ContactAdd, ContactList, ContactNote, ContactRename, ContactText, IdText, Problem,
    RequestAccept, RequestList,
};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart};
use super::problem::Refusal;
use martlet_engine::command::{
    AcceptRequest, AddContact, DropRequest, GetContact, ListContacts, ListRequests, RemoveContact,
    RenameContact, SetContactNote,
};

endpoints!(
    list_contacts,
    add_contact,
    get_contact,
    rename_contact,
    note_contact,
    remove_contact,
    list_requests,
    drop_request,
    accept_request,
);

/// All contacts.
#[utoipa::path(get, path = "/v1/contacts", tag = "contacts", responses(
    (status = 200, body = ContactList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_contacts(State(shared): State<Shared>) -> Result<Json<ContactList>, Refusal> {
    Ok(Json(shared.engine().call(ListContacts {}).await?))
}

/// Adds a contact.
#[utoipa::path(post, path = "/v1/contacts", tag = "contacts", request_body = ContactAdd, responses(
    (status = 201, body = Contact),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn add_contact(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<ContactAdd>,
) -> Result<(StatusCode, Json<Contact>), Refusal> {
    let contact = shared.engine().call(AddContact { request }).await?;
    Ok((StatusCode::CREATED, Json(contact)))
}

/// One contact.
#[utoipa::path(get, path = "/v1/contacts/{name}", tag = "contacts",
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 200, body = Contact),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_contact(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
) -> Result<Json<Contact>, Refusal> {
    Ok(Json(shared.engine().call(GetContact { name }).await?))
}

/// Renames a contact.
#[utoipa::path(patch, path = "/v1/contacts/{name}", tag = "contacts", request_body = ContactRename,
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 200, body = Contact),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn rename_contact(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    JsonBody(request): JsonBody<ContactRename>,
) -> Result<Json<Contact>, Refusal> {
    let command = RenameContact { name, new_name: request.name };
    Ok(Json(shared.engine().call(command).await?))
}

/// Keeps a note about a contact, in the place of the one before.
#[utoipa::path(post, path = "/v1/contacts/{name}/note", tag = "contacts", request_body = ContactNote,
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 200, body = Contact),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn note_contact(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    JsonBody(request): JsonBody<ContactNote>,
) -> Result<Json<Contact>, Refusal> {
    Ok(Json(shared.engine().call(SetContactNote { name, request }).await?))
}

/// Removes a contact and the conversation with them.
#[utoipa::path(delete, path = "/v1/contacts/{name}", tag = "contacts",
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn remove_contact(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(RemoveContact { name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Unknown senders waiting for a decision.
#[utoipa::path(get, path = "/v1/requests", tag = "contacts", responses(
    (status = 200, body = RequestList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_requests(State(shared): State<Shared>) -> Result<Json<RequestList>, Refusal> {
    Ok(Json(shared.engine().call(ListRequests {}).await?))
}

/// Makes an unknown sender a contact.
#[utoipa::path(post, path = "/v1/requests/{id}/accept", tag = "contacts",
    request_body = RequestAccept,
    params(("id" = inline(IdText), Path, description = "The sender's ID.")),
    responses(
        (status = 200, body = Contact),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn accept_request(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    JsonBody(request): JsonBody<RequestAccept>,
) -> Result<Json<Contact>, Refusal> {
    Ok(Json(shared.engine().call(AcceptRequest { id, name: request.name }).await?))
}

/// Drops an unknown sender's messages. They are not told.
#[utoipa::path(delete, path = "/v1/requests/{id}", tag = "contacts",
    params(("id" = inline(IdText), Path, description = "The sender's ID.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn drop_request(
    State(shared): State<Shared>,
    PathPart(id): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(DropRequest { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}
