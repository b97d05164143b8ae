//! Messages and conversations.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::schema::{MessageIdText, MessageText};
use crate::time::UnixMillis;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id, hexadecimal.
    pub id: String,
    /// The contact's name (for a request, their ID; for a note, the user's own ID).
    pub conversation: String,
    /// Who wrote it.
    pub direction: Direction,
    /// Its text.
    pub text: String,
    /// When it was written, by the writer's clock.
    pub sent_at: UnixMillis,
    /// When it was committed here.
    pub stored_at: UnixMillis,
    /// How far it got; for received messages `delivered` or `read`.
    pub state: Delivery,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The contact.
    In,
    /// The user.
    Out,
    /// The user, to themselves.
    Note,
}

/// How far a message got. It only ever moves down this list.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Committed here; no other node has it.
    Queued,
    /// At least one other node holds it on disk.
    Sent,
    /// Every addressed device proved that it has it on disk. A note is so at once: this device is the only
    /// one that it is for.
    Delivered,
    /// The user read it (received messages only, here).
    Read,
    /// Six days passed without proof of delivery.
    Expired,
}

/// `POST /v1/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// A contact's name.
    pub to: String,
    /// The text, at most 16,384 bytes of UTF-8.
    #[schema(value_type = MessageText)]
    pub text: String,
}

/// `POST /v1/notes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteRequest {
    /// The text, at most 16,384 bytes of UTF-8.
    #[schema(value_type = MessageText)]
    pub text: String,
}

/// The message was committed to disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SendResponse {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: Delivery,
}

/// Query of `GET /v1/conversations/{name}/messages` and `GET /v1/notes`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Most messages to return: 1 to 1000, 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only messages before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<MessageIdText>)]
    pub before: Option<String>,
}

/// A page of a conversation, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether there are earlier ones.
    pub more: bool,
    /// Where messages are missing among them, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
}

/// Messages that never came, though later ones did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lost {
    /// The id of the message that was shown without them.
    pub before: String,
    /// How many.
    pub count: u64,
}

/// `POST /v1/conversations/{name}/read`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadResponse {
    /// Messages that were unread.
    pub marked: u64,
    /// Messages missing among them, which never came.
    #[serde(default)]
    pub lost: u64,
}

/// Unread messages, by conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Inbox {
    /// Conversations with unread messages, the one that waits longest first.
    pub conversations: Vec<Conversation>,
    /// Unknown senders waiting for a decision.
    pub requests: u64,
}

/// A conversation's unread messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// The contact's name.
    pub name: String,
    /// Unread messages in all.
    pub unread: u64,
    /// The oldest of them, in order, at most 1000.
    pub messages: Vec<Message>,
}
