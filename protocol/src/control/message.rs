//! Messages and conversations.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::file::MessageFile;
use super::room::RoomPerson;
use super::schema::{
    ConversationText, EmojiText, ExcerptText, HexId, MessageIdStart, MessageIdText, MessageText,
    ShownText,
};
use super::timers::{ConversationTimers, TimerSetting};
use crate::time::UnixMillis;

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// Its id, hexadecimal.
    #[schema(value_type = MessageIdText)]
    pub id: String,
    /// The contact's name (for a request, their ID; for a note, the user's own ID), or the room's.
    #[schema(value_type = ConversationText)]
    pub conversation: String,
    /// In a room: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HexId>)]
    pub room: Option<String>,
    /// In a room: who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Box<RoomPerson>>,
    /// In a room: whether its writer had been removed, and had not heard of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sent_before_removal_was_known: bool,
    /// In a room: the moderator who took it back, if not its writer did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recalled_by: Option<Box<RoomPerson>>,
    /// In a room of up to eight receiving devices, of the user's own: how many have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Received>,
    /// In a room: people whom its writer mentioned in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<RoomPerson>,
    /// In a room: whether the user is one of those, and others wrote it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mentions_you: bool,
    /// In a room: who told of it to the user, who came later. It is their word that `author` wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<Box<RoomPerson>>,
    /// Who wrote it.
    pub direction: Direction,
    /// Its text.
    #[schema(value_type = ShownText)]
    pub text: String,
    /// When it was written, by the writer's clock.
    pub sent_at: UnixMillis,
    /// When it was committed here.
    pub stored_at: UnixMillis,
    /// How far it got; for received messages `delivered`, `read` or `recalled`.
    pub state: Delivery,
    /// Seconds from when it was sent until it is gone; absent if that timer is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_seconds: Option<u32>,
    /// Seconds from when it was read until it is gone; absent if that timer is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_seconds: Option<u32>,
    /// When it is gone, by this node's clock, as far as that is known: a message that burns and was not read has no end
    /// by that timer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<UnixMillis>,
    /// If it says how long the conversation's messages live from now on: that. `text` says it in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sets_timers: Option<ConversationTimers>,
    /// If it is a file: which. `text` says it in words, and what its sender said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<MessageFile>,
    /// The message that it answers, as its writer says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Reply>,
    /// When it was edited last, by its writer's clock, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<UnixMillis>,
    /// Reactions to it, one of each person at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// What it said before it was edited, the original first; only where that is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<Version>,
}

/// How many people have a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Received {
    /// Those of whom a device proved that it has it on disk.
    pub have: u32,
    /// Those for whom it is.
    pub of: u32,
}

/// A message that another answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reply {
    /// Its id, hexadecimal.
    #[schema(value_type = MessageIdText)]
    pub id: String,
    /// Who wrote it, if it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// In a room: who wrote it, if it is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Box<RoomPerson>>,
    /// Its beginning, at most 80 characters, if it is here and was not recalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ExcerptText>)]
    pub excerpt: Option<String>,
}

/// A reaction to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reaction {
    /// Who reacted.
    pub direction: Direction,
    /// In a room: who reacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Box<RoomPerson>>,
    /// With what.
    #[schema(value_type = EmojiText)]
    pub emoji: String,
}

/// What a message said before it was edited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// When that was written, by its writer's clock.
    pub at: UnixMillis,
    /// What it said.
    #[schema(value_type = ShownText)]
    pub text: String,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The contact; in a room, someone else.
    In,
    /// The user.
    Out,
    /// The user, to themselves.
    Note,
}

/// How far a message got. It moves down this list, but for what has to be encrypted anew.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Committed here. It waits until the user confirms the devices that its contact has now.
    NeedsConfirmation,
    /// In a room: committed here. It waits for a member to say what became of the room while this device was away, or for ten
    /// minutes.
    NeedsState,
    /// Committed here; no other node has it.
    Queued,
    /// At least one other node holds it on disk.
    Sent,
    /// Every addressed device proved that it has it on disk. A note is so at once: this device is the only
    /// one that it is for.
    Delivered,
    /// It was read: of received messages by the user; of the user's by the other side, if that tells.
    Read,
    /// Its life ended without proof of delivery: six days, or its own timer.
    Expired,
    /// Its writer took it back: it has no text any more.
    Recalled,
}

/// `POST /v1/messages`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// A contact's name; or a room's name, its id, or an id that begins so.
    #[schema(value_type = ConversationText)]
    pub to: String,
    /// The text, at most 16,384 bytes of UTF-8.
    #[schema(value_type = MessageText)]
    pub text: String,
    /// How long it lives from when it is sent; as the conversation has it if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_seconds: Option<TimerSetting>,
    /// How long it lives from when it is read; as the conversation has it if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_seconds: Option<TimerSetting>,
    /// The message of the same conversation that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<MessageIdStart>)]
    pub reply_to: Option<String>,
}

/// `PATCH /v1/messages/{id}`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// The text from now on, at most 16,384 bytes of UTF-8.
    #[schema(value_type = MessageText)]
    pub text: String,
}

/// `POST /v1/messages/{id}/reaction`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReactionRequest {
    /// An emoji, or another short text: at most 64 bytes of UTF-8, no control characters.
    #[schema(value_type = EmojiText)]
    pub emoji: String,
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
    #[schema(value_type = MessageIdText)]
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
    /// This message, with as many before it as after it, as far as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<MessageIdText>)]
    pub around: Option<String>,
    /// Whether edited messages come with what they said before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[param(required = false)]
    pub edits: bool,
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
    #[schema(value_type = MessageIdText)]
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
    #[schema(value_type = ConversationText)]
    pub name: String,
    /// Of a room: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HexId>)]
    pub room: Option<String>,
    /// Unread messages in all.
    pub unread: u64,
    /// In a room: those of them that mention the user.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub mentions: u64,
    /// The oldest of them, in order, at most 1000.
    pub messages: Vec<Message>,
}

pub(super) fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Hand-written: what people write is never logged.
impl std::fmt::Debug for SendRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SendRequest({} bytes)", self.text.len())
    }
}

impl std::fmt::Debug for EditRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EditRequest({} bytes)", self.text.len())
    }
}
