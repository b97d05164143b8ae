//! How the user wants contacts to see them, and how contacts want to be seen.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use martlet_engine::command::{
    ClearProfile, GetContactPicture, GetPicture, GetProfile, SetPicture, SetProfile,
};
use martlet_protocol::control::{
    ContactText, ErrorCode, OwnProfile, PictureOctets, Problem, ProfileChange,
};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JpegBody, JsonBody, NoBody, PathPart};
use super::problem::Refusal;

endpoints!(get_profile, set_profile, clear_profile, get_picture, set_picture, get_contact_picture,);

/// The user's profile.
#[utoipa::path(get, path = "/v1/profile", tag = "identity", responses(
    (status = 200, body = OwnProfile),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_profile(State(shared): State<Shared>) -> Result<Json<OwnProfile>, Refusal> {
    Ok(Json(shared.engine().call(GetProfile {}).await?))
}

/// Changes the user's profile. Contacts are told if it is shared, within a minute or so.
#[utoipa::path(patch, path = "/v1/profile", tag = "identity", request_body = ProfileChange, responses(
    (status = 200, body = OwnProfile),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn set_profile(
    State(shared): State<Shared>,
    JsonBody(change): JsonBody<ProfileChange>,
) -> Result<Json<OwnProfile>, Refusal> {
    Ok(Json(shared.engine().call(SetProfile { change }).await?))
}

/// Takes name and picture away, and ends sharing. Contacts who were told are told that.
#[utoipa::path(delete, path = "/v1/profile", tag = "identity", responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn clear_profile(State(shared): State<Shared>, _: NoBody) -> Result<StatusCode, Refusal> {
    shared.engine().call(ClearProfile {}).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The user's picture.
#[utoipa::path(get, path = "/v1/profile/picture", tag = "identity", responses(
    (status = 200, body = inline(PictureOctets), content_type = "image/jpeg"),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_picture(State(shared): State<Shared>) -> Result<Response, Refusal> {
    jpeg(shared.engine().call(GetPicture {}).await?, "you have no picture")
}

/// Gives the user another picture: a JPEG of at most 24 KiB. It is not decoded here.
#[utoipa::path(post, path = "/v1/profile/picture", tag = "identity",
    request_body(content = inline(PictureOctets), content_type = "image/jpeg"),
    responses(
        (status = 200, body = OwnProfile),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn set_picture(
    State(shared): State<Shared>,
    JpegBody(picture): JpegBody,
) -> Result<Json<OwnProfile>, Refusal> {
    Ok(Json(shared.engine().call(SetPicture { picture }).await?))
}

/// A contact's picture as it came: whoever shows it decodes what someone else made.
#[utoipa::path(get, path = "/v1/contacts/{name}/picture", tag = "contacts",
    params(("name" = inline(ContactText), Path, description = "The contact's name.")),
    responses(
        (status = 200, body = inline(PictureOctets), content_type = "image/jpeg"),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_contact_picture(
    State(shared): State<Shared>,
    PathPart(name): PathPart,
) -> Result<Response, Refusal> {
    let picture = shared.engine().call(GetContactPicture { name }).await?;
    jpeg(picture, "this contact lets you see no picture")
}

fn jpeg(picture: Option<Vec<u8>>, none: &str) -> Result<Response, Refusal> {
    let picture = picture.ok_or_else(|| Refusal::new(ErrorCode::NotFound, none))?;
    let mut response = Response::new(Body::from(picture));
    let kind = HeaderValue::from_static("image/jpeg");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
