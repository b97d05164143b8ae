//! Conversations, and the messages in them.

use martlet_protocol::message::Timers;
use martlet_protocol::{DeviceId, IdentityId, MessageId, RoomId, UnixMillis};
use serde::{Deserialize, Serialize};

/// By what the own vault knows a conversation: a direct one by the other's identity, the user's notes by
/// the user's own, that of a room by the room's id. (No room has the id of a person: an id is a hash of something signed, an
/// identity a key.) Never sent: what both sides call it is its [`martlet_protocol::ConversationId`].
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
    /// Timers of its messages, where nothing else is said; `None` if nobody ever set any.
    #[serde(default)]
    pub timers: Option<TimersSet>,
    /// When it was last read, by what surely had come then: the unread messages that burn do so from then on.
    #[serde(default)]
    pub read_at: UnixMillis,
    /// Recalls whose messages have not come, oldest first.
    #[serde(default)]
    pub recalls: Vec<PendingRecall>,
    /// How the user wants it.
    #[serde(default)]
    pub manner: Manner,
    /// The other side said that they read own messages up to this position; 0 if they never said so.
    #[serde(default)]
    pub their_read: u64,
    /// In a room: positions of received messages that mention the user, the newest last.
    #[serde(default)]
    pub mentioned: Vec<u64>,
}

/// How the user wants one conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manner {
    /// Nobody is to be notified of it.
    pub is_muted: bool,
    /// It stands before all that are not pinned.
    pub is_pinned: bool,
    /// Whether read receipts go and are taken; `None` for what [`SettingsRecord`] says.
    pub receipts: Option<bool>,
    /// The same of typing.
    pub typing: Option<bool>,
}

/// See [`SETTINGS`](super::SETTINGS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsRecord {
    /// Whether contacts are told what the user has read, and what they tell is taken.
    pub receipts: bool,
    /// The same of typing.
    pub typing: bool,
    /// Whether lists of conversations show the beginning of the newest message.
    pub snippets: bool,
    /// Whether messages to a verified contact wait once they have a device that the user has not confirmed.
    #[serde(default)]
    pub strict_devices: bool,
}

impl Default for SettingsRecord {
    fn default() -> Self {
        Self { receipts: true, typing: true, snippets: true, strict_devices: false }
    }
}

/// Timers of a conversation's messages, as someone set them. Of several the newest counts, by the last three fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimersSet {
    /// The timers.
    pub timers: Timers,
    /// When they were set, by the setter's clock.
    pub set_at: UnixMillis,
    /// Who set them.
    pub author: IdentityId,
    /// By which message.
    pub id: MessageId,
}

/// A recall whose message has not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRecall {
    /// Who took it back: only their own message.
    pub author: IdentityId,
    /// Which.
    pub id: MessageId,
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
    /// How long it lives.
    #[serde(default)]
    pub timers: Timers,
    /// From when on it burns, by what surely had come then: a received one from when it was read, an own one from when
    /// it left the outbox.
    #[serde(default)]
    pub burns_from: Option<UnixMillis>,
    /// The message that it answers, as its writer says.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// Whether [`MARKS`](super::MARKS) has something about it.
    #[serde(default)]
    pub is_marked: bool,
    /// In a room: whether its writer had been removed, and had not heard of it.
    #[serde(default)]
    pub is_late: bool,
    /// In a room: those whom it mentions.
    #[serde(default)]
    pub mentions: Vec<IdentityId>,
    /// Whether the user is one of them, and someone else wrote it.
    #[serde(default)]
    pub mentions_user: bool,
    /// In a room: who told of it to the user, who came later.
    #[serde(default)]
    pub told_by: Option<IdentityId>,
}

/// See [`MARKS`](super::MARKS).
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct MarksRecord {
    /// What it said, in order: the original first, last what it says now. Empty if it was never edited.
    pub versions: Vec<VersionRecord>,
    /// At most one of each person, those withdrawn included.
    pub reactions: Vec<ReactionRecord>,
    /// Of an own message in a room of few devices: who proved to have it.
    #[serde(default)]
    pub received: Option<ReceivedRecord>,
}

/// Who has a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedRecord {
    /// For whom it is.
    pub of: Vec<IdentityId>,
    /// Of them, those of whom a device proved that it has it.
    pub have: Vec<IdentityId>,
}

/// What a message said at some time.
#[derive(Clone, Serialize, Deserialize)]
pub struct VersionRecord {
    /// When that was written, by the writer's clock.
    pub at: UnixMillis,
    /// The id of the edit; of the original, the message's own.
    pub id: MessageId,
    /// What it said.
    pub text: String,
}

/// A reaction to a message.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReactionRecord {
    /// Who reacted.
    pub by: IdentityId,
    /// When, by their clock.
    pub at: UnixMillis,
    /// The id of the message that said so.
    pub id: MessageId,
    /// With what; `None` if it was withdrawn.
    pub emoji: Option<String>,
}

/// See [`EARLY`](super::EARLY).
#[derive(Clone, Serialize, Deserialize)]
pub struct EarlyRecord {
    /// In which conversation.
    pub conversation: ConversationRef,
    /// What waits, in the order in which it came.
    pub deeds: Vec<EarlyDeed>,
}

/// Something to do with a message that is not here.
#[derive(Clone, Serialize, Deserialize)]
pub struct EarlyDeed {
    /// With which message.
    pub target: MessageId,
    /// What: an edit or a reaction.
    pub deed: MessageRecord,
}

/// See [`DRAFTS`](super::DRAFTS).
#[derive(Clone, Serialize, Deserialize)]
pub struct DraftRecord {
    /// What the user began to write.
    pub text: String,
    /// When that was kept.
    pub at: UnixMillis,
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
    /// The user took it back.
    Recalled,
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
    /// Timers that its writer gave the conversation's messages.
    Timers(Timers),
    /// Takes back the message with this id. An own one has a position, so that the outbox finds it, and is shown nowhere.
    Recall(MessageId),
    /// What it said was taken back by its writer, and is gone.
    Recalled,
    /// The same, by this moderator of its room.
    RecalledBy(IdentityId),
}

impl Body {
    /// Whether what it said was taken back.
    #[must_use]
    pub fn is_recalled(&self) -> bool {
        matches!(self, Self::Recalled | Self::RecalledBy(_))
    }

    /// Which moderator took it back, if not its writer did.
    #[must_use]
    pub fn recalled_by(&self) -> Option<IdentityId> {
        match self {
            Self::RecalledBy(by) => Some(*by),
            Self::Text(_)
            | Self::Unknown(_)
            | Self::Raw { .. }
            | Self::Timers(_)
            | Self::Recall(_)
            | Self::Recalled => None,
        }
    }

    /// How long what it says is, bytes; 0 of what has no length of its own.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Raw { bytes, .. } => bytes.len(),
            Self::Unknown(_)
            | Self::Timers(_)
            | Self::Recall(_)
            | Self::Recalled
            | Self::RecalledBy(_) => 0,
        }
    }
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

/// See [`ENDS`](super::ENDS): something whose life is over then. What it names is looked at before anything is done,
/// and may be gone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndRecord {
    /// When, by what surely has come.
    pub at: UnixMillis,
    /// What.
    pub what: Ending,
}

/// What ends.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Ending {
    /// A message.
    Message(Place),
    /// That the id of a message that is gone is known: by then no copy of it can come. Its name in the index.
    Id(#[serde(with = "serde_bytes")] Vec<u8>),
    /// What an unknown person wrote, and the number under which it is kept.
    Request(IdentityId, u64),
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
    /// Whether the conversation goes on: the ids of its messages stay known for a while, so that none comes again.
    #[serde(default)]
    pub stays: bool,
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

    /// The conversation in a room.
    #[must_use]
    pub fn room(room: &RoomId) -> Self {
        Self(room.0)
    }
}
