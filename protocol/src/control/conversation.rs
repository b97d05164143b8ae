//! Conversations as a whole: the list of them, and how the user wants them to be.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::message::{Delivery, Direction, is_zero};
use super::room::RoomPerson;
use super::schema::{ConversationText, ExcerptText, HexId, MessageText};
use crate::time::UnixMillis;

/// `GET /v1/conversations`: of all contacts and rooms, those that are pinned first, then the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationList {
    /// The conversations.
    pub conversations: Vec<ConversationSummary>,
}

/// A conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationSummary {
    /// The contact's name, or the room's.
    #[schema(value_type = ConversationText)]
    pub name: String,
    /// Of a room: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HexId>)]
    pub room: Option<String>,
    /// Unread messages.
    pub unread: u64,
    /// In a room: those of them that mention the user.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mentions: u64,
    /// When the newest message was committed here, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_at: Option<UnixMillis>,
    /// The newest message, unless the user wants none to be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Snippet>,
    /// Whether there is a draft.
    pub draft: bool,
    /// How the user wants it to be.
    pub settings: ConversationSettings,
}

/// The beginning of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Snippet {
    /// In a room: who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Box<RoomPerson>>,
    /// Who wrote it.
    pub direction: Direction,
    /// Its first 80 characters at most.
    #[schema(value_type = ExcerptText)]
    pub text: String,
    /// How far it got.
    pub state: Delivery,
}

/// How the user wants a conversation to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationSettings {
    /// Whether nobody is to be notified of it.
    pub muted: bool,
    /// Whether it stands before all that are not pinned.
    pub pinned: bool,
    /// Whether the other side is told what was read, and what it tells is taken.
    pub receipts: Switch,
    /// The same of typing.
    pub typing: Switch,
}

/// `PATCH /v1/conversations/{name}`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConversationChange {
    /// Whether nobody is to be notified of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Whether it stands before all that are not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Whether the other side is told what was read, and what it tells is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<Switch>,
    /// The same of typing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<Switch>,
}

/// On, off, or as all conversations have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
    /// As the settings for all conversations have it.
    Default,
}

/// `GET /v1/settings`: how the user wants all conversations to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Settings {
    /// Whether contacts are told what was read, and what they tell is taken.
    pub receipts: bool,
    /// The same of typing.
    pub typing: bool,
    /// Whether the list of conversations shows the beginning of the newest message.
    pub snippets: bool,
    /// Whether messages to a verified contact wait once they have a device that the user has not confirmed.
    #[serde(default)]
    pub strict_devices: bool,
}

/// `PATCH /v1/settings`: what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    /// Whether contacts are told what was read, and what they tell is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipts: Option<bool>,
    /// The same of typing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<bool>,
    /// Whether the list of conversations shows the beginning of the newest message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippets: Option<bool>,
    /// Whether messages to a verified contact wait once they have a device that the user has not confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_devices: Option<bool>,
}

/// What the user began to write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Draft {
    /// The text, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MessageText>)]
    pub text: Option<String>,
    /// When it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<UnixMillis>,
}

/// `POST /v1/conversations/{name}/draft`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftRequest {
    /// The text, at most 16,384 bytes of UTF-8.
    #[schema(value_type = MessageText)]
    pub text: String,
}

/// Hand-written: what people write is never logged.
impl std::fmt::Debug for DraftRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DraftRequest({} bytes)", self.text.len())
    }
}
