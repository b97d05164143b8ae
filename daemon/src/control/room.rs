//! Rooms.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_engine::RoomError;
use martlet_engine::command::{
    AddToRoom, ChangeRoom, CloseRoom, CreateRoom, ForgetRoom, GetRoom, LeaveRoom,
    ListRoomOperations, ListRooms, RemoveFromRoom, RemoveModerator,
};
use martlet_protocol::control::{
    ErrorCode, PersonText, Problem, Room, RoomChange, RoomCreate, RoomList, RoomMemberRequest,
    RoomOperations, RoomRemoveQuery, RoomText,
};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody, PathPart, PathParts, QueryOf};
use super::problem::{Refusal, unknown};

endpoints!(
    list_rooms,
    create_room,
    get_room,
    change_room,
    forget_room,
    list_room_operations,
    add_member,
    remove_member,
    add_moderator,
    remove_moderator,
    leave_room,
    close_room
);

/// Rooms that the user is in, or was.
#[utoipa::path(get, path = "/v1/rooms", tag = "rooms", responses(
    (status = 200, body = RoomList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_rooms(State(shared): State<Shared>) -> Result<Json<RoomList>, Refusal> {
    Ok(Json(shared.engine().call(ListRooms {}).await?))
}

/// Makes a room, with the user alone in it: its creator.
#[utoipa::path(post, path = "/v1/rooms", tag = "rooms", request_body = RoomCreate, responses(
    (status = 201, body = Room),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn create_room(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<RoomCreate>,
) -> Result<(StatusCode, Json<Room>), Refusal> {
    Ok((StatusCode::CREATED, Json(shared.engine().call(CreateRoom { request }).await?)))
}

/// One room, and who is in it.
#[utoipa::path(get, path = "/v1/rooms/{room}", tag = "rooms",
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 200, body = Room),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn get_room(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
) -> Result<Json<Room>, Refusal> {
    Ok(Json(shared.engine().call(GetRoom { room }).await?))
}

/// Changes how a room is set, for all in it. Only moderators may.
#[utoipa::path(patch, path = "/v1/rooms/{room}", tag = "rooms", request_body = RoomChange,
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 200, body = Room),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn change_room(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
    JsonBody(change): JsonBody<RoomChange>,
) -> Result<Json<Room>, Refusal> {
    Ok(Json(shared.engine().call(ChangeRoom { room, change }).await?))
}

/// Forgets a room that the user left or was removed from, with all that was written there, on this device.
#[utoipa::path(delete, path = "/v1/rooms/{room}", tag = "rooms",
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn forget_room(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(ForgetRoom { room }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// All that is known of what was done to a room, and whether it counts.
#[utoipa::path(get, path = "/v1/rooms/{room}/operations", tag = "rooms",
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 200, body = RoomOperations),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_room_operations(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
) -> Result<Json<RoomOperations>, Refusal> {
    Ok(Json(shared.engine().call(ListRoomOperations { room }).await?))
}

/// Adds a contact to a room.
#[utoipa::path(post, path = "/v1/rooms/{room}/members", tag = "rooms", request_body = RoomMemberRequest,
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 200, body = Room),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn add_member(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
    JsonBody(request): JsonBody<RoomMemberRequest>,
) -> Result<Json<Room>, Refusal> {
    let command = AddToRoom { room, request, as_moderator: false };
    Ok(Json(shared.engine().call(command).await?))
}

/// Puts someone out of a room. They read nothing that is written by who knows of it.
#[utoipa::path(delete, path = "/v1/rooms/{room}/members/{who}", tag = "rooms",
    params(
        ("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it."),
        ("who" = inline(PersonText), Path, description = "A contact's name, the ID of who is in the room, or what they call themselves."),
        RoomRemoveQuery,
    ),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn remove_member(
    State(shared): State<Shared>,
    PathParts(room, who): PathParts,
    QueryOf(query): QueryOf<RoomRemoveQuery>,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(RemoveFromRoom { room, who, query }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes someone a moderator of a room, and a member if they are none.
#[utoipa::path(post, path = "/v1/rooms/{room}/moderators", tag = "rooms", request_body = RoomMemberRequest,
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 200, body = Room),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn add_moderator(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
    JsonBody(request): JsonBody<RoomMemberRequest>,
) -> Result<Json<Room>, Refusal> {
    let command = AddToRoom { room, request, as_moderator: true };
    Ok(Json(shared.engine().call(command).await?))
}

/// Makes a moderator of a room a member again.
#[utoipa::path(delete, path = "/v1/rooms/{room}/moderators/{who}", tag = "rooms",
    params(
        ("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it."),
        ("who" = inline(PersonText), Path, description = "A contact's name, the ID of who is in the room, or what they call themselves."),
    ),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn remove_moderator(
    State(shared): State<Shared>,
    PathParts(room, who): PathParts,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(RemoveModerator { room, who }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Leaves a room. What was written there stays here.
#[utoipa::path(post, path = "/v1/rooms/{room}/leave", tag = "rooms",
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 204),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn leave_room(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
    _: NoBody,
) -> Result<StatusCode, Refusal> {
    shared.engine().call(LeaveRoom { room }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a room for all in it, if the user made it; of other moderators it takes two.
#[utoipa::path(post, path = "/v1/rooms/{room}/close", tag = "rooms",
    params(("room" = inline(RoomText), Path, description = "The room's name, its id, or the beginning of it.")),
    responses(
        (status = 200, body = Room),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn close_room(
    State(shared): State<Shared>,
    PathPart(room): PathPart,
    _: NoBody,
) -> Result<Json<Room>, Refusal> {
    Ok(Json(shared.engine().call(CloseRoom { room }).await?))
}

impl From<RoomError> for Refusal {
    fn from(error: RoomError) -> Self {
        match error {
            RoomError::Unknown { name, nearest } => {
                Self::new(ErrorCode::UnknownRoom, unknown("room", &name, nearest, "room list"))
            }
            RoomError::Ambiguous { .. } => Self::new(
                ErrorCode::UnknownRoom,
                format!("{error}; give more of the id, as martletctl room list shows it"),
            ),
            RoomError::AmbiguousPerson { .. } => Self::new(
                ErrorCode::UnknownContact,
                format!("{error}; give more of the ID, or all of it"),
            ),
            RoomError::UnknownPerson { .. } => Self::new(
                ErrorCode::UnknownContact,
                format!(
                    "{error}; call them as martletctl room show does, \"carol (q5saee)\" or q5saee, or give their ID"
                ),
            ),
            RoomError::NotMember => Self::new(
                ErrorCode::NotMember,
                "you are not in this room any more: it can be read only",
            ),
            RoomError::NotModerator => Self::new(
                ErrorCode::NotModerator,
                "only a moderator of this room may do that; martletctl room show tells who is one",
            ),
            RoomError::Senior => Self::new(
                ErrorCode::Senior,
                "they outrank you in this room: ask its creator, or who made them a moderator",
            ),
            error @ (RoomError::Full { .. } | RoomError::ModeratorsFull) => {
                Self::new(ErrorCode::RoomFull, error.to_string())
            }
            RoomError::Closed => Self::new(
                ErrorCode::RoomClosed,
                "the room is closed: it can be read only; make another one: martletctl room create",
            ),
            RoomError::OpLimit => Self::new(
                ErrorCode::OpLimit,
                "the room has had as many changes as it can have: make a new one, and invite its members to it",
            ),
            error @ (RoomError::NoChange | RoomError::NotThere { .. } | RoomError::NotTheirs) => {
                Self::new(ErrorCode::NoChange, error.to_string())
            }
            RoomError::UnknownOperation { .. } => {
                Self::bad_request(format!("{error}; martletctl room ops shows them"))
            }
            RoomError::OwnRight => Self::new(
                ErrorCode::OwnId,
                "you created this room, and can't give up the right to moderate it; to go: martletctl room leave",
            ),
            RoomError::NeedsState => Self::new(
                ErrorCode::NeedsState,
                "your vault was put back from a copy: what you did in this room since then is asked of its members; try again once \
                 one of them is on, or in a day",
            ),
            RoomError::StillIn => Self::new(
                ErrorCode::StillIn,
                "you are in this room: leave it first: martletctl room leave",
            ),
            RoomError::Oneself => Self::new(
                ErrorCode::OwnId,
                "you can't add or remove yourself; to go: martletctl room leave",
            ),
            RoomError::Value => Self::new(
                ErrorCode::InvalidName,
                "no room can have that name or setting: a name has 1 to 64 bytes and no control characters, a room is for 2 to 256 \
                 people",
            ),
            RoomError::Alone => Self::new(
                ErrorCode::RoomAlone,
                "nobody else is in this room; add someone: martletctl room invite; or write a note: martletctl note",
            ),
            error @ RoomError::OfTwo => Self::bad_request(format!(
                "{error}: --receipts and --typing are for conversations of two"
            )),
            RoomError::Shards => Self::new(
                ErrorCode::BadRequest,
                "this network has several shards, and rooms are for networks with one",
            ),
            RoomError::TooMany { max } => Self::new(
                ErrorCode::LimitReached,
                format!("there are {max} rooms, and there can be no more"),
            ),
        }
    }
}
