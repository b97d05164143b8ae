//! Messages: what envelopes carry, once opened. One kind a file, one permanent number each.
//!
//! | number | kind | carried by |
//! | --- | --- | --- |
//! | 1 | [`text`]: a text | conversation envelopes |
//! | 2 | [`session_key`]: the key of a conversation session | to-device envelopes |
//! | 3 | [`identity_changed`]: what is known of an identity's devices | to-device envelopes |
//! | 4 | [`olm_renewed`]: an envelope of the recipient's did not open | to-device envelopes |
//! | 5 | [`sent`]: what the user wrote or did on another device | conversation envelopes among the user's own devices |
//! | 6 | [`read_up_to`]: up to where the user has read | the same |
//! | 7 | [`settings`]: what is the same on all of the user's devices | the same |
//! | 8 | [`linked`]: that the device is the identity's from now on | to-device envelopes |
//! | 10 | [`ping`]: whether the device is on | to-device envelopes |
//! | 11 | [`pong`]: that it is | to-device envelopes |
//! | 12 | [`file`](mod@file): a file | conversation envelopes |
//! | 13 | [`file_holders`]: who has it too | conversation envelopes |
//! | 14 | [`file_received`]: that it has come whole | conversation envelopes |
//! | 15 | [`progress`]: how far got what the user sent on another device | as 5 to 7 |
//! | 20 | [`room_op`]: an operation on a room | envelopes of the room's conversation |
//! | 21 | [`room_key`]: the key of a session in a room | to-device envelopes |
//! | 22 | [`room_hello`]: what the sender knows of a room | to-device envelopes |
//! | 23 | [`room_ops`]: operations on a room | to-device envelopes |
//! | 24 | [`room_recall`]: a moderator takes back what someone else wrote | envelopes of the room's conversation |
//! | 25 | [`room_history`]: what was said in a room before its recipient came | to-device envelopes |
//! | 26 | [`history_wanted`]: asks another device of the user's for messages of before | to-device envelopes |
//! | 27 | [`history`]: such messages | to-device envelopes |
//! | 30 | [`edit`]: another text for a message | conversation envelopes |
//! | 31 | [`reaction`]: a reaction to a message | conversation envelopes |
//! | 32 | [`read`]: up to which message was read | conversation envelopes |
//! | 33 | [`typing`]: that someone is writing | to-device envelopes |
//! | 34 | [`timers`]: how long the conversation's messages live | conversation envelopes |
//! | 35 | [`recall`]: takes a message back | conversation envelopes |
//! | 36 | [`profile`]: how the sender wants to be seen | conversation envelopes |
//!
//! A conversation message is encoded `{0: kind u16, 1: message id 16, 2: sent at ms, 3: seq u64,
//! 4: payload bytes, 5: expire seconds u32, 6: burn seconds u32, 7: reply to, a message id 16, 8: identity 32 ‖ …}`, the last four only
//! where it has these [timers], answers another, or mentions people, at most [`MENTIONS_MAX`]; a to-device message `{0: kind u16, 1: payload bytes}`. A kind that this
//! build doesn't know is kept as [`Content::Unknown`] with its payload, so that a newer sender's
//! message is shown as such, never lost, and read again after an upgrade.

pub mod edit;
pub mod file;
pub mod file_holders;
pub mod file_received;
pub mod history;
pub mod history_wanted;
pub mod identity_changed;
pub mod in_room;
pub mod linked;
pub mod olm_renewed;
pub mod ping;
pub mod pong;
pub mod profile;
pub mod progress;
pub mod reaction;
pub mod read;
pub mod read_up_to;
pub mod recall;
pub mod room_hello;
pub mod room_history;
pub mod room_key;
pub mod room_op;
pub mod room_ops;
pub mod room_recall;
pub mod sent;
pub mod session_key;
pub mod settings;
pub mod text;
pub mod timers;
pub mod typing;

pub use edit::Edit;
pub use file::{BlobContent, File, FileBytes, FileContent, FileError, Holder};
pub use file_holders::FileHolders;
pub use file_received::FileReceived;
pub use history::{History, Past};
pub use history_wanted::{HistoryWanted, WantedLine};
pub use identity_changed::IdentityChanged;
pub use in_room::InRoom;
pub use linked::Linked;
pub use olm_renewed::OlmRenewed;
pub use ping::Ping;
pub use pong::Pong;
pub use profile::{Picture, Profile, ProfileError};
pub use progress::{Progress, Reached};
pub use reaction::{Emoji, EmojiError, Reaction};
pub use read::Read;
pub use read_up_to::ReadUpTo;
pub use recall::Recall;
pub use room_hello::{Heads, RoomHello};
pub use room_history::{RoomHistory, Said};
pub use room_key::RoomKey;
pub use room_op::{RoomOp, RoomPerson};
pub use room_ops::RoomOps;
pub use room_recall::RoomRecall;
pub use sent::Sent;
pub use session_key::SessionKeyMessage;
pub use settings::{Setting, SettingKey, Settings, Stamp};
pub use text::{Text, TextError};
pub use timers::{TimerError, Timers, timer};
pub use typing::Typing;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::codec::{self, CodecError};
use crate::ids::{IdentityId, MessageId};
use crate::limits::{BODY_BYTES_MAX, MENTIONS_MAX, MESSAGE_SEQ_MAX};
use crate::time::UnixMillis;

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Random, the same in all envelopes that carry it.
    pub id: MessageId,
    /// When it was written, by the writer's clock.
    pub sent_at: UnixMillis,
    /// Its place in what the sending device sent to this conversation: 1, 2, 3, … at most
    /// [`MESSAGE_SEQ_MAX`].
    pub seq: u64,
    /// How long it lives.
    pub timers: Timers,
    /// What it says.
    pub content: Content,
    /// The message that it answers, as its writer says; any, or none that there is.
    pub reply_to: Option<MessageId>,
    /// Those whom it mentions, as its writer says; at most [`MENTIONS_MAX`].
    pub mentions: Vec<IdentityId>,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(Text),
    /// Another text for a message.
    Edit(Edit),
    /// A reaction to a message.
    Reaction(Reaction),
    /// Up to which message was read.
    Read(Read),
    /// A file.
    File(File),
    /// Says that a file is there.
    FileReceived(FileReceived),
    /// Says who has a file too.
    FileHolders(FileHolders),
    /// How long the conversation's messages live from now on.
    Timers(Timers),
    /// Takes a message back.
    Recall(Recall),
    /// How the sender wants to be seen.
    Profile(Profile),
    /// What the user wrote or did on another device.
    Sent(Sent),
    /// Up to where the user has read on another device.
    ReadUpTo(ReadUpTo),
    /// What is the same on all of the user's devices.
    Settings(Settings),
    /// How far got what the user sent on another device.
    Progress(Progress),
    /// An operation on the room in whose conversation it is.
    RoomOp(RoomOp),
    /// A moderator of the room in whose conversation it is takes back what someone else wrote.
    RoomRecall(RoomRecall),
    /// Of a kind this build doesn't know.
    Unknown {
        /// Its number.
        kind: u16,
        /// Its payload, as received.
        bytes: Payload,
    },
}

/// A message to devices.
#[derive(Debug, Clone)]
pub enum DeviceMessage {
    /// The key of a conversation session.
    SessionKey(Box<SessionKeyMessage>),
    /// What is known of an identity's devices.
    IdentityChanged(IdentityChanged),
    /// The device is the identity's from now on.
    Linked(Box<Linked>),
    /// Asks whether the device is on.
    Ping(Ping),
    /// Answers that.
    Pong(Pong),
    /// Its sender is writing.
    Typing(Typing),
    /// An envelope of the recipient's did not open.
    OlmRenewed(OlmRenewed),
    /// The key of a session in a room.
    RoomKey(Box<RoomKey>),
    /// What its sender knows of a room.
    RoomHello(RoomHello),
    /// Operations on a room.
    RoomOps(RoomOps),
    /// What was said in a room before the recipient came.
    RoomHistory(RoomHistory),
    /// Asks for messages of before.
    HistoryWanted(HistoryWanted),
    /// Messages of before.
    History(Box<History>),
    /// Of a kind this build doesn't know.
    Unknown {
        /// Its number.
        kind: u16,
        /// Its payload, as received.
        bytes: Payload,
    },
}

/// The payload of a message of unknown kind.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Payload(pub Vec<u8>);

/// Why a message is refused.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Malformed.
    #[error("message: {0}")]
    Codec(#[from] CodecError),
    /// A text that breaks its bounds.
    #[error("message: {0}")]
    Text(#[from] TextError),
    /// A reaction that breaks its bounds.
    #[error("message: {0}")]
    Emoji(#[from] EmojiError),
    /// A profile that breaks its bounds.
    #[error("message: {0}")]
    Profile(#[from] ProfileError),
    /// A file that breaks its bounds.
    #[error("message: {0}")]
    File(#[from] FileError),
    /// A timer that no message can have.
    #[error("message: {0}")]
    Timer(#[from] TimerError),
    /// Numbered 0, or beyond the last number.
    #[error("message number {found}: must be 1 to {MESSAGE_SEQ_MAX}")]
    Seq {
        /// The number found.
        found: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct Frame {
    kind: u16,
    id: MessageId,
    sent_at: UnixMillis,
    seq: u64,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expire_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    burn_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reply_to: Option<MessageId>,
    #[serde(default, skip_serializing_if = "<[u8]>::is_empty", with = "serde_bytes")]
    mentions: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct DeviceFrame {
    kind: u16,
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
}

impl Message {
    /// The bytes that a session encrypts.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match &self.content {
            Content::Text(text) => (text::KIND, text.encode()),
            Content::Edit(edit) => (edit::KIND, edit.encode()),
            Content::Reaction(reaction) => (reaction::KIND, reaction.encode()),
            Content::Read(read) => (read::KIND, codec::encode(read)),
            Content::File(file) => (file::KIND, file.encode()),
            Content::FileReceived(received) => (file_received::KIND, received.encode()),
            Content::FileHolders(told) => (file_holders::KIND, told.encode()),
            Content::Timers(timers) => (timers::KIND, timers.encode()),
            Content::Recall(recall) => (recall::KIND, codec::encode(recall)),
            Content::Profile(profile) => (profile::KIND, profile.encode()),
            Content::Sent(sent) => (sent::KIND, sent.encode()),
            Content::ReadUpTo(read) => (read_up_to::KIND, codec::encode(read)),
            Content::Settings(settings) => (settings::KIND, settings.encode()),
            Content::Progress(progress) => (progress::KIND, codec::encode(progress)),
            Content::RoomOp(op) => (room_op::KIND, op.encode()),
            Content::RoomRecall(recall) => (room_recall::KIND, recall.encode()),
            Content::Unknown { kind, bytes } => (*kind, bytes.0.clone()),
        };
        let Self { id, sent_at, seq, timers: Timers { expire_s, burn_s }, reply_to, .. } = *self;
        let mentions = self.mentions.iter().flat_map(|who| who.0).collect();
        codec::encode(&Frame {
            kind,
            id,
            sent_at,
            seq,
            payload,
            expire_s,
            burn_s,
            reply_to,
            mentions,
        })
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let Frame { kind, id, sent_at, seq, payload, expire_s, burn_s, reply_to, mentions } =
            codec::decode_lenient(bytes, BODY_BYTES_MAX)?;
        if !(1..=MESSAGE_SEQ_MAX).contains(&seq) {
            return Err(MessageError::Seq { found: seq });
        }
        let timers = Timers { expire_s, burn_s }.check()?;
        let (mentions, rest) = mentions.as_chunks();
        if mentions.len() > MENTIONS_MAX || !rest.is_empty() {
            return Err(CodecError::NotCanonical.into());
        }
        let mentions = mentions.iter().copied().map(IdentityId).collect();
        let content = match kind {
            text::KIND => Content::Text(Text::decode(&payload)?),
            edit::KIND => Content::Edit(Edit::decode(&payload)?),
            reaction::KIND => Content::Reaction(Reaction::decode(&payload)?),
            read::KIND => Content::Read(codec::decode_lenient(&payload, read::BYTES_MAX)?),
            file::KIND => Content::File(File::decode(&payload)?),
            file_received::KIND => Content::FileReceived(FileReceived::decode(&payload)?),
            file_holders::KIND => Content::FileHolders(FileHolders::decode(&payload)?),
            timers::KIND => Content::Timers(Timers::decode(&payload)?),
            recall::KIND => Content::Recall(codec::decode_lenient(&payload, recall::BYTES_MAX)?),
            profile::KIND => Content::Profile(Profile::decode(&payload)?),
            sent::KIND => Content::Sent(Sent::decode(&payload)?),
            read_up_to::KIND => {
                Content::ReadUpTo(codec::decode_lenient(&payload, read_up_to::BYTES_MAX)?)
            }
            settings::KIND => Content::Settings(Settings::decode(&payload)?),
            progress::KIND => Content::Progress(Progress::decode(&payload)?),
            room_op::KIND => Content::RoomOp(RoomOp::decode(&payload)?),
            room_recall::KIND => {
                Content::RoomRecall(codec::decode_lenient(&payload, room_recall::BYTES_MAX)?)
            }
            kind => Content::Unknown { kind, bytes: Payload(payload) },
        };
        Ok(Self { id, sent_at, seq, timers, content, reply_to, mentions })
    }
}

impl DeviceMessage {
    /// Whether messages of this kind are for devices, and in no conversation.
    #[must_use]
    pub fn has_kind(kind: u16) -> bool {
        matches!(
            kind,
            session_key::KIND
                | identity_changed::KIND
                | linked::KIND
                | ping::KIND
                | pong::KIND
                | typing::KIND
                | olm_renewed::KIND
                | room_key::KIND
                | room_hello::KIND
                | room_ops::KIND
                | room_history::KIND
                | history_wanted::KIND
                | history::KIND
        )
    }

    /// The bytes that are sealed to devices.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Self::SessionKey(message) => (session_key::KIND, message.encode()),
            Self::IdentityChanged(changed) => (identity_changed::KIND, codec::encode(changed)),
            Self::Linked(linked) => (linked::KIND, codec::encode(&**linked)),
            Self::Ping(ping) => (ping::KIND, codec::encode(ping)),
            Self::Pong(pong) => (pong::KIND, codec::encode(pong)),
            Self::Typing(typing) => (typing::KIND, codec::encode(typing)),
            Self::OlmRenewed(renewed) => (olm_renewed::KIND, codec::encode(renewed)),
            Self::RoomKey(key) => (room_key::KIND, key.encode()),
            Self::RoomHello(hello) => (room_hello::KIND, codec::encode(hello)),
            Self::RoomOps(ops) => (room_ops::KIND, ops.encode()),
            Self::RoomHistory(history) => (room_history::KIND, codec::encode(history)),
            Self::HistoryWanted(wanted) => (history_wanted::KIND, codec::encode(wanted)),
            Self::History(history) => (history::KIND, codec::encode(&**history)),
            Self::Unknown { kind, bytes } => (*kind, bytes.0.clone()),
        };
        codec::encode(&DeviceFrame { kind, payload })
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let DeviceFrame { kind, payload } = codec::decode_lenient(bytes, BODY_BYTES_MAX)?;
        match kind {
            session_key::KIND => {
                Ok(Self::SessionKey(Box::new(SessionKeyMessage::decode(&payload)?)))
            }
            identity_changed::KIND => Ok(Self::IdentityChanged(codec::decode_lenient(
                &payload,
                identity_changed::BYTES_MAX,
            )?)),
            linked::KIND => {
                Ok(Self::Linked(Box::new(codec::decode_lenient(&payload, linked::BYTES_MAX)?)))
            }
            ping::KIND => Ok(Self::Ping(codec::decode_lenient(&payload, ping::BYTES_MAX)?)),
            pong::KIND => Ok(Self::Pong(codec::decode_lenient(&payload, pong::BYTES_MAX)?)),
            typing::KIND => Ok(Self::Typing(codec::decode_lenient(&payload, typing::BYTES_MAX)?)),
            olm_renewed::KIND => {
                Ok(Self::OlmRenewed(codec::decode_lenient(&payload, olm_renewed::BYTES_MAX)?))
            }
            room_key::KIND => Ok(Self::RoomKey(Box::new(RoomKey::decode(&payload)?))),
            room_hello::KIND => {
                Ok(Self::RoomHello(codec::decode_lenient(&payload, room_hello::BYTES_MAX)?))
            }
            room_ops::KIND => Ok(Self::RoomOps(RoomOps::decode(&payload)?)),
            room_history::KIND => Ok(Self::RoomHistory(RoomHistory::decode(&payload)?)),
            history_wanted::KIND => Ok(Self::HistoryWanted(HistoryWanted::decode(&payload)?)),
            history::KIND => Ok(Self::History(Box::new(History::decode(&payload)?))),
            kind => Ok(Self::Unknown { kind, bytes: Payload(payload) }),
        }
    }
}

/// Hand-written: it may be a text, or a key.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}
