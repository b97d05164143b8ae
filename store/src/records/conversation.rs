//! Conversations, and the messages in them.

use martlet_protocol::{DeviceId, IdentityId, MessageId, UnixMillis};
use serde::{Deserialize, Serialize};

/// By what the own vault knows a conversation: a direct one by the other's identity, the user's notes by
/// the user's own. Never sent: what both sides call it is its [`martlet_protocol::ConversationId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConversationRef(#[serde(with = "serde_bytes")] pub [u8; 32]);

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// In which conversation.
    pub conversation: ConversationRef,
    /// Its position there.
    pub position: u64,
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The person.
    pub identity: IdentityId,
    /// Their device.
    pub device: DeviceId,
}

/// See [`CONVERSATIONS`](super::CONVERSATIONS).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConversationRecord {
    /// Which.
    pub conversation: ConversationRef,
    /// Position of the newest message; the first has 1.
    pub last_position: u64,
    /// Everything up to this position was read.
    pub read_position: u64,
    /// Received messages after it.
    pub unread: u64,
    /// Received messages in all.
    pub received: u64,
    /// Number of the last message this device sent.
    pub last_sent_seq: u64,
    /// For each writing device, the number of the next message due; the device that wrote last is last.
    pub due: Vec<(DeviceId, u64)>,
    /// Messages that never came, in the order in which they were missed.
    #[serde(default)]
    pub lost: Vec<LostRecord>,
    /// Set once the other side was accepted after having written as someone unknown or dropped: what that
    /// was, and never came, is no loss. Those devices of `due` that have not written since then.
    #[serde(default)]
    pub unheard: Option<Vec<DeviceId>>,
}

/// Messages of one device that never came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostRecord {
    /// Which device's.
    pub device: DeviceId,
    /// The number of the first.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
    /// Position of the message that was shown without them.
    pub before: u64,
}

/// See [`MESSAGES`](super::MESSAGES).
#[derive(Clone, Serialize, Deserialize)]
pub struct MessageRecord {
    /// Its id.
    pub id: MessageId,
    /// Whether the user wrote it.
    pub own: bool,
    /// The writer's number for it.
    pub seq: u64,
    /// When it was written, by the writer's clock.
    pub sent_at: UnixMillis,
    /// When it was committed here.
    pub stored_at: UnixMillis,
    /// How far an own message got, as its number in [`State`].
    pub state: State,
    /// What it says.
    pub body: Body,
    /// Who wrote it; records of before 2026-12 don't say.
    #[serde(default)]
    pub author: Option<Author>,
}

/// How far an own message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Committed here.
    Queued,
    /// On another node's disk.
    Sent,
    /// On every addressed device's disk.
    Delivered,
    /// Its life ended first.
    Expired,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A text.
    Text(String),
    /// A kind that the build which took it didn't know, and whose payload it didn't keep.
    Unknown(u16),
    /// A kind that the build which took it didn't know: it is read again by those that do.
    Raw {
        /// Its number.
        kind: u16,
        /// Its payload.
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    },
}

/// See [`MESSAGE_INDEX`](super::MESSAGE_INDEX).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MessageAt {
    /// In which conversation.
    pub conversation: ConversationRef,
    /// Its position; 0 while it is held back.
    pub position: u64,
}

/// See [`HELD`](super::HELD).
#[derive(Clone, Serialize, Deserialize)]
pub struct HeldRecord {
    /// In which conversation.
    pub conversation: ConversationRef,
    /// From which device.
    pub device: DeviceId,
    /// The message.
    pub message: MessageRecord,
    /// More of the device's messages with the same number.
    #[serde(default)]
    pub others: Vec<MessageRecord>,
}

/// See [`REMOVALS`](super::REMOVALS): a conversation whose messages are more than one batch removes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RemovalRecord {
    /// Which.
    pub conversation: ConversationRef,
    /// Messages up to this position go.
    pub up_to: u64,
    /// Those of these devices that are held back go.
    pub devices: Vec<DeviceId>,
}

impl HeldRecord {
    /// All that it holds.
    pub fn messages(&self) -> impl Iterator<Item = &MessageRecord> {
        std::iter::once(&self.message).chain(&self.others)
    }
}

impl ConversationRef {
    /// The direct conversation with `identity`.
    #[must_use]
    pub fn direct(identity: &IdentityId) -> Self {
        Self(identity.0)
    }
}
