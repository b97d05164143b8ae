//! Messages: what envelopes carry, once opened. One kind a file, one permanent number each.
//!
//! | number | kind | carried by |
//! | --- | --- | --- |
//! | 1 | [`text`]: a text | conversation envelopes |
//! | 2 | [`session_key`]: the key of a conversation session | to-device envelopes |
//! | 10 | [`ping`]: whether the device is on | to-device envelopes |
//! | 11 | [`pong`]: that it is | to-device envelopes |
//!
//! A conversation message is encoded `{0: kind u16, 1: message id 16, 2: sent at ms, 3: seq u64,
//! 4: payload bytes}`, a to-device message `{0: kind u16, 1: payload bytes}`. A kind that this
//! build doesn't know is kept as [`Content::Unknown`] with its payload, so that a newer sender's
//! message is shown as such, never lost, and read again after an upgrade.

pub mod ping;
pub mod pong;
pub mod session_key;
pub mod text;

pub use ping::Ping;
pub use pong::Pong;
pub use session_key::SessionKeyMessage;
pub use text::{Text, TextError};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::codec::{self, CodecError};
use crate::ids::MessageId;
use crate::limits::{BODY_BYTES_MAX, MESSAGE_SEQ_MAX};
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
    /// What it says.
    pub content: Content,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A text.
    Text(Text),
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
    /// Asks whether the device is on.
    Ping(Ping),
    /// Answers that.
    Pong(Pong),
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
            Content::Unknown { kind, bytes } => (*kind, bytes.0.clone()),
        };
        let Self { id, sent_at, seq, .. } = *self;
        codec::encode(&Frame { kind, id, sent_at, seq, payload })
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let Frame { kind, id, sent_at, seq, payload } =
            codec::decode_lenient(bytes, BODY_BYTES_MAX)?;
        if !(1..=MESSAGE_SEQ_MAX).contains(&seq) {
            return Err(MessageError::Seq { found: seq });
        }
        let content = match kind {
            text::KIND => Content::Text(Text::decode(&payload)?),
            kind => Content::Unknown { kind, bytes: Payload(payload) },
        };
        Ok(Self { id, sent_at, seq, content })
    }
}

impl DeviceMessage {
    /// Whether messages of this kind are for devices, and in no conversation.
    #[must_use]
    pub fn has_kind(kind: u16) -> bool {
        matches!(kind, session_key::KIND | ping::KIND | pong::KIND)
    }

    /// The bytes that are sealed to devices.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, payload) = match self {
            Self::SessionKey(message) => (session_key::KIND, message.encode()),
            Self::Ping(ping) => (ping::KIND, codec::encode(ping)),
            Self::Pong(pong) => (pong::KIND, codec::encode(pong)),
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
            ping::KIND => Ok(Self::Ping(codec::decode_lenient(&payload, ping::BYTES_MAX)?)),
            pong::KIND => Ok(Self::Pong(codec::decode_lenient(&payload, pong::BYTES_MAX)?)),
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
