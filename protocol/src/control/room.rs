//! Rooms: conversations of many, made of signed operations.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::schema::{
    ContactText, ConversationText, HexId, IdText, NameText, OperationIdStart, PersonText, ShownName,
};
use super::timers::TimerSetting;
use crate::time::UnixMillis;

/// A room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Room {
    /// Its id, hexadecimal.
    #[schema(value_type = HexId)]
    pub id: String,
    /// What it is called here: its name, and where a contact or another room is called so, the beginning of its id.
    #[schema(value_type = ConversationText)]
    pub name: String,
    /// What the user is in it.
    pub role: RoomRole,
    /// When it was made here, or first heard of.
    pub since: UnixMillis,
    /// Whether it has ended: it can be read only.
    pub closed: bool,
    /// Unread messages in it.
    pub unread: u64,
    /// How it is set.
    pub settings: RoomSettings,
    /// Who is in it, or was.
    pub members: Vec<RoomMember>,
    /// Operations on it that are known here.
    pub operations: u64,
    /// What two people compare to find out whether they know the same of it: 64 hexadecimal digits.
    #[schema(value_type = HexId)]
    pub digest: String,
}

/// How a room is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomSettings {
    /// Its name, the same for all in it.
    #[schema(value_type = ShownName)]
    pub name: String,
    /// Seconds from when a message is sent until it is gone; absent if that timer is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_seconds: Option<u32>,
    /// Seconds from when a message is read until it is gone; absent if that timer is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_seconds: Option<u32>,
    /// Who may add others.
    pub add_by: RoomAddBy,
    /// Whether nothing is shown of who is removed, even if they had not heard of it.
    pub strict: bool,
    /// Up to how many people others are added.
    pub members_max: u16,
    /// How many messages of before they came who is added is told, of the last six days.
    #[serde(default)]
    pub history: u8,
}

/// Who may add others to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomAddBy {
    /// Moderators alone.
    Moderators,
    /// All members.
    Members,
}

/// Someone in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomMember {
    /// Who.
    pub who: RoomPerson,
    /// What they are in it.
    pub role: RoomRole,
    /// Whether they made it: nobody can remove them.
    pub creator: bool,
    /// Devices of theirs whose keys are known here. Without any they get nothing that is written now.
    pub devices: u32,
    /// When their identity was terminated, by the clock of who did so: nothing reaches them any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminated_at: Option<UnixMillis>,
}

/// Someone who is in a room, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomPerson {
    /// Their ID, as far as it is known here.
    #[schema(value_type = IdText)]
    pub id: String,
    /// Whether it is the user.
    pub you: bool,
    /// The user's name for them, if they are a contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ContactText>)]
    pub name: Option<String>,
    /// What they call themselves: unverified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ShownName>)]
    pub calls_themselves: Option<String>,
}

/// What someone is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomRole {
    /// Added, and not heard of since.
    Invited,
    /// They take part.
    Member,
    /// They take part, and decide who else does.
    Moderator,
    /// A moderator put them out.
    Removed,
    /// They went.
    Left,
}

/// Rooms that the user is in, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomList {
    /// They, by name.
    pub rooms: Vec<Room>,
}

/// `POST /v1/rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomCreate {
    /// Its name, 1 to 64 bytes of UTF-8.
    #[schema(value_type = NameText)]
    pub name: String,
}

/// `PATCH /v1/rooms/{room}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomChange {
    /// Its name, 1 to 64 bytes of UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<NameText>)]
    pub name: Option<String>,
    /// How long its messages live from when they are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_seconds: Option<TimerSetting>,
    /// How long its messages live from when they are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_seconds: Option<TimerSetting>,
    /// Who may add others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_by: Option<RoomAddBy>,
    /// Whether nothing is shown of who is removed, even if they had not heard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Up to how many people others are added: 2 to 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2, maximum = 256)]
    pub members_max: Option<u16>,
    /// How many messages of before they came who is added is told, of the last six days: 0 to 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 200)]
    pub history: Option<u8>,
}

/// `POST /v1/rooms/{room}/members` and `POST /v1/rooms/{room}/moderators`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomMemberRequest {
    /// A contact's name; or of who is in the room, their ID.
    #[schema(value_type = PersonText)]
    pub who: String,
}

/// Query of `DELETE /v1/rooms/{room}/members/{who}`: what of their deeds there is undone, too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RoomRemoveQuery {
    /// All that they did since the user became a moderator, and what rests on it.
    #[serde(default)]
    pub undo: bool,
    /// The id of one of their operations, or how it begins: of the same only it, and what they did after or beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<OperationIdStart>)]
    pub undo_from: Option<String>,
}

/// All that is known of what happened to a room, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomOperations {
    /// The operations.
    pub operations: Vec<RoomOperation>,
}

/// Something that someone did to a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RoomOperation {
    /// Its id, hexadecimal.
    #[schema(value_type = HexId)]
    pub id: String,
    /// When, by its author's clock. It decides nothing.
    pub at: UnixMillis,
    /// Who did it.
    pub by: RoomPerson,
    /// What it does.
    pub action: RoomAction,
    /// Whom it is about, if someone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<RoomPerson>,
    /// Of a setting: what it says, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<String>,
    /// Whether it counts.
    pub counts: bool,
    /// If it does not count any more: the id of what undid it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HexId>)]
    pub undone_by: Option<String>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomAction {
    /// Makes the room.
    Create,
    /// Makes someone a member.
    Add,
    /// Puts someone out.
    Remove,
    /// Makes someone a moderator.
    AddModerator,
    /// Makes a moderator a member again.
    RemoveModerator,
    /// Changes a setting.
    Set,
    /// Its author goes.
    Leave,
    /// Ends the room: alone if the creator says so, else together with another moderator's.
    Close,
    /// Something that this build does not know.
    Unknown,
}
