//! Kinds of messages: what the engine makes of each, one file a kind.
//!
//! A message either *says* something: it is a row of the timeline and counts as unread. Or it *does*
//! something: once its turn has come `user/deeds.rs` does it; it is no row, has no position, and counts nowhere. What this build doesn't know
//! is kept as it came and read again by a build that does. Wire formats are in
//! `protocol/src/message/`; no `_` here, so that a new kind makes the compiler name every place.

pub(crate) mod ping;
mod text;
mod unknown;

use martlet_protocol::message::{self, DeviceMessage, Message, Ping, Pong, SessionKeyMessage};
use martlet_store::records::{Body, MessageRecord};

use crate::conversation::Author;

/// What a message of a conversation, or one to devices, is.
pub(crate) enum Content {
    /// A row of the timeline.
    Says(Says),
    /// Something to do.
    Does(Does),
    /// Not known to this build.
    Unknown {
        /// The number of its kind.
        kind: u16,
    },
}

/// What a message says.
pub(crate) enum Says {
    /// A text.
    Text(String),
}

/// What a message does.
#[derive(Debug)]
pub(crate) enum Does {
    /// Gives the key of a session.
    GrantSession(Box<SessionKeyMessage>),
    /// Asks whether this device is on.
    Ping(Ping),
    /// Answers that.
    Pong(Pong),
    /// Nothing: it is of a kind that is for devices, and came in a conversation.
    Nothing,
}

impl Content {
    /// Reads what a record holds; a kind that was unknown to the build that took it is tried again.
    pub(crate) fn of(record: &MessageRecord) -> Self {
        match &record.body {
            Body::Text(text) => Self::Says(Says::Text(text.clone())),
            Body::Unknown(kind) => Self::Unknown { kind: *kind },
            Body::Raw { kind, bytes } => match unknown::read_again(record, *kind, bytes) {
                Some(message::Content::Text(text)) => {
                    Self::Says(Says::Text(text.as_str().to_owned()))
                }
                Some(message::Content::Unknown { kind, .. }) if DeviceMessage::has_kind(kind) => {
                    Self::Does(Does::Nothing)
                }
                Some(message::Content::Unknown { .. }) | None => Self::Unknown { kind: *kind },
            },
        }
    }

    /// What a message to devices is.
    pub(crate) fn of_device(message: DeviceMessage) -> Self {
        match message {
            DeviceMessage::SessionKey(message) => Self::Does(Does::GrantSession(message)),
            DeviceMessage::Ping(ping) => Self::Does(Does::Ping(ping)),
            DeviceMessage::Pong(pong) => Self::Does(Does::Pong(pong)),
            DeviceMessage::Unknown { kind, .. } => Self::Unknown { kind },
        }
    }

    /// As it is shown: the text, or that there is one of a kind this build can't show.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Says(Says::Text(text)) => text.clone(),
            // It is no row, so nobody asks.
            Self::Does(_) => String::new(),
            Self::Unknown { kind } => unknown::shown(*kind),
        }
    }
}

/// The body of a message that came, as it is kept.
pub(crate) fn body_of(content: message::Content) -> Body {
    match content {
        message::Content::Text(text) => text::body(&text),
        message::Content::Unknown { kind, bytes } => Body::Raw { kind, bytes: bytes.0.clone() },
    }
}

/// A message as it is sent.
pub(crate) fn message_of(record: &MessageRecord) -> Message {
    let content = match &record.body {
        Body::Text(text) => text::content(text),
        Body::Unknown(kind) => unknown::content(*kind, &[]),
        Body::Raw { kind, bytes } => unknown::content(*kind, bytes),
    };
    Message { id: record.id, sent_at: record.sent_at, seq: record.seq, content }
}

/// Whether a record is of a kind that this build doesn't know.
pub(crate) fn is_unknown(record: &MessageRecord) -> bool {
    match Content::of(record) {
        Content::Says(_) | Content::Does(_) => false,
        Content::Unknown { .. } => true,
    }
}

/// The record of a message that came from `author`.
pub(crate) fn received(
    message: Message,
    author: Author,
    stored_at: martlet_protocol::UnixMillis,
) -> MessageRecord {
    let Message { id, sent_at, seq, content } = message;
    MessageRecord {
        id,
        own: false,
        seq,
        sent_at,
        stored_at,
        state: martlet_store::records::State::Delivered,
        body: body_of(content),
        author: Some(author),
    }
}
